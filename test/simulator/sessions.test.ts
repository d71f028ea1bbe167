/**
 * Clients that carry sessions through faults (section 7): no seed may show one less than it has seen. And what the check is worth: without faults nothing is
 * ever behind for long or lost; a peer that ignores tokens is found out by tools/mutants.
 */
import assert from 'node:assert/strict';
import { simulate } from '../../src/simulator/index.ts';
import type { SessionFigures } from '../../src/simulator/sessionClients.ts';

const SEEDS = 12;

describe('simulated sessions', function () {
  this.timeout(120_000);

  it(`keep their promises in seeds 1 to ${SEEDS}, and meet every answer there is`, async () => {
    // `lostEverywhere` takes the loss of every disk: seed 724869 (regressions.test.ts) meets it.
    const met: Record<Exclude<keyof SessionFigures, 'lostEverywhere'>, number> = {
      reads: 0,
      writes: 0,
      behind: 0,
      undecided: 0,
      lost: 0,
      hops: 0,
    };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { failure, sessions } = await simulate({
        seed,
        servers: 3 + (seed % 3),
        minutes: 0.5,
        sessions: 3,
      });
      assert.equal(failure, undefined, `seed ${seed}: ${failure?.detail ?? ''}`);
      for (const figure of Object.keys(met) as (keyof typeof met)[]) met[figure] += sessions?.[figure] ?? 0;
    }
    for (const [figure, count] of Object.entries(met)) assert.ok(count > 0, `${figure}: none in all seeds`);
  });

  it('lose nothing where peers are only cut off, slow or stopped', async () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const { failure, sessions } = await simulate({
        seed,
        servers: 4,
        minutes: 0.5,
        sessions: 3,
        faults: ['links', 'partitions', 'pauses', 'multicast'],
      });
      assert.equal(failure, undefined, `seed ${seed}: ${failure?.detail ?? ''}`);
      assert.equal(sessions?.lost, 0, `seed ${seed}`);
    }
  });

  it('change nothing of a schedule that asks for none', async () => {
    const [one, other] = await Promise.all(
      [{}, { sessions: 0 }].map((sessions) => simulate({ seed: 7, servers: 3, minutes: 0.2, ...sessions })),
    );
    assert.equal(one?.traceHash, other?.traceHash);
    const withClients = await simulate({ seed: 7, servers: 3, minutes: 0.2, sessions: 2 });
    assert.notEqual(withClients.traceHash, one?.traceHash);
    assert.deepEqual(withClients.schedule?.events, one?.schedule?.events);
  });
});
