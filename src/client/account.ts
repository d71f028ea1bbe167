/**
 * How long operations took, and what they ended with, by their names.
 *
 * Owns the account. The buckets are latency.ts's. Invariant: an operation is counted once, where it ended: among those that were answered, or among the errors.
 */
import { ToposphereError, type ErrorCode } from '../core/errors.ts';
import { LatencyHistogram, type LatencySummary } from './latency.ts';

export class Account {
  readonly #answered = new Map<string, LatencyHistogram>();
  readonly #errors = new Map<ErrorCode, number>();

  /** Times an operation; what it resolves to, or rejects with, comes out as it is. */
  async time<T>(name: string, operation: () => Promise<T>): Promise<T> {
    const beganAtMs = performance.now();
    try {
      const outcome = await operation();
      this.#histogram(name).record(performance.now() - beganAtMs);
      return outcome;
    } catch (error) {
      if (error instanceof ToposphereError) this.#errors.set(error.code, this.errorCount(error.code) + 1);
      throw error;
    }
  }

  errorCount(code: ErrorCode): number {
    return this.#errors.get(code) ?? 0;
  }

  summary(): {
    readonly operations: Readonly<Record<string, LatencySummary>>;
    readonly errors: Readonly<Partial<Record<ErrorCode, number>>>;
  } {
    return {
      operations: Object.fromEntries(Array.from(this.#answered, ([name, times]) => [name, times.toJSON()])),
      errors: Object.fromEntries(this.#errors),
    };
  }

  #histogram(name: string): LatencyHistogram {
    const known = this.#answered.get(name);
    if (known !== undefined) return known;
    const made = new LatencyHistogram();
    this.#answered.set(name, made);
    return made;
  }
}
