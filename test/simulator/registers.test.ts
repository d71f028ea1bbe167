/** Clients of registers through faults (quorum.ts): every history can have been one register's, and most of what can happen to an operation happens. */
import assert from 'node:assert/strict';
import { simulate } from '../../src/simulator/index.ts';
import { findViolation } from '../../tools/linearizability/register.ts';

const SEEDS = 4;

describe('simulated registers', function () {
  this.timeout(120_000);

  it(`are linearizable in seeds 1 to ${SEEDS}, with operations of every kind and of unknown outcome`, async () => {
    const met = { read: 0, majority: 0, write: 0, unknown: 0, deletion: 0 };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { failure, registers = [] } = await simulate({
        seed,
        servers: 3 + (seed % 3),
        minutes: 0.1,
        registers: 5,
        faults: ['partitions', 'crashes', 'pauses', 'disks', 'stops'],
        hasOwnClientsOnly: true,
      });
      assert.equal(failure, undefined, `seed ${seed}: ${failure?.detail ?? ''}`);
      assert.equal(findViolation(registers), undefined, `seed ${seed}`);
      for (const { kind, value, returnedAt } of registers) {
        met[kind] += 1;
        if (returnedAt === Infinity) met.unknown += 1;
        if (kind === 'write' && value === undefined) met.deletion += 1;
      }
    }
    for (const [what, count] of Object.entries(met)) assert.ok(count > 0, `${what}: none in all seeds`);
  });

  it('are linearizable where one peer loses its disk again and again', async () => {
    for (let seed = 1; seed <= 3; seed += 1) {
      const {
        failure,
        registers = [],
        schedule,
      } = await simulate({
        seed,
        servers: 3,
        minutes: 0.2,
        registers: 4,
        faults: [],
        hasOwnClientsOnly: true,
        workload: (world) => {
          // The first round has to end before: until then a lost disk cannot be told from a first start.
          for (let atMs = 3_000; atMs < 12_000; atMs += 3_000) {
            world.at(atMs, () => {
              world.cut(['gamma'], ['alpha', 'beta']);
            });
            // It joins from the one that had missed what it held with the other, and that one is away.
            world.at(atMs + 400, () => {
              world.cut(['alpha'], ['beta', 'gamma']);
              world.heal(['gamma'], ['beta']);
              world.crash('beta', true);
              world.operator.wipe('beta');
              world.start('beta');
            });
            world.at(atMs + 1_800, () => {
              world.heal();
            });
          }
        },
      });
      assert.equal(failure, undefined, `seed ${seed}: ${failure?.detail ?? ''}`);
      assert.ok(registers.length > 100 && schedule !== undefined);
      assert.equal(findViolation(registers), undefined, `seed ${seed}`);
    }
  });

  it('are what they were when run again', async () => {
    const options = { seed: 3, servers: 3, minutes: 0.1, registers: 3 };
    const [one, other] = [await simulate(options), await simulate(options)];
    assert.equal(one.traceHash, other.traceHash);
    assert.deepEqual(one.registers, other.registers);
  });
});
