/**
 * Keys that expire (protocol.md, section 8): an expired entry *is* a tombstone with its own tag, on every peer by itself; nobody sends a delete for it.
 *
 * Owns what time it is for expiry, and which keys are due next. Readers ask `hasExpired` and never see what is past its time, however late it is
 * noticed here. What is noticed becomes a tombstone in the store, under the same tag and expiry, and goes as tombstones go (R8). Keys that are due are
 * remembered up to a limit; those beyond, and those from before this process, are found by a walk over the store (onExpiryTimer.ts).
 */
import { EPOCH_MS, timestampOf, TICKS_PER_MS, wallMsOf, type Now } from './clock.ts';
import type { PeerState } from './state.ts';
import type { Entry, Key, Timestamp } from './types.ts';

/** A key and when it expires, by the tag it had then: a hint, whoever acts on it looks at the entry itself. */
interface Due {
  readonly expiresAt: number;
  readonly key: Key;
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
}

/** The last moment that a timestamp can name, milliseconds since 1970: in the year 2089. Nothing expires later. */
export const LATEST_EXPIRY_MS = EPOCH_MS + Math.floor(Number.MAX_SAFE_INTEGER / TICKS_PER_MS);
/** Keys that are due are looked for at least so often, milliseconds: clocks are set, and peers' clocks differ. */
const LOOK_EVERY_MS = 1000;
/** The least time between two looks, milliseconds. */
const LEAST_PAUSE_MS = 1;

export function createExpiries(count: number): Expiries {
  return {
    count,
    heap: [],
    beyondAt: count > 0 ? 0 : Infinity,
    walkedThrough: undefined,
    walkBeganMs: 0,
    walkAtMs: -Infinity,
    isSooner: false,
  };
}

/**
 * The time that expiry goes by: the clock, or the wall where that is ahead and to be believed (a wall that the other peers' contradict counts as theirs).
 * The clock takes part, so that what has expired for one who was heard of has expired here, whatever the wall says.
 */
export function hybridTime({ clock, clockVerdict, medianOffsetMs }: PeerState, now: Now): Timestamp {
  const wallMs = now.wallMs + (clockVerdict === 'right' ? 0 : medianOffsetMs);
  return Math.max(clock, timestampOf(wallMs)) as Timestamp;
}

/** The same in milliseconds since 1970. */
export function timeMs(state: PeerState, now: Now): number {
  return wallMsOf(hybridTime(state, now));
}

/** Whether that time (0: never) is past. What has been said to be gone stays so: the clock rises with it. */
export function hasExpired(state: PeerState, now: Now, expiresAt: number): boolean {
  if (expiresAt === 0 || expiresAt > hybridTime(state, now)) return false;
  if (expiresAt > state.clock) state.clock = expiresAt as Timestamp;
  return true;
}

/** Whether readers see this entry: a value that has not expired. */
export function isVisible(state: PeerState, now: Now, { kind, expiresAt }: Entry): boolean {
  return kind === 'value' && !hasExpired(state, now, expiresAt);
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
  const nextAt = Math.min(first?.expiresAt ?? Infinity, expiries.beyondAt);
  const untilMs = Math.ceil((nextAt - hybridTime(state, now)) / TICKS_PER_MS);
  return Math.min(LOOK_EVERY_MS, Math.max(LEAST_PAUSE_MS, untilMs, expiries.walkAtMs - now.monotonicMs));
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
