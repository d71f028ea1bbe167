/**
 * The entries that are read again and again, kept out of the trees: a walk down a tree is a third of what a GET takes in a pipeline.
 *
 * Owns which are kept: in the slot of its key, one that is read for the second time with no other of that slot between. It knows nothing of what the trees hold; whoever changes them says `clear`.
 * Invariants: what is kept is what was given, copied, so that no slab of values stays for it; SLOTS of them at most, none longer than VALUE_BYTES.
 */
import type { Entry, Key } from '../core/types.ts';

/** A power of two. */
const SLOTS = 1024;
const SLOT_MASK = SLOTS - 1;
/** Characters at the end of a key, in which keys differ as a rule, that choose its slot. */
const HASHED = 6;
const VALUE_BYTES = 1024;

interface HotEntries {
  /** What is kept of a key, or is from now on; undefined: ask the trees. */
  find(key: Key): Entry | undefined;
  clear(): void;
}

/** `readEntry` is asked of the trees. */
export function createHotEntries(readEntry: (key: Key) => Entry | undefined): HotEntries {
  const keys = new Array<Key | undefined>(SLOTS).fill(undefined);
  const entries = new Array<Entry | undefined>(SLOTS).fill(undefined);
  /** Of the key that was missed last, its hash: to hold on to every key that is read once cost as much as was won. */
  const missed = new Int32Array(SLOTS);
  /** Of the keys that are kept: to compare keys takes longer than all else. */
  const hashes = new Int32Array(SLOTS);
  let isEmpty = true;

  function keep(slot: number, key: Key): Entry | undefined {
    const entry = readEntry(key);
    if (entry === undefined || entry.value.length > VALUE_BYTES) return entry;
    keys[slot] = key;
    hashes[slot] = hashOf(key);
    entries[slot] = { ...entry, value: Uint8Array.from(entry.value) };
    isEmpty = false;
    return entry;
  }

  return {
    find(key) {
      const hash = hashOf(key);
      const slot = hash & SLOT_MASK;
      if (hashes[slot] === hash && keys[slot] === key) return entries[slot];
      if (missed[slot] === hash) return keep(slot, key);
      missed[slot] = hash;
      return undefined;
    },
    clear() {
      if (isEmpty) return;
      keys.fill(undefined);
      entries.fill(undefined);
      isEmpty = true;
    },
  };
}

function hashOf(key: Key): number {
  let hash = key.length;
  for (let at = Math.max(0, key.length - HASHED); at < key.length; at += 1)
    hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0;
  return hash;
}
