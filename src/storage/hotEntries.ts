/**
 * What is read again and again, kept beside the trees: the walk down a tree is about half of what a GET takes in a pipeline.
 *
 * Owns which keys are kept: in the slot of its key, one that is read for the second time with no other of that slot between, whether it has an entry or not. It knows nothing of what the trees hold; whoever changes them says `clear`.
 * Invariants: what is kept is what was given, copied, so that no slab of values stays for it; SLOTS keys at most, no value longer than VALUE_BYTES.
 */
import type { Entry, Key } from '../core/types.ts';
import type { ChangedKey } from './sortedKeys.ts';

/** A power of two. */
const SLOTS = 1024;
const SLOT_MASK = SLOTS - 1;
/** Characters at the end of a key, in which keys differ as a rule, that choose its slot. */
const HASHED = 6;
const VALUE_BYTES = 1024;

interface HotEntries {
  /** What the trees hold of a key, if that is kept, or is from now on; undefined: ask them. */
  find(key: Key): ChangedKey | undefined;
  clear(): void;
}

/** `readEntry` is asked of the trees. */
export function createHotEntries(readEntry: (key: Key) => Entry | undefined): HotEntries {
  const kept = new Array<ChangedKey | undefined>(SLOTS).fill(undefined);
  /** Of the keys that are kept: to compare keys takes longer than all else. */
  const hashes = new Int32Array(SLOTS);
  /** Of the key that was missed last, its hash: to hold on to every key that is read once cost as much as was won. */
  const missed = new Int32Array(SLOTS);

  function keep(slot: number, hash: number, key: Key): ChangedKey {
    const entry = readEntry(key);
    if (entry !== undefined && entry.value.length > VALUE_BYTES) return { key, entry };
    const found = { key, entry: entry && { ...entry, value: Uint8Array.from(entry.value) } };
    kept[slot] = found;
    hashes[slot] = hash;
    return found;
  }

  return {
    find(key) {
      const hash = hashOf(key);
      const slot = hash & SLOT_MASK;
      const found = hashes[slot] === hash ? kept[slot] : undefined;
      if (found?.key === key) return found;
      if (missed[slot] === hash) return keep(slot, hash, key);
      missed[slot] = hash;
      return undefined;
    },
    clear() {
      kept.fill(undefined);
    },
  };
}

function hashOf(key: Key): number {
  let hash = key.length;
  for (let at = Math.max(0, key.length - HASHED); at < key.length; at += 1)
    hash = (Math.imul(hash, 31) + key.charCodeAt(at)) | 0;
  return hash;
}
