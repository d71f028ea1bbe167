/**
 * One ordered walk over the entries of working sets and of what lies below them.
 *
 * Owns the rule that the newest layer wins: a key in several layers is given out once, with the entry of the first
 * of them. Values are looked up as they are given out, so a walk sees an overwrite made since it began; keys added
 * since may be missed. Of the base nothing is read before it is asked for: its values may be long.
 */
import type { KeyRange } from '../core/store.ts';
import type { Entry, Key } from '../core/types.ts';
import type { ChangeCursor, KeyBounds } from './sortedKeys.ts';

/** A layer above the base, such as a WorkingSet. */
export interface EntryLayer {
  changes(bounds: KeyBounds): ChangeCursor;
}

/** `layers` from the newest to the oldest; `base`, already bounded and ordered by `range`, is older than all. */
export function* mergeEntries(
  layers: readonly EntryLayer[],
  base: Iterator<readonly [Key, Entry]> | undefined,
  range: KeyRange,
): Generator<readonly [Key, Entry], undefined> {
  const cursors = layers.map((layer) => {
    const next = layer.changes(range);
    return { next, change: next() };
  });
  const reverse = range.reverse === true;
  let fromBase = base?.next();
  try {
    for (;;) {
      const below = fromBase?.done === true ? undefined : fromBase?.value;
      let isGivenOut = false;
      let key = below?.[0];
      for (const { change } of cursors) {
        if (change === undefined) continue;
        if (key === undefined || (reverse ? change.key > key : change.key < key)) key = change.key;
      }
      if (key === undefined) return undefined;
      let entry: Entry | undefined;
      let isKnown = false;
      for (const cursor of cursors) {
        if (cursor.change?.key !== key) continue;
        if (!isKnown) entry = cursor.change.entry; // undefined: removed there, whatever lies below
        isKnown = true;
        cursor.change = cursor.next();
      }
      if (below !== undefined && below[0] === key) {
        isGivenOut = true;
        if (!isKnown) entry = below[1];
      }
      if (entry !== undefined) yield [key, entry];
      if (isGivenOut) fromBase = base?.next();
    }
  } finally {
    // A walk that ends early must let its cursor go.
    base?.return?.();
  }
}
