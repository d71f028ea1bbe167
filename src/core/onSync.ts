/**
 * SYNC and HYBRID: records this peer lacks.
 *
 * Marks only the covered dots and the winner's own (R5). **Never merges the sender's vector**: what it has is
 * not what it sent. A HYBRID's vector is a question, answered with SYNC.
 */
import { lacksAlarmRoom } from './alarms.ts';
import {
  applyEntry,
  hasRoomFor,
  isAheadOfClock,
  recordDots,
  refuseAhead,
  syntheticTombstone,
  type KeyedDot,
} from './apply.ts';
import type { Now } from './clock.ts';
import { isVoid } from './closures.ts';
import { learnFacts } from './facts.ts';
import { noteRepair } from './gaps.ts';
import { hasSequence } from './haveSet.ts';
import { answer, noteClaims } from './onHeartbeat.ts';
import type { SyncAbsentRecord, SyncEntryRecord, SyncMessage, SyncRecord } from './messages.ts';
import type { PeerView } from './peerView.ts';
import type { OriginState } from './originState.ts';
import { isSettled, originOf, type PeerState } from './state.ts';
import { onOffer, onPart } from './takeCatchUp.ts';
import { compareTags, type Entry, type Incarnation, type Key, type PeerId } from './types.ts';

export function onSync(
  state: PeerState,
  now: Now,
  view: PeerView,
  incarnation: Incarnation,
  message: SyncMessage,
): void {
  const { have, catchUp, more } = message;
  const arrived: ArrivedDots = new Map();
  let refused = 0;
  for (const record of message.records) if (!onSyncRecord(state, now, view.id, record, arrived)) refused += 1;
  const recorded = recordArrived(state, now, arrived);
  if (have !== undefined) {
    if (!learnFacts(state, now, have)) return;
    noteClaims(state, view, have);
    answer(state, now, view, 'sync');
  } else if (catchUp !== undefined)
    onPart(state, now, { id: view.id, incarnation }, catchUp, more, { recorded, refused });
  else if (more && incarnation === view.incarnation) onOffer(state, now, view);
}

/** Takes one record that stands for its own dot alone, unless there is no room above the vector. Answers whether it was taken, or had already. */
export function takeAlone(state: PeerState, now: Now, from: PeerId, record: SyncRecord): boolean {
  if (!hasRoomForWinner(state, record)) {
    state.counters.droppedGapLimit += 1;
    return false;
  }
  const arrived: ArrivedDots = new Map();
  const isTaken = onSyncRecord(state, now, from, record, arrived);
  recordArrived(state, now, arrived);
  return isTaken;
}

function hasRoomForWinner(state: PeerState, record: SyncRecord): boolean {
  if (record.kind === 'absent' || record.entryKind === 'synthetic') return true;
  const { id, incarnation, sequence } = record;
  if (isSettled(state, id, incarnation)) return true;
  const origin = originOf(state, id, incarnation);
  return hasSequence(origin.have, sequence) || hasRoomFor(state, origin, sequence);
}

/** Dots that the records of one message stand for, with their keys. */
type ArrivedDots = Map<OriginState, KeyedDot[]>;

/** Answers whether it was taken, or had already. */
function onSyncRecord(
  state: PeerState,
  now: Now,
  from: PeerId,
  record: SyncRecord,
  arrived: ArrivedDots,
): boolean {
  const timestamp = record.kind === 'entry' ? record.timestamp : record.horizon;
  if (isAheadOfClock(state, now, timestamp)) {
    refuseAhead(state, now, record.kind === 'entry' ? record.id : from);
    return false; // section 8: refused whole, covered dots too; anti-entropy brings it back when time has passed
  }
  if (record.kind === 'entry' && isVoid(state.closures, record.id, record.incarnation, record.sequence)) {
    state.counters.droppedVoid += 1; // R4: a record whose winner is void is refused
    return false;
  }
  if (mustWaitForAlarms(state, record)) {
    state.counters.droppedAlarmLimit += 1;
    return false;
  }
  if (record.kind === 'absent') applyAbsent(state, record);
  else applyWinner(state, record, arrived);
  if (!isCovered(state, record)) {
    // Of a forgotten member all is taken for had (R7): who gives this has not learned of that yet, and joins when it does.
    const isForgotten = record.kind === 'entry' && state.forgotten.has(record.id);
    state.counters[isForgotten ? 'droppedFenced' : 'droppedContradiction'] += 1;
    return false;
  }
  let isNews = false;
  for (const { id, incarnation, ranges } of record.covers) {
    if (isSettled(state, id, incarnation)) continue;
    const origin = originOf(state, id, incarnation);
    for (const [first, last] of ranges)
      for (let sequence = first; sequence <= last; sequence += 1)
        if (
          !isVoid(state.closures, id, incarnation, sequence) &&
          noteArrived(arrived, origin, sequence, record.key)
        )
          isNews = true;
    noteRepair(now, origin);
  }
  if (!isNews && record.covers.length > 0) state.counters.droppedDuplicate += 1;
  return true;
}

/** False when the dot was had before this message. */
function noteArrived(arrived: ArrivedDots, origin: OriginState, sequence: number, key: Key): boolean {
  if (hasSequence(origin.have, sequence)) return false;
  const dots = arrived.get(origin);
  if (dots === undefined) arrived.set(origin, [{ sequence, key }]);
  else dots.push({ sequence, key });
  return true;
}

/**
 * Records the dots of a message whose entries are all applied (R2), lowest first: what fills the first gap closes up at once.
 * Room or no room: a sender answers the lowest first and so many dots at a time, so what stays above the vector is bounded by
 * its answers, while a dot refused for want of room, below which nobody has anything, would be missing for ever (I14).
 */
function recordArrived(state: PeerState, now: Now, arrived: ArrivedDots): number {
  let recorded = 0;
  for (const [origin, dots] of arrived) {
    recorded += recordDots(state, origin, dots);
    noteRepair(now, origin);
  }
  return recorded;
}

/** A winner that would raise an alarm that there is no room for. */
function mustWaitForAlarms(state: PeerState, record: SyncRecord): boolean {
  if (record.kind === 'absent' || record.entryKind === 'synthetic') return false;
  return lacksAlarmRoom(state, record.key, record.timestamp);
}

/** Takes the winner; its dot is as good as a covered one. One that is had already was applied, or dropped since (R8). */
function applyWinner(state: PeerState, record: SyncEntryRecord, arrived: ArrivedDots): void {
  const { key, timestamp, id, incarnation, sequence, entryKind, expiresAt, value } = record;
  const entry: Entry = { timestamp, id, incarnation, sequence, kind: entryKind, expiresAt, value };
  if (entryKind === 'synthetic') {
    applySynthetic(state, key, entry);
    return;
  }
  if (isSettled(state, id, incarnation)) return;
  const origin = originOf(state, id, incarnation);
  if (hasSequence(origin.have, sequence)) return;
  applyEntry(state, key, entry);
  noteArrived(arrived, origin, sequence, key);
}

/** A stand-in for what was dropped: needless where the horizon says as much. */
function applySynthetic(state: PeerState, key: Key, entry: Entry): void {
  if (entry.timestamp <= state.horizon && state.store.readEntry(key) === undefined) return;
  applyEntry(state, key, entry);
}

/** ABSENT(k, H): nothing at or below H may come back, so a synthetic tombstone stands for what was dropped (R5). */
function applyAbsent(state: PeerState, record: SyncAbsentRecord): void {
  applySynthetic(state, record.key, syntheticTombstone(record.horizon));
}

/**
 * I2: dots are recorded only under an entry that stands for them, or where one was dropped under R8. It cannot be otherwise but by a peer that
 * says two things of one dot (I1).
 */
function isCovered(state: PeerState, record: SyncRecord): boolean {
  const entry = state.store.readEntry(record.key);
  const timestamp = record.kind === 'entry' ? record.timestamp : record.horizon;
  if (entry === undefined) return timestamp <= state.horizon;
  return record.kind === 'absent' || compareTags(entry, record) >= 0;
}
