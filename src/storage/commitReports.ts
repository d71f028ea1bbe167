/**
 * Tells each turn's listener how far the turn has got, once each and in order of turns.
 *
 * Owns the queue of turns under way and nothing of LMDB: it is told when to look (`check`), asks whether a turn is
 * visible, and takes promises for "durable". Invariants: `committed` before `durable`; turn n before turn n+1; after
 * the first failure every turn that is not durable hears `failed`, as do all later ones, and nothing else is called.
 */
import type { CommitListener } from '../core/store.ts';

/** A queue's taken turns are let go when there are this many. */
const COMPACT_AFTER = 1024;

/** Turns whose writes share a transaction, and so its promise. */
interface Batch {
  readonly flushed: Promise<unknown>;
  lastTurn: number;
  lastSizeBytes: number;
  /** The promise was kept, and its turns can be read. */
  isFlushed: boolean;
}

interface PendingTurn {
  readonly turn: number;
  /** Undefined for a turn that wrote nothing: it is as far as the turns before it. */
  readonly batch: Batch | undefined;
  readonly sizeBytes: number;
  readonly listener: CommitListener;
}

interface CommittedWaiter {
  readonly turn: number;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

export interface CommitReports {
  /** A turn was handed to LMDB. Its writes share `flushed` with others of the same transaction. */
  add(turn: number, sizeBytes: number, flushed: Promise<unknown>, listener: CommitListener): void;
  addEmpty(listener: CommitListener): void;
  /** Reports what has become visible since the last look. */
  readonly check: () => void;
  readonly fail: (reason: Error) => void;
  failure(): Error | undefined;
  /** Turns whose commit has not been reported yet, and their bytes. */
  pending(): { readonly turns: number; readonly sizeBytes: number };
  /** Resolves when the turn is committed, rejects when it never will be. */
  whenCommitted(turn: number): Promise<void>;
  /** Resolves when every turn so far is durable or failed. */
  whenSettled(): Promise<void>;
}

/**
 * `isVisible` says whether a reader sees the turn; `refresh` is called before a series of such questions, so that the
 * reader is a new one. `onProgress` is called after turns were reported.
 */
export function createCommitReports(storage: {
  /** Last turn that was committed before: found at open. */
  readonly lastCommitted: number;
  readonly refresh: () => void;
  readonly isVisible: (turn: number, sizeBytes: number) => boolean;
  /** Resolves once `isThere` is true, rejects when it stays false: confirmWritten. */
  readonly confirm: (isThere: () => boolean, what: string) => Promise<void>;
  readonly onProgress: () => void;
}): CommitReports {
  let uncommitted: PendingTurn[] = [];
  let undurable: PendingTurn[] = [];
  /** Index of the first turn of each queue that was not taken yet: shifting a long array would cost its length. */
  let firstUncommitted = 0;
  let firstUndurable = 0;
  let pendingBytes = 0;
  let lastCommitted = storage.lastCommitted;
  let failure: Error | undefined;
  let batch: Batch | undefined;
  let settledWaiters: (() => void)[] = [];
  let committedWaiters: CommittedWaiter[] = [];

  // A turn goes by its own transaction's promise, never by a later one's: a transaction may fail and the next succeed.
  const isFlushed = ({ batch: own }: PendingTurn): boolean => own === undefined || own.isFlushed;

  function takeCommitted(isCommitted: (pending: PendingTurn) => boolean): void {
    for (;;) {
      const next = uncommitted[firstUncommitted];
      if (next === undefined || failure !== undefined || !isCommitted(next)) break;
      firstUncommitted++;
      lastCommitted = Math.max(lastCommitted, next.turn);
      pendingBytes -= next.sizeBytes;
      undurable.push(next);
      next.listener.committed();
    }
    if (firstUncommitted === uncommitted.length) uncommitted = [];
    else if (firstUncommitted > COMPACT_AFTER) uncommitted = uncommitted.slice(firstUncommitted);
    else return;
    firstUncommitted = 0;
  }

  function takeDurable(): void {
    for (;;) {
      const next = undurable[firstUndurable];
      if (next === undefined || failure !== undefined || !isFlushed(next)) break;
      firstUndurable++;
      next.listener.durable();
    }
    if (firstUndurable === undurable.length) undurable = [];
    else if (firstUndurable > COMPACT_AFTER) undurable = undurable.slice(firstUndurable);
    else return;
    firstUndurable = 0;
  }

  function settle(): void {
    for (const { turn, resolve } of committedWaiters) if (turn <= lastCommitted) resolve();
    committedWaiters = committedWaiters.filter(({ turn }) => turn > lastCommitted);
    storage.onProgress();
    if (uncommitted.length > 0 || undurable.length > 0) return;
    const waiters = settledWaiters;
    settledWaiters = [];
    for (const waiter of waiters) waiter();
  }

  function fail(reason: Error): void {
    if (failure !== undefined) return;
    failure = reason;
    const turns = [...undurable.slice(firstUndurable), ...uncommitted.slice(firstUncommitted)];
    uncommitted = [];
    undurable = [];
    firstUncommitted = 0;
    firstUndurable = 0;
    pendingBytes = 0;
    for (const { listener } of turns) listener.failed(reason);
    for (const { reject } of committedWaiters) reject(reason);
    committedWaiters = [];
    settle();
  }

  function check(): void {
    if (failure !== undefined || firstUncommitted === uncommitted.length) return;
    storage.refresh();
    takeCommitted((pending) => isFlushed(pending) || storage.isVisible(pending.turn, pending.sizeBytes));
    settle();
  }

  function isThere({ lastTurn, lastSizeBytes }: Batch): boolean {
    // What was seen once may be folded, and gone from the log, by now.
    if (lastTurn <= lastCommitted) return true;
    storage.refresh();
    return storage.isVisible(lastTurn, lastSizeBytes);
  }

  /** Some promise is kept. It is later than visibility: what no hint told is told now. */
  function onFlushed(): void {
    takeCommitted(isFlushed);
    takeDurable();
    settle();
  }

  return {
    add(turn, sizeBytes, flushed, listener) {
      if (failure !== undefined) {
        const reason = failure;
        queueMicrotask(() => {
          listener.failed(reason);
        });
        flushed.catch(() => undefined);
        return;
      }
      pendingBytes += sizeBytes;
      if (batch?.flushed === flushed) {
        batch.lastTurn = turn;
        batch.lastSizeBytes = sizeBytes;
        uncommitted.push({ turn, batch, sizeBytes, listener });
        return;
      }
      const mine: Batch = { flushed, lastTurn: turn, lastSizeBytes: sizeBytes, isFlushed: false };
      batch = mine;
      uncommitted.push({ turn, batch, sizeBytes, listener });
      flushed
        .then(() => {
          // Not believed before a reader sees its last turn, and with it the others of its transaction.
          if (!isThere(mine)) return storage.confirm(() => isThere(mine), `turn ${mine.lastTurn}`);
          return undefined;
        })
        .then(
          () => {
            mine.isFlushed = true;
            onFlushed();
          },
          (reason: unknown) => {
            fail(reason instanceof Error ? reason : new Error(String(reason)));
          },
        );
    },
    addEmpty(listener) {
      if (failure === undefined) uncommitted.push({ turn: 0, batch: undefined, sizeBytes: 0, listener });
      const reason = failure;
      queueMicrotask(() => {
        if (reason !== undefined) listener.failed(reason);
        else onFlushed();
      });
    },
    check,
    fail,
    failure: () => failure,
    pending: () => ({ turns: uncommitted.length - firstUncommitted, sizeBytes: pendingBytes }),
    whenCommitted: (turn) =>
      new Promise((resolve, reject) => {
        if (turn <= lastCommitted) resolve();
        else if (failure !== undefined) reject(failure);
        else committedWaiters.push({ turn, resolve, reject });
      }),
    whenSettled: () =>
      uncommitted.length === 0 && undurable.length === 0
        ? Promise.resolve()
        : new Promise((resolve) => settledWaiters.push(resolve)),
  };
}
