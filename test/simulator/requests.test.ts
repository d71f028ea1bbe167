/**
 * Clients whose requests have ids, through faults (I13): nothing happens twice, and what is answered again is what was answered. That the check finds what it is for is
 * tools/mutants' to show.
 */
import assert from 'node:assert/strict';
import { simulate } from '../../src/simulator/index.ts';
import type { RequestFigures } from '../../src/simulator/requestClients.ts';

const SEEDS = 12;

describe('simulated requests with ids', function () {
  this.timeout(120_000);

  it(`have at most one effect in seeds 1 to ${SEEDS}, and meet every answer there is but a rare one`, async () => {
    const met: Record<keyof RequestFigures, number> = {
      executed: 0,
      recorded: 0,
      late: 0,
      proved: 0,
      unsure: 0,
      lost: 0,
      refused: 0,
      counted: 0,
    };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { failure, requests } = await simulate({
        seed,
        servers: 3 + (seed % 3),
        minutes: 0.5,
        requests: 3,
        counters: seed % 2,
      });
      assert.equal(failure, undefined, `seed ${seed}: ${failure?.detail ?? ''}`);
      for (const figure of Object.keys(met) as (keyof RequestFigures)[])
        met[figure] += requests?.[figure] ?? 0;
    }
    for (const [figure, count] of Object.entries(met))
      assert.ok(count > 0 || figure === 'lost', `${figure}: none in all seeds`); // that one test/core/requests.test.ts has
  });

  it('change nothing of a schedule that asks for none', async () => {
    const [one, other] = await Promise.all(
      [{}, { requests: 0 }].map((requests) => simulate({ seed: 7, servers: 3, minutes: 0.2, ...requests })),
    );
    assert.equal(one?.traceHash, other?.traceHash);
    const withClients = await simulate({ seed: 7, servers: 3, minutes: 0.2, requests: 2 });
    assert.notEqual(withClients.traceHash, one?.traceHash);
    assert.deepEqual(withClients.schedule?.events, one?.schedule?.events);
  });
});
