/**
 * What was called in all histories together.
 */
import type { Operation } from '../linearizability/register.ts';

export class Tally {
  histories = 0;
  readonly #counts = { read: 0, majority: 0, write: 0 };
  #unknown = 0;

  add(history: readonly Operation[]): void {
    this.histories += 1;
    for (const { kind, returnedAt } of history) {
      this.#counts[kind] += 1;
      if (returnedAt === Infinity) this.#unknown += 1;
    }
  }

  /** A history in which nothing was done shows nothing. */
  get isEmpty(): boolean {
    return this.#counts.read === 0 || this.#counts.write === 0;
  }

  get text(): string {
    const { read, majority, write } = this.#counts;
    return `${this.histories} histories: ${write} writes (${this.#unknown} of unknown outcome), ${read} reads, ${majority} by majority alone`;
  }
}
