/**
 * At most once: whether a client's request may be executed here, and its execution together with the record of it (I13).
 *
 * A request is executed only where it is certain that it was not before: the client says that this is the first attempt, or that all attempts were at this very
 * process, which has no record of it and has let go of none that could be it. Everything else is answered from the record, or said to be unsure. Record and effects are one turn, the
 * record first: whoever has the effects by the vector has the record. What a record is made of is requestRecord.ts's.
 */
import { timestampOf, type Now } from './clock.ts';
import { isFolded, keptOf } from './closures.ts';
import { timeMs } from './expiry.ts';
import { allRanges } from './haveSet.ts';
import { includesAll, type Ranges } from './ranges.ts';
import { decodeRecord, encodeRecord, recordKey, type RequestId } from './requestRecord.ts';
import { countRequests, type PeerState } from './state.ts';
import { originKey, type Entry, type Origin } from './types.ts';
import { onWrites, type KeyWrite, type WriteRefusal } from './write.ts';

/** Where a process stood when it gave this to a client: all that it executes for that client from then on comes after. */
export interface Ticket extends Origin {
  readonly sequence: number;
}

/** `first`: the client never sent it before. `again`: it did, it does not matter where. A ticket: to the process alone that gave it, and since. */
export type Attempt = 'first' | 'again' | Ticket;

export type RequestVerdict =
  /** To be executed now. */
  | { readonly kind: 'new' }
  /** `isOwn`: by this very process; who waits for its updates waits for that one. */
  | { readonly kind: 'executed'; readonly reply: Uint8Array; readonly isOwn: boolean }
  /**
   * `noRecord`: it may have been executed, here or elsewhere. `arriving`: it was, and what it changed is not all here yet. `expired`, `tooLong`: it was, and what was answered is
   * not kept any more, or was not. `foreign`: there is a record that this release cannot read.
   */
  | { readonly kind: 'unsure'; readonly why: 'noRecord' | 'arriving' | 'expired' | 'tooLong' | 'foreign' }
  /** It was executed, and what it changed is lost with the process that did. */
  | { readonly kind: 'lost'; readonly by: string };

export function judgeRequest(state: PeerState, id: RequestId, attempt: Attempt): RequestVerdict {
  const entry = state.store.readEntry(recordKey(id));
  if (entry !== undefined) return judgeRecord(state, entry);
  const isNew = attempt === 'first' || (attempt !== 'again' && isProof(state, attempt));
  return isNew ? { kind: 'new' } : { kind: 'unsure', why: 'noRecord' };
}

/** Whether every request that this process executed since it gave the ticket still has its record here. */
function isProof({ self, requestsForgotten }: PeerState, ticket: Ticket): boolean {
  const isOurs = ticket.id === self.id && ticket.incarnation === self.incarnation;
  return isOurs && ticket.sequence >= requestsForgotten;
}

function judgeRecord(state: PeerState, entry: Entry): RequestVerdict {
  if (entry.kind !== 'value') return { kind: 'unsure', why: 'expired' };
  const record = decodeRecord(entry.value);
  if (record === undefined) return { kind: 'unsure', why: 'foreign' };
  const { executed, effects, reply } = record;
  if (effects > 0) {
    // Whoever is told that it was executed may look for what it changed: only once all of it is here.
    const fate = judgeEffects(state, executed, [executed.sequence + 1, executed.sequence + effects]);
    if (fate === 'lost') return { kind: 'lost', by: executed.id };
    if (fate === 'arriving') return { kind: 'unsure', why: 'arriving' };
  }
  if (reply === undefined) return { kind: 'unsure', why: 'tooLong' };
  const isOwn = executed.id === state.self.id && executed.incarnation === state.self.incarnation;
  return { kind: 'executed', reply, isOwn };
}

function judgeEffects(
  { closures, origins }: PeerState,
  { id, incarnation }: Origin,
  effects: Ranges,
): 'here' | 'arriving' | 'lost' {
  if (isFolded(closures, id, incarnation)) return 'here';
  const kept = keptOf(closures, id, incarnation);
  if (kept !== undefined && !includesAll(kept, effects)) return 'lost';
  const have = origins.get(originKey(id, incarnation))?.have;
  return have !== undefined && includesAll(allRanges(have), effects) ? 'here' : 'arriving';
}

/** To be given to a client before it sends what it may have to send again. */
export function giveTicket({ self, own }: PeerState): Ticket {
  return { ...self, sequence: own.have.contiguous };
}

/** Executes a request that was judged to be new: its record, then what it changes, or nothing of either. */
export function onRequest(
  state: PeerState,
  now: Now,
  id: RequestId,
  reply: Uint8Array,
  changes: readonly KeyWrite[],
  isFast: boolean,
): WriteRefusal | undefined {
  const { maxRequests, requestsKeptMs, maxRecordedReplyBytes } = state.settings.limits;
  if (countRequests(state) >= maxRequests) {
    state.counters.requestsRefusedFull += 1;
    return describeFull(state);
  }
  const value = encodeRecord({
    executed: { ...state.self, sequence: state.own.have.contiguous + 1 },
    effects: changes.length,
    reply: reply.length <= maxRecordedReplyBytes ? reply : undefined,
  });
  const expiresAt = timestampOf(timeMs(state, now) + requestsKeptMs);
  const refusal = onWrites(state, now, [{ key: recordKey(id), value, expiresAt }, ...changes], isFast);
  if (refusal === undefined) state.counters.requestsExecuted += 1;
  return refusal;
}

/** To let go of the oldest would make room, and make of a late first attempt a second execution. */
function describeFull(state: PeerState): WriteRefusal {
  const { self, settings } = state;
  const seconds = Math.ceil(settings.limits.requestsKeptMs / 1000);
  return {
    code: 'NO_ROOM',
    message:
      `nothing was executed: ${self.id} remembers ${countRequests(state)} requests, as many as it may (maxRequests), each for ${seconds} s (requestsKeptMs); ` +
      'try again later, send it without an id, or raise the one or lower the other',
  };
}
