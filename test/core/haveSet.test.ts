import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  addRanges,
  addSequence,
  claimsMore,
  createHaveSet,
  dotsAboveVector,
  gapRanges,
  hasSequence,
  lastSequenceOf,
  missingCount,
  missingRanges,
  opensInterval,
  rangesLacked,
  type HaveSet,
} from '../../src/core/haveSet.ts';

const MAX = 40;
const sequences = fc.array(fc.integer({ min: 1, max: MAX }), { maxLength: 60 });

function built(list: readonly number[]): { have: HaveSet; model: Set<number> } {
  const have = createHaveSet();
  const model = new Set<number>();
  for (const sequence of list) {
    assert.equal(addSequence(have, sequence), !model.has(sequence));
    model.add(sequence);
  }
  return { have, model };
}

function spread(ranges: readonly (readonly [number, number])[]): number[] {
  return ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, at) => from + at));
}

describe('have-set', () => {
  it('holds what was added and nothing else, whatever the order', () => {
    fc.assert(
      fc.property(sequences, (list) => {
        const { have, model } = built(list);
        for (let sequence = 1; sequence <= MAX + 1; sequence += 1) {
          assert.equal(hasSequence(have, sequence), model.has(sequence), `sequence ${sequence}`);
        }
        assert.equal(lastSequenceOf(have), Math.max(0, ...model));
        assert.equal(
          dotsAboveVector(have),
          [...model].filter((sequence) => sequence > have.contiguous).length,
        );
      }),
    );
  });

  it('keeps its intervals disjoint, ascending and away from the vector', () => {
    fc.assert(
      fc.property(sequences, (list) => {
        const { have } = built(list);
        let end = have.contiguous;
        for (const [from, to] of gapRanges(have)) {
          assert.ok(from > end + 1, `[${from},${to}] touches ${end}`);
          assert.ok(to >= from);
          end = to;
        }
      }),
    );
  });

  it('names exactly the missing sequences between two bounds', () => {
    fc.assert(
      fc.property(sequences, fc.nat(MAX), fc.nat(MAX), (list, above, through) => {
        const { have, model } = built(list);
        const expected = [];
        for (let sequence = above + 1; sequence <= through; sequence += 1) {
          if (!model.has(sequence)) expected.push(sequence);
        }
        assert.deepEqual(spread(missingRanges(have, above, through)), expected);
        assert.equal(missingCount(have, through), spread(missingRanges(have, 0, through)).length);
      }),
    );
  });

  it('names exactly what another lacks', () => {
    fc.assert(
      fc.property(sequences, sequences, (mine, theirs) => {
        const a = built(mine);
        const b = built(theirs);
        const claim = { contiguous: b.have.contiguous, gaps: gapRanges(b.have) };
        const lacked = [...a.model].filter((sequence) => !b.model.has(sequence)).sort((x, y) => x - y);
        assert.deepEqual(spread(rangesLacked(a.have, claim)), lacked);
        assert.equal(
          claimsMore(a.have, claim),
          [...b.model].some((sequence) => !a.model.has(sequence)),
        );
      }),
    );
  });

  it('foresees whether a sequence opens an interval', () => {
    fc.assert(
      fc.property(sequences, fc.integer({ min: 1, max: MAX }), (list, sequence) => {
        const { have } = built(list);
        if (hasSequence(have, sequence)) return;
        const before = have.gaps.length;
        const foreseen = opensInterval(have, sequence);
        addSequence(have, sequence);
        assert.equal(foreseen, have.gaps.length > before);
      }),
    );
  });

  it('takes as many intervals at once as a message may hold', () => {
    const have = createHaveSet(1);
    const ranges = Array.from({ length: 200_000 }, (_, at) => 3 + 2 * (at >> 1) + (at >> 1));
    addRanges(have, ranges);
    assert.equal(have.contiguous, 1);
    assert.deepEqual(have.gaps, ranges);
    addRanges(have, [2, ranges[0] ?? 0]);
    assert.equal(have.contiguous, 3);
    assert.equal(have.gaps.length, 199_998);
  });
});
