/**
 * Runs a command at most once for a request id (I13): the ID of TOPOSPHERE DO, and TOPOSPHERE TICKET.
 *
 *     ID x                      the first attempt: executed, and its reply recorded under x, for every peer to know
 *     ID x AGAIN                answered from the record, or -MAYBEAPPLIED: never executed
 *     ID x AGAIN SINCE ticket   as well, but executed where the ticket proves that it was not: all attempts went to the process that gave it, and after it did
 *
 * An id is of one request for ever. A client asks for a TICKET on a connection before it sends what it may send again, and now and then anew: records end, and with them what older tickets
 * prove. An error as the reply is no execution: nothing was changed, nothing is recorded. Which disks have what another process executed is not known here: who waits for them is told UNKNOWN.
 * Owns running on buffered keys, and the words; judging is core/requests.ts's.
 */
import { ToposphereError } from '../core/errors.ts';
import type { RequestedChange, RequestVerdict } from '../peer/backend.ts';
import { bufferKeys } from './bufferedKeys.ts';
import type { Command, CommandContext, RequestChoice } from './command.ts';
import { keysOf, NO_KEYS } from './command.ts';
import { keepReply, replayReply } from './keptReply.ts';
import { asOneGroup } from './oneGroup.ts';
import type { Request } from './requestParser.ts';

/** Of a request's record its key and all beside the reply, of a counter its value, at most. */
const RECORD_BYTES = 256;
const COUNTER_BYTES = 64;

/**
 * The command, run at most once for the request; `isForDisks`: its reply waits until other disks have what it wrote. Throws MAYBE_APPLIED, LOST_WRITE, UNKNOWN, BAD_ARGUMENT, and what the
 * command throws.
 */
export function atMostOnce(command: Command, choice: RequestChoice, isForDisks: boolean): Command {
  return {
    ...command,
    run: (context, request) => {
      runOnce(context, command, request, choice, isForDisks);
      return undefined;
    },
  };
}

function runOnce(
  context: CommandContext,
  command: Command,
  request: Request,
  choice: RequestChoice,
  isForDisks: boolean,
): void {
  const { backend, client } = context;
  if (!command.flags.includes('write'))
    throw new ToposphereError('BAD_ARGUMENT', 'ID is for commands that write: run this one without it');
  if (command.runAtOnce !== undefined)
    throw new ToposphereError(
      'BAD_ARGUMENT',
      `ID does not go with ${command.name}: it may take several turns`,
    );
  const verdict = backend.judgeRequest(choice.id, choice.attempt);
  if (verdict.kind === 'new') {
    try {
      execute(context, command, request, choice);
    } catch (error) {
      context.server.keyspaceEvents.discard(); // what the command noted has not happened
      throw error;
    }
  } else if (verdict.kind === 'executed') {
    noteKeys(context, command, request);
    client.hasOthersWrite ||= !verdict.isOwn;
    if (isForDisks && !verdict.isOwn) throw describeOthers('nothing was executed now: this request');
    replayReply(verdict.reply, context.reply);
  } else throw describeVerdict(verdict);
}

/** This peer can ask who has its own updates on disk, and nobody else's. */
export function describeOthers(what: string): ToposphereError {
  return new ToposphereError(
    'UNKNOWN',
    `${what} was executed by another process, and what it changed stands and goes on spreading; on whose disks it is, is not known here. ` +
      'Do not take it for failed; read what it changed, and write that here if it must be known to be on so many disks',
    { changed: true },
  );
}

function execute(context: CommandContext, command: Command, request: Request, { id }: RequestChoice): void {
  const { backend, session } = context;
  const buffered = bufferKeys(backend, context.keys);
  const kept = keepReply(command, { ...context, keys: buffered.keys }, request);
  if (kept === 'late')
    throw new ToposphereError('BAD_ARGUMENT', `ID does not go with ${command.name}: its reply comes late`);
  const { bytes, isError } = kept;
  if (!isError) {
    session?.follow();
    const changes = buffered.changes();
    const record = (): void => {
      backend.executeRequest(id, bytes, changes);
    };
    // What a transaction changes is one group, and its record with it; what another command changes, where that has room.
    if (context.client.transaction !== undefined) backend.asGroup(record);
    else if (changes.length > 1) asOneGroup(context, changes.length + 1, weigh(changes, bytes), record);
    else record();
    noteKeys(context, command, request);
  }
  replayReply(bytes, context.reply);
}

/** Bytes of keys and values, the record's as well. */
function weigh(changes: readonly RequestedChange[], reply: Uint8Array): number {
  let bytes = RECORD_BYTES + reply.length;
  for (const change of changes)
    bytes += change.key.length + (change.kind === 'write' ? (change.value?.length ?? 0) : COUNTER_BYTES);
  return bytes;
}

/** The session has seen what the command did to the keys that it names, or, of a transaction, its commands. */
function noteKeys({ session, client }: CommandContext, command: Command, request: Request): void {
  if (session === undefined) return;
  for (const one of client.transaction?.queue ?? [{ command, request }])
    for (const key of keysOf(one.command, one.request)) session.noteKey(key);
}

const UNSURE_BECAUSE = {
  noRecord:
    'nothing is known of this request here: it may have been executed, here or elsewhere, or may not. Ask again later or another peer, or look at what it would have changed',
  arriving:
    'it was executed, and what it changed is still on its way to this peer. Ask again, or another peer',
  expired: 'it was executed, too long ago for its reply to be known any more (requestsKeptMs)',
  tooLong: 'it was executed, and its reply was too long to be kept. Read what it changed',
  foreign: 'it was executed, by a release of Toposphere whose record this one cannot read. Ask another peer',
} as const;

function describeVerdict(verdict: Exclude<RequestVerdict, { kind: 'new' | 'executed' }>): ToposphereError {
  if (verdict.kind === 'unsure')
    return new ToposphereError('MAYBE_APPLIED', `nothing was executed now: ${UNSURE_BECAUSE[verdict.why]}`, {
      changed: 'unknown',
    });
  return new ToposphereError(
    'LOST_WRITE',
    `nothing was executed now: this request was executed by ${verdict.by}, and what it changed was lost with that process or its disk. Send it under a new id if it must be`,
  );
}

export const ticketSubcommand: Command = {
  name: 'toposphere|ticket',
  arity: 2,
  flags: ['noscript', 'fast'],
  group: 'server',
  keys: NO_KEYS,
  syntax: '',
  summary:
    'Get a text by which this process can prove later that it has not executed a request: TOPOSPHERE DO ID id AGAIN SINCE ticket',
  partition:
    'Proves something at the process that gave it alone; anywhere else, and after a restart, it proves nothing.',
  run: ({ backend, reply }) => {
    reply.bulkText(backend.giveTicket());
    return undefined;
  },
};
