/**
 * Medians, percentiles and how figures are written, for every part of the benchmark.
 *
 * Owns the arithmetic and nothing of what was measured. Percentiles are nearest-rank: every figure printed was
 * really measured. Invariant: an empty sample has no percentile: NaN, printed as a dash, never a zero that would pass a gate.
 */

/** Nearest-rank percentile of `values` (any order, left as it is); `share` from 0 to 1. NaN when there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[rank - 1] ?? NaN;
}

/** The middle value, or the mean of the two in the middle; NaN when there are none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Distance between the smallest and the largest value as a share of the median: how far to trust it. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

function formatFinite(value: number, format: (value: number) => string): string {
  return Number.isFinite(value) ? format(value) : '-';
}

/** `86,400`: operations per second and other counts. */
export function formatCount(value: number): string {
  return formatFinite(value, (count) => Math.round(count).toLocaleString('en-US'));
}

/** `0.853`. */
export function formatRatio(value: number): string {
  return formatFinite(value, (ratio) => ratio.toFixed(ratio >= 10 ? 1 : 3));
}

/** `12.34`. */
export function formatDecimal(value: number): string {
  return formatFinite(value, (decimal) => decimal.toFixed(2));
}

/** Nanoseconds as milliseconds: `0.196`. */
export function formatMs(nanoseconds: number): string {
  return formatFinite(nanoseconds, (value) => (value / 1e6).toFixed(3));
}

/** `±4%`: half of the spread; a dash for a single value. */
export function formatSpread(values: readonly number[]): string {
  return formatFinite(values.length > 1 ? spread(values) : NaN, (value) => `±${Math.round(value * 50)}%`);
}
