/**
 * The changed keys of a working set in byte order, kept as a few sorted runs.
 *
 * Owns the order only: the caller adds each key once, and changes its entry in place. Sorting is paid in small
 * pieces as keys come, so that neither a scan nor a fold ever sorts a large set at once. A run, once made, is
 * never changed: a cursor stays good while keys are added, it merely does not see the new ones.
 */
import type { Entry, Key } from '../core/types.ts';

/** Keys that are sorted at one go: about a millisecond. */
const RUN_KEYS = 2048;
/** Runs are merged in pairs up to this many keys; a longer merge would hold the event loop too long. */
const LARGEST_RUN_KEYS = 16_384;

export interface KeyBounds {
  /** First key, inclusive. */
  readonly from?: Key | undefined;
  /** Start after this key instead. */
  readonly after?: Key | undefined;
  /** End before this key. */
  readonly before?: Key | undefined;
  readonly reverse?: boolean | undefined;
}

/** A key and its latest entry; undefined when it was removed. */
export interface ChangedKey {
  readonly key: Key;
  entry: Entry | undefined;
}

/** Answers the next changed key at each call, undefined at the end. */
export type ChangeCursor = () => ChangedKey | undefined;

interface SortedKeys {
  /** Its key must be new. */
  add(change: ChangedKey): void;
  cursor(bounds: KeyBounds): ChangeCursor;
}

export function createSortedKeys(): SortedKeys {
  /** Full runs, each at least as long as the next. */
  const runs: ChangedKey[][] = [];
  /** Sorted keys that do not fill a run yet, and the unsorted ones that came since. */
  let tail: ChangedKey[] = [];
  let fresh: ChangedKey[] = [];

  function sortFresh(): void {
    if (fresh.length === 0) return;
    fresh.sort(compareKeys);
    tail = tail.length === 0 ? fresh : mergeRuns(tail, fresh);
    fresh = [];
  }

  return {
    add(change) {
      fresh.push(change);
      if (fresh.length + tail.length < RUN_KEYS) return;
      sortFresh();
      let run = tail;
      tail = [];
      for (let last = runs.at(-1); last !== undefined && last.length <= run.length; last = runs.at(-1)) {
        if (last.length + run.length > LARGEST_RUN_KEYS) break;
        run = mergeRuns(last, run);
        runs.pop();
      }
      runs.push(run);
    },
    cursor(bounds) {
      sortFresh();
      return mergedCursor([...runs, tail], bounds);
    },
  };
}

/** What a cursor still gives out, as it is now: entries that change in place later do not change here. */
export function freezeChanges(next: ChangeCursor): Pick<SortedKeys, 'cursor'> {
  const run: ChangedKey[] = [];
  for (let change = next(); change !== undefined; change = next())
    run.push({ key: change.key, entry: change.entry });
  return { cursor: cursorOver(run) };
}

/** Walks over one run. */
export function cursorOver(run: readonly ChangedKey[]): SortedKeys['cursor'] {
  return (bounds) => mergedCursor([run], bounds);
}

/** What a run says of a key, if anything. */
export function findInRun(run: readonly ChangedKey[], key: Key): ChangedKey | undefined {
  const found = run[lowerBound(run, key, false)];
  return found?.key === key ? found : undefined;
}

function compareKeys(a: ChangedKey, b: ChangedKey): number {
  return a.key < b.key ? -1 : 1;
}

function mergeRuns(a: readonly ChangedKey[], b: readonly ChangedKey[]): ChangedKey[] {
  const merged: ChangedKey[] = [];
  let i = 0;
  let j = 0;
  for (;;) {
    const x = a[i];
    const y = b[j];
    if (x === undefined && y === undefined) return merged;
    if (y === undefined || (x !== undefined && x.key < y.key)) {
      if (x !== undefined) merged.push(x);
      i++;
    } else {
      merged.push(y);
      j++;
    }
  }
}

/** Index of the first key that is not below `key` (with `past`: that is above it). */
function lowerBound(run: readonly ChangedKey[], key: Key, past: boolean): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const candidate = run[middle]?.key;
    if (candidate !== undefined && (candidate < key || (past && candidate === key))) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One run's place in a merge: `change` is the next to give out. */
interface Head {
  readonly run: readonly ChangedKey[];
  /** Index of the first key not to give out, in the direction of travel. */
  readonly stop: number;
  at: number;
  change: ChangedKey;
}

function mergedCursor(runs: readonly (readonly ChangedKey[])[], bounds: KeyBounds): ChangeCursor {
  const reverse = bounds.reverse === true;
  const step = reverse ? -1 : 1;
  const heads: Head[] = [];
  for (const run of runs) {
    let low = bounds.from === undefined ? 0 : lowerBound(run, bounds.from, false);
    if (bounds.after !== undefined) low = Math.max(low, lowerBound(run, bounds.after, true));
    const high = bounds.before === undefined ? run.length : lowerBound(run, bounds.before, false);
    const at = reverse ? high - 1 : low;
    const change = low < high ? run[at] : undefined;
    if (change !== undefined) heads.push({ run, stop: reverse ? low - 1 : high, at, change });
  }
  for (let index = (heads.length >> 1) - 1; index >= 0; index--) siftDown(heads, index, reverse);

  return () => {
    const top = heads[0];
    if (top === undefined) return undefined;
    const change = top.change;
    top.at += step;
    const next = top.at === top.stop ? undefined : top.run[top.at];
    if (next !== undefined) top.change = next;
    else {
      const last = heads.pop();
      if (last !== undefined && heads.length > 0) heads[0] = last;
    }
    siftDown(heads, 0, reverse);
    return change;
  };
}

/** Restores the heap (smallest key first, largest with `reverse`) below `index`. */
function siftDown(heads: Head[], index: number, reverse: boolean): void {
  const moved = heads[index];
  if (moved === undefined) return;
  for (;;) {
    const left = 2 * index + 1;
    let child = heads[left];
    if (child === undefined) break;
    let childIndex = left;
    const right = heads[left + 1];
    if (right !== undefined && right.change.key < child.change.key !== reverse) {
      child = right;
      childIndex = left + 1;
    }
    if (moved.change.key < child.change.key !== reverse) break;
    heads[index] = child;
    index = childIndex;
  }
  heads[index] = moved;
}
