/**
 * The store on disk: one log record per turn is the commit; a background fold takes the changes into the trees.
 *
 * What a turn wrote is in the *active* working set at once and, with its commit, in the log; a fold seals the set,
 * writes it into the trees in key order and clears its log (the paper's own shape; measured against puts straight
 * into the trees by tools/bench/storageShapes.ts). Owns the open turn and ties the parts together. Invariant: a read
 * looks in active, sealed, trees, in this order, so it sees every write made before it.
 */
import { ToposphereError } from '../core/errors.ts';
import type { CommitListener, KeyRange, StateValue, Store, StoreSnapshot } from '../core/store.ts';
import type { Entry, Key, OriginKey } from '../core/types.ts';
import { confirmWritten } from './confirmWritten.ts';
import { commitError, delay } from './commitError.ts';
import { createCommitReports } from './commitReports.ts';
import type { CommitReports } from './commitReports.ts';
import { hintWhenVisible } from './commitVisibility.ts';
import { FoldSchedule } from './foldSchedule.ts';
import type { TreeSnapshot, Trees } from './lmdbTrees.ts';
import { mergeEntries } from './mergeEntries.ts';
import { openDirectory } from './openDirectory.ts';
import type { OpenedDirectory } from './openDirectory.ts';
import { statesWithPrefix } from './stateNames.ts';
import { createTurnWriter } from './turnRecord.ts';
import type { TurnWriter } from './turnRecord.ts';

/** Longest key, bytes: LMDB's 1,978 less our prefix and what composite keys add later. */
export const MAXIMUM_KEY_BYTES = 1_900;
/** Changed keys that start a fold. More: fewer page writes a key in a large store, more memory, longer replay. */
const ACTIVE_LIMIT_KEYS = 200_000;
/** Memory of changes that starts a fold, bytes. With a fold under way twice as much is held. */
const ACTIVE_LIMIT_BYTES = 96 * 1024 * 1024;
/** Bytes handed to LMDB and not yet committed at which writers should wait. */
const PENDING_LIMIT_BYTES = 32 * 1024 * 1024;
/** A pause in writing that starts a fold, milliseconds. */
const FOLD_IDLE_MS = 100;
/** Longest wait for lmdb-js to close after a failed commit, milliseconds. */
const CLOSE_AFTER_FAILURE_MS = 1_000;
/** Entries of a snapshot between two breaths of the event loop. */
const SNAPSHOT_SLICE_ENTRIES = 2_000;

export interface LmdbStoreOptions {
  /** Made if it is not there. One process at a time. */
  readonly directory: string;
  readonly activeLimitKeys?: number;
  readonly activeLimitBytes?: number;
  readonly foldIdleMs?: number;
  /** Told in one sentence that the store was damaged and is empty now; its file was moved aside. Left out: a damaged store is refused. */
  readonly onDamage?: (description: string) => void;
}

export interface LmdbStoreReport {
  readonly activeKeys: number;
  readonly sealedKeys: number;
  /** Estimate of the memory that both working sets take. */
  readonly workingBytes: number;
  /** Entries in the entries tree, tombstones included. */
  readonly treeEntries: number;
  readonly fileBytes: number;
  /** Turns whose commit has not been reported yet. */
  readonly pendingTurns: number;
  readonly turns: number;
  readonly folds: number;
  readonly foldedEntries: number;
  readonly lastFoldMs: number;
  /** Whether commits are reported as soon as they are visible; if not, only when they are on disk. */
  readonly reportsVisibility: boolean;
  readonly busy: boolean;
}

/**
 * Opens or creates the store of a directory and brings back every committed turn. Throws ToposphereError: STORE_LOCKED
 * when a living process has it open; STORAGE_FAILED when the directory cannot be used, STORE_DAMAGED when what it holds is.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<LmdbStore> {
  const opened = await openDirectory(options.directory, options.onDamage);
  return new LmdbStore(options, opened);
}

export class LmdbStore implements Store {
  readonly #directory: string;
  readonly #trees: Trees;
  readonly #unlock: () => void;
  readonly #writer: TurnWriter;
  readonly #reports: CommitReports;
  readonly #sets: FoldSchedule;
  readonly #reportsVisibility: boolean;
  /** State is small and read often: all of it stays in memory. */
  readonly #states: Map<string, StateValue>;
  /** Promises of the last put: turns of one transaction share them. */
  #put: { readonly committed: Promise<unknown>; readonly flushed: Promise<unknown> } | undefined;
  #snapshots = new Set<TreeSnapshot>();
  #readyWaiters: (() => void)[] = [];
  #copying: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** Use openLmdbStore. */
  constructor(options: LmdbStoreOptions, { trees, checksum, unlock, recovery, states }: OpenedDirectory) {
    this.#directory = options.directory;
    this.#trees = trees;
    this.#unlock = unlock;
    this.#states = states;
    this.#writer = createTurnWriter(checksum);
    this.#reports = createCommitReports({
      lastCommitted: recovery.active.lastTurn,
      refresh: trees.refresh,
      isVisible: (turn, sizeBytes) => trees.hasTurn(this.#sets.logOf(turn), turn, sizeBytes),
      confirm: (isThere, what) =>
        confirmWritten(isThere, what).catch(async (reason: unknown) => {
          throw await commitError(options.directory, reason);
        }),
      onProgress: () => {
        this.#onProgress();
      },
    });
    this.#sets = new FoldSchedule(recovery, {
      trees,
      checksum,
      limits: {
        activeKeys: options.activeLimitKeys ?? ACTIVE_LIMIT_KEYS,
        activeBytes: options.activeLimitBytes ?? ACTIVE_LIMIT_BYTES,
        idleMs: options.foldIdleMs ?? FOLD_IDLE_MS,
      },
      isTurnOpen: () => !this.#writer.isEmpty(),
      whenCommitted: (turn) => this.#reports.whenCommitted(turn),
      onFolded: () => {
        this.#wakeWriters();
      },
      onFailed: (reason) => {
        void commitError(options.directory, reason).then(this.#reports.fail);
      },
    });
    this.#reportsVisibility = hintWhenVisible(trees.root, this.#reports.check);
  }

  readEntry(key: Key): Entry | undefined {
    const { active, sealed } = this.#sets;
    const change = active.getChange(key) ?? sealed?.getChange(key);
    return change === undefined ? this.#trees.readEntry(key) : change.entry;
  }

  /**
   * The value of a key, if it has one that has not expired, in bytes that are the caller's to change. Spares `readEntry` and a copy; `hasExpired` is
   * asked of those alone that expire.
   */
  readOwnValue(key: Key, hasExpired: (expiresAt: number) => boolean): Buffer | undefined {
    const { active, sealed } = this.#sets;
    const change = active.getChange(key) ?? sealed?.getChange(key);
    if (change === undefined) return this.#trees.readValue(key, hasExpired); // copied out of the map already
    const { entry } = change;
    if (entry?.kind !== 'value' || (entry.expiresAt !== 0 && hasExpired(entry.expiresAt))) return undefined;
    return Buffer.from(entry.value);
  }

  writeEntry(key: Key, entry: Entry): void {
    this.#assertOpen();
    if (key.length > MAXIMUM_KEY_BYTES) throw keyTooLong(key);
    this.#writer.entry(key, entry);
    this.#sets.active.setEntry(key, entry);
  }

  removeEntry(key: Key): void {
    this.#assertOpen();
    this.#writer.removeEntry(key);
    this.#sets.active.setEntry(key, undefined);
  }

  entries(range: KeyRange): IterableIterator<readonly [Key, Entry]> {
    const { active, sealed } = this.#sets;
    return mergeEntries(
      sealed === undefined ? [active] : [active, sealed],
      this.#trees.entries(range),
      range,
    );
  }

  readRow(origin: OriginKey, sequence: number): Key | undefined {
    const { active, sealed } = this.#sets;
    const row = active.getRow(origin, sequence) ?? sealed?.getRow(origin, sequence);
    if (row === 'dropped') return undefined;
    return row ?? this.#trees.readRow(origin, sequence);
  }

  writeRow(origin: OriginKey, sequence: number, key: Key): void {
    this.#assertOpen();
    if (key.length > MAXIMUM_KEY_BYTES) throw keyTooLong(key);
    this.#writer.row(origin, sequence, key);
    this.#sets.active.setRow(origin, sequence, key);
  }

  dropRows(origin: OriginKey, through: number): void {
    this.#assertOpen();
    this.#writer.dropRows(origin, through);
    this.#sets.active.dropRows(origin, through);
  }

  readState(name: string): StateValue | undefined {
    return this.#states.get(name);
  }

  /** Keeps `value`: it must not be changed afterwards. */
  writeState(name: string, value: StateValue): void {
    this.#assertOpen();
    this.#writer.state(name, value);
    this.#states.set(name, value);
    this.#sets.active.setState(name, value);
  }

  removeState(name: string): void {
    this.#assertOpen();
    this.#writer.removeState(name);
    this.#states.delete(name);
    this.#sets.active.setState(name, undefined);
  }

  states(prefix: string): IterableIterator<readonly [string, StateValue]> {
    return statesWithPrefix(this.#states, prefix);
  }

  hasChanges(): boolean {
    return !this.#writer.isEmpty();
  }

  commit(listener: CommitListener): void {
    this.#assertOpen();
    const turn = this.#sets.lastTurn + 1;
    if (this.#reports.failure() !== undefined && !this.#writer.isEmpty()) {
      // Nothing is handed to LMDB after its first failed commit: the listener hears of that one.
      this.#writer.finish(turn);
    }
    if (this.#writer.isEmpty()) {
      this.#reports.addEmpty(listener);
      return;
    }
    const record = this.#writer.finish(turn);
    const committed = this.#trees.appendLog(this.#sets.activeLog, turn, record);
    if (this.#put?.committed !== committed) {
      const flushed = Promise.all([committed, this.#trees.flushed()]).catch(async (reason: unknown) => {
        throw await commitError(this.#directory, reason);
      });
      this.#put = { committed, flushed };
    }
    this.#reports.add(turn, record.length, this.#put.flushed, listener);
    this.#sets.turnClosed();
  }

  /** True when folds cannot keep up with the writes, or commits cannot. */
  isBusy(): boolean {
    return this.#reports.pending().sizeBytes > PENDING_LIMIT_BYTES || this.#sets.isOverfull();
  }

  whenReady(): Promise<void> {
    if (!this.isBusy() || this.#reports.failure() !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.#readyWaiters.push(resolve));
  }

  /**
   * Resolves when the trees hold every turn closed so far; rejects with STORAGE_FAILED when a commit failed. While a
   * turn is open it waits for that turn's commit.
   */
  fold(): Promise<void> {
    this.#assertOpen();
    return this.#sets.whenFolded(() => undefined);
  }

  /**
   * Every entry in key order, tombstones included, as of one instant after the call, checksums verified. Breathes
   * between slices. Use it up or `return()` it: an open snapshot makes the file grow.
   */
  async *snapshot(): AsyncGenerator<readonly [Key, Entry], undefined> {
    this.#assertOpen();
    const snapshot = await this.#sets.whenFolded(() => this.#trees.snapshot());
    this.#snapshots.add(snapshot);
    try {
      let count = 0;
      for (const entry of snapshot.entries({})) {
        yield entry;
        if (++count % SNAPSHOT_SLICE_ENTRIES === 0) await new Promise((resolve) => setImmediate(resolve));
        // Closing ends the walk below: half of the entries must not pass for all.
        this.#assertOpen();
      }
    } finally {
      this.#endSnapshot(snapshot);
    }
    return undefined;
  }

  openSnapshot(): StoreSnapshot {
    this.#assertOpen();
    const { active, sealed } = this.#sets;
    // What the trees do not hold for sure; the sealed set never changes.
    const layers = [active.freeze(), ...(sealed === undefined ? [] : [sealed])];
    const tree = this.#trees.snapshot();
    this.#snapshots.add(tree);
    return {
      entries: (range) => {
        this.#assertOpen();
        if (!this.#snapshots.has(tree)) throw new ToposphereError('CLOSED', 'this snapshot is closed');
        return mergeEntries(layers, tree.entries(range), range);
      },
      close: () => {
        this.#endSnapshot(tree);
      },
    };
  }

  /** Copies every turn closed so far into an empty folder, while others go on. Rejects when a commit failed, or the disk of the copy. */
  async copyTo(folder: string): Promise<void> {
    this.#assertOpen();
    await this.#reports.whenCommitted(this.#sets.lastTurn);
    this.#copying = this.#trees.copyTo(folder);
    await this.#copying;
  }

  /** Number of keys with an entry, tombstones included; too large by the changed keys that the trees hold already. */
  approximateKeys(): number {
    const { active, sealed } = this.#sets;
    return this.#trees.figures().entries + active.entryCount() + (sealed?.entryCount() ?? 0);
  }

  /** After `close` it throws CLOSED. */
  report(): LmdbStoreReport {
    this.#assertOpen();
    const { active, sealed, lastTurn, figures } = this.#sets;
    const { entries, fileBytes } = this.#trees.figures();
    return {
      activeKeys: active.entryCount(),
      sealedKeys: sealed?.entryCount() ?? 0,
      workingBytes: active.sizeBytes() + (sealed?.sizeBytes() ?? 0),
      treeEntries: entries,
      fileBytes,
      pendingTurns: this.#reports.pending().turns,
      turns: lastTurn,
      ...figures,
      reportsVisibility: this.#reportsVisibility,
      busy: this.isBusy(),
    };
  }

  /**
   * Waits until every commit is durable, folds what is left and gives the directory back. Writes of an open turn are
   * lost. May be called twice.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#sets.close();
    for (const snapshot of [...this.#snapshots]) this.#endSnapshot(snapshot);
    await Promise.allSettled([this.#reports.whenSettled(), this.#copying]);
    try {
      // The active set holds what an open turn wrote: its committed turns stay in the log then.
      if (this.#writer.isEmpty()) await this.#sets.whenFolded(() => undefined);
      else await this.#sets.whenIdle();
    } catch {
      // Every listener was told; the log has what was committed.
    }
    try {
      const closed = this.#trees.close();
      // After a failed commit lmdb-js waits for a flush that never comes.
      if (this.#reports.failure() === undefined) await closed;
      else await Promise.race([closed, delay(CLOSE_AFTER_FAILURE_MS)]);
    } finally {
      this.#unlock();
      this.#wakeWriters();
    }
  }

  #endSnapshot(snapshot: TreeSnapshot): void {
    if (!this.#snapshots.delete(snapshot)) return;
    snapshot.done();
  }

  #onProgress(): void {
    const failure = this.#reports.failure();
    if (failure !== undefined) this.#sets.fail(failure);
    this.#wakeWriters();
  }

  #wakeWriters(): void {
    if (this.#readyWaiters.length === 0) return;
    if (this.#closing === undefined && this.#reports.failure() === undefined && this.isBusy()) return;
    const waiters = this.#readyWaiters;
    this.#readyWaiters = [];
    for (const waiter of waiters) waiter();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined)
      throw new ToposphereError('CLOSED', `the store in ${this.#directory} is closed`);
  }
}

function keyTooLong(key: Key): ToposphereError {
  return new ToposphereError(
    'KEY_TOO_LONG',
    `writing a key of ${key.length} bytes failed: a key has at most ${MAXIMUM_KEY_BYTES}`,
  );
}
