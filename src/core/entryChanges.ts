/**
 * Every change of an entry, noted for whoever is told of changes, and for the index of counters (cells.ts), which is kept here and nowhere else.
 *
 * A change of a cell is a change of the key that it counts for. Invariant: whoever changes the entry of a key, or drops it, says so here, in the order in which that is done.
 */
import { isCellKey, onBaseEntry, onCellEntry, type Counter } from './cells.ts';
import { decimalBytes } from './counted.ts';
import { countTotal } from './counting.ts';
import type { PeerState } from './state.ts';
import type { Entry, Key } from './types.ts';

/** `previous` was at the key, and now it is `entry`, as it is in the store or was; undefined for nothing. */
export function noteChange(
  state: PeerState,
  key: Key,
  previous: Entry | undefined,
  entry: Entry | undefined,
): void {
  if (isCellKey(key)) {
    const change = onCellEntry(state, key, entry);
    if (change === undefined) return;
    const { before, after } = change;
    const base = (after ?? before)?.entry; // with its value, if anything can count upon that
    state.changes.push({ key: change.key, previous: base, entry: base, counters: change });
    return;
  }
  const before = state.cells.byKey.size === 0 ? undefined : state.cells.byKey.get(key);
  const counters = before === undefined ? undefined : onBaseEntry(state, key, before, entry);
  state.changes.push({ key, previous, entry, counters });
}

/** A tombstone is dropped (R8): to readers there was nothing, and nobody is told. What it ended stays ended. */
export function noteDropped(state: PeerState, key: Key): void {
  const counter = state.cells.byKey.size === 0 ? undefined : state.cells.byKey.get(key);
  if (counter !== undefined) onBaseEntry(state, key, counter, undefined);
}

/** What a key holds for whoever is told of changes: what has expired until that is noticed. */
export function valueTold(entry: Entry | undefined, counter: Counter | undefined): Uint8Array | undefined {
  const isVisible = entry?.kind === 'value';
  const total =
    counter === undefined
      ? undefined
      : countTotal(isVisible ? entry : counter.entry, isVisible, counter.cells);
  if (total !== undefined) return decimalBytes(total);
  return isVisible ? entry.value : undefined;
}
