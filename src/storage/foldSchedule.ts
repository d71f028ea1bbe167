/**
 * The two working sets and their logs, and when the one is folded into the trees.
 *
 * Owns the timer that starts a fold when writing pauses, the limits that start one before, and those who wait for
 * it. Leaves the writing to fold.ts. Invariants: the active set's turns lie in the active log, the sealed set's in
 * the other; an open turn is never sealed; the sealed set is let go only once a new reader sees it in the trees.
 */
import type { Checksum } from './entryRecord.ts';
import { foldWorkingSet } from './fold.ts';
import type { LogName, Trees } from './lmdbTrees.ts';
import type { Recovery } from './recoverLogs.ts';
import { createWorkingSet } from './workingSet.ts';
import type { WorkingSet } from './workingSet.ts';

/** A fold starts at the latest after this many idle periods in which turns kept coming. More: keys written again fold once, and the log is longer. */
const FOLD_LATEST_PERIODS = 50;

interface FoldLimits {
  /** Changed keys at which a fold starts. */
  readonly activeKeys: number;
  /** Memory of the active set at which a fold starts, bytes. */
  readonly activeBytes: number;
  /** Records of its log at which a fold starts, bytes: a key that is written again and again takes no memory more, but a record each time. */
  readonly logBytes: number;
  /** A fold starts when no turn came for this long, milliseconds. */
  readonly idleMs: number;
}

interface FoldSchedulePorts {
  readonly trees: Trees;
  readonly checksum: Checksum;
  readonly limits: FoldLimits;
  /** True while something was written since the last commit. */
  readonly isTurnOpen: () => boolean;
  /** Resolves when the turn is committed, rejects when it never will be. */
  readonly whenCommitted: (turn: number) => Promise<void>;
  /** The trees have changed, and hold what the sealed set held: told before whoever waits for it. */
  readonly onFolded: () => void;
  /** A commit of the fold failed: nothing more may be written, and `fail` is to be called. */
  readonly onFailed: (reason: unknown) => void;
}

interface FoldWaiter {
  /** Waits until the trees hold every turn up to this one. */
  readonly turn: number;
  readonly done: () => void;
  readonly failed: (reason: Error) => void;
}

interface FoldFigures {
  readonly folds: number;
  readonly foldedEntries: number;
  readonly lastFoldMs: number;
}

export class FoldSchedule {
  readonly #ports: FoldSchedulePorts;
  #active: WorkingSet;
  #activeLog: LogName;
  #logBytes: number;
  #sealed: WorkingSet | undefined;
  /** Last turn closed, last turn sealed, last turn that the trees hold. */
  #turn: number;
  #sealedTurn: number;
  #foldedTurn: number;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #waiters: FoldWaiter[] = [];
  #failure: Error | undefined;
  #running: Promise<void> = Promise.resolve();
  #figures: FoldFigures = { folds: 0, foldedEntries: 0, lastFoldMs: 0 };

  constructor(recovery: Recovery, ports: FoldSchedulePorts) {
    this.#ports = ports;
    this.#active = recovery.active.set;
    this.#activeLog = recovery.active.log;
    this.#logBytes = recovery.active.bytes;
    this.#turn = recovery.active.lastTurn;
    this.#foldedTurn = Math.max(0, (recovery.sealed ?? recovery.active).firstTurn - 1);
    this.#sealedTurn = recovery.sealed?.lastTurn ?? this.#foldedTurn;
    if (recovery.sealed !== undefined) this.#running = this.#fold(recovery.sealed.set, recovery.sealed.log);
    else this.#armTimer();
  }

  get active(): WorkingSet {
    return this.#active;
  }

  get sealed(): WorkingSet | undefined {
    return this.#sealed;
  }

  /** Where the next turn's record goes. */
  get activeLog(): LogName {
    return this.#activeLog;
  }

  get lastTurn(): number {
    return this.#turn;
  }

  get figures(): FoldFigures {
    return this.#figures;
  }

  logOf(turn: number): LogName {
    return turn > this.#sealedTurn ? this.#activeLog : otherLog(this.#activeLog);
  }

  /** The turn after the last was closed and its record of so many bytes appended to the active log. */
  turnClosed(recordBytes: number): void {
    this.#turn++;
    this.#logBytes += recordBytes;
    if (this.#waiters.length > 0 || this.#fill() >= 1) this.#startFold();
    else this.#armTimer();
  }

  /** True when the active set is full while the sealed one is still being folded. */
  isOverfull(): boolean {
    return this.#sealed !== undefined && this.#fill() >= 1;
  }

  /**
   * Resolves with the answer of `atEnd`, which is called at an instant when the trees hold every turn closed before
   * the call and not a part of a later one. Rejects when a commit failed.
   */
  whenFolded<T>(atEnd: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const done = (): void => {
        try {
          resolve(atEnd());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      if (this.#foldedTurn >= this.#turn) {
        done();
        return;
      }
      this.#waiters.push({ turn: this.#turn, done, failed: reject });
      this.#startFold();
    });
  }

  /** Resolves when no fold is under way. */
  whenIdle(): Promise<void> {
    return this.#running;
  }

  /** Starts no fold on its own any more. One under way goes on; `whenFolded` still works. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Ends the waiting for a fold after a failed commit: nothing more is written. */
  fail(reason: Error): void {
    this.#failure ??= reason;
    this.close();
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.failed(reason);
  }

  /** How full the active set is, 1 for full. */
  #fill(): number {
    const { activeKeys, activeBytes, logBytes } = this.#ports.limits;
    return Math.max(
      this.#active.entryCount() / activeKeys,
      this.#active.sizeBytes() / activeBytes,
      this.#logBytes / logBytes,
    );
  }

  #armTimer(): void {
    if (this.#timer !== undefined || this.#sealed !== undefined || this.#isClosed || this.#active.isEmpty())
      return;
    let periods = 0;
    let turnThen = this.#turn;
    const look = (): void => {
      periods++;
      if (this.#turn === turnThen || periods >= FOLD_LATEST_PERIODS) {
        this.#startFold();
      } else {
        turnThen = this.#turn;
        this.#timer = setTimeout(look, this.#ports.limits.idleMs).unref();
      }
    };
    this.#timer = setTimeout(look, this.#ports.limits.idleMs).unref();
  }

  #startFold(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sealed !== undefined || this.#failure !== undefined || this.#foldedTurn >= this.#turn) return;
    if (this.#ports.isTurnOpen()) {
      // Half a turn must not reach the trees: look again when it may be closed.
      this.#armTimer();
      return;
    }
    const set = this.#active;
    const log = this.#activeLog;
    this.#active = createWorkingSet();
    this.#activeLog = otherLog(log);
    this.#logBytes = 0;
    this.#sealedTurn = this.#turn;
    this.#running = this.#fold(set, log);
  }

  async #fold(set: WorkingSet, log: LogName): Promise<void> {
    this.#sealed = set;
    const started = performance.now();
    const { trees, checksum, whenCommitted } = this.#ports;
    const lastTurn = this.#sealedTurn;
    try {
      await foldWorkingSet(set, log, {
        trees,
        checksum,
        pressure: () => (this.#waiters.length > 0 ? 1 : Math.min(1, this.#fill())),
        whenCommitted: () => whenCommitted(lastTurn),
      });
    } catch (error) {
      this.#ports.onFailed(error);
      return;
    }
    this.#sealed = undefined;
    this.#ports.onFolded();
    this.#foldedTurn = this.#sealedTurn;
    this.#figures = {
      folds: this.#figures.folds + 1,
      foldedEntries: this.#figures.foldedEntries + set.entryCount(),
      lastFoldMs: performance.now() - started,
    };
    const ready = this.#waiters.filter((waiter) => waiter.turn <= this.#foldedTurn);
    this.#waiters = this.#waiters.filter((waiter) => waiter.turn > this.#foldedTurn);
    for (const waiter of ready) waiter.done();
    if (this.#waiters.length > 0 || this.#fill() >= 1) this.#startFold();
    else this.#armTimer();
  }
}

function otherLog(log: LogName): LogName {
  return log === 'logEven' ? 'logOdd' : 'logEven';
}
