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
  isFlushed: boolean;
}

interface PendingTurn {
  readonly turn: number;
  /** Undefined for a turn that wrote nothing: it is as far as the turns before it. */
  readonly batch: Batch | undefined;
  readonly sizeBytes: number;
  readonly listener: CommitListener;
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
  /** Resolves when every turn so far is durable or failed. */
  whenSettled(): Promise<void>;
}

/**
 * `isVisible` says whether a reader sees the turn; `refresh` is called before a series of such questions, so that the
 * reader is a new one. `onProgress` is called after turns were reported.
 */
export function createCommitReports(storage: {
  readonly refresh: () => void;
  readonly isVisible: (turn: number) => boolean;
  readonly onProgress: () => void;
}): CommitReports {
  let uncommitted: PendingTurn[] = [];
  let undurable: PendingTurn[] = [];
  /** Index of the first turn of each queue that was not taken yet: shifting a long array would cost its length. */
  let firstUncommitted = 0;
  let firstUndurable = 0;
  let pendingBytes = 0;
  let failure: Error | undefined;
  let batch: Batch | undefined;
  let settledWaiters: (() => void)[] = [];

  // A turn goes by its own transaction's promise, never by a later one's: a transaction may fail and the next succeed.
  const isFlushed = ({ batch: own }: PendingTurn): boolean => own === undefined || own.isFlushed;

  function takeCommitted(isCommitted: (pending: PendingTurn) => boolean): void {
    for (;;) {
      const next = uncommitted[firstUncommitted];
      if (next === undefined || failure !== undefined || !isCommitted(next)) break;
      firstUncommitted++;
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
    settle();
  }

  function check(): void {
    if (failure !== undefined || firstUncommitted === uncommitted.length) return;
    storage.refresh();
    takeCommitted((pending) => isFlushed(pending) || storage.isVisible(pending.turn));
    settle();
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
        uncommitted.push({ turn, batch, sizeBytes, listener });
        return;
      }
      const mine: Batch = { flushed, isFlushed: false };
      batch = mine;
      uncommitted.push({ turn, batch, sizeBytes, listener });
      flushed.then(
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
    whenSettled: () =>
      uncommitted.length === 0 && undurable.length === 0
        ? Promise.resolve()
        : new Promise((resolve) => settledWaiters.push(resolve)),
  };
}
