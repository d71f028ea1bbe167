/**
 * Who has read which keys and has not been told of a change since: what CLIENT TRACKING remembers.
 *
 * Owns the two directions of this (readers of a key, keys of a reader) and their bound. What a reader is, and what it is told, is tracking.ts's.
 * Invariant: what is remembered weighs at most `limit`; whoever has to be forgotten for it is handed out first, so that nobody who keeps a
 * copy of a value believes in vain to be told of its change.
 */
import type { Key } from '../core/types.ts';

/** A key counts once for each who has read it, and once more for each so many bytes of its name. */
const BYTES_A_COUNT = 256;
/** Memory of one key and one that has read it, beside the bytes of the key: as measured. */
const BYTES_A_PAIR = 110;

interface TrackingTable<Reader extends object> {
  /** The reader has read the key. */
  remember(reader: Reader, key: Key): void;
  has(reader: Reader, key: Key): boolean;
  /** Takes out the key; answers who had read it. */
  take(key: Key): Iterable<Reader>;
  forget(reader: Reader): void;
  keys(): number;
  /** Pairs of a key and one that has read it. */
  pairs(): number;
  /** Estimated. */
  sizeBytes(): number;
}

/** `onEvicted`: these will not be told of the key's next change. */
export function createTrackingTable<Reader extends object>(
  limit: number,
  onEvicted: (key: Key, readers: Iterable<Reader>) => void,
): TrackingTable<Reader> {
  // Most keys have one reader, and a set costs more than the key.
  const readersOf = new Map<Key, Reader | Set<Reader>>();
  const keysOf = new Map<Reader, Set<Key>>();
  /** In the order in which keys came. Kept: a new one would walk over all that were deleted. */
  let oldest = readersOf.keys();
  let pairs = 0;
  let weight = 0;
  let keyBytes = 0;

  function remember(reader: Reader, key: Key): void {
    let own = keysOf.get(reader);
    if (own === undefined) {
      own = new Set();
      keysOf.set(reader, own);
    }
    if (own.has(key)) return;
    own.add(key);
    const present = readersOf.get(key);
    if (present === undefined) {
      readersOf.set(key, reader);
      keyBytes += key.length;
    } else if (present instanceof Set) {
      present.add(reader);
    } else {
      readersOf.set(key, new Set([present, reader]));
    }
    count(key, 1);
    while (weight > limit) evictOldest();
  }

  function count(key: Key, by: 1 | -1): void {
    pairs += by;
    weight += by * (1 + Math.floor(key.length / BYTES_A_COUNT));
  }

  function evictOldest(): void {
    let next = oldest.next();
    if (next.done === true) {
      oldest = readersOf.keys();
      next = oldest.next();
    }
    if (next.done === true) throw new Error('tracked keys weigh something, and there are none');
    onEvicted(next.value, take(next.value));
  }

  function take(key: Key): Iterable<Reader> {
    const present = readersOf.get(key);
    if (present === undefined) return [];
    readersOf.delete(key);
    keyBytes -= key.length;
    const readers = present instanceof Set ? present : [present];
    for (const reader of readers) {
      const own = keysOf.get(reader);
      own?.delete(key);
      if (own?.size === 0) keysOf.delete(reader);
      count(key, -1);
    }
    return readers;
  }

  function forget(reader: Reader): void {
    for (const key of keysOf.get(reader) ?? []) {
      const present = readersOf.get(key);
      if (present instanceof Set && present.size > 1) {
        present.delete(reader);
      } else {
        readersOf.delete(key);
        keyBytes -= key.length;
      }
      count(key, -1);
    }
    keysOf.delete(reader);
  }

  return {
    remember,
    has: (reader, key) => keysOf.get(reader)?.has(key) === true,
    take,
    forget,
    keys: () => readersOf.size,
    pairs: () => pairs,
    sizeBytes: () => pairs * BYTES_A_PAIR + keyBytes,
  };
}
