/**
 * What turns have changed and the trees do not say yet, in memory: entries, table rows, state.
 *
 * Owns the latest value of each changed name, never an older one, so that a key written ten times is folded
 * once. Knows nothing of disks or turns. One set is *active* (it grows); while a fold runs, another is *sealed*
 * (it never changes again).
 */
import type { Entry, Key, OriginKey } from '../core/types.ts';
import type { StateValue } from '../core/store.ts';
import type { EntryLayer } from './mergeEntries.ts';
import { createRowTable } from './rowTable.ts';
import type { RowTable } from './rowTable.ts';
import { createSortedKeys, freezeChanges } from './sortedKeys.ts';
import type { ChangeCursor, ChangedKey, KeyBounds } from './sortedKeys.ts';

/** What a key in memory is taken to cost beside its bytes: entry object, map slot, sorted position. */
const ENTRY_OVERHEAD_BYTES = 250;
/** The same for a table row. */
const ROW_OVERHEAD_BYTES = 60;

export interface WorkingSet {
  readonly rows: ReadonlyMap<OriginKey, RowTable>;
  /** Rows up to and with this sequence are gone. */
  readonly droppedRows: ReadonlyMap<OriginKey, number>;
  /** Undefined: removed. */
  readonly states: ReadonlyMap<string, StateValue | undefined>;
  readonly entryCount: () => number;
  /** What became of a key: undefined when nothing did here. */
  readonly getChange: (key: Key) => ChangedKey | undefined;
  /** Undefined for `entry` removes the key. */
  setEntry(key: Key, entry: Entry | undefined): void;
  setRow(origin: OriginKey, sequence: number, key: Key): void;
  dropRows(origin: OriginKey, through: number): void;
  /** The row if it is here; 'dropped' when it is gone from every layer; undefined when a lower layer may have it. */
  getRow(origin: OriginKey, sequence: number): Key | 'dropped' | undefined;
  /** Undefined for `value` removes the name. */
  setState(name: string, value: StateValue | undefined): void;
  /** Changed keys within bounds, in byte order. */
  changes(bounds: KeyBounds): ChangeCursor;
  /** All changed keys as they are now, whatever comes. */
  freeze(): EntryLayer;
  isEmpty(): boolean;
  /** Estimate of the memory held, bytes. */
  sizeBytes(): number;
}

export function createWorkingSet(): WorkingSet {
  const entries = new Map<Key, ChangedKey>();
  const rows = new Map<OriginKey, RowTable>();
  const droppedRows = new Map<OriginKey, number>();
  const states = new Map<string, StateValue | undefined>();
  const sorted = createSortedKeys();
  let sizeBytes = 0;
  let lastOrigin: OriginKey | undefined;
  let lastTable: RowTable | undefined;

  return {
    rows,
    droppedRows,
    states,
    entryCount: () => entries.size,
    getChange: (key) => (entries.size === 0 ? undefined : entries.get(key)), // spares a key that was never looked up its hash
    setEntry(key, entry) {
      const known = entries.get(key);
      if (known !== undefined) {
        sizeBytes += (entry?.value.length ?? 0) - (known.entry?.value.length ?? 0);
        known.entry = entry;
        return;
      }
      const change: ChangedKey = { key, entry };
      entries.set(key, change);
      sorted.add(change);
      sizeBytes += key.length + (entry?.value.length ?? 0) + ENTRY_OVERHEAD_BYTES;
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
    dropRows(origin, through) {
      if (through <= (droppedRows.get(origin) ?? 0)) return;
      droppedRows.set(origin, through);
      const dropped = rows.get(origin)?.dropThrough(through) ?? 0;
      sizeBytes -= dropped * ROW_OVERHEAD_BYTES;
    },
    getRow(origin, sequence) {
      const dropped = droppedRows.get(origin);
      if (dropped !== undefined && sequence <= dropped) return 'dropped';
      return rows.get(origin)?.get(sequence);
    },
    setState(name, value) {
      states.set(name, value);
    },
    changes: (bounds) => sorted.cursor(bounds),
    freeze() {
      const frozen = freezeChanges(sorted.cursor({}));
      return { changes: (bounds) => frozen.cursor(bounds) };
    },
    isEmpty: () => entries.size === 0 && rows.size === 0 && states.size === 0 && droppedRows.size === 0,
    sizeBytes: () => sizeBytes,
  };
}

/** The value that is known of a key, if it has one that has not expired; `hasExpired` is asked of those alone that expire. */
export function heldValue(
  { entry }: ChangedKey,
  hasExpired: (expiresAt: number) => boolean,
): Uint8Array | undefined {
  if (entry?.kind !== 'value' || (entry.expiresAt !== 0 && hasExpired(entry.expiresAt))) return undefined;
  return entry.value;
}
