/**
 * TOPOSPHERE: what Redis has no word for. Status, digest, acknowledgement level, rehearsed faults, watching, ranges.
 *
 * Owns the shapes of these replies; the command line and the status page are built on them. Leaves the facts to
 * the backend. A change that is watched goes out between two replies, as a RESP3 push or a RESP2 array.
 * Invariant: a range ends only with an empty reply; a shorter one than asked for says nothing.
 */
import { ToposphereError } from '../core/errors.ts';
import type { KeyChange } from '../peer/backend.ts';
import type { Command, CommandContext } from './command.ts';
import { argumentKey, argumentText, argumentUtf8, LOCAL_TO_PEER, NO_KEYS, readInteger } from './command.ts';
import type { ReplyWriter } from './reply.ts';
import { examineSubcommands } from './examineCommands.ts';
import { doSubcommand } from './doCommand.ts';
import { ticketSubcommand } from './requestOnce.ts';
import { ackSubcommand } from './replicationCommands.ts';
import { sessionSubcommand } from './sessionCommand.ts';
import type { Request } from './requestParser.ts';
import { keysWithPrefix } from './prefixedKeys.ts';

/** Pairs in one reply of TOPOSPHERE RANGE, count. */
const RANGE_COUNT_LIMIT = 10_000;
/** One reply of TOPOSPHERE RANGE ends early, after the pair that passes this size, bytes. */
const RANGE_REPLY_BYTES = 4 * 1024 * 1024;
/** Watches of one connection, count. */
const WATCH_LIMIT = 64;

const ORDINARY = { flags: ['noscript', 'loading', 'stale'], group: 'server', keys: NO_KEYS } as const;

export const toposphereCommand: Command = {
  ...ORDINARY,
  name: 'toposphere',
  arity: -2,
  syntax: '',
  summary: 'Ask this peer for what Redis has no word for',
  partition: LOCAL_TO_PEER,
  subcommands: [
    {
      ...ORDINARY,
      name: 'toposphere|status',
      arity: 2,
      syntax: '',
      summary: 'Tell everything this peer knows of itself and the others, as JSON',
      partition: LOCAL_TO_PEER,
      run: ({ backend, server, reply }) => {
        const clients = {
          connected: server.clientCount(),
          tracking: server.tracking.report(),
          ...server.counters,
        };
        reply.bulkUtf8(JSON.stringify({ ...backend.describe(), clients }));
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'toposphere|digest',
      arity: 2,
      syntax: '',
      summary: 'Hash everything this peer holds: digest, visible keys, tombstones',
      partition: 'Equal on peers that hold the same; differs while a cut keeps updates from one of them.',
      run: async ({ backend }) => {
        const { digest, visible, tombstones } = await backend.digest();
        return (reply) => {
          reply.array(3);
          reply.bulkText(digest);
          reply.integer(visible);
          reply.integer(tombstones);
        };
      },
    },
    ...examineSubcommands,
    sessionSubcommand,
    doSubcommand,
    ticketSubcommand,
    ackSubcommand,
    {
      ...ORDINARY,
      name: 'toposphere|faults',
      arity: -3,
      flags: ['admin', 'noscript', 'loading', 'stale'],
      syntax: 'cut|heal|drop [word ...]',
      summary: 'Rehearse a partition, on a peer started for it: TOPOSPHERE FAULTS cut|heal|drop ...',
      partition: 'Makes one.',
      run: ({ backend, reply }, request) => {
        const words: string[] = [];
        for (let index = 2; index < request.count; index += 1) words.push(argumentUtf8(request, index));
        reply.bulkUtf8(backend.rehearseFaults(words));
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'toposphere|forget',
      arity: -3,
      flags: ['admin', 'noscript', 'loading', 'stale'],
      syntax: 'id [YES]',
      summary: 'Say what forgetting a member would lose, or with YES forget it for good',
      partition: 'Spreads like any update; rounds no longer wait for the member where it is known.',
      run: ({ backend, reply }, request) => {
        const id = argumentUtf8(request, 2);
        if (request.count === 3) {
          reply.bulkUtf8(backend.describeForgetting(id));
          return undefined;
        }
        assertYes(request, 4, 'TOPOSPHERE FORGET id');
        return backend.forget(id).then(() => (writer) => {
          writer.ok();
        });
      },
    },
    {
      ...ORDINARY,
      name: 'toposphere|admit',
      arity: 3,
      flags: ['admin', 'noscript', 'loading', 'stale'],
      syntax: 'id',
      summary: 'Admit a peer that was discovered as a member',
      partition: 'Spreads like any update.',
      run: async ({ backend }, request) => {
        const said = await backend.admit(argumentUtf8(request, 2));
        return (reply) => {
          reply.bulkUtf8(said);
        };
      },
    },
    {
      ...ORDINARY,
      name: 'toposphere|bootstrap',
      arity: -2,
      flags: ['admin', 'noscript', 'loading', 'stale'],
      syntax: '[YES]',
      summary:
        'Say what it would mean if this peer took part with what its disk holds, or with YES do so, when nobody is left to join from',
      partition: LOCAL_TO_PEER,
      run: ({ backend, reply }, request) => {
        if (request.count === 2) {
          reply.bulkUtf8(backend.describeBootstrap());
          return undefined;
        }
        assertYes(request, 3, 'TOPOSPHERE BOOTSTRAP');
        return backend.bootstrap().then(() => (writer) => {
          writer.ok();
        });
      },
    },
    {
      ...ORDINARY,
      name: 'toposphere|reload',
      arity: -2,
      flags: ['admin', 'noscript', 'loading', 'stale'],
      syntax: '[FORCE]',
      summary:
        'Read servers.txt (new lines are admitted as members), the cluster key file, the client password file and the users file again; with FORCE retire also keys that members seal with',
      partition: LOCAL_TO_PEER,
      run: async ({ backend }, request) => {
        const changed = await backend.reload({ force: hasWord(request, 'FORCE', 'TOPOSPHERE RELOAD') });
        return (reply) => {
          reply.bulkUtf8(changed);
        };
      },
    },
    {
      ...ORDINARY,
      name: 'toposphere|checkpoint',
      arity: 2,
      flags: ['admin', 'noscript', 'loading', 'stale'],
      syntax: '',
      summary:
        'Write a checkpoint file, a compact copy of everything this peer holds; answers its path there',
      partition: 'Holds what this peer holds: what a cut keeps from it is not in the file.',
      run: async ({ backend }) => {
        const path = await backend.checkpoint();
        return (reply) => {
          reply.bulkUtf8(path);
        };
      },
    },
    {
      ...ORDINARY,
      name: 'toposphere|watch',
      arity: 3,
      touches: (request) => [argumentText(request, 2)],
      syntax: 'prefix',
      summary: 'Be told of every change of a key with this prefix until the connection ends',
      partition:
        'Tells of changes as they reach this peer; a key changed often on the other side of a cut changes once here.',
      run: ({ backend, client, reply }, request) => {
        if (client.watches.length >= WATCH_LIMIT) {
          reply.error(`ERR a connection watches at most ${WATCH_LIMIT} prefixes`);
          return undefined;
        }
        const endWatch = backend.watchKeys(argumentKey(request, 2), (change) => {
          client.sendPush((writer) => {
            writeChange(writer, change);
          });
        });
        client.watches.push(endWatch);
        reply.ok();
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'toposphere|range',
      arity: 5,
      flags: ['readonly'],
      touches: (request) => [argumentText(request, 2)],
      syntax: 'prefix after count',
      summary: 'Read keys and values in byte order: TOPOSPHERE RANGE prefix after|"" count',
      partition:
        'Reads what this peer holds; ask again with the last key as `after` until the reply is empty.',
      run: (context, request) => {
        runRange(context, request);
        return undefined;
      },
    },
  ],
};

/** Whether `word`, which may be left out, follows the subcommand. */
function hasWord(request: Request, word: string, command: string): boolean {
  if (request.count === 2) return false;
  if (request.count === 3 && argumentText(request, 2).toUpperCase() === word) return true;
  throw new ToposphereError('BAD_ARGUMENT', `say ${command}, or ${command} ${word}`);
}

/** What cannot be taken back is done only where the last of `count` words is YES. */
function assertYes(request: Request, count: number, command: string): void {
  if (request.count !== count || argumentText(request, count - 1).toLowerCase() !== 'yes')
    throw new ToposphereError('BAD_ARGUMENT', `say ${command}, or ${command} YES`);
}

function writeChange(writer: ReplyWriter, { key, previous, value }: KeyChange): void {
  writer.push(4);
  writer.bulkText('change');
  writer.bulkText(key);
  if (previous === undefined) writer.null();
  else writer.bulk(previous);
  if (value === undefined) writer.null();
  else writer.bulk(value);
}

function runRange({ backend, keys: access, reply }: CommandContext, request: Request): void {
  const count = readInteger(argumentText(request, 4));
  if (count === undefined || count < 1) {
    throw new ToposphereError('BAD_ARGUMENT', 'the count of a range is a whole number from 1');
  }
  const afterKey = argumentKey(request, 3);
  const after = afterKey === '' ? undefined : afterKey;
  const { keys } = keysWithPrefix(
    backend,
    argumentKey(request, 2),
    after,
    Math.min(count, RANGE_COUNT_LIMIT),
  );
  const slot = reply.openArray();
  const startBytes = reply.sizeBytes();
  let written = 0;
  for (const key of keys) {
    const value = access.read(key);
    if (value === undefined) continue;
    reply.bulkText(key);
    reply.bulk(value);
    written += 2;
    if (reply.sizeBytes() - startBytes > RANGE_REPLY_BYTES) break;
  }
  reply.closeArray(slot, written);
}
