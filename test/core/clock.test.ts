import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  drawIncarnation,
  LARGEST_INCARNATION,
  EPOCH_MS,
  nextTimestamp,
  TICKS_PER_MS,
  timestampOf,
  wallMsOf,
} from '../../src/core/clock.ts';
import type { Timestamp } from '../../src/core/types.ts';

const timestamp = fc.integer({ min: 0, max: 2 ** 52 }).map((value) => value as Timestamp);

describe('hybrid logical clock', () => {
  it('stamps above the clock, the horizon and the promise, whatever the wall says', () => {
    fc.assert(
      fc.property(
        timestamp,
        fc.double({ min: 0, max: 3.7e12, noNaN: true }),
        timestamp,
        timestamp,
        (clock, wallMs, horizon, promised) => {
          const stamp = nextTimestamp(clock, wallMs, horizon, promised);
          assert.ok(stamp > clock && stamp > horizon && stamp > promised);
          assert.ok(Number.isSafeInteger(stamp));
        },
      ),
    );
  });

  it('follows the wall when the wall is ahead', () => {
    const wallMs = EPOCH_MS + 5000;
    assert.equal(nextTimestamp(7 as Timestamp, wallMs, 0 as Timestamp, 0 as Timestamp), 5000 * TICKS_PER_MS);
  });

  it('carries an overflowing counter into the milliseconds', () => {
    const last = (timestampOf(EPOCH_MS + 10) + TICKS_PER_MS - 1) as Timestamp;
    const next = nextTimestamp(last, EPOCH_MS + 10, 0 as Timestamp, 0 as Timestamp);
    assert.equal(wallMsOf(next), EPOCH_MS + 11);
  });

  it('is good to 2089 in a safe integer', () => {
    assert.ok(Number.isSafeInteger(timestampOf(Date.UTC(2089, 0, 1)) + TICKS_PER_MS));
  });

  it('draws every incarnation above the ones before, also when the wall steps back', () => {
    fc.assert(
      fc.property(
        fc.nat(1e9),
        fc.nat(1e9),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (firstMs, secondMs, random) => {
          const first = drawIncarnation(EPOCH_MS + firstMs, 0, () => random);
          assert.ok(drawIncarnation(EPOCH_MS + secondMs, first, () => random) > first);
        },
      ),
    );
  });

  it('stays a safe integer, whatever was known and however far ahead the wall is', () => {
    let known: number = LARGEST_INCARNATION;
    for (let start = 0; start < 1000; start += 1) {
      const drawn = drawIncarnation(Date.UTC(2200, 0, 1), known, () => 0.999_999);
      assert.ok(drawn > known && Number.isSafeInteger(drawn));
      known = drawn;
    }
  });
});
