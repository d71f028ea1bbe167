/**
 * Writes that wait for other peers' disks, in Redis's words and ours: WAIT, TOPOSPHERE ACK, and what a replicated command does with its reply.
 *
 *     WAIT numreplicas timeout                    how many other peers have all that this connection wrote, on disk (Redis's replicas: in memory)
 *     TOPOSPHERE ACK [fast|committed|durable]
 *     TOPOSPHERE ACK REPLICATED n|MAJORITY|ALL [WITHIN ms]
 *
 * A command that wrote is answered when so many disks have it, or with -UNKNOWN when that is not known in time; until then nothing else of its connection runs. Who
 * sends many at once writes them with another level and asks with WAIT behind the last. Owns these words; waiting is the backend's. Invariant: nothing is written for a
 * level that cannot be waited for, and an error of the command waits for nobody.
 */
import { ToposphereError } from '../core/errors.ts';
import { LONGEST_WITHIN_MS } from '../peer/backend.ts';
import type { AcknowledgementLevel, ReplicatedLevel } from '../peer/backend.ts';
import { majorityLevelOf } from './byMajority.ts';
import type { ClientState, Command, CommandContext, LateReply } from './command.ts';
import { argumentsFrom, argumentText, NO_KEYS, readInteger, readWideInteger } from './command.ts';
import { keepReply, replayReply } from './keptReply.ts';
import { describeOthers } from './requestOnce.ts';
import type { Request } from './requestParser.ts';

/** WAIT with a longer timeout waits for ever, as with 0. */
const LONGEST_WAIT_MS = 7 * 24 * 3_600_000;
const LEVELS = 'fast, committed, durable, or REPLICATED n|MAJORITY|ALL [WITHIN ms]';

/** What the command that runs waits for, as was chosen for it or for its connection. Throws BAD_ARGUMENT. */
export function replicationOf({ choices, client }: CommandContext): ReplicatedLevel | undefined {
  const byMajority = choices === undefined ? undefined : majorityLevelOf(choices);
  if (byMajority !== undefined && choices?.replicated !== undefined)
    throw new ToposphereError(
      'BAD_ARGUMENT',
      'ACK REPLICATED does not go with READ: LINEARIZABLE writes reach a majority of disks',
    );
  if (byMajority !== undefined || choices?.acknowledge !== undefined) return undefined;
  const level = choices?.replicated ?? client.replicated;
  return level === undefined || choices?.withinMs === undefined
    ? level
    : { ...level, withinMs: choices.withinMs };
}

/** The command, answered when what it wrote is on so many disks. */
export function whenOnDisks(command: Command, level: ReplicatedLevel): Command {
  return { ...command, run: (context, request) => run(context, command, request, level) };
}

function run(
  context: CommandContext,
  command: Command,
  request: Request,
  level: ReplicatedLevel,
): LateReply | undefined {
  const { backend } = context;
  backend.assertReplicable(level);
  const before = backend.lastWritten();
  const kept = keepReply(command, context, request);
  if (kept === 'late')
    throw new Error(`${command.name} writes, and its reply comes late: nobody knows what it is to wait for`);
  const { bytes, isError } = kept;
  // An error, or nothing to write: there is nothing to wait for. What this process has recorded of an earlier attempt may be on its way to other disks still.
  if (isError || (backend.lastWritten() === before && context.choices?.request === undefined)) {
    replayReply(bytes, context.reply);
    return undefined;
  }
  return backend.whenReplicated(level).then(() => (writer) => {
    replayReply(bytes, writer);
  });
}

/** `n`, `majority` or `all`; undefined for anything else. */
export function readCopies(word: string): ReplicatedLevel['replicated'] | undefined {
  const lower = word.toLowerCase();
  if (lower === 'majority' || lower === 'all') return lower;
  const count = readInteger(word);
  return count !== undefined && count >= 1 ? count : undefined;
}

/** A deadline. Throws BAD_ARGUMENT. */
function readWithin(word: string): number {
  const withinMs = readInteger(word);
  if (withinMs !== undefined && withinMs >= 1 && withinMs <= LONGEST_WITHIN_MS) return withinMs;
  throw new ToposphereError('BAD_ARGUMENT', `WITHIN takes 1 to ${LONGEST_WITHIN_MS} milliseconds`);
}

export function readLevel(word: string): AcknowledgementLevel | undefined {
  const lower = word.toLowerCase();
  return lower === 'fast' || lower === 'committed' || lower === 'durable' ? lower : undefined;
}

/** What OK to a write means on a connection, in the words that set it. */
export function describeLevel({ acknowledge, replicated }: ClientState): string {
  if (replicated === undefined) return acknowledge;
  const within = replicated.withinMs === undefined ? '' : ` within ${replicated.withinMs}`;
  return `replicated ${replicated.replicated}${within}`;
}

export const ackSubcommand: Command = {
  name: 'toposphere|ack',
  arity: -2,
  flags: ['noscript', 'loading', 'stale'],
  group: 'server',
  keys: NO_KEYS,
  syntax: '[fast|committed|durable|REPLICATED n [WITHIN ms]]',
  summary: `Choose what OK to a write means on this connection: TOPOSPHERE ACK ${LEVELS}`,
  partition:
    'fast, committed and durable wait for nobody: writes are acknowledged on either side of a cut. REPLICATED answers UNKNOWN where not enough members are reached in time; the write stands all the same.',
  run: (context, request) => {
    const { client, reply } = context;
    if (request.count === 2) {
      reply.bulkText(describeLevel(client));
      return undefined;
    }
    const words = argumentsFrom(request, 2);
    const level = words.length === 1 ? readLevel(words[0] ?? '') : undefined;
    if (level !== undefined) {
      client.acknowledge = level;
      client.replicated = undefined;
    } else {
      const replicated = readReplicated(words);
      context.backend.assertReplicable(replicated);
      client.replicated = replicated;
    }
    reply.ok();
    return undefined;
  },
};

function readReplicated([
  word = '',
  copies = '',
  within,
  deadline,
  ...rest
]: readonly string[]): ReplicatedLevel {
  const replicated = readCopies(copies);
  const isRight = word.toLowerCase() === 'replicated' && replicated !== undefined && rest.length === 0;
  if (!isRight || (within !== undefined && (within.toLowerCase() !== 'within' || deadline === undefined)))
    throw new ToposphereError('BAD_ARGUMENT', `the acknowledgement level is one of ${LEVELS}`);
  return deadline === undefined ? { replicated } : { replicated, withinMs: readWithin(deadline) };
}

export const waitCommand: Command = {
  name: 'wait',
  arity: 3,
  flags: ['noscript'],
  group: 'generic',
  keys: NO_KEYS,
  syntax: 'numreplicas timeout',
  summary: 'Wait until so many other peers have what this connection wrote on disk, and count them',
  partition:
    'Counts the peers that could be asked; those on the other side of a cut have said nothing yet. What was written stands whatever the count.',
  run: ({ backend, client, reply }, request) => {
    const count = readWideInteger(argumentText(request, 1));
    const timeoutMs = readWideInteger(argumentText(request, 2));
    if (count === undefined) {
      reply.error('ERR value is not an integer or out of range');
      return undefined;
    }
    if (timeoutMs === undefined || timeoutMs < 0) {
      reply.error(
        `ERR timeout is ${timeoutMs === undefined ? 'not an integer or out of range' : 'negative'}`,
      );
      return undefined;
    }
    if (client.hasOthersWrite) {
      client.hasOthersWrite = false; // what is written from now on can be counted again
      throw describeOthers('a request of this connection that was answered from its record');
    }
    const withinMs = timeoutMs === 0 || timeoutMs > LONGEST_WAIT_MS ? Infinity : timeoutMs;
    const { counted, end } = backend.countReplicas(Math.max(0, count), withinMs, client.lastWritten);
    client.endWait = end;
    return counted.then((replicas) => {
      client.endWait = undefined;
      return (writer) => {
        writer.integer(replicas);
      };
    });
  },
};
