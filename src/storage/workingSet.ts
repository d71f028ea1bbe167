/**
 * What turns have changed and the trees do not say yet, in memory: entries, table rows, state.
 *
 * Owns the latest value of each changed name, never an older one, so that a key written ten times is folded
 * once. Knows nothing of disks or turns. One set is *active* (it grows); while a fold runs, another is *sealed*
 * (it never changes again).
 */
import type { Entry, Key, OriginKey } from '../core/types.ts';
import type { StateValue } from '../core/store.ts';
import { createRowTable } from './rowTable.ts';
import type { RowTable } from './rowTable.ts';
import { createSortedKeys } from './sortedKeys.ts';
import type { ChangeCursor, ChangedKey, KeyBounds } from './sortedKeys.ts';

/** What a key in memory is taken to cost beside its bytes: entry object, map slot, sorted position. */
const ENTRY_OVERHEAD_BYTES = 250;
/** The same for a table row. */
const ROW_OVERHEAD_BYTES = 60;

export interface WorkingSet {
  readonly rows: ReadonlyMap<OriginKey, RowTable>;
  readonly states: ReadonlyMap<string, StateValue>;
  readonly entryCount: () => number;
  readonly getEntry: (key: Key) => Entry | undefined;
  setEntry(key: Key, entry: Entry): void;
  setRow(origin: OriginKey, sequence: number, key: Key): void;
  setState(name: string, value: StateValue): void;
  /** Changed keys within bounds, in byte order. */
  changes(bounds: KeyBounds): ChangeCursor;
  isEmpty(): boolean;
  /** Estimate of the memory held, bytes. */
  sizeBytes(): number;
}

export function createWorkingSet(): WorkingSet {
  const entries = new Map<Key, ChangedKey>();
  const rows = new Map<OriginKey, RowTable>();
  const states = new Map<string, StateValue>();
  const sorted = createSortedKeys();
  let sizeBytes = 0;
  let lastOrigin: OriginKey | undefined;
  let lastTable: RowTable | undefined;

  return {
    rows,
    states,
    entryCount: () => entries.size,
    getEntry: (key) => entries.get(key)?.entry,
    setEntry(key, entry) {
      const known = entries.get(key);
      if (known !== undefined) {
        sizeBytes += entry.value.length - known.entry.value.length;
        known.entry = entry;
        return;
      }
      const change: ChangedKey = { key, entry };
      entries.set(key, change);
      sorted.add(change);
      sizeBytes += key.length + entry.value.length + ENTRY_OVERHEAD_BYTES;
    },
    setRow(origin, sequence, key) {
      if (origin !== lastOrigin || lastTable === undefined) {
        lastTable = rows.get(origin) ?? createRowTable();
        rows.set(origin, lastTable);
        lastOrigin = origin;
      }
      lastTable.set(sequence, key);
      sizeBytes += ROW_OVERHEAD_BYTES;
    },
    setState(name, value) {
      states.set(name, value);
    },
    changes: (bounds) => sorted.cursor(bounds),
    isEmpty: () => entries.size === 0 && rows.size === 0 && states.size === 0,
    sizeBytes: () => sizeBytes,
  };
}
