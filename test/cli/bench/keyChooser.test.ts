/** The distributions of keys against their exact probabilities, by Pearson's chi-square on seeded draws. */
import assert from 'node:assert/strict';
import { chooseUniform, chooseZipf, drawZipf } from '../../../src/cli/bench/keyChooser.ts';
import { openStream } from '../../../src/simulator/random.ts';

const DRAWS = 200_000;
/** Values that are expected less often than this share one cell. */
const EXPECTED_MINIMUM = 20;

/** How many standard deviations the counts of `draw` (from 1) lie from what `weights` say. */
function deviation(weights: readonly number[], draw: () => number): number {
  const counts = new Array<number>(weights.length).fill(0);
  for (let drawn = 0; drawn < DRAWS; drawn += 1) {
    const value = draw();
    assert.ok(Number.isInteger(value) && value >= 1 && value <= weights.length, `drew ${value}`);
    counts[value - 1] = (counts[value - 1] ?? 0) + 1;
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const rest = { seen: 0, expected: 0 };
  let [statistic, cells] = [0, 0];
  const addCell = (seen: number, expected: number): void => {
    statistic += (seen - expected) ** 2 / expected;
    cells += 1;
  };
  for (const [index, weight] of weights.entries()) {
    const expected = (DRAWS * weight) / total;
    if (expected >= EXPECTED_MINIMUM) addCell(counts[index] ?? 0, expected);
    else {
      rest.seen += counts[index] ?? 0;
      rest.expected += expected;
    }
  }
  if (rest.expected > 0) addCell(rest.seen, rest.expected);
  const freedom = Math.max(1, cells - 1);
  return (statistic - freedom) / Math.sqrt(2 * freedom);
}

function zipfWeights(count: number, exponent: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => (index + 1) ** -exponent);
}

describe('the keys of a load', () => {
  for (const exponent of [0.2, 0.99, 1, 1.5, 3])
    for (const count of [1, 2, 10, 1000, 50_000])
      it(`are drawn by Zipf's law, exponent ${exponent}, of ${count}`, () => {
        const draw = drawZipf(openStream(7, 'zipf'), count, exponent);
        const seen = deviation(zipfWeights(count, exponent), draw);
        assert.ok(seen < 5, `${seen} standard deviations`);
      });

  it('are seen not to be, where the exponent is another one or all are alike', () => {
    const weights = zipfWeights(1000, 1);
    assert.ok(deviation(weights, drawZipf(openStream(7, 'zipf'), 1000, 0.97)) > 5);
    const uniform = chooseUniform(openStream(7, 'keys'), 1000);
    assert.ok(deviation(weights, () => uniform() + 1) > 5);
  });

  it('are drawn all alike without an exponent', () => {
    const uniform = chooseUniform(openStream(7, 'keys'), 1000);
    assert.ok(deviation(zipfWeights(1000, 0), () => uniform() + 1) < 5);
  });

  it('lie apart when they are popular, each rank with a key of its own', () => {
    for (const count of [1, 2, 12, 97, 1000]) {
      const byKey = new Map<number, number>();
      const choose = chooseZipf(openStream(3, 'keys'), count, 0.5);
      for (let drawn = 0; drawn < DRAWS; drawn += 1) {
        const key = choose();
        byKey.set(key, (byKey.get(key) ?? 0) + 1);
      }
      assert.equal(byKey.size, count);
      assert.ok(Math.min(...byKey.keys()) === 0 && Math.max(...byKey.keys()) === count - 1);
      const popular = [...byKey].sort((left, right) => right[1] - left[1]).map(([key]) => key);
      const [first = 0, second = 0] = popular;
      if (count > 12) assert.ok(Math.abs(first - second) > 1, `${first} and ${second} are neighbours`);
    }
  });
});
