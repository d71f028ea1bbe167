/**
 * Storage shape (a), for comparison only: every write goes straight into its tree.
 *
 * The smallest thing that keeps the same promises as the LMDB store for writes and reads of single entries: a turn
 * is one transaction, reads see writes that are not committed yet, commits are reported when visible and when on disk.
 */
import xxhash from 'xxhash-wasm';
import type { CommitListener } from '../../src/core/store.ts';
import type { Entry, Key, OriginKey } from '../../src/core/types.ts';
import { createCommitReports } from '../../src/storage/commitReports.ts';
import { confirmWritten } from '../../src/storage/confirmWritten.ts';
import { hintWhenVisible } from '../../src/storage/commitVisibility.ts';
import { createRecordCutter } from '../../src/storage/entryRecord.ts';
import { openTrees } from '../../src/storage/lmdbTrees.ts';

/** Entries that were put and are not durable at which a writer waits. */
const PENDING_LIMIT_ENTRIES = 50_000;

export async function openDirectShape(directory: string) {
  const hasher = await xxhash();
  const checksum = (bytes: Uint8Array): number => hasher.h32Raw(bytes);
  const trees = openTrees(directory, checksum);
  const cut = createRecordCutter(checksum);
  const pending = new Map<Key, { readonly entry: Entry; readonly turn: number }>();
  /** The last row of each turn under way: visible when the turn is. */
  const lastRows = new Map<number, readonly [OriginKey, number]>();
  let turn = 1;
  let open: { readonly put: Promise<boolean>; readonly row: readonly [OriginKey, number] } | undefined;
  let waiters: (() => void)[] = [];

  const reports = createCommitReports({
    lastCommitted: 0,
    refresh: trees.refresh,
    isVisible: (closed) => {
      const row = lastRows.get(closed);
      return row !== undefined && trees.readRow(...row) !== undefined;
    },
    confirm: confirmWritten,
    onProgress: () => {
      if (isBusy()) return;
      for (const waiter of waiters) waiter();
      waiters = [];
    },
  });
  hintWhenVisible(trees.root, reports.check);

  function isBusy(): boolean {
    return pending.size > PENDING_LIMIT_ENTRIES;
  }

  return {
    readEntry: (key: Key): Entry | undefined => pending.get(key)?.entry ?? trees.readEntry(key),
    write(key: Key, entry: Entry, origin: OriginKey): void {
      pending.set(key, { entry, turn });
      void trees.putEntry(key, cut(entry));
      open = { put: trees.putRow(origin, entry.sequence, key), row: [origin, entry.sequence] };
      lastRows.set(turn, open.row);
    },
    writeState: (name: string, value: number): void => {
      void trees.putState(name, value);
    },
    commit(keys: readonly Key[], listener: CommitListener): void {
      const closed = turn++;
      if (open === undefined) throw new Error('a turn of this bench writes something');
      const flushed = Promise.all([open.put, trees.flushed()]);
      const durable = (): void => {
        lastRows.delete(closed);
        for (const key of keys) if (pending.get(key)?.turn === closed) pending.delete(key);
        listener.durable();
      };
      reports.add(closed, 0, flushed, { ...listener, durable });
      open = undefined;
    },
    isBusy,
    whenReady: (): Promise<void> =>
      isBusy() ? new Promise((resolve) => waiters.push(resolve)) : Promise.resolve(),
    fold: (): Promise<void> => reports.whenSettled(),
    close: async (): Promise<void> => {
      await reports.whenSettled();
      await trees.close();
    },
  };
}
