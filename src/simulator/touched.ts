/**
 * What a step wrote into a store, so that a checker looks at that and not at everything.
 */
import type { MessageKind } from '../core/messages.ts';
import type { Store } from '../core/store.ts';
import { allRanges, createHaveSet } from '../core/haveSet.ts';
import { rangesTo } from '../core/ranges.ts';
import { compareTags } from '../core/types.ts';
import type { Entry, Key, OriginKey, SequenceRange } from '../core/types.ts';

export interface TouchedEntry {
  readonly key: Key;
  readonly before: Entry | undefined;
  readonly entry: Entry;
}

/** Under the tag that was there: nothing was written, what was there has expired. */
export function isExpiry({ before, entry }: TouchedEntry): boolean {
  return before !== undefined && compareTags(before, entry) === 0;
}

interface TouchedRow {
  readonly origin: OriginKey;
  readonly sequence: number;
  readonly key: Key;
}

/** An origin that was folded, and what was had of it then. */
interface TouchedFold {
  readonly origin: OriginKey;
  readonly ranges: readonly SequenceRange[];
}

export interface Touched {
  /** Kind of the message that the step was about, if it was one. */
  readonly arrived: MessageKind[];
  readonly folded: TouchedFold[];
  /** Names of states that were written. */
  readonly states: string[];
  readonly entries: TouchedEntry[];
  readonly rows: TouchedRow[];
  /** Entries that are gone. */
  readonly removed: { readonly key: Key; readonly entry: Entry }[];
}

export function createTouched(): Touched {
  return { arrived: [], folded: [], states: [], entries: [], rows: [], removed: [] };
}

/** A step is looked at: the next begins. */
export function clearTouched(touched: Touched): void {
  for (const list of Object.values(touched) as unknown[][]) if (list.length > 0) list.length = 0;
}

/** The same store, whose writes are noted in `touched`. */
export function noteWrites(store: Store, touched: Touched): Store {
  const noteEntry = (key: Key, entry: Entry): void => {
    touched.entries.push({ key, before: store.readEntry(key), entry });
  };
  return {
    ...store,
    writeState(name, value) {
      touched.states.push(name);
      store.writeState(name, value);
    },
    removeState(name) {
      const value = store.readState(name);
      if (name.startsWith('vector/') && value !== undefined) {
        const [, , contiguous, gaps] = value as [string, number, number, number[]];
        const ranges = rangesTo(allRanges(createHaveSet(contiguous, gaps)));
        touched.folded.push({ origin: name.slice('vector/'.length) as OriginKey, ranges });
      }
      store.removeState(name);
    },
    writeEntry(key, entry) {
      noteEntry(key, entry);
      store.writeEntry(key, entry);
    },
    loadEntry(key, entry) {
      noteEntry(key, entry);
      store.loadEntry(key, entry);
    },
    removeEntry(key) {
      const entry = store.readEntry(key);
      if (entry !== undefined) touched.removed.push({ key, entry });
      store.removeEntry(key);
    },
    writeRow(origin, sequence, key) {
      touched.rows.push({ origin, sequence, key });
      store.writeRow(origin, sequence, key);
    },
  };
}
