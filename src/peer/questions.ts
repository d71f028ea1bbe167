/**
 * Who waits for a majority's answer (core/quorum.ts), by the number of the question.
 *
 * Owns the waiting: each is called back once, with the answer, or with why there will be none. What an answer means for a reader or a writer is
 * registerOperations.ts's. Called back when the turn that answered has been handed to the disk, so that what is written then is of the next one (R2).
 */
import type { Now } from '../core/clock.ts';
import type { Effect } from '../core/effects.ts';
import { ToposphereError } from '../core/errors.ts';
import { askMajority, type Answer, type QuestionKind } from '../core/quorum.ts';
import type { Key } from '../core/types.ts';
import type { Runtime } from './runtime.ts';

export type AnsweredEffect = Extract<Effect, { kind: 'answered' }>;
type Answered = (failure: Error | undefined, answer?: Answer) => void;

export class Questions {
  readonly #runtime: Runtime;
  readonly #now: () => Now;
  readonly #waiting = new Map<number, Answered>();

  constructor(runtime: Runtime, now: () => Now) {
    this.#runtime = runtime;
    this.#now = now;
  }

  /** Monotonic milliseconds. */
  nowMs(): number {
    return this.#now().monotonicMs;
  }

  /** Asks all members, and calls back within so long. Throws NO_MAJORITY when as many questions are open as may be; nothing was asked then. */
  ask(kind: QuestionKind, key: Key, withinMs: number, answered: Answered): void {
    const { state } = this.#runtime;
    const number = askMajority(state, this.#now(), kind, key, withinMs);
    if (number === undefined)
      throw new ToposphereError(
        'NO_MAJORITY',
        `nobody was asked, and nothing changed: ${state.settings.limits.maxQuestions} reads and writes of ${state.self.id} wait for a majority already`,
      );
    this.#waiting.set(number, answered);
    // The question leaves with a turn.
    this.#runtime.acknowledge('fast', (failure) => {
      if (failure !== undefined) this.#take(number)?.(failure);
    });
    this.#runtime.endTurnSoon();
  }

  settle({ number, answer }: AnsweredEffect): void {
    this.#take(number)?.(undefined, answer);
  }

  /** This process says and hears nothing more. */
  refuseAll(failure: Error): void {
    for (const number of [...this.#waiting.keys()]) this.#take(number)?.(failure);
  }

  #take(number: number): Answered | undefined {
    const answered = this.#waiting.get(number);
    this.#waiting.delete(number);
    return answered;
  }
}
