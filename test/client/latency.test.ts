/** The latency histogram against exact quantiles of the same values, kept whole and sorted. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { LatencyHistogram } from '../../src/client/latency.ts';
import type { LatencySummary } from '../../src/client/latency.ts';

const HOUR_MS = 3_600_000;
/** Nanoseconds as the clock gives them, of every magnitude from one to an hour, as milliseconds. */
const latencyMs = fc
  .double({ min: 0, max: Math.log2(HOUR_MS * 1e6), noNaN: true })
  .map((magnitude) => Math.floor(2 ** magnitude) / 1e6);
const latencies = fc.array(latencyMs, { minLength: 1, maxLength: 400 });
const SHARES = [0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1];

function histogramOf(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** The value of a rank, from 1; the first and the last for ranks beyond. */
function ofRank(sorted: readonly number[], rank: number): number {
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1] ?? NaN;
}

/** That every percentile is of its rank (rounded either way), not below the value there, and above it by less than 1%. */
function assertPercentiles(histogram: LatencyHistogram, values: readonly number[]): void {
  const sorted = [...values].sort((left, right) => left - right);
  for (const share of SHARES) {
    const seen = histogram.percentileMs(share);
    const least = ofRank(sorted, Math.floor(share * sorted.length));
    const most = ofRank(sorted, Math.ceil(share * sorted.length));
    assert.ok(seen >= least * (1 - 1e-9), `${share}: ${seen} is below ${least}`);
    assert.ok(seen <= most * 1.01, `${share}: ${seen} is more than 1% above ${most}`);
  }
}

describe('the latency histogram', () => {
  it('knows every percentile within 1% of the exact one, from a nanosecond to an hour', () => {
    fc.assert(
      fc.property(latencies, (values) => {
        assertPercentiles(histogramOf(values), values);
      }),
    );
  });

  it('counts, and knows the mean and the longest exactly', () => {
    fc.assert(
      fc.property(latencies, (values) => {
        const histogram = histogramOf(values);
        assert.equal(histogram.count, values.length);
        assert.equal(histogram.maxMs, Math.max(...values));
        const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
        assert.ok(Math.abs(histogram.meanMs - mean) <= mean * 1e-9);
        assert.ok(histogram.percentileMs(1) === histogram.maxMs);
      }),
    );
  });

  it('is after a merge what one histogram of both would be, and leaves the other as it was', () => {
    fc.assert(
      fc.property(fc.array(latencyMs), fc.array(latencyMs), (left, right) => {
        const [merged, other] = [histogramOf(left), histogramOf(right)];
        const before = JSON.stringify(other);
        merged.merge(other);
        const { meanMs, ...rest } = merged.toJSON();
        const { meanMs: expectedMs, ...expected } = histogramOf([...left, ...right]).toJSON();
        assert.deepEqual(rest, expected);
        assert.ok(Object.is(meanMs, expectedMs) || Math.abs(meanMs - expectedMs) <= expectedMs * 1e-9);
        assert.equal(JSON.stringify(other), before);
      }),
    );
  });

  it('says nothing, not zero, of what was never recorded', () => {
    const empty = new LatencyHistogram();
    const nothing: LatencySummary = {
      count: 0,
      meanMs: NaN,
      p50Ms: NaN,
      p95Ms: NaN,
      p99Ms: NaN,
      maxMs: NaN,
    };
    assert.deepEqual(empty.toJSON(), nothing);
    assert.equal(
      JSON.stringify(empty),
      '{"count":0,"meanMs":null,"p50Ms":null,"p95Ms":null,"p99Ms":null,"maxMs":null}',
    );
  });

  it('takes what is shorter than a nanosecond and longer than an hour, with the exact maximum', () => {
    const histogram = histogramOf([0, 2 * HOUR_MS]);
    assert.equal(histogram.count, 2);
    assert.ok(histogram.p50Ms <= 1e-6);
    assert.equal(histogram.maxMs, 2 * HOUR_MS);
    assert.ok(histogram.p99Ms >= HOUR_MS && histogram.p99Ms <= HOUR_MS * 1.01);
  });

  it('refuses what no clock can have measured', () => {
    for (const wrong of [-1, NaN, Infinity]) {
      assert.throws(() => {
        new LatencyHistogram().record(wrong);
      }, RangeError);
    }
  });
});
