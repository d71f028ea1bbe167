/**
 * The commands that change a key by what it holds: SETNX MSETNX GETSET GETDEL APPEND, and STRLEN.
 *
 * Owns their meaning on this peer, which is all the meaning that they have: each is one look and one write here, and nothing else comes between. What a
 * peer on the other side of a cut does meanwhile it cannot know, and of what both wrote the later stands. SET NX and XX are setCommand.ts's.
 */
import type { Key } from '../core/types.ts';
import type { Command, CommandContext } from './command.ts';
import { COUNTS_ANEW, argumentKey, argumentValue } from './command.ts';
import { noteMiss, removeNoted, writeNoted } from './keyspaceEvents.ts';
import { TOGETHER } from './oneGroup.ts';
import { writePairs } from './pairs.ts';
import type { Request } from './requestParser.ts';

const READS =
  'Answers from this peer: what it wrote and what has reached it; the other side of a cut may know more.';
const CONDITIONAL =
  'Never refused because of a cut; decided by what this peer has, so on two sides of a cut it may succeed twice: of the two values the one with the larger tag (later clock) stands.';
const EXCHANGES = `Never refused because of a cut; the value that it answers is the one of this peer, and two sides of a cut may both be given it. ${COUNTS_ANEW}`;
const APPENDS = `Never refused because of a cut; appended to what this peer has and written as a whole: of what two sides of a cut appended the later value stands, and what the other side appended is gone. ${COUNTS_ANEW}`;

/** The value of a key, counted as Redis counts it. */
function look(context: CommandContext, key: Key): Uint8Array | undefined {
  const { counters } = context.server;
  const value = context.keys.read(key);
  if (value === undefined) {
    counters.keyspaceMisses += 1;
    noteMiss(context, key);
  } else counters.keyspaceHits += 1;
  return value;
}

function replyValue({ reply }: CommandContext, value: Uint8Array | undefined): void {
  if (value === undefined) reply.null();
  else reply.bulk(value);
}

function hasAny({ keys }: CommandContext, request: Request): boolean {
  for (let index = 1; index < request.count; index += 2)
    if (keys.read(argumentKey(request, index)) !== undefined) return true;
  return false;
}

export const conditionalCommands: readonly Command[] = [
  {
    name: 'setnx',
    arity: 3,
    flags: ['write', 'fast'],
    group: 'string',
    keys: [1, 1, 1],
    access: 'OW insert',
    syntax: 'key value',
    summary: 'Set the value of a key that does not exist',
    partition: CONDITIONAL,
    run: (context, request) => {
      const key = argumentKey(request, 1);
      const isMet = context.keys.read(key) === undefined;
      if (isMet) writeNoted(context, 'set', key, argumentValue(request, 2));
      context.reply.integer(isMet ? 1 : 0);
      return undefined;
    },
  },
  {
    name: 'msetnx',
    arity: -3,
    flags: ['write'],
    group: 'string',
    keys: [1, -1, 2],
    access: 'OW insert',
    syntax: 'key value [key value ...]',
    summary: 'Set several keys if none of them exists',
    partition: `${CONDITIONAL} ${TOGETHER}`,
    run: (context, request) => {
      const { reply } = context;
      if (request.count % 2 === 0) {
        reply.error("ERR wrong number of arguments for 'msetnx' command");
        return undefined;
      }
      const isMet = !hasAny(context, request);
      if (isMet) writePairs(context, request);
      reply.integer(isMet ? 1 : 0);
      return undefined;
    },
  },
  {
    name: 'getset',
    arity: 3,
    flags: ['write', 'fast'],
    group: 'string',
    keys: [1, 1, 1],
    access: 'RW access update',
    syntax: 'key value',
    summary: 'Set the value of a key, for good, and get the one before',
    partition: EXCHANGES,
    run: (context, request) => {
      const key = argumentKey(request, 1);
      const old = look(context, key);
      writeNoted(context, 'set', key, argumentValue(request, 2));
      replyValue(context, old);
      return undefined;
    },
  },
  {
    name: 'getdel',
    arity: 2,
    flags: ['write', 'fast'],
    group: 'string',
    keys: [1, 1, 1],
    access: 'RW access delete',
    syntax: 'key',
    summary: 'Get the value of a key and delete it',
    partition: EXCHANGES,
    run: (context, request) => {
      const key = argumentKey(request, 1);
      const old = look(context, key);
      if (old !== undefined) removeNoted(context, key);
      replyValue(context, old);
      return undefined;
    },
  },
  {
    name: 'append',
    arity: 3,
    flags: ['write', 'fast'],
    group: 'string',
    keys: [1, 1, 1],
    access: 'RW insert',
    syntax: 'key value',
    summary: 'Append to the value of a key; it expires when it did',
    partition: APPENDS,
    run: (context, request) => {
      const { keys, reply } = context;
      const key = argumentKey(request, 1);
      const old = keys.read(key);
      const more = argumentValue(request, 2);
      const value = old === undefined ? more : Buffer.concat([old, more]);
      writeNoted(context, 'append', key, value, keys.expiryOf(key) ?? 0);
      reply.integer(value.length);
      return undefined;
    },
  },
  {
    name: 'strlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    group: 'string',
    keys: [1, 1, 1],
    access: 'RO',
    syntax: 'key',
    summary: 'Tell how many bytes the value of a key has',
    partition: READS,
    run: (context, request) => {
      context.reply.integer(look(context, argumentKey(request, 1))?.length ?? 0);
      return undefined;
    },
  },
];
