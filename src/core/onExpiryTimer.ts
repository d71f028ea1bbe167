/**
 * Notices what has expired: it becomes a tombstone under its own tag (section 8).
 *
 * Readers do not wait for this; counts, watchers and disk space do. Done in slices by a timer, so that no turn is long. Keys that are not
 * remembered (expiry.ts) are found by a walk over the store.
 */
import { replaceEntry } from './apply.ts';
import type { Now } from './clock.ts';
import { hasExpired, hybridTime, isWalkDue, nextLookMs, queueExpiry, takeDue } from './expiry.ts';
import type { PeerState } from './state.ts';
import { schedule, scheduleBy } from './timers.ts';
import type { Entry, Key } from './types.ts';

/** Bytes of values that end in one slice, about: watchers are told of all of them at once. */
const SLICE_BYTES = 4 * 1024 * 1024;
/** Milliseconds between two slices. */
const SLICE_PAUSE_MS = 2;
/** Between two walks, where more expire than are remembered: so long at least, milliseconds, and so many times as long as the last one took. */
const LEAST_WALK_PAUSE_MS = 1000;
const WALK_PAUSE_FACTOR = 4;
const EMPTY = new Uint8Array(0);

export function onExpiryTimer(state: PeerState, now: Now): void {
  const isDone = expireDue(state, now) && walk(state, now);
  if (isDone) armExpiry(state, now);
  else schedule(state, now, 'expiry', SLICE_PAUSE_MS);
}

/** Arms the timer for the next key to expire, if there is one; at the end of a turn in which one came that is sooner than all before. */
export function armExpiry(state: PeerState, now: Now): void {
  state.expiries.isSooner = false;
  const lookMs = nextLookMs(state, now);
  if (lookMs !== undefined) scheduleBy(state, now, 'expiry', lookMs);
}

/** Ends what is due, a slice of it. True when nothing more is. */
function expireDue(state: PeerState, now: Now): boolean {
  const time = hybridTime(state, now);
  let bytes = 0;
  for (let taken = 0; taken < state.settings.limits.sweepEntries && bytes < SLICE_BYTES; taken += 1) {
    const key = takeDue(state.expiries, time);
    if (key === undefined) return true;
    bytes += expireIfDue(state, now, key);
  }
  return false;
}

/** Answers how many bytes the value had; 0 for a key whose time has not come. */
function expireIfDue(state: PeerState, now: Now, key: Key): number {
  const entry = state.store.readEntry(key);
  if (entry?.kind !== 'value' || !hasExpired(state, now, entry.expiresAt)) return 0;
  expireEntry(state, key, entry);
  return entry.value.length;
}

/** Its expiry stays with the tombstone: R8 heeds it. */
export function expireEntry(state: PeerState, key: Key, entry: Entry): void {
  replaceEntry(state, key, entry, { ...entry, kind: 'tombstone', value: EMPTY });
  state.counters.entriesExpired += 1;
}

/** Looks through the store for what expires and is not remembered, a slice of it. True when there is nothing to look for now. */
function walk(state: PeerState, now: Now): boolean {
  const { expiries, store, settings } = state;
  if (!isWalkDue(state, now, hybridTime(state, now))) return true;
  const after = expiries.walkedThrough;
  if (after === undefined) {
    expiries.walkBeganMs = now.monotonicMs;
    expiries.heap.length = 0; // all of them will be met
    expiries.beyondAt = Infinity;
  }
  const found: (readonly [key: Key, expiresAt: number])[] = [];
  let looked = 0;
  let last: Key | undefined;
  for (const [key, { kind, expiresAt }] of store.entries(after === undefined ? {} : { after })) {
    last = key;
    looked += 1;
    if (kind === 'value' && expiresAt !== 0) found.push([key, expiresAt]);
    if (looked >= settings.limits.sweepEntries) break;
  }
  let bytes = 0;
  for (const [key, expiresAt] of found) {
    // What is due and too much for this slice is the next one's.
    if (bytes < SLICE_BYTES && hasExpired(state, now, expiresAt)) bytes += expireIfDue(state, now, key);
    else queueExpiry(state, key, expiresAt);
  }
  const isAtEnd = looked < settings.limits.sweepEntries;
  expiries.walkedThrough = isAtEnd ? undefined : last;
  const tookMs = now.monotonicMs - expiries.walkBeganMs;
  expiries.walkAtMs = now.monotonicMs + Math.max(LEAST_WALK_PAUSE_MS, WALK_PAUSE_FACTOR * tookMs);
  return isAtEnd;
}
