/**
 * A transaction that a client has begun: the commands that it has queued, and why EXEC will run none of them.
 *
 * Owns the queue, its bound in bytes, and which commands may not be in it. Leaves the commands MULTI to UNWATCH to transactionCommands.ts, running to dispatch.ts. What a queued command brought is copied:
 * the chunk that it came in is used again.
 * Invariant: what one transaction holds weighs at most the limit; one that is at fault holds nothing.
 */
import { argumentBytes } from './command.ts';
import type { ClientState, Command, CommandContext, ServerState } from './command.ts';
import type { Request } from './requestParser.ts';

interface QueuedCommand {
  readonly command: Command;
  readonly request: Request;
}

export interface Transaction {
  readonly queue: QueuedCommand[];
  /** Memory of the queue, about. */
  bytes: number;
  /** A queued command writes. */
  isWriting: boolean;
  /** Why EXEC will run nothing, in the words that follow EXECABORT. */
  fault: string | undefined;
}

/** Memory of a queued command beside the bytes of its arguments, and of an argument, bytes: as measured. */
const COMMAND_BYTES = 192;
const ARGUMENT_BYTES = 16;
/** Run at once also within a transaction, as in Redis. */
const RUN_AT_ONCE: ReadonlySet<string> = new Set(['multi', 'exec', 'discard', 'watch', 'quit', 'reset']);
/** Of our own words those that concern more than a connection answer late; this one does not. */
const OWN_ALLOWED = 'toposphere|ack';

export function createTransaction(): Transaction {
  return { queue: [], bytes: 0, isWriting: false, fault: undefined };
}

/** EXEC will run nothing: an error came before it. The first reason stands. */
export function failTransaction(
  transaction: Transaction | undefined,
  fault = 'Transaction discarded because of previous errors.',
): void {
  if (transaction === undefined) return;
  transaction.fault ??= fault;
  transaction.queue.length = 0;
  transaction.bytes = 0;
}

/** The client has no transaction any more, and watches nothing. */
export function endTransaction(client: ClientState, server: ServerState): void {
  client.transaction = undefined;
  server.watched.stop(client);
}

/** Whether the command waits for EXEC. */
export function isQueued({ transaction }: ClientState, { name }: Command): boolean {
  return transaction !== undefined && !RUN_AT_ONCE.has(name);
}

/** Queues a command, or writes why not: then EXEC will run nothing. */
export function queueCommand(context: CommandContext, command: Command, request: Request): void {
  const { client, reply, server, choices } = context;
  const { transaction } = client;
  if (transaction === undefined) throw new Error(`${command.name} was queued without a transaction`);
  const refusal = choices === undefined ? findRefusal(command) : AROUND_EXEC;
  if (refusal !== undefined) {
    failTransaction(transaction);
    reply.error(refusal);
    return;
  }
  if (transaction.fault === undefined) {
    const sizeBytes = weigh(request);
    if (transaction.bytes + sizeBytes > server.maxTransactionBytes) {
      server.counters.transactionsTooLarge += 1;
      const reason = `the commands of one transaction may take ${server.maxTransactionBytes} bytes (maxTransactionBytes), ${COMMAND_BYTES} for each and ${ARGUMENT_BYTES} for each argument with them: send fewer or smaller ones`;
      failTransaction(transaction, `Transaction discarded because of: ${reason}`);
      reply.error(`ERR ${reason}`);
      return;
    }
    transaction.queue.push({ command, request: copyOf(request) });
    transaction.bytes += sizeBytes;
    transaction.isWriting ||= command.flags.includes('write');
  }
  reply.simple('QUEUED');
}

const AROUND_EXEC =
  'ERR a transaction has one level: say TOPOSPHERE DO ... RUN EXEC, not TOPOSPHERE DO inside MULTI';

/** A transaction is one turn and one reply: nothing in it may answer later, or more than once. */
function findRefusal({ name }: Command): string | undefined {
  const shown = name.replace('|', ' ').toUpperCase();
  if (name === 'wait') return 'ERR WAIT is not allowed inside a transaction: say it behind EXEC';
  if (name.endsWith('subscribe') || (name.startsWith('toposphere|') && name !== OWN_ALLOWED))
    return `ERR ${shown} is not allowed inside a transaction`;
  return undefined;
}

function weigh(request: Request): number {
  let bytes = COMMAND_BYTES + ARGUMENT_BYTES * request.count;
  for (let index = 0; index < request.count; index += 1) bytes += argumentBytes(request, index);
  return bytes;
}

/** The same request in memory of its own. */
function copyOf(request: Request): Request {
  const { bytes, offsets, count, isInline } = request;
  let sizeBytes = 0;
  for (let index = 0; index < count; index += 1) sizeBytes += argumentBytes(request, index);
  const copy = Buffer.allocUnsafe(sizeBytes);
  const moved: number[] = [];
  let position = 0;
  for (let index = 0; index < count; index += 1) {
    moved.push(position);
    position += bytes.copy(copy, position, offsets[2 * index], offsets[2 * index + 1]);
    moved.push(position);
  }
  return { bytes: copy, offsets: moved, count, isInline };
}
