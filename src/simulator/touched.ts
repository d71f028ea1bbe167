/**
 * What a step wrote into a store, so that a checker looks at that and not at everything.
 */
import type { Store } from '../core/store.ts';
import type { Entry, Key, OriginKey } from '../core/types.ts';

export interface TouchedEntry {
  readonly key: Key;
  readonly before: Entry | undefined;
  readonly entry: Entry;
}

export interface TouchedRow {
  readonly origin: OriginKey;
  readonly sequence: number;
  readonly key: Key;
}

export interface Touched {
  entries: TouchedEntry[];
  rows: TouchedRow[];
}

export function createTouched(): Touched {
  return { entries: [], rows: [] };
}

/** The same store, whose writes are noted in `touched`. */
export function noteWrites(store: Store, touched: Touched): Store {
  return {
    ...store,
    writeEntry(key, entry) {
      touched.entries.push({ key, before: store.readEntry(key), entry });
      store.writeEntry(key, entry);
    },
    writeRow(origin, sequence, key) {
      touched.rows.push({ origin, sequence, key });
      store.writeRow(origin, sequence, key);
    },
  };
}
