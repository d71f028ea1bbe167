/** What a run has measured, against the same operations counted one by one. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Settled } from '../../../src/cli/bench/loadClient.ts';
import { failuresOf, Measurement } from '../../../src/cli/bench/measurement.ts';

const START_MS = 1234.5;
const settled = fc.record({
  operation: fc.nat(1),
  peer: fc.nat(2),
  startedMs: fc.double({ min: START_MS, max: START_MS + 1000, noNaN: true }),
  endedMs: fc.double({ min: START_MS + 1000, max: START_MS + 1e6, noNaN: true }),
  failure: fc.option(fc.constantFrom('BEHIND gamma', 'BEHIND delta', 'CONNECTION broke'), {
    nil: undefined,
    freq: 3,
  }),
  isMiss: fc.boolean(),
});

function measure(all: readonly Settled[]): Measurement {
  const measurement = new Measurement(2, 3, START_MS);
  for (const one of all) measurement.record(one);
  return measurement;
}

describe('the measurement of a load', () => {
  it('counts each operation once, by operation and by peer, failures by code with the first of their texts', () => {
    fc.assert(
      fc.property(fc.array(settled, { maxLength: 60 }), (all) => {
        const measurement = measure(all);
        for (const [tallies, indexOf] of [
          [measurement.byOperation, (one: Settled) => one.operation],
          [measurement.byPeer, (one: Settled) => one.peer],
        ] as const)
          for (const [index, tally] of tallies.entries()) {
            const own = all.filter((one) => indexOf(one) === index);
            const good = own.filter(({ failure }) => failure === undefined);
            const behind = own.filter(({ failure }) => failure?.startsWith('BEHIND') === true);
            assert.equal(tally.latency.count, good.length);
            assert.equal(tally.misses, good.filter(({ isMiss }) => isMiss).length);
            assert.equal(failuresOf(tally), own.length - good.length);
            assert.equal(tally.failures.get('BEHIND')?.count ?? 0, behind.length);
            assert.equal(tally.failures.get('BEHIND')?.example, behind[0]?.failure);
          }
        assert.equal(measurement.settled, all.length);
        assert.equal(measurement.total().latency.count + failuresOf(measurement.total()), all.length);
      }),
      { numRuns: 40 },
    );
  });

  it('cuts the time into at most 240 stretches, however long it was, and has each operation in its own', () => {
    fc.assert(
      fc.property(fc.array(settled, { minLength: 1, maxLength: 60 }), (all) => {
        const { stretches, stretchMs } = measure(all);
        assert.ok(stretches.length <= 240);
        for (const [index, stretch] of stretches.entries()) {
          const own = all.filter(({ endedMs }) => Math.floor((endedMs - START_MS) / stretchMs) === index);
          const good = own.filter(({ failure }) => failure === undefined);
          assert.equal(stretch.latency.count, good.length);
          assert.equal(stretch.failed, own.length - good.length);
          const longest = Math.max(...good.map(({ startedMs, endedMs }) => endedMs - startedMs));
          if (good.length > 0) assert.equal(stretch.latency.maxMs, longest);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('is after a merge what one measurement of both would be, however long each was', () => {
    const someEnds = fc.array(settled, { maxLength: 30 });
    fc.assert(
      fc.property(someEnds, someEnds, fc.boolean(), (left, right, isShort) => {
        const shorter = isShort
          ? left.map((one) => ({
              ...one,
              endedMs: START_MS + (one.endedMs - START_MS) / 100,
              startedMs: START_MS,
            }))
          : left;
        const merged = measure(shorter);
        merged.mergeParts(measure(right).toParts());
        const whole = measure([...shorter, ...right]);
        const shapeOf = (measurement: Measurement): unknown => ({
          stretchMs: measurement.stretchMs,
          stretches: measurement.stretches.map(({ latency, failed }) => [
            latency.count,
            latency.maxMs,
            failed,
          ]),
          tallies: [...measurement.byOperation, ...measurement.byPeer].map(
            ({ latency, failures, misses }) => [
              latency.count,
              latency.maxMs,
              misses,
              Array.from(failures, ([code, { count }]) => `${code} ${count}`).sort(),
            ],
          ),
        });
        assert.deepEqual(shapeOf(merged), shapeOf(whole));
      }),
      { numRuns: 40 },
    );
  });
});
