/**
 * SYNC and HYBRID: records this peer lacks.
 *
 * Marks only the covered dots and the winner's own (R5). **Never merges the sender's vector**: what it has is
 * not what it sent. A HYBRID's vector is a question, answered with SYNC.
 */
import { applyEntry, hasRoomFor, isAheadOfClock, recordDot, refuseAhead } from './apply.ts';
import type { Now } from './clock.ts';
import { noteRepair } from './gaps.ts';
import { hasSequence } from './haveSet.ts';
import { answer, noteClaims, sendHeartbeat } from './onHeartbeat.ts';
import type { SyncAbsentRecord, SyncEntryRecord, SyncMessage, SyncRecord } from './messages.ts';
import type { PeerView } from './peerView.ts';
import { originOf, type PeerState } from './state.ts';
import { compareTags, SYNTHETIC_ID, type Entry, type Incarnation, type PeerId } from './types.ts';

const EMPTY = new Uint8Array(0);

export function onSync(state: PeerState, now: Now, view: PeerView, message: SyncMessage): void {
  let progress = 0;
  for (const record of message.records) progress += onSyncRecord(state, now, view.id, record);
  if (message.vector !== undefined)
    answer(state, now, view.id, noteClaims(state, view, message.vector), 'sync');
  // Only after progress: a sender of records that we refuse would otherwise be asked for them for ever.
  else if (message.more && progress > 0) sendHeartbeat(state, view.id);
}

/** Returns how many dots it recorded. */
function onSyncRecord(state: PeerState, now: Now, from: PeerId, record: SyncRecord): number {
  const timestamp = record.kind === 'entry' ? record.timestamp : record.horizon;
  if (isAheadOfClock(state, now, timestamp)) {
    refuseAhead(state, now, record.kind === 'entry' ? record.id : from);
    return 0; // section 8: refused whole, covered dots too; anti-entropy brings it back when time has passed
  }
  let recorded = 0;
  if (record.kind === 'absent') applyAbsent(state, record);
  else if (applyWinner(state, record)) recorded += 1;
  assertCovered(state, record);
  recorded += recordCovered(state, record);
  if (recorded === 0) state.counters.droppedDuplicate += 1;
  return recorded;
}

/**
 * Takes the winner and records its dot, room or no room: it stands for dots that are missing further down, and to
 * refuse it would leave the lowest of them missing for ever. What this remembers above the vector is bounded
 * by the keys of the difference.
 */
function applyWinner(state: PeerState, record: SyncEntryRecord): boolean {
  const { key, timestamp, id, incarnation, sequence, entryKind, expiresAt, value } = record;
  applyEntry(state, key, { timestamp, id, incarnation, sequence, kind: entryKind, expiresAt, value });
  if (entryKind === 'synthetic') return false;
  const origin = originOf(state, id, incarnation);
  const isNew = recordDot(state, origin, sequence, key);
  noteRepair(origin);
  return isNew;
}

/** ABSENT(k, H): nothing at or below H may come back, so a synthetic tombstone stands for what was dropped (R5). */
function applyAbsent(state: PeerState, record: SyncAbsentRecord): void {
  applyEntry(state, record.key, syntheticTombstone(record));
}

function syntheticTombstone(record: SyncAbsentRecord): Entry {
  return {
    timestamp: record.horizon,
    id: SYNTHETIC_ID, // last among the tags at H
    incarnation: 0 as Incarnation,
    sequence: 0,
    kind: 'synthetic',
    expiresAt: 0,
    value: EMPTY,
  };
}

function recordCovered(state: PeerState, record: SyncRecord): number {
  let recorded = 0;
  for (const { id, incarnation, ranges } of record.covers) {
    const origin = originOf(state, id, incarnation);
    for (const [from, to] of ranges) {
      for (let sequence = from; sequence <= to; sequence += 1) {
        if (hasSequence(origin.have, sequence)) continue;
        if (!hasRoomFor(state, origin, sequence)) {
          state.counters.droppedGapLimit += 1;
          break; // the rest of the range lies above and has no room either; it will be sent again
        }
        if (recordDot(state, origin, sequence, record.key)) recorded += 1;
      }
    }
    noteRepair(origin);
  }
  return recorded;
}

/** I2: dots are recorded only under an entry that stands for them. Our own doing, so a breach throws. */
function assertCovered(state: PeerState, record: SyncRecord): void {
  const entry = state.store.readEntry(record.key);
  if (entry === undefined) {
    if (record.kind === 'entry' && record.timestamp <= state.horizon) return; // R4: dropped below the horizon
    throw new Error('I2 broken: a SYNC record left its key without an entry');
  }
  if (record.kind === 'entry' && compareTags(entry, record) < 0)
    throw new Error('I2 broken: entry below the SYNC record');
}
