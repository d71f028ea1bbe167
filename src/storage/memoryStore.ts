/**
 * The store in memory, for tests and the simulator: deterministic, and its disk does what its driver says.
 *
 * Owns what a disk would hold: turns are closed, then committed, then flushed, each step only when the driver calls
 * for it (or, with `automatic`, in microtasks). A crash gives back a new store with what had reached the disk. The
 * listeners of a crashed or failed store hear nothing more. No clock, no randomness, no timer.
 */
import type { CommitListener, KeyRange, StateValue, Store } from '../core/store.ts';
import type { Entry, Key } from '../core/types.ts';

import { mergeEntries } from './mergeEntries.ts';
import type { EntryLayer } from './mergeEntries.ts';
import { statesWithPrefix } from './stateNames.ts';
import { createWorkingSet } from './workingSet.ts';
import type { WorkingSet } from './workingSet.ts';

interface MemoryStoreOptions {
  /** Commits and flushes each turn by itself, in microtasks. */
  readonly automatic?: boolean;
}

interface Crash {
  /** `process`: what was not committed is lost. `power`: what was not durable is lost too. */
  readonly kind: 'process' | 'power';
  /** Turns beyond those that reached the disk all the same, unreported: the crash came after the write, before the report. */
  readonly survivingTurns?: number;
}

export interface MemoryStore {
  readonly store: Store;
  /** Commits the oldest `turns` of those closed (all if left out) and reports them; answers how many. */
  completeCommits(turns?: number): number;
  /** Flushes the oldest `turns` of those committed (all if left out) and reports them; answers how many. */
  completeFlushes(turns?: number): number;
  /** Closed turns that are not committed, and committed ones that are not durable. */
  pendingTurns(): { readonly uncommitted: number; readonly undurable: number };
  /** Fails the next commit or flush that is due: its turn's listener hears it, and those of all later ones. */
  failNext(reason: Error): void;
  /** Ends this store and answers the one that the next start finds. */
  crash(crash: Crash): MemoryStore;
  /** A named state as it is durable: what a power cut now would leave of it. */
  readDurableState(name: string): StateValue | undefined;
  /** Another store, on a copy of what is durable here. */
  copyDurable(): MemoryStore;
  /** What `isBusy` answers; `whenReady` resolves when it is set back to false. */
  setBusy(busy: boolean): void;
}

/** One write of a turn, kept until it is durable. */
type Change = (disk: WorkingSet) => void;

interface Turn {
  readonly changes: readonly Change[];
  readonly listener: CommitListener;
}

export function openMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return createMemoryStore(options, createWorkingSet());
}

/** `disk` is what is durable; it belongs to the new store. */
function createMemoryStore(options: MemoryStoreOptions, disk: WorkingSet): MemoryStore {
  const live = copyWorkingSet(disk);
  const automatic = options.automatic === true;
  let open: Change[] = [];
  let uncommitted: Turn[] = [];
  let undurable: Turn[] = [];
  let failNextWith: Error | undefined;
  let failure: Error | undefined;
  let isCrashed = false;
  let isBusy = false;
  let readyWaiters: (() => void)[] = [];

  function assertUsable(): void {
    if (isCrashed) throw new Error('this memory store has crashed: go on with the one that crash() answered');
  }

  /** Takes the failure that is due, if any, and tells every turn under way. */
  function isFailing(): boolean {
    if (failNextWith !== undefined) {
      failure = failNextWith;
      failNextWith = undefined;
    }
    if (failure === undefined) return false;
    const reason = failure;
    const turns = [...undurable, ...uncommitted];
    undurable = [];
    uncommitted = [];
    for (const { listener } of turns) listener.failed(reason);
    return true;
  }

  function completeCommits(turns = Infinity): number {
    assertUsable();
    let done = 0;
    while (done < turns && uncommitted.length > 0 && !isFailing()) {
      const turn = uncommitted.shift();
      if (turn === undefined) break;
      undurable.push(turn);
      done++;
      turn.listener.committed();
    }
    return done;
  }

  function completeFlushes(turns = Infinity): number {
    assertUsable();
    let done = 0;
    while (done < turns && undurable.length > 0 && !isFailing()) {
      const turn = undurable.shift();
      if (turn === undefined) break;
      for (const change of turn.changes) change(disk);
      done++;
      turn.listener.durable();
    }
    return done;
  }

  function write(change: Change): void {
    assertUsable();
    open.push(change);
    change(live);
  }

  function setEntry(key: Key, entry: Entry | undefined): void {
    write((target) => {
      target.setEntry(key, entry);
    });
  }

  const store: Store = {
    readEntry: (key) => live.getChange(key)?.entry,
    writeEntry: setEntry,
    loadEntry: setEntry,
    removeEntry(key) {
      setEntry(key, undefined);
    },
    entries: (range: KeyRange) => mergeEntries([live], undefined, range),
    openSnapshot() {
      let layer: EntryLayer | undefined = live.freeze();
      return {
        entries(range) {
          assertUsable();
          if (layer === undefined) throw new Error('this snapshot is closed');
          return mergeEntries([layer], undefined, range);
        },
        close() {
          layer = undefined;
        },
      };
    },
    readRow(origin, sequence) {
      const row = live.getRow(origin, sequence);
      return row === 'dropped' ? undefined : row;
    },
    writeRow(origin, sequence, key) {
      write((target) => {
        target.setRow(origin, sequence, key);
      });
    },
    dropRows(origin, through) {
      write((target) => {
        target.dropRows(origin, through);
      });
    },
    readState: (name) => live.states.get(name),
    writeState(name, value) {
      write((target) => {
        target.setState(name, value);
      });
    },
    removeState(name) {
      write((target) => {
        target.setState(name, undefined);
      });
    },
    states: (prefix) => statesWithPrefix(live.states, prefix),
    hasChanges: () => open.length > 0,
    commit(listener) {
      assertUsable();
      uncommitted.push({ changes: open, listener });
      open = [];
      if (!automatic) return;
      queueMicrotask(() => {
        if (!isCrashed) completeCommits();
      });
      queueMicrotask(() => {
        if (!isCrashed) completeFlushes();
      });
    },
    isBusy: () => isBusy,
    whenReady: () => (isBusy ? new Promise((resolve) => readyWaiters.push(resolve)) : Promise.resolve()),
  };

  return {
    store,
    completeCommits,
    completeFlushes,
    pendingTurns: () => ({ uncommitted: uncommitted.length, undurable: undurable.length }),
    failNext(reason) {
      failNextWith = reason;
    },
    crash({ kind, survivingTurns = 0 }) {
      assertUsable();
      isCrashed = true;
      const reached = kind === 'process' ? undurable.length : 0;
      const kept = [...undurable, ...uncommitted].slice(0, reached + survivingTurns);
      for (const turn of kept) for (const change of turn.changes) change(disk);
      return createMemoryStore(options, disk);
    },
    readDurableState: (name) => disk.states.get(name),
    copyDurable: () => createMemoryStore(options, copyWorkingSet(disk)),
    setBusy(busy) {
      isBusy = busy;
      if (busy) return;
      const waiters = readyWaiters;
      readyWaiters = [];
      for (const waiter of waiters) waiter();
    },
  };
}

function copyWorkingSet(source: WorkingSet): WorkingSet {
  const copy = createWorkingSet();
  const next = source.changes({});
  for (let change = next(); change !== undefined; change = next())
    if (change.entry !== undefined) copy.setEntry(change.key, change.entry);
  for (const [origin, through] of source.droppedRows) copy.dropRows(origin, through);
  for (const [origin, table] of source.rows) {
    for (const [sequence, key] of table.rows()) copy.setRow(origin, sequence, key);
  }
  for (const [name, value] of source.states) if (value !== undefined) copy.setState(name, value);
  return copy;
}
