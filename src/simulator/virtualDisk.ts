/**
 * A peer's disk: commits and flushes take time, wait, fail, and a power cut takes what was not flushed.
 *
 * Drives a MemoryStore, which keeps the storage contract; owns only when each of its steps happens. Whole turns are torn off, never
 * halves: a turn is one transaction (R2), and that is what LMDB promises of one.
 */
import type { StateValue, Store } from '../core/store.ts';
import { openMemoryStore } from '../storage/memoryStore.ts';
import type { MemoryStore } from '../storage/memoryStore.ts';
import { between, wholeBetween } from './random.ts';
import type { RandomStream } from './random.ts';

/**
 * ok, slow: as they say. stalled: nothing is written until it is ok again. unflushed: it is committed, and not flushed until then. full: the
 * next commit fails. fsyncError: the next flush does.
 */
export type DiskState = 'ok' | 'slow' | 'stalled' | 'unflushed' | 'full' | 'fsyncError';

export const DISK_STATES: readonly DiskState[] = ['ok', 'slow', 'stalled', 'unflushed', 'full', 'fsyncError'];

/** Milliseconds until a commit is visible, and from there until it is on the platter. */
const COMMIT_MS = { ok: [0.05, 0.3], slow: [5, 60] } as const;
const FLUSH_MS = { ok: [0.3, 8], slow: [20, 400] } as const;
/** Closed turns waiting for their commit at which the store calls itself busy. */
const BUSY_TURNS = 64;

export interface VirtualDisk {
  readonly store: Store;
  setState(state: DiskState): void;
  readonly state: DiskState;
  /** A named state as a power cut now would leave it. */
  readDurableState(name: string): StateValue | undefined;
  /** Ends the process that wrote: what is not committed is lost, at a power cut all that is not durable (or a part of it). */
  crash(kind: 'process' | 'power'): void;
  /** An empty disk in its place. */
  fresh(random: RandomStream): VirtualDisk;
  /** Another disk that holds what this one has durable. */
  copy(random: RandomStream): VirtualDisk;
}

interface DiskPorts {
  readonly after: (delayMs: number, run: () => void) => void;
  readonly random: RandomStream;
}

export function openVirtualDisk(ports: DiskPorts, content: MemoryStore = openMemoryStore()): VirtualDisk {
  const { random, after } = ports;
  let memory = content;
  let store = observe(memory);
  let state: DiskState = 'ok';
  let isCommitting = false;
  let isFlushing = false;

  function observe(inner: MemoryStore): Store {
    return {
      ...inner.store,
      commit(listener) {
        inner.store.commit(listener);
        if (inner.pendingTurns().uncommitted >= BUSY_TURNS) inner.setBusy(true);
        commitNext(inner);
      },
    };
  }

  function pace(of: typeof COMMIT_MS | typeof FLUSH_MS): number {
    const [low, high] = state === 'slow' ? of.slow : of.ok;
    return between(random, low, high);
  }

  function commitNext(of: MemoryStore): void {
    if (isCommitting || of !== memory || state === 'stalled' || of.pendingTurns().uncommitted === 0) return;
    isCommitting = true;
    after(pace(COMMIT_MS), () => {
      if (of !== memory) return;
      isCommitting = false;
      if (state === 'full') of.failNext(new Error('no space left on device'));
      of.completeCommits(wholeBetween(random, 1, 4)); // several turns may share a transaction
      if (of.pendingTurns().uncommitted < BUSY_TURNS) of.setBusy(false);
      flushNext(of);
      commitNext(of);
    });
  }

  function flushNext(of: MemoryStore): void {
    if (isFlushing || of !== memory || of.pendingTurns().undurable === 0) return;
    if (state === 'stalled' || state === 'unflushed') return;
    isFlushing = true;
    after(pace(FLUSH_MS), () => {
      if (of !== memory) return;
      isFlushing = false;
      if (state === 'fsyncError') of.failNext(new Error('input/output error'));
      of.completeFlushes();
      flushNext(of);
    });
  }

  return {
    get store() {
      return store;
    },
    get state() {
      return state;
    },
    readDurableState: (name) => memory.readDurableState(name),
    setState(next) {
      state = next;
      commitNext(memory);
      flushNext(memory);
    },
    crash(kind) {
      const { uncommitted, undurable } = memory.pendingTurns();
      // The crash may come between a write that reached the disk and its report.
      const survivingTurns =
        random() < 0.5 ? 0 : wholeBetween(random, 0, kind === 'power' ? undurable : uncommitted);
      memory = memory.crash({ kind, survivingTurns });
      store = observe(memory);
      isCommitting = false;
      isFlushing = false;
    },
    fresh: (stream) => openVirtualDisk({ after, random: stream }),
    copy: (stream) => openVirtualDisk({ after, random: stream }, memory.copyDurable()),
  };
}
