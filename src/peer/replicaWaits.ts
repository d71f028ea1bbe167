/**
 * Who waits at this process until other peers' disks have something: a callback for each wait of the core (core/replication.ts).
 *
 * What it takes to be over is the core's; this is whom to tell, each once: at the end of the turn in which it was over, for what a callback writes belongs to
 * a turn of its own (R2); or that this process cannot go on.
 */
import type { Now } from '../core/clock.ts';
import {
  awaitReplication,
  endReplicationWait,
  findReplicationRefusal,
  type ReplicationGoal,
  type ReplicationOutcome,
} from '../core/replication.ts';
import type { Runtime } from './runtime.ts';
import { throwRefusal } from './runtimeErrors.ts';

type Replicated = (outcome: ReplicationOutcome | Error) => void;

export class ReplicaWaits {
  readonly #runtime: Runtime;
  readonly #now: () => Now;
  readonly #waiting = new Map<number, Replicated>();
  #over: (() => void)[] = [];
  #failure: Error | undefined;

  constructor(runtime: Runtime, now: () => Now) {
    this.#runtime = runtime;
    this.#now = now;
  }

  /** Throws what a write that is to wait for this would be refused with beside what any write is. Ask before writing. */
  assertPossible(goal: ReplicationGoal): void {
    throwRefusal(findReplicationRefusal(this.#runtime.state, goal));
  }

  /**
   * Calls back when this process's updates through `sequence` are on so many disks, or that is not known in so long (Infinity: ever), or never will be.
   * Answers the function that ends the wait.
   */
  wait(goal: ReplicationGoal, withinMs: number, sequence: number, callback: Replicated): () => void {
    if (this.#failure !== undefined) {
      callback(this.#failure);
      return () => undefined;
    }
    const { state } = this.#runtime;
    const number = awaitReplication(state, this.#now(), goal, sequence, withinMs);
    this.#waiting.set(number, callback);
    this.#runtime.acknowledge('fast', () => undefined); // what is asked of the others goes with a turn
    return () => {
      endReplicationWait(state, number);
      this.#waiting.delete(number);
    };
  }

  /** A wait is over; `tell` tells. */
  settle(number: number, outcome: ReplicationOutcome): void {
    const callback = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (callback === undefined) return;
    this.#over.push(() => {
      callback(outcome);
    });
  }

  tell(): void {
    if (this.#over.length === 0) return;
    const over = this.#over;
    this.#over = [];
    for (const tell of over) tell();
  }

  /** This process ends: no wait is ever over any more. */
  fail(failure: Error): void {
    this.#failure ??= failure;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const callback of waiting) callback(failure);
  }
}
