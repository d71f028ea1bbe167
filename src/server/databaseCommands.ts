/**
 * The commands on databases, of which there is one, number 0: SELECT MOVE SWAPDB FLUSHDB FLUSHALL.
 *
 * Owns reading their numbers as Redis with `databases 1` does, and emptying the database in turns of bounded length. Invariant: what FLUSHALL was answered for is gone from this peer, at the
 * level that the client chose; it deletes, so that what others wrote later stands.
 */
import { ToposphereError } from '../core/errors.ts';
import type { Key } from '../core/types.ts';
import type { Backend } from '../peer/backend.ts';
import type { Command, CommandContext, LateReply } from './command.ts';
import {
  anyKey,
  argumentText,
  LOCAL_TO_CONNECTION,
  NO_KEYS,
  NOT_AN_INTEGER,
  readInteger,
  readWideInteger,
  SYNTAX,
} from './command.ts';
import { replicationOf } from './replicationCommands.ts';
import { noteFlushed } from './keyspaceEvents.ts';
import type { Request } from './requestParser.ts';

/** Keys that are deleted before others have their turn, count. */
const TURN_KEYS = 1000;
const OUT_OF_RANGE = 'ERR DB index is out of range';
/** Redis reads these numbers as C's int. */
const INT_BOUND = 2 ** 31;

/** What is wrong with the number of a database; undefined for 0. */
export function findDatabaseFault(text: string): string | undefined {
  const index = readWideInteger(text);
  if (index === undefined) return NOT_AN_INTEGER;
  if (!isInt(index))
    return `ERR value is out of range, value must between -${INT_BOUND} and ${INT_BOUND - 1}`;
  return index === 0 ? undefined : OUT_OF_RANGE;
}

function isInt(value: number): boolean {
  return value >= -INT_BOUND && value < INT_BOUND;
}

function flushCommand(name: string, summary: string): Command {
  return {
    name,
    arity: -1,
    flags: ['write'],
    group: 'server',
    keys: NO_KEYS,
    touches: anyKey,
    syntax: '[ASYNC|SYNC]',
    summary,
    partition:
      'Never refused because of a cut; deletes the keys that this peer has, one by one. What only the other side of a cut has stays, and so does what it wrote later to the same keys.',
    runAtOnce: (context, request) => {
      runFlushAtOnce(context, request);
      return undefined;
    },
    run: (context, request) => runFlush(context, request),
  };
}

export const databaseCommands: readonly Command[] = [
  {
    name: 'select',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    group: 'connection',
    keys: NO_KEYS,
    syntax: 'index',
    summary: 'Choose the database; there is one, number 0',
    partition: LOCAL_TO_CONNECTION,
    run: ({ reply }, request) => {
      const fault = findDatabaseFault(argumentText(request, 1));
      if (fault === undefined) reply.ok();
      else reply.error(fault);
      return undefined;
    },
  },
  {
    name: 'move',
    arity: 3,
    flags: ['write', 'fast'],
    group: 'generic',
    keys: [1, 1, 1],
    access: 'RW access update',
    syntax: 'key db',
    summary: 'Refused: there is one database, and a key cannot be moved to where it is',
    partition: 'Changes nothing; partitions do not matter.',
    run: ({ reply }, request) => {
      reply.error(
        findDatabaseFault(argumentText(request, 2)) ?? 'ERR source and destination objects are the same',
      );
      return undefined;
    },
  },
  {
    name: 'swapdb',
    arity: 3,
    flags: ['write', 'fast'],
    group: 'server',
    keys: NO_KEYS,
    touches: anyKey,
    syntax: 'index1 index2',
    summary: 'Exchange two databases; there is one, number 0',
    partition: 'Changes nothing; partitions do not matter.',
    run: ({ reply }, request) => {
      const [first, second] = [1, 2].map((index) => readInteger(argumentText(request, index)));
      if (first === undefined || !isInt(first)) reply.error('ERR invalid first DB index');
      else if (second === undefined || !isInt(second)) reply.error('ERR invalid second DB index');
      else if (first !== 0 || second !== 0) reply.error(OUT_OF_RANGE);
      else reply.ok();
      return undefined;
    },
  },
  flushCommand('flushdb', 'Delete all keys that this peer has; ASYNC and SYNC are the same'),
  flushCommand('flushall', 'Delete all keys that this peer has; ASYNC and SYNC are the same'),
];

function areFlushWords(request: Request): boolean {
  const word = request.count === 2 ? argumentText(request, 1).toLowerCase() : 'sync';
  return request.count <= 2 && (word === 'sync' || word === 'async');
}

/** All in this turn, or nothing. */
function runFlushAtOnce(context: CommandContext, request: Request): void {
  const { backend, reply } = context;
  const count = backend.keyCount();
  if (!areFlushWords(request)) reply.error(SYNTAX);
  else if (count >= TURN_KEYS)
    reply.error(
      `ERR nothing was deleted: there are ${count} keys, and a transaction, which is one turn, deletes fewer than ${TURN_KEYS}: say it outside`,
    );
  else {
    removeSome(context, undefined);
    reply.ok();
  }
}

function runFlush(context: CommandContext, request: Request): LateReply | undefined {
  const { backend, reply } = context;
  if (!areFlushWords(request)) {
    reply.error(SYNTAX);
    return undefined;
  }
  if (context.client.transaction !== undefined) {
    flushAtOnce(context);
    return undefined;
  }
  const disks = replicationOf(context);
  if (disks !== undefined) backend.assertReplicable(disks);
  const next = removeSome(context, undefined);
  if (next === undefined && disks === undefined) {
    reply.ok();
    return undefined;
  }
  const level = context.choices?.acknowledge ?? context.client.acknowledge;
  const settled = (): Promise<void> =>
    disks === undefined ? whenAcknowledged(backend, level) : backend.whenReplicated(disks);
  return removeRest(context, next)
    .then(settled)
    .then(() => (writer) => {
      writer.ok();
    });
}

/** In a transaction all goes in its one turn, as far as that has room (`maxTransactionBytes`). */
function flushAtOnce(context: CommandContext): void {
  if (context.choices?.request !== undefined)
    throw new ToposphereError('BAD_ARGUMENT', 'ID does not go with a transaction that empties the database');
  for (let next = removeSome(context, undefined); next !== undefined;) next = removeSome(context, next);
  context.reply.ok();
}

type Deleting = Pick<CommandContext, 'backend' | 'keys' | 'server'>;

/** Deletes the keys of one turn; where to go on, if there may be more. */
function removeSome(deleting: Deleting, after: Key | undefined): Key | undefined {
  const { backend, keys } = deleting;
  const batch = backend.keysAfter(after, TURN_KEYS);
  for (const key of batch) {
    keys.remove(key);
    noteFlushed(deleting, key);
  }
  return batch.length < TURN_KEYS ? undefined : batch.at(-1);
}

async function removeRest({ backend, keys, server }: Deleting, after: Key | undefined): Promise<void> {
  for (let next = after; next !== undefined;) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (backend.isBusy()) await backend.whenReady();
    const from = next;
    next = server.keyspaceEvents.run(true, () => removeSome({ backend, keys, server }, from));
  }
}

function whenAcknowledged(backend: Backend, level: Parameters<Backend['acknowledge']>[0]): Promise<void> {
  return new Promise((resolve, reject) => {
    backend.acknowledge(level, (failure) => {
      if (failure === undefined) resolve();
      else reject(new ToposphereError('STORAGE_FAILED', `the deletions may be lost: ${failure.message}`));
    });
  });
}
