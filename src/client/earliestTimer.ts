/**
 * One timer for many deadlines: it goes off at the first of them.
 *
 * Owns the timer. Who has which deadline is the caller's, who says all that are left again after each time that it went off. Invariant: a later deadline never puts off an earlier one.
 */
export class EarliestTimer {
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #atMs = Infinity;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  /** By the clock of performance.now, milliseconds. */
  at(deadlineAtMs: number): void {
    if (deadlineAtMs >= this.#atMs) return;
    clearTimeout(this.#timer);
    this.#atMs = deadlineAtMs;
    this.#timer = setTimeout(() => {
      this.#atMs = Infinity;
      this.#onDue();
    }, deadlineAtMs - performance.now());
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#atMs = Infinity;
  }
}
