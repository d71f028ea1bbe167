/**
 * Clients whose writes wait for other peers' disks, through faults (I12): what was acknowledged by n was on n disks, and is lost only with n. What the check is worth,
 * tools/mutants shows: answers before the flush, of a former process, of a disk counted twice.
 */
import assert from 'node:assert/strict';
import { simulate } from '../../src/simulator/index.ts';

const SEEDS = 8;

describe('simulated writes that wait for other disks', function () {
  this.timeout(120_000);

  it(`are where they were said to be in seeds 1 to ${SEEDS}, and meet every outcome`, async () => {
    const met = { reached: 0, unknown: 0, refused: 0 };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { failure, replicas } = await simulate({
        seed,
        servers: 2 + (seed % 4),
        minutes: 0.3,
        replicas: 3,
      });
      assert.equal(failure, undefined, `seed ${seed}: ${failure?.detail ?? ''}`);
      for (const name of ['reached', 'unknown', 'refused'] as const) met[name] += replicas?.[name] ?? 0;
    }
    for (const [name, count] of Object.entries(met)) assert.ok(count > 0, `${name}: none in all seeds`);
  });

  it('reach the disks asked for where nothing is broken, but for some in the moment of the first start', async () => {
    const { failure, replicas } = await simulate({
      seed: 3,
      servers: 4,
      minutes: 0.2,
      replicas: 4,
      faults: [],
    });
    assert.equal(failure, undefined, failure?.detail);
    const { reached = 0, unknown = 0, refused = 0 } = replicas ?? {};
    assert.ok(reached > 100 && unknown < reached / 20 && refused === 0, `${reached} ${unknown} ${refused}`);
  });

  it('change nothing of a schedule that asks for none', async () => {
    const [one, other] = await Promise.all(
      [{}, { replicas: 0 }].map((replicas) => simulate({ seed: 7, servers: 3, minutes: 0.2, ...replicas })),
    );
    assert.equal(one?.traceHash, other?.traceHash);
    const withClients = await simulate({ seed: 7, servers: 3, minutes: 0.2, replicas: 2 });
    assert.notEqual(withClients.traceHash, one?.traceHash);
    assert.deepEqual(withClients.schedule?.events, one?.schedule?.events);
  });
});
