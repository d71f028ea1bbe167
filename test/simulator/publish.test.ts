/**
 * Published messages through faults: of each publisher in order, none twice, nothing of before; and under loss alone nearly all. What the checks are worth, tools/mutants shows.
 */
import assert from 'node:assert/strict';
import { simulate } from '../../src/simulator/index.ts';

const SEEDS = 4;

describe('simulated messages on channels', function () {
  this.timeout(120_000);

  it('10,000 to listeners at four peers, 5 in 100 datagrams lost: none twice, in order, 999 of 1,000 told', async () => {
    const { failure, publishers } = await simulate({
      seed: 1,
      servers: 4,
      minutes: 0.5,
      faults: [],
      publishers: 4,
    });
    assert.equal(failure, undefined, failure?.detail);
    assert.ok(publishers !== undefined && publishers.published >= 10_000, `${publishers?.published ?? 0}`);
    assert.equal(publishers.due, 3 * publishers.published);
    assert.ok(publishers.told >= 0.999 * publishers.due, `${publishers.told} of ${publishers.due}`);
  });

  it(`are in order and told once through all faults in seeds 1 to ${SEEDS}`, async () => {
    let told = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { failure, publishers } = await simulate({ seed, servers: 3, minutes: 0.2, publishers: 2 });
      assert.equal(failure, undefined, `seed ${seed}: ${failure?.detail ?? ''}`);
      told += publishers?.told ?? 0;
    }
    assert.ok(told > 1000, `only ${told} were told`);
  });

  it('change nothing of a run that has no such clients', async () => {
    const [one, other] = await Promise.all(
      [{}, { publishers: 0 }].map((none) => simulate({ seed: 7, servers: 3, minutes: 0.1, ...none })),
    );
    assert.equal(one?.traceHash, other?.traceHash);
  });
});
