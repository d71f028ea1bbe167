/**
 * Clients that write groups, through faults: whole where an UPDATE brings them, whole to who reads, but for what a repair has split. That the checks find what they are for is tools/mutants' to show.
 */
import assert from 'node:assert/strict';
import type { GroupFigures } from '../../src/simulator/groupClients.ts';
import { simulate } from '../../src/simulator/index.ts';

const SEEDS = 8;

describe('simulated groups', function () {
  this.timeout(120_000);

  it(`stay whole in seeds 1 to ${SEEDS}, and some are seen that a repair has split`, async () => {
    const met: Record<keyof GroupFigures, number> = { written: 0, refused: 0, whole: 0, split: 0 };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { failure, groups } = await simulate({ seed, servers: 3 + (seed % 3), minutes: 0.3, groups: 3 });
      assert.equal(failure, undefined, `seed ${seed}: ${failure?.detail ?? ''}`);
      for (const figure of Object.keys(met) as (keyof GroupFigures)[]) met[figure] += groups?.[figure] ?? 0;
    }
    for (const [figure, count] of Object.entries(met)) assert.ok(count > 0, `${figure}: none in all seeds`);
  });

  it('change nothing of a schedule that asks for none', async () => {
    const [one, other] = await Promise.all(
      [{}, { groups: 0 }].map((groups) => simulate({ seed: 7, servers: 3, minutes: 0.1, ...groups })),
    );
    assert.equal(one?.traceHash, other?.traceHash);
    const withClients = await simulate({ seed: 7, servers: 3, minutes: 0.1, groups: 2 });
    assert.notEqual(withClients.traceHash, one?.traceHash);
    assert.deepEqual(withClients.schedule?.events, one?.schedule?.events);
  });
});
