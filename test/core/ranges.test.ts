/** Sets of sequences as intervals, against plain sets. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addRanges, allRanges, createHaveSet, hasSequence } from '../../src/core/haveSet.ts';
import {
  containsSequence,
  holesOf,
  includesAll,
  intersect,
  lastOf,
  rangesFrom,
  rangesTo,
  unite,
} from '../../src/core/ranges.ts';

const LAST = 40;
const sequences = fc.uniqueArray(fc.integer({ min: 1, max: LAST }), { maxLength: LAST });

function toRanges(members: readonly number[]): number[] {
  const ranges: number[] = [];
  for (const member of [...members].sort((a, b) => a - b)) {
    if (ranges.at(-1) === member - 1) ranges[ranges.length - 1] = member;
    else ranges.push(member, member);
  }
  return ranges;
}

const all = Array.from({ length: LAST }, (_, at) => at + 1);

describe('sets of sequences', () => {
  it('do as plain sets do', () => {
    fc.assert(
      fc.property(sequences, sequences, (a, b) => {
        const [x, y] = [toRanges(a), toRanges(b)];
        assert.deepEqual(unite(x, y), toRanges([...new Set([...a, ...b])]));
        assert.deepEqual(intersect(x, y), toRanges(a.filter((one) => b.includes(one))));
        assert.equal(lastOf(x), Math.max(0, ...a));
        assert.deepEqual(holesOf(x), toRanges(all.filter((one) => one < lastOf(x) && !a.includes(one))));
        assert.equal(
          includesAll(x, y),
          b.every((one) => a.includes(one)),
        );
        for (const one of all) assert.equal(containsSequence(x, one), a.includes(one));
        assert.deepEqual(rangesFrom(rangesTo(x)), x);
      }),
    );
  });

  it('join a have-set whole', () => {
    fc.assert(
      fc.property(sequences, sequences, (a, b) => {
        const have = createHaveSet();
        addRanges(have, toRanges(a));
        addRanges(have, toRanges(b));
        for (const one of all) assert.equal(hasSequence(have, one), a.includes(one) || b.includes(one));
        assert.deepEqual(allRanges(have), unite(toRanges(a), toRanges(b)));
        assert.notEqual(have.gaps[0], have.contiguous + 1);
      }),
    );
  });
});
