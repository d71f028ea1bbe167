/**
 * Entries on their way straight into the entries tree, past the log and the working sets.
 *
 * Whoever brings a great many in order of keys, as a join does, is spared a log record, a place in a working set and a fold for each: they are put with the
 * commit of their turn, in its transaction. Owns the runs that readers of the trees may not see yet. Invariant: nothing is loaded over a key that a working set
 * holds, or its fold would put the older entry back (lmdbStore.ts asks before).
 */
import type { Entry, Key } from '../core/types.ts';
import type { EntryLayer } from './mergeEntries.ts';
import { cursorOver, findInRun } from './sortedKeys.ts';
import type { ChangedKey } from './sortedKeys.ts';

interface LoadedEntry extends ChangedKey {
  readonly entry: Entry;
}

interface Loads {
  /** Adds to the open turn's run. False, and nothing is done, where the key is not above the last one of it. */
  add(key: Key, entry: Entry): boolean;
  /** Whether the open turn has loaded anything. */
  hasOpen(): boolean;
  getChange(key: Key): ChangedKey | undefined;
  /** Entries in all runs. */
  entryCount(): number;
  /** The runs as they are now, whatever comes, the newest first. */
  layers(): EntryLayer[];
  /** The open run belongs to this turn, and is to be put with it. */
  close(turn: number): readonly LoadedEntry[];
  /** Readers of the trees see the turn. */
  settle(turn: number): void;
}

export function createLoads(): Loads {
  let open: LoadedEntry[] = [];
  /** The newest first. */
  let closed: { readonly turn: number; readonly run: readonly LoadedEntry[] }[] = [];

  return {
    add(key, entry) {
      const last = open.at(-1);
      if (last !== undefined && last.key >= key) return false;
      open.push({ key, entry });
      return true;
    },
    hasOpen: () => open.length > 0,
    getChange(key) {
      const found = findInRun(open, key);
      if (found !== undefined) return found;
      for (const { run } of closed) {
        const found = findInRun(run, key);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    entryCount: () => closed.reduce((sum, { run }) => sum + run.length, open.length),
    layers() {
      const runs = closed.map(({ run }) => run);
      if (open.length > 0) runs.unshift([...open]);
      return runs.map((run) => ({ changes: cursorOver(run) }));
    },
    close(turn) {
      const run = open;
      open = [];
      if (run.length > 0) closed.unshift({ turn, run });
      return run;
    },
    settle(turn) {
      closed = closed.filter((one) => one.turn !== turn);
    },
  };
}
