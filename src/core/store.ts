/**
 * The store port: what the core asks of storage. Synchronous, because the core decides in one go.
 *
 * Reads see every write made before them. Writes gather into the present *turn*; `commit` makes the
 * turn one atomic unit on disk (entries, table rows and vectors together: R2) and reports twice, in
 * order of turns: `committed` when it survives this process's death, `durable` when it survives a power cut.
 * Who stores what under which name is the core's affair; how it lies on disk is storage's.
 */
import type { Entry, Key, OriginKey } from './types.ts';

export interface KeyRange {
  /** First key, inclusive; from the beginning if left out. */
  readonly from?: Key;
  /** Start after this key instead. */
  readonly after?: Key;
  /** End before this key; to the end if left out. With `reverse` the bounds keep their meaning. */
  readonly before?: Key;
  readonly reverse?: boolean;
}

/** How far a turn's writes have got. Each function is called once, in order of turns, `committed` before `durable`; or `failed`, after which nothing is ever called again. */
export interface CommitListener {
  readonly committed: () => void;
  readonly durable: () => void;
  readonly failed: (reason: Error) => void;
}

/** Small named facts: vectors, clock, incarnations. JSON-like data, no functions, no undefined. */
export type StateValue =
  number | string | boolean | null | readonly StateValue[] | { readonly [name: string]: StateValue };

/** The entries as they were when it was opened, whatever is written since. Must be closed: an open one makes the file grow. */
export interface StoreSnapshot {
  /** As `Store.entries`. Throws once the snapshot or the store is closed. */
  entries(range: KeyRange): IterableIterator<readonly [Key, Entry]>;
  close(): void;
}

export interface Store {
  readEntry(key: Key): Entry | undefined;
  writeEntry(key: Key, entry: Entry): void;
  /** The same, and quicker where a great many come in order of keys; its time is then spent in `commit`. */
  loadEntry(key: Key, entry: Entry): void;
  /** The key is gone, as if it had never been written (R8). */
  removeEntry(key: Key): void;
  /** Entries of a range in key order, tombstones included. The iterator must be used up or closed within the turn. */
  entries(range: KeyRange): IterableIterator<readonly [Key, Entry]>;
  /** Holds fast all entries as they are now, the open turn's too. */
  openSnapshot(): StoreSnapshot;

  /** The key that update `sequence` of `origin` wrote: one row of an update table. */
  readRow(origin: OriginKey, sequence: number): Key | undefined;
  writeRow(origin: OriginKey, sequence: number, key: Key): void;
  /** Rows up to and with `through` are gone; none is ever written there again. */
  dropRows(origin: OriginKey, through: number): void;

  readState(name: string): StateValue | undefined;
  writeState(name: string, value: StateValue): void;
  removeState(name: string): void;
  /** All state names that start with `prefix`, with their values. */
  states(prefix: string): IterableIterator<readonly [string, StateValue]>;

  /** True when anything was written since the last `commit`. */
  hasChanges(): boolean;
  /** Closes the present turn. With nothing written it reports as soon as the turns before it have been reported. */
  commit(listener: CommitListener): void;

  /** Writes come faster than the disk takes them: callers that can wait should (see `whenReady`). */
  isBusy(): boolean;
  whenReady(): Promise<void>;
}
