/**
 * Latencies by the million in one small place: how many, their mean, their percentiles and the longest.
 *
 * Owns the unit (milliseconds outside, nanoseconds in the buckets), the range and what an empty histogram says. The buckets are Node's
 * own HdrHistogram (node:perf_hooks), 38 KB each however much is recorded and 30 ns a record, so no package is needed for them.
 * Invariant: a percentile is never below a value of that rank that was recorded, above it by less than 1%, and never above `maxMs`, which is exact.
 */
import { createHistogram } from 'node:perf_hooks';
import type { RecordableHistogram } from 'node:perf_hooks';

const NS_PER_MS = 1e6;
/** Two figures: 128 buckets to each doubling, so a bucket is at most 1/128 wide. */
const FIGURES = 2;
/** One hour. Longer ones count as this long, but for `maxMs` and `meanMs`. */
const LONGEST_NS = 3_600_000 * NS_PER_MS;

/** As it goes into reports. NaN, in JSON null, where nothing was recorded: never a zero that would pass for fast. */
export interface LatencySummary {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** As one thread sends a histogram to another. */
export interface LatencyParts {
  readonly buckets: RecordableHistogram;
  readonly sumMs: number;
  readonly maxMs: number;
}

export class LatencyHistogram {
  readonly #buckets = createHistogram({ lowest: 1, highest: LONGEST_NS, figures: FIGURES });
  #sumMs = 0;
  #maxMs = NaN;

  /** Throws RangeError on what no clock that only goes forward can have measured. */
  record(ms: number): void {
    if (!(ms >= 0 && ms < Infinity)) throw new RangeError(`a latency of ${ms} ms was recorded`);
    this.#buckets.record(Math.min(Math.max(1, Math.round(ms * NS_PER_MS)), LONGEST_NS));
    this.#sumMs += ms;
    if (!(ms <= this.#maxMs)) this.#maxMs = ms;
  }

  /** Adds all that `other` has recorded, and leaves it as it is. */
  merge(other: LatencyHistogram): void {
    this.mergeParts(other.toParts());
  }

  /** The same for what another thread sent. */
  mergeParts({ buckets, sumMs, maxMs }: LatencyParts): void {
    if (buckets.count === 0) return;
    this.#buckets.add(buckets);
    this.#sumMs += sumMs;
    if (!(maxMs <= this.#maxMs)) this.#maxMs = maxMs;
  }

  /** For another thread, once nothing more is recorded: the buckets are the same there. */
  toParts(): LatencyParts {
    return { buckets: this.#buckets, sumMs: this.#sumMs, maxMs: this.#maxMs };
  }

  get count(): number {
    return this.#buckets.count;
  }

  /** Exact. */
  get meanMs(): number {
    return this.#sumMs / this.count;
  }

  get p50Ms(): number {
    return this.percentileMs(0.5);
  }

  get p95Ms(): number {
    return this.percentileMs(0.95);
  }

  get p99Ms(): number {
    return this.percentileMs(0.99);
  }

  /** Exact. */
  get maxMs(): number {
    return this.#maxMs;
  }

  /** `share` above 0, at most 1: 0.999 is what one of a thousand takes or exceeds. */
  percentileMs(share: number): number {
    if (this.count === 0) return NaN;
    return Math.min(this.#buckets.percentile(share * 100) / NS_PER_MS, this.#maxMs);
  }

  toJSON(): LatencySummary {
    const { count, meanMs, p50Ms, p95Ms, p99Ms, maxMs } = this;
    return { count, meanMs, p50Ms, p95Ms, p99Ms, maxMs };
  }
}
