/**
 * Keys that expire (protocol.md, section 8): an expired entry *is* a tombstone with its own tag, on every peer by itself; nobody sends a delete for it.
 *
 * Owns what time it is for expiry, and which keys are due next. Readers ask `isVisible` and never see what is past its time, however late it is
 * noticed here. What is noticed becomes a tombstone in the store, under the same tag and expiry, and goes as tombstones go (R8). Keys that are due are
 * remembered up to a limit; those beyond, and those from before this process, are found by a walk over the store (onExpiryTimer.ts).
 */
import { EPOCH_MS, timestampOf, TICKS_PER_MS, wallMsOf, type Now } from './clock.ts';
import { isWallConfirmed } from './liveness.ts';
import type { PeerState } from './state.ts';
import type { Entry, Key, Timestamp } from './types.ts';

/** A key and when it expires, by the tag it had then: a hint, whoever acts on it looks at the entry itself. */
interface Due {
  readonly expiresAt: number;
  readonly key: Key;
}

/** A wall that the others confirmed, by how much they would have it corrected, and when that was, monotonic milliseconds. */
interface Anchor {
  readonly wallMs: number;
  readonly offsetMs: number;
  readonly monotonicMs: number;
}

export interface Expiries {
  /** Values held that expire. */
  count: number;
  /** The next to expire first: a binary heap. All that expire before `beyondAt` are in it, but for what a walk under way has still to come to. */
  readonly heap: Due[];
  beyondAt: number;
  /** Where that walk goes on, undefined when none is under way; when it began, and when the next may, monotonic milliseconds. */
  walkedThrough: Key | undefined;
  walkBeganMs: number;
  walkAtMs: number;
  /** Something may be due sooner than the timer was armed for. */
  isSooner: boolean;
  /** The latest expiry that somebody was told is past, a Timestamp. */
  through: number;
  /** The wall as it was last confirmed, if ever; and since when this process runs, monotonic milliseconds. */
  anchor: Anchor | undefined;
  readonly sinceMs: number;
}

/** The last moment that a timestamp can name, milliseconds since 1970: in the year 2089. Nothing expires later. */
export const LATEST_EXPIRY_MS = EPOCH_MS + Math.floor(Number.MAX_SAFE_INTEGER / TICKS_PER_MS);
/** Keys that are due are looked for at least so often, milliseconds: clocks are set, and peers' clocks differ. */
const LOOK_EVERY_MS = 1000;
/** The least time between two looks, milliseconds. */
const LEAST_PAUSE_MS = 1;

export function createExpiries(count: number, now: Now): Expiries {
  return {
    count,
    heap: [],
    beyondAt: count > 0 ? 0 : Infinity,
    walkedThrough: undefined,
    walkBeganMs: 0,
    walkAtMs: -Infinity,
    isSooner: false,
    through: 0,
    anchor: undefined,
    sinceMs: now.monotonicMs,
  };
}

/**
 * The time that expiry goes by: the clock, what has been said to be gone, or the wall where that is ahead and confirmed. The clock takes part, so that what
 * has expired for one who was heard of has expired here; but it does not follow: a wall that was wrong would hold up all writes, not only end keys.
 */
export function hybridTime(state: PeerState, now: Now): Timestamp {
  const wallMs = confirmedWallMs(state, now);
  return Math.max(
    state.clock,
    state.expiries.through,
    wallMs === undefined ? 0 : timestampOf(wallMs),
  ) as Timestamp;
}

/** The same in milliseconds since 1970, for whoever sets a time: what the wall says counts before anybody has confirmed it. */
export function timeMs(state: PeerState, now: Now): number {
  const sure = wallMsOf(hybridTime(state, now));
  return state.expiries.anchor === undefined ? Math.max(sure, now.wallMs) : sure;
}

/**
 * What ends too early is lost: so the wall counts as far as the others' walls agree, and where nobody is heard it goes on from there by the monotonic clock,
 * whatever it is set to, unless it is set back. Undefined before anything is known of it.
 */
function confirmedWallMs(state: PeerState, now: Now): number | undefined {
  const { expiries, peers } = state;
  if (peers.size === 0) return now.wallMs;
  if (isWallConfirmed(state, now)) return judgedWallMs(state, now);
  const { anchor } = expiries;
  if (anchor === undefined) return undefined;
  return Math.min(now.wallMs + anchor.offsetMs, anchor.wallMs + now.monotonicMs - anchor.monotonicMs);
}

/** One that the others contradict counts as theirs. */
function judgedWallMs(state: PeerState, now: Now): number {
  return now.wallMs + judgedOffsetMs(state);
}

function judgedOffsetMs({ clockVerdict, medianOffsetMs }: PeerState): number {
  return clockVerdict === 'right' ? 0 : medianOffsetMs;
}

/** Every now and then: while the wall is confirmed it is noted, to go on from. Who has been alone since its start has nothing better than its own. */
export function noteConfirmedWall(state: PeerState, now: Now): void {
  const { expiries, hasMedian, settings } = state;
  const isAlone = !hasMedian && now.monotonicMs - expiries.sinceMs >= settings.deadAfterMs;
  if (!isWallConfirmed(state, now) && (expiries.anchor !== undefined || !isAlone)) return;
  expiries.anchor = {
    wallMs: judgedWallMs(state, now),
    offsetMs: judgedOffsetMs(state),
    monotonicMs: now.monotonicMs,
  };
}

/** Whether that time (0: never) is past for good. What has been noticed stays so. */
export function hasExpired(state: PeerState, now: Now, expiresAt: number): boolean {
  if (expiresAt === 0 || expiresAt > hybridTime(state, now)) return false;
  if (expiresAt > state.expiries.through) state.expiries.through = expiresAt;
  return true;
}

/** Whether readers take that time (0: never) for past: in the first moments by a wall that nobody has confirmed, for they lose nothing by it. */
export function isPast(state: PeerState, now: Now, expiresAt: number): boolean {
  if (expiresAt === 0) return false;
  if (hasExpired(state, now, expiresAt)) return true;
  if (state.expiries.anchor !== undefined) return false;
  return expiresAt <= timestampOf(judgedWallMs(state, now));
}

/** Whether readers see this entry: a value that has not expired. */
export function isVisible(state: PeerState, now: Now, { kind, expiresAt }: Entry): boolean {
  return kind === 'value' && !isPast(state, now, expiresAt);
}

/** An entry came: one that expires is remembered, unless a walk comes to it in time. */
export function queueExpiry({ expiries, settings }: PeerState, key: Key, expiresAt: number): void {
  const { heap } = expiries;
  if (expiresAt >= expiries.beyondAt) return;
  let at = heap.length;
  heap.push({ expiresAt, key });
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isBefore(heap, at, parent)) break;
    swap(heap, at, parent);
    at = parent;
  }
  if (at === 0) expiries.isSooner = true;
  const { maxQueuedExpiries } = settings.limits;
  if (heap.length >= 2 * maxQueuedExpiries) cutQueue(expiries, maxQueuedExpiries);
}

/** Lets go of the later ones. What is in order is a heap. */
function cutQueue(expiries: Expiries, kept: number): void {
  const { heap } = expiries;
  heap.sort((a, b) => a.expiresAt - b.expiresAt);
  const [first] = heap.splice(kept);
  if (first !== undefined) expiries.beyondAt = first.expiresAt;
}

/** Takes out the next key that is due by `time`. */
export function takeDue({ heap }: Expiries, time: Timestamp): Key | undefined {
  const [first] = heap;
  const last = heap.at(-1);
  if (first === undefined || last === undefined || first.expiresAt > time) return undefined;
  heap.pop();
  if (heap.length === 0) return first.key;
  heap[0] = last;
  let at = 0;
  for (;;) {
    let least = at;
    for (const child of [2 * at + 1, 2 * at + 2])
      if (child < heap.length && isBefore(heap, child, least)) least = child;
    if (least === at) return first.key;
    swap(heap, at, least);
    at = least;
  }
}

/** Whether it is time to walk through the store: something may be due that is not remembered. */
export function isWalkDue({ expiries }: PeerState, now: Now, time: Timestamp): boolean {
  if (expiries.walkedThrough !== undefined) return true;
  return expiries.beyondAt <= time && now.monotonicMs >= expiries.walkAtMs;
}

/** How long until the next look for keys that are due, milliseconds; undefined when nothing here expires. */
export function nextLookMs(state: PeerState, now: Now): number | undefined {
  const { expiries } = state;
  const [first] = expiries.heap;
  if (first === undefined && expiries.count === 0) {
    expiries.beyondAt = Infinity; // nothing is left that a walk could find
    return undefined;
  }
  const time = hybridTime(state, now);
  const untilMs = (at: number): number => Math.ceil((at - time) / TICKS_PER_MS);
  const walkMs = Math.max(untilMs(expiries.beyondAt), expiries.walkAtMs - now.monotonicMs);
  const nextMs = Math.min(untilMs(first?.expiresAt ?? Infinity), walkMs);
  return Math.min(LOOK_EVERY_MS, Math.max(LEAST_PAUSE_MS, nextMs));
}

function isBefore(heap: readonly Due[], one: number, other: number): boolean {
  return (heap[one]?.expiresAt ?? Infinity) < (heap[other]?.expiresAt ?? Infinity);
}

function swap(heap: Due[], one: number, other: number): void {
  const [a, b] = [heap[one], heap[other]];
  if (a === undefined || b === undefined) return;
  heap[one] = b;
  heap[other] = a;
}
