/**
 * R2 and R4: an update changes the entry of its key and records its dot, in one turn, or neither.
 *
 * Everything that enters the store on any path, local write, UPDATE or SYNC, comes through here. After it,
 * I2 (SUP) holds: a dot in have means an entry with a tag at least as large.
 */
import { raiseAlarm } from './alarms.ts';
import { timestampOf, TICKS_PER_MS, type Now } from './clock.ts';
import { queueExpiry } from './expiry.ts';
import { noteChange } from './entryChanges.ts';
import { isHidden } from './hiddenKeys.ts';
import { addRanges, addSequence, dotsAboveVector, hasSequence, opensInterval } from './haveSet.ts';
import type { OriginState } from './originState.ts';
import { noteMeeting } from './requestRecord.ts';
import { touchOrigin, type PeerState } from './state.ts';
import { countTombstone, queueTombstone } from './tombstones.ts';
import {
  compareTags,
  SYNTHETIC_ID,
  type Entry,
  type Incarnation,
  type Key,
  type PeerId,
  type Timestamp,
} from './types.ts';

const EMPTY = new Uint8Array(0);

/** Last writer wins. Returns whether the entry was taken. */
export function applyEntry(state: PeerState, key: Key, incoming: Entry): boolean {
  return applyOver(state, key, state.store.readEntry(key), incoming);
}

/** How an entry is handed to the store: `load` for a great many in order of keys. */
type HowStored = 'write' | 'load';

/** The same for whoever knows what is there. */
export function applyOver(
  state: PeerState,
  key: Key,
  present: Entry | undefined,
  incoming: Entry,
  how: HowStored = 'write',
): boolean {
  const { counters } = state;
  if (incoming.timestamp > state.clock) state.clock = incoming.timestamp; // R3: remote clock rule
  if (present === undefined) {
    if (incoming.timestamp <= state.horizon && incoming.kind !== 'synthetic') {
      // R4: what was dropped at or below the horizon must not come back; the dot alone is recorded.
      const { id, incarnation, sequence } = incoming;
      raiseAlarm(state, { id, incarnation, sequence, key });
      return false;
    }
  } else {
    noteMeeting(state, key, present, incoming);
    if (compareTags(incoming, present) <= 0) {
      counters.recordsOlder += 1;
      return false;
    }
  }
  replaceEntry(state, key, present, incoming, how);
  counters.recordsApplied += 1;
  return true;
}

/** R5: stands for whatever was dropped at or below a horizon. */
export function syntheticTombstone(horizon: Timestamp): Entry {
  return {
    timestamp: horizon,
    id: SYNTHETIC_ID, // last among the tags at H
    incarnation: 0 as Incarnation,
    sequence: 0,
    kind: 'synthetic',
    expiresAt: 0,
    value: EMPTY,
  };
}

/** Puts `incoming` in the place of `present`, and counts it. */
export function replaceEntry(
  state: PeerState,
  key: Key,
  present: Entry | undefined,
  incoming: Entry,
  how: HowStored = 'write',
): void {
  if (how === 'load') state.store.loadEntry(key, incoming);
  else state.store.writeEntry(key, incoming);
  countKinds(state, key, present, incoming);
  noteChange(state, key, present, incoming);
}

function countKinds(state: PeerState, key: Key, present: Entry | undefined, incoming: Entry): void {
  state.areCountsDirty = true;
  if (present?.kind === 'value') countValue(state, key, present, -1);
  else if (present !== undefined) countTombstone(state.tombstones, key, -1);
  if (incoming.kind === 'value') {
    countValue(state, key, incoming, 1);
    if (incoming.expiresAt !== 0) queueExpiry(state, key, incoming.expiresAt);
    return;
  }
  countTombstone(state.tombstones, key, 1);
  queueTombstone(state.tombstones, key);
}

/** A key got a value, or (-1) lost it. */
export function countValue(state: PeerState, key: Key, { expiresAt }: Entry, by: 1 | -1): void {
  state.visibleKeys += by;
  if (isHidden(key)) state.hiddenKeys += by;
  if (expiresAt !== 0) state.expiries.count += by;
}

/**
 * Whether the limits allow `sequence` to be remembered, and as many behind it as make `count` (section 5): beyond them it is dropped, unrecorded, and repaired
 * later.
 */
export function hasRoomFor(state: PeerState, origin: OriginState, sequence: number, count = 1): boolean {
  const { have } = origin;
  if (sequence === have.contiguous + 1) return true;
  const { maxDotsAboveVector, maxGapIntervals } = state.settings.limits;
  if (have.gaps.length >> 1 >= maxGapIntervals && opensInterval(have, sequence)) return false;
  return dotsAboveVector(have) + count <= maxDotsAboveVector;
}

/** Records a dot and its update-table row (R2). The caller has applied an entry at least as large (I2). */
export function recordDot(state: PeerState, origin: OriginState, sequence: number, key: Key): void {
  if (!addSequence(origin.have, sequence)) return;
  state.store.writeRow(origin.key, sequence, key);
  touchOrigin(state, origin);
}

export interface KeyedDot {
  readonly sequence: number;
  readonly key: Key;
}

/** The same for many at once, in any order: a have-set of thousands of intervals is gone through once. Answers how many are news. */
export function recordDots(state: PeerState, origin: OriginState, dots: KeyedDot[]): number {
  dots.sort((a, b) => a.sequence - b.sequence);
  const ranges: number[] = [];
  let recorded = 0;
  for (const { sequence, key } of dots) {
    const last = ranges.at(-1);
    if (last === sequence || hasSequence(origin.have, sequence)) continue;
    if (last === sequence - 1) ranges[ranges.length - 1] = sequence;
    else ranges.push(sequence, sequence);
    state.store.writeRow(origin.key, sequence, key);
    recorded += 1;
  }
  if (recorded === 0) return 0;
  addRanges(origin.have, ranges);
  touchOrigin(state, origin);
  return recorded;
}

/** A record ahead of the clock is told of at most so often: it comes again with every repair. */
const AHEAD_NOTICE_INTERVAL_MS = 10_000;

/** Counts a record that is refused because of its timestamp, and now and then tells of it. */
export function refuseAhead(state: PeerState, now: Now, from: PeerId): void {
  state.counters.droppedAheadOfClock += 1;
  if (isAheadNoticeDue(state, now))
    state.effects.push({ kind: 'notice', name: 'recordAheadOfClock', detail: { from } });
}

/** Whether it is time to tell again that something is ahead of the clock. */
export function isAheadNoticeDue(state: PeerState, now: Now): boolean {
  if (now.monotonicMs - state.lastAheadNoticeMs < AHEAD_NOTICE_INTERVAL_MS) return false;
  state.lastAheadNoticeMs = now.monotonicMs;
  return true;
}

/** Section 8: more than `maxDriftMs` ahead of max(own wall, median of the live walls). Refused whole. */
export function isAheadOfClock(state: PeerState, now: Now, timestamp: Timestamp): boolean {
  return timestamp > latestCredible(state, now);
}

/** The last timestamp that is not ahead of the clock. */
export function latestCredible({ medianOffsetMs, settings }: PeerState, now: Now): Timestamp {
  return lastWithin(now.wallMs + Math.max(0, medianOffsetMs) + settings.maxDriftMs);
}

/** The last timestamp that is not ahead for most, as far as can be told from here. */
export function latestForMost({ medianOffsetMs, settings }: PeerState, now: Now): Timestamp {
  return lastWithin(now.wallMs + medianOffsetMs + settings.maxDriftMs);
}

/** The last timestamp that is not ahead of every clock that was heard lately. */
export function latestConceivable({ peers, settings }: PeerState, now: Now): Timestamp {
  let aheadMs = 0;
  for (const { wallOffsetMs } of peers.values()) aheadMs = Math.max(aheadMs, wallOffsetMs);
  return lastWithin(now.wallMs + aheadMs + settings.maxDriftMs);
}

function lastWithin(wallMs: number): Timestamp {
  return (timestampOf(wallMs) + TICKS_PER_MS - 1) as Timestamp;
}
