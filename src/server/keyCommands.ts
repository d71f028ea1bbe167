/**
 * The commands on single keys and lists of keys: GET SET DEL UNLINK EXISTS TOUCH MGET MSET TYPE DBSIZE.
 *
 * Owns their meaning on this peer. Leaves waiting for the acknowledgement to connection.ts (their flag 'write')
 * and refusals of keys and values to the backend, whose words are passed on.
 * Invariant: a value handed to the backend is never written again.
 */
import type { Command } from './command.ts';
import { argumentKey, LOCAL_TO_PEER, NO_KEYS } from './command.ts';
import { noteMiss, removeNoted } from './keyspaceEvents.ts';
import { TOGETHER } from './oneGroup.ts';
import { writePairs } from './pairs.ts';
import { setCommand } from './setCommand.ts';

const READS =
  'Answers from this peer: what it wrote and what has reached it; the other side of a cut may know more.';
const WRITES =
  'Never refused because of a cut; of two writes on two sides the one with the larger tag (later clock) stands everywhere once they meet.';

function removeCommand(name: string, summary: string): Command {
  return {
    name,
    arity: -2,
    flags: ['write'],
    group: 'generic',
    keys: [1, -1, 1],
    access: 'RM delete',
    syntax: 'key [key ...]',
    summary,
    partition: `${WRITES} The count is of keys that were visible on this peer.`,
    run: (context, request) => {
      let removed = 0;
      for (let index = 1; index < request.count; index += 1) {
        if (removeNoted(context, argumentKey(request, index))) removed += 1;
      }
      context.reply.integer(removed);
      return undefined;
    },
  };
}

function countCommand(name: string, summary: string): Command {
  return {
    name,
    arity: -2,
    flags: ['readonly', 'fast'],
    group: 'generic',
    keys: [1, -1, 1],
    access: 'RO',
    syntax: 'key [key ...]',
    summary,
    partition: READS,
    run: (context, request) => {
      const { keys, reply, server } = context;
      let present = 0;
      for (let index = 1; index < request.count; index += 1) {
        const key = argumentKey(request, index);
        if (keys.read(key) === undefined) noteMiss(context, key);
        else present += 1;
      }
      server.counters.keyspaceHits += present;
      server.counters.keyspaceMisses += request.count - 1 - present;
      reply.integer(present);
      return undefined;
    },
  };
}

export const keyCommands: readonly Command[] = [
  {
    name: 'get',
    arity: 2,
    flags: ['readonly', 'fast'],
    group: 'string',
    keys: [1, 1, 1],
    syntax: 'key',
    summary: 'Get the value of a key',
    partition: READS,
    run: (context, request) => {
      const { keys, reply, server } = context;
      const key = argumentKey(request, 1);
      const value = keys.read(key);
      if (value === undefined) {
        server.counters.keyspaceMisses += 1;
        noteMiss(context, key);
        reply.null();
      } else {
        server.counters.keyspaceHits += 1;
        reply.bulk(value);
      }
      return undefined;
    },
  },
  setCommand,
  removeCommand('del', 'Delete keys'),
  removeCommand('unlink', 'Delete keys: here the same as DEL'),
  countCommand('exists', 'Count how many of the keys exist'),
  countCommand('touch', 'Count how many of the keys exist: nothing here goes by when they were read last'),
  {
    name: 'mget',
    arity: -2,
    flags: ['readonly', 'fast'],
    group: 'string',
    keys: [1, -1, 1],
    syntax: 'key [key ...]',
    summary: 'Get the values of several keys',
    partition: READS,
    run: (context, request) => {
      const { keys, reply, server } = context;
      reply.array(request.count - 1);
      for (let index = 1; index < request.count; index += 1) {
        const key = argumentKey(request, index);
        const value = keys.read(key);
        if (value === undefined) {
          server.counters.keyspaceMisses += 1;
          noteMiss(context, key);
          reply.null();
        } else {
          server.counters.keyspaceHits += 1;
          reply.bulk(value);
        }
      }
      return undefined;
    },
  },
  {
    name: 'mset',
    arity: -3,
    flags: ['write'],
    group: 'string',
    keys: [1, -1, 2],
    syntax: 'key value [key value ...]',
    summary: 'Set several keys',
    partition: `${WRITES} ${TOGETHER}`,
    run: (context, request) => {
      if (request.count % 2 === 0) {
        context.reply.error("ERR wrong number of arguments for 'mset' command");
        return undefined;
      }
      writePairs(context, request);
      context.reply.ok();
      return undefined;
    },
  },
  {
    name: 'type',
    arity: 2,
    flags: ['readonly', 'fast'],
    group: 'generic',
    keys: [1, 1, 1],
    access: 'RO',
    syntax: 'key',
    summary: 'Tell the type of the value of a key: string, or none',
    partition: READS,
    run: (context, request) => {
      const key = argumentKey(request, 1);
      const isThere = context.keys.read(key) !== undefined;
      if (!isThere) noteMiss(context, key);
      context.reply.simple(isThere ? 'string' : 'none');
      return undefined;
    },
  },
  {
    name: 'dbsize',
    arity: 1,
    flags: ['readonly', 'fast'],
    group: 'server',
    keys: NO_KEYS,
    syntax: '',
    summary: 'Count the keys that this peer holds',
    partition: LOCAL_TO_PEER,
    run: ({ backend, reply }) => {
      reply.integer(backend.keyCount());
      return undefined;
    },
  },
];
