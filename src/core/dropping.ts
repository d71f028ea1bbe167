/**
 * What may be forgotten: tombstones at or below the horizon (R8), table rows that everyone has (R6) or that are too many (trim).
 *
 * R8: a tombstone goes iff its timestamp, and its expiry if it had one, ≤ horizon: neither "all live peers have it" nor "everyone has the tombstone" is enough; and of counters nothing comes back by that (`mayDrop`). Done in
 * slices by a timer, so that no turn is long. I15: a trim is never above what this peer itself has without a gap.
 */
import { countValue } from './apply.ts';
import { hasCellBelow } from './cells.ts';
import type { Now } from './clock.ts';
import { noteDropped } from './entryChanges.ts';
import { isSettledEverywhere } from './everywhere.ts';
import { isHidden } from './hiddenKeys.ts';
import type { OriginState } from './originState.ts';
import { noteForgotten } from './requestRecord.ts';
import { touchOrigin, type PeerState } from './state.ts';
import { countTombstone, queueTombstone } from './tombstones.ts';
import { scheduleBy } from './timers.ts';
import type { Entry, Key } from './types.ts';

/** Milliseconds between two slices of a sweep. */
const SLICE_PAUSE_MS = 2;
/** A queue whose front is done with is cut when so much of it is. */
const CUT_QUEUE_AT = 4096;

export function scheduleSweep(state: PeerState, now: Now): void {
  scheduleBy(state, now, 'sweep', SLICE_PAUSE_MS);
}

/**
 * Of a key that clients may count upon the horizon alone does not say enough: who has the tombstone counts no more upon what was before, but who had it not yet when the horizon was found may have,
 * above the horizon. So it is on every disk by then, all that was counted before that is here, and is cleaned away (cellUpkeep.ts).
 */
function mayDrop(state: PeerState, key: Key, entry: Entry): boolean {
  if (entry.kind === 'value' || Math.max(entry.timestamp, entry.expiresAt) > state.horizon) return false;
  if (entry.kind === 'synthetic' || isHidden(key)) return true;
  return isSettledEverywhere(state, entry) && !hasCellBelow(state, key, entry);
}

/** Drops the entry of a key as R8 allows, and of R9; the caller notes it (entryChanges.ts). Its dots stay in have: I2 (SUP) allows for it. */
export function dropEntry(state: PeerState, key: Key, entry: Entry): void {
  state.store.removeEntry(key);
  state.areCountsDirty = true;
  noteForgotten(state, key, entry);
  if (entry.kind === 'value') countValue(state, key, entry, -1);
  else countTombstone(state.tombstones, key, -1);
}

/** Timer: drops what the horizon allows, a slice of it. */
export function onSweepTimer(state: PeerState, now: Now): void {
  const isDone = sweepQueue(state) && sweepStore(state);
  if (!isDone) scheduleSweep(state, now);
}

/** Looks at the queued tombstones once. True when it has come round. */
function sweepQueue(state: PeerState): boolean {
  const { tombstones, store, settings } = state;
  if (tombstones.isIncomplete) return true; // the sweep of the store finds them all
  tombstones.passEnd ??= tombstones.queue.length;
  for (let looked = 0; looked < settings.limits.sweepEntries; looked += 1) {
    if (tombstones.first >= tombstones.passEnd) {
      tombstones.passEnd = undefined;
      cutQueue(state);
      return true;
    }
    const key = tombstones.queue[tombstones.first];
    tombstones.first += 1;
    const entry = key === undefined ? undefined : store.readEntry(key);
    if (key === undefined || entry === undefined || entry.kind === 'value') continue;
    if (mayDrop(state, key, entry)) dropOne(state, key, entry);
    else tombstones.queue.push(key); // not yet: to the end, for the next horizon
  }
  cutQueue(state);
  return false;
}

function cutQueue({ tombstones }: PeerState): void {
  if (tombstones.first < CUT_QUEUE_AT && tombstones.first < tombstones.queue.length) return;
  tombstones.queue.splice(0, tombstones.first);
  if (tombstones.passEnd !== undefined) tombstones.passEnd -= tombstones.first;
  tombstones.first = 0;
}

/** Walks the whole store for tombstones that the queue does not know. True when it has come to the end. */
function sweepStore(state: PeerState): boolean {
  const { tombstones, store, settings } = state;
  if (!tombstones.isIncomplete) return true;
  if (tombstones.sweptThrough === undefined) {
    tombstones.queue = [];
    tombstones.first = 0;
    tombstones.passEnd = undefined;
  }
  const after = tombstones.sweptThrough;
  const found: (readonly [Key, Entry])[] = [];
  let looked = 0;
  let last: Key | undefined;
  for (const [key, entry] of store.entries(after === undefined ? {} : { after })) {
    last = key;
    looked += 1;
    if (entry.kind !== 'value') found.push([key, entry]);
    if (looked >= settings.limits.sweepEntries) break;
  }
  for (const [key, entry] of found) {
    if (mayDrop(state, key, entry)) dropOne(state, key, entry);
    else queueTombstone(tombstones, key);
  }
  if (looked >= settings.limits.sweepEntries) {
    tombstones.sweptThrough = last;
    return false;
  }
  tombstones.sweptThrough = undefined;
  tombstones.isIncomplete = tombstones.isOverflown;
  tombstones.isOverflown = false;
  return true;
}

function dropOne(state: PeerState, key: Key, entry: Entry): void {
  dropEntry(state, key, entry);
  noteDropped(state, key);
  state.counters.tombstonesDropped += 1;
}

/** Lets go of table rows up to `through`: everyone has them (R6), or the table is too long and a checkpoint must serve instead. */
export function dropRows(state: PeerState, origin: OriginState, through: number): void {
  const trim = Math.min(through, origin.have.contiguous); // I15
  if (trim <= origin.trim) return;
  origin.trim = trim;
  state.store.dropRows(origin.key, trim);
  touchOrigin(state, origin);
}

/** Rows held of an origin, as far as they are without a gap. */
export function rowsOf(origin: OriginState): number {
  return origin.have.contiguous - origin.trim;
}

/** Whether any origin has rows, or belongs to a dead incarnation that is not folded. Walks them all. */
export function hasCollectableOrigin(state: PeerState): boolean {
  for (const origin of state.origins.values()) {
    const isDead =
      origin.incarnation < (state.incarnations.get(origin.id) ?? 0) || state.forgotten.has(origin.id);
    if (isDead || rowsOf(origin) > 0) return true;
  }
  return false;
}

/** With a member down rounds wait; tables stay bounded all the same (R6, trim vector). */
export function trimTables(state: PeerState): void {
  const limit = state.settings.limits.maxTableRows;
  for (const origin of state.unsaved) {
    if (rowsOf(origin) <= limit) continue;
    // Half of it at once, so that it is not cut at every update.
    dropRows(state, origin, origin.have.contiguous - Math.floor(limit / 2));
    state.counters.tablesTrimmed += 1;
  }
}
