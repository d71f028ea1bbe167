/**
 * The store on disk: one log record per turn is the commit; a background fold takes the changes into the trees.
 *
 * What a turn wrote is in the *active* working set at once and, with its commit, in the log; a fold seals the set,
 * writes it into the trees in key order and clears its log (the paper's own shape; measured against puts straight
 * into the trees by tools/bench/storageShapes.ts). What is *loaded* goes into the trees with its turn. Owns the open turn and ties the parts together.
 * Invariant: a read looks in active, sealed, loads, trees, in this order, so it sees every write made before it.
 */
import { ToposphereError } from '../core/errors.ts';
import type { CommitListener, KeyRange, StateValue, Store, StoreSnapshot } from '../core/store.ts';
import type { Entry, Key, OriginKey } from '../core/types.ts';
import { confirmWritten } from './confirmWritten.ts';
import { commitError, delay } from './commitError.ts';
import { createCommitReports } from './commitReports.ts';
import type { CommitReports } from './commitReports.ts';
import { hintWhenVisible } from './commitVisibility.ts';
import { createRecordCutter, toBuffer, toBytes } from './entryRecord.ts';
import { FoldSchedule } from './foldSchedule.ts';
import { assertKeyFits } from './keyLimit.ts';
import type { Trees } from './lmdbTrees.ts';
import { createHotEntries } from './hotEntries.ts';
import { createLoads } from './loads.ts';
import { mergeEntries } from './mergeEntries.ts';
import type { EntryLayer } from './mergeEntries.ts';
import { openDirectory } from './openDirectory.ts';
import type { OpenedDirectory } from './openDirectory.ts';
import type { ChangedKey } from './sortedKeys.ts';
import { statesWithPrefix } from './stateNames.ts';
import type { LmdbStoreReport } from './storeReport.ts';
import { createStoreSnapshots } from './storeSnapshots.ts';
import type { StoreSnapshots } from './storeSnapshots.ts';
import { createTurnWriter } from './turnRecord.ts';
import type { TurnWriter } from './turnRecord.ts';
import { heldValue } from './workingSet.ts';

/** Changed keys that start a fold. More: fewer page writes a key in a large store, more memory, longer replay. */
const ACTIVE_LIMIT_KEYS = 200_000;
/** Memory of changes that starts a fold, bytes. With a fold under way twice as much is held. */
const ACTIVE_LIMIT_BYTES = 96 * 1024 * 1024;
/** Records of the log that start a fold, bytes: what a start has to replay, and the file has to hold. */
const LOG_LIMIT_BYTES = 96 * 1024 * 1024;
/** Bytes handed to LMDB and not yet committed at which writers should wait. */
const PENDING_LIMIT_BYTES = 32 * 1024 * 1024;
/** A pause in writing that starts a fold, milliseconds. */
const FOLD_IDLE_MS = 100;
/** Longest wait for lmdb-js to close after a failed commit, milliseconds. */
const CLOSE_AFTER_FAILURE_MS = 1_000;

export interface LmdbStoreOptions {
  /** Made if it is not there. One process at a time. */
  readonly directory: string;
  readonly activeLimitKeys?: number;
  readonly activeLimitBytes?: number;
  readonly logLimitBytes?: number;
  readonly foldIdleMs?: number;
  /** Told in one sentence that the store was damaged and is empty now; its file was moved aside. Left out: a damaged store is refused. */
  readonly onDamage?: (description: string) => void;
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
  readonly #loads = createLoads();
  readonly #hot = createHotEntries((key) => this.#trees.readEntry(key));
  readonly #cut: (entry: Entry) => Uint8Array;
  readonly #snapshots: StoreSnapshots;
  readonly #readyWaiters: (() => void)[] = [];
  #copying: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  /** Use openLmdbStore. */
  constructor(options: LmdbStoreOptions, { trees, checksum, unlock, recovery, states }: OpenedDirectory) {
    this.#directory = options.directory;
    this.#trees = trees;
    this.#unlock = unlock;
    this.#states = states;
    this.#writer = createTurnWriter(checksum);
    this.#cut = createRecordCutter(checksum);
    this.#reports = createCommitReports({
      lastCommitted: recovery.active.lastTurn,
      refresh: trees.refresh,
      isVisible: (turn, sizeBytes) => trees.hasTurn(this.#sets.logOf(turn), turn, sizeBytes),
      confirm: (isThere, what) =>
        confirmWritten(isThere, what).catch(async (reason: unknown) => {
          throw await commitError(options.directory, reason);
        }),
      onProgress: this.#onProgress.bind(this),
    });
    this.#sets = new FoldSchedule(recovery, {
      trees,
      checksum,
      limits: {
        activeKeys: options.activeLimitKeys ?? ACTIVE_LIMIT_KEYS,
        activeBytes: options.activeLimitBytes ?? ACTIVE_LIMIT_BYTES,
        logBytes: options.logLimitBytes ?? LOG_LIMIT_BYTES,
        idleMs: options.foldIdleMs ?? FOLD_IDLE_MS,
      },
      isTurnOpen: () => this.hasChanges(),
      whenCommitted: (turn) => this.#reports.whenCommitted(turn),
      onFolded: () => {
        this.#hot.clear();
        this.#wakeWriters();
      },
      onFailed: (reason) => {
        void commitError(options.directory, reason).then(this.#reports.fail);
      },
    });
    this.#reportsVisibility = hintWhenVisible(trees.root, this.#reports.check);
    this.#snapshots = createStoreSnapshots({
      trees,
      sets: this.#sets,
      freezeLayers: () => this.#layersFrom(this.#sets.active.freeze()), // the sealed set never changes
      assertOpen: this.#assertOpen.bind(this),
    });
  }

  readEntry(key: Key): Entry | undefined {
    const change = this.#getChange(key);
    return change === undefined ? this.#trees.readEntry(key) : change.entry;
  }

  /** What became of a key, where the trees do not say it for sure. */
  #getChange(key: Key): ChangedKey | undefined {
    const { active, sealed } = this.#sets;
    return active.getChange(key) ?? sealed?.getChange(key) ?? this.#loads.getChange(key);
  }

  /** The value of a key, if it has one that has not expired, not to be changed. Spares `readEntry`; `hasExpired` is asked of those alone that expire. */
  readValue(key: Key, hasExpired: (expiresAt: number) => boolean): Uint8Array | undefined {
    const known = this.#getChange(key) ?? this.#hot.find(key);
    return known === undefined
      ? this.#trees.readValue(key, hasExpired, toBytes)
      : heldValue(known, hasExpired);
  }

  /** The same in bytes that are the caller's to change. */
  readOwnValue(key: Key, hasExpired: (expiresAt: number) => boolean): Buffer | undefined {
    const change = this.#getChange(key);
    if (change === undefined) return this.#trees.readValue(key, hasExpired, toBuffer); // copied out of the map already
    const value = heldValue(change, hasExpired);
    return value === undefined ? undefined : Buffer.from(value);
  }

  writeEntry(key: Key, entry: Entry): void {
    this.#assertOpen();
    assertKeyFits(key);
    this.#writer.entry(key, entry);
    this.#sets.active.setEntry(key, entry);
  }

  loadEntry(key: Key, entry: Entry): void {
    this.#assertOpen();
    assertKeyFits(key);
    const { active, sealed } = this.#sets;
    const isInSet = active.getChange(key) !== undefined || sealed?.getChange(key) !== undefined;
    if (isInSet || !this.#loads.add(key, entry)) this.writeEntry(key, entry);
  }

  removeEntry(key: Key): void {
    this.#assertOpen();
    this.#writer.removeEntry(key);
    this.#sets.active.setEntry(key, undefined);
  }

  entries(range: KeyRange): IterableIterator<readonly [Key, Entry]> {
    return mergeEntries(this.#layersFrom(this.#sets.active), this.#trees.entries(range), range);
  }

  /** What the trees do not say for sure, the newest first. */
  #layersFrom(active: EntryLayer): EntryLayer[] {
    const { sealed } = this.#sets;
    return [active, ...(sealed === undefined ? [] : [sealed]), ...this.#loads.layers()];
  }

  readRow(origin: OriginKey, sequence: number): Key | undefined {
    const { active, sealed } = this.#sets;
    const row = active.getRow(origin, sequence) ?? sealed?.getRow(origin, sequence);
    if (row === 'dropped') return undefined;
    return row ?? this.#trees.readRow(origin, sequence);
  }

  writeRow(origin: OriginKey, sequence: number, key: Key): void {
    this.#assertOpen();
    assertKeyFits(key);
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
    return !this.#writer.isEmpty() || this.#loads.hasOpen();
  }

  commit(listener: CommitListener): void {
    this.#assertOpen();
    const turn = this.#sets.lastTurn + 1;
    if (this.#reports.failure() !== undefined && this.hasChanges()) {
      // Nothing is handed to LMDB after its first failed commit: the listener hears of that one.
      this.#writer.finish(turn);
      this.#loads.close(turn);
    }
    if (!this.hasChanges()) {
      this.#reports.addEmpty(listener);
      return;
    }
    const loadedBytes = this.#putLoads(turn); // in one transaction with the record of the turn: they are put in one go
    const record = this.#writer.finish(turn);
    const committed = this.#trees.appendLog(this.#sets.activeLog, turn, record);
    if (this.#put?.committed !== committed) {
      const flushed = Promise.all([committed, this.#trees.flushed()]).catch(async (reason: unknown) => {
        throw await commitError(this.#directory, reason);
      });
      this.#put = { committed, flushed };
    }
    this.#reports.add(turn, record.length + loadedBytes, this.#put.flushed, listener);
    this.#sets.turnClosed(record.length);
  }

  /** Puts what the turn has loaded; answers its bytes. Readers find it in memory until they see the turn. */
  #putLoads(turn: number): number {
    let bytes = 0;
    let last: Promise<boolean> | undefined;
    for (const { key, entry } of this.#loads.close(turn)) {
      const record = this.#cut(entry);
      const put = this.#trees.putEntry(key, record);
      if (put !== last) put.catch(() => undefined); // the turn's own tells
      last = put;
      bytes += record.length;
    }
    if (bytes === 0) return 0;
    const settle = (): void => {
      this.#trees.refresh();
      this.#loads.settle(turn);
      this.#hot.clear();
    };
    this.#reports.whenCommitted(turn).then(settle, () => undefined);
    return bytes;
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
  snapshot(): AsyncGenerator<readonly [Key, Entry], undefined> {
    this.#assertOpen();
    return this.#snapshots.walk();
  }

  openSnapshot(): StoreSnapshot {
    this.#assertOpen();
    return this.#snapshots.open();
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
    const changed = active.entryCount() + (sealed?.entryCount() ?? 0) + this.#loads.entryCount();
    return this.#trees.figures().entries + changed;
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
    this.#snapshots.endAll();
    await Promise.allSettled([this.#reports.whenSettled(), this.#copying]);
    try {
      // The active set holds what an open turn wrote: its committed turns stay in the log then.
      if (!this.hasChanges()) await this.#sets.whenFolded(() => undefined);
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

  #onProgress(): void {
    const failure = this.#reports.failure();
    if (failure !== undefined) this.#sets.fail(failure);
    this.#wakeWriters();
  }

  #wakeWriters(): void {
    if (this.#readyWaiters.length === 0) return;
    if (this.#closing === undefined && this.#reports.failure() === undefined && this.isBusy()) return;
    for (const waiter of this.#readyWaiters.splice(0)) waiter();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined)
      throw new ToposphereError('CLOSED', `the store in ${this.#directory} is closed`);
  }
}
