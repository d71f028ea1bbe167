/** What rounds said of dead incarnations: facts that merge in any order. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  buildClosureReports,
  closureOf,
  describeClosure,
  isFolded,
  isVoid,
  keptOf,
  mergeClosure,
  type Closures,
} from '../../src/core/closures.ts';
import type { ClosureReport } from '../../src/core/messages.ts';
import { intersect, rangesFrom, rangesTo } from '../../src/core/ranges.ts';
import type { Incarnation, PeerId } from '../../src/core/types.ts';

const ID = 'alpha' as PeerId;
const INCARNATIONS = 6;

/** Rounds of one history: each closes up to an incarnation, keeps ever less, and folds from below. */
const histories = fc
  .array(
    fc.record({
      closes: fc.integer({ min: 0, max: 2 }),
      folds: fc.integer({ min: 0, max: 1 }),
      drops: fc.array(fc.tuple(fc.integer({ min: 1, max: INCARNATIONS }), fc.integer({ min: 1, max: 9 })), {
        maxLength: 3,
      }),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((rounds): ClosureReport[] => {
    let closedBelow = 1;
    let foldedBelow = 1;
    const kept = new Map<number, number[]>();
    return rounds.map(({ closes, folds, drops }) => {
      for (let step = 0; step < closes; step += 1) {
        kept.set(closedBelow, [1, 9]);
        closedBelow += 1;
      }
      for (const [incarnation, sequence] of drops) {
        const ranges = kept.get(incarnation);
        if (ranges === undefined) continue;
        const rest = intersect(ranges, sequence === 1 ? [2, 99] : [1, sequence - 1, sequence + 1, 99]);
        kept.set(incarnation, rest);
      }
      foldedBelow = Math.min(closedBelow, foldedBelow + folds);
      const listed = [...kept].filter(
        ([incarnation, ranges]) => incarnation >= foldedBelow && ranges.length > 0,
      );
      return {
        id: ID,
        closedBelow: closedBelow as Incarnation,
        foldedBelow: foldedBelow as Incarnation,
        foldedHash: 7 * foldedBelow,
        kept: listed.map(([incarnation, ranges]) => ({
          incarnation: incarnation as Incarnation,
          ranges: rangesTo(ranges),
        })),
      };
    });
  });

describe('closures', () => {
  it('come to the same in whatever order, and however often, the rounds are heard of', () => {
    fc.assert(
      fc.property(histories, fc.array(fc.nat(), { maxLength: 20 }), (rounds, order) => {
        const last = rounds.at(-1);
        assert.ok(last);
        const closures: Closures = new Map();
        const mine = closureOf(closures, ID);
        for (const at of [...order, rounds.length - 1, ...order]) {
          const round = rounds[at % rounds.length];
          if (round !== undefined) mergeClosure(mine, round);
        }
        const expected: Closures = new Map();
        mergeClosure(closureOf(expected, ID), last);
        assert.equal(describeClosure(ID, mine), describeClosure(ID, closureOf(expected, ID)));
        // Heard from each other they say the same, and nothing is news any more.
        const [report] = buildClosureReports(closures);
        assert.ok(report);
        assert.equal(mergeClosure(mine, report), false);
      }),
    );
  });

  it('take the larger of two hashes for one bound, whichever is heard of first', () => {
    const bound = 3 as Incarnation;
    const reports = [5, 9].map((foldedHash) => ({
      id: ID,
      closedBelow: bound,
      foldedBelow: bound,
      foldedHash,
      kept: [],
    }));
    for (const order of [reports, [...reports].reverse()]) {
      const mine = closureOf(new Map(), ID);
      for (const report of order) mergeClosure(mine, report);
      assert.equal(mine.foldedHash, 9);
    }
  });

  it('call a dot void that is closed and not kept; one that is folded is had', () => {
    const closures: Closures = new Map();
    const incarnation = (number: number): Incarnation => number as Incarnation;
    mergeClosure(closureOf(closures, ID), {
      id: ID,
      closedBelow: incarnation(9),
      foldedBelow: incarnation(3),
      foldedHash: 0,
      kept: [{ incarnation: incarnation(5), ranges: [[1, 4]] }],
    });
    assert.equal(isVoid(closures, ID, incarnation(5), 4), false);
    assert.equal(isVoid(closures, ID, incarnation(5), 5), true);
    assert.equal(isVoid(closures, ID, incarnation(6), 1), true, 'closed, and nobody had anything of it');
    assert.equal(isVoid(closures, ID, incarnation(9), 1), false, 'not closed');
    assert.equal(isVoid(closures, ID, incarnation(2), 1), false, 'folded');
    assert.equal(isFolded(closures, ID, incarnation(2)), true);
    assert.equal(isFolded(closures, ID, incarnation(3)), false);
    assert.equal(
      isVoid(closures, 'beta' as PeerId, incarnation(1), 1),
      false,
      'no round said anything of it',
    );
    assert.deepEqual(keptOf(closures, ID, incarnation(5)), rangesFrom([[1, 4]]));
    assert.equal(keptOf(closures, ID, incarnation(9)), undefined);
  });
});
