/**
 * Which keys hold a tombstone: those that a new horizon may let go (R8).
 *
 * Keeps the keys of tombstones applied in this process, up to a limit; those from before, and those beyond the limit, are found by a sweep
 * over the store. A key in the queue is a hint: whoever drops looks at the entry itself.
 */
import type { Key } from './types.ts';

export interface Tombstones {
  /** Tombstones held, synthetic ones included. */
  count: number;
  /** What they take in the store with their keys, bytes. */
  bytes: number;
  /** Keys that got a tombstone; what lies before `first` is done with. */
  queue: Key[];
  first: number;
  /** Where the present pass over the queue ends; undefined when none is under way. */
  passEnd: number | undefined;
  /** True while the queue may lack some: a sweep over the store is needed. */
  isIncomplete: boolean;
  /** The queue ran over while that sweep was under way: another one is needed. */
  isOverflown: boolean;
  /** Where the sweep goes on; undefined when none is under way. */
  sweptThrough: Key | undefined;
}

/** Keys remembered; beyond, a sweep has to find them. */
const MAX_QUEUED_TOMBSTONES = 262_144;

/** A tombstone in the store beside its key, bytes: tag, id, checksum. */
const TOMBSTONE_BYTES = 44;

export function createTombstones(count: number, bytes: number): Tombstones {
  return {
    count,
    bytes,
    queue: [],
    first: 0,
    passEnd: undefined,
    isIncomplete: count > 0,
    isOverflown: false,
    sweptThrough: undefined,
  };
}

/** A key got a tombstone, or (-1) lost it. */
export function countTombstone(tombstones: Tombstones, key: Key, by: 1 | -1): void {
  tombstones.count += by;
  tombstones.bytes += by * (TOMBSTONE_BYTES + key.length);
}

export function queueTombstone(tombstones: Tombstones, key: Key): void {
  if (tombstones.queue.length - tombstones.first < MAX_QUEUED_TOMBSTONES) tombstones.queue.push(key);
  else if (tombstones.sweptThrough === undefined) tombstones.isIncomplete = true;
  else tombstones.isOverflown = true;
}
