/**
 * What power cuts and lost disks take of what was acknowledged, level by level: counted on a cluster where each loss was brought about by hand, and over seeds.
 */
import assert from 'node:assert/strict';
import { addLosses } from '../../src/simulator/lossTally.ts';
import type { LossRow } from '../../src/simulator/lossTally.ts';
import { simulate } from '../../src/simulator/index.ts';
import { cutPower } from '../../tools/losses/powerCuts.ts';

const SEEDS = 3;

const row = (level: string, acknowledged: number, lost: number, lostWithDisks: number): LossRow => ({
  level,
  acknowledged,
  lost,
  lostWithDisks,
});

/** What alpha alone has is put at stake while it is cut off. With this seed chance lets nothing survive that was on its way to the disk. */
const HEAD = `
  peers alpha beta gamma; seed 5
  wait 1s
  set told=1 at alpha; set told=2 at alpha fast; set told=3 at alpha durable
  set shared=1 at alpha on 2 disks within 2s; set shared=2 at alpha on all disks within 2s
  expect shared on its disks within 1s
  expect equal within 1s
  cut alpha from beta,gamma
  set kept{1..4}=1 at alpha durable
  wait 100ms
`;

async function lossesOf(scenario: string): Promise<readonly LossRow[]> {
  const { failure, losses } = await simulate({ scenario });
  assert.equal(failure, undefined, failure?.detail);
  return losses ?? [];
}

describe('what is lost of what was acknowledged', function () {
  this.timeout(60_000);

  it('by a power cut: what was not flushed, at the level that was said, and nothing durable', async () => {
    const losses = await lossesOf(`${HEAD}
      disk alpha unflushed
      set quick{1..2}=1 at alpha fast; set seen{1..3}=1 at alpha
      set asked=1 at alpha durable; set more=1 at alpha on 2 disks within 50ms
      wait 100ms
      expect more unknown
      power off alpha; disk alpha ok; start alpha; heal
      expect equal within 5s`);
    assert.deepEqual(losses, [
      row('fast', 3, 2, 0),
      row('committed', 4, 3, 0),
      row('durable', 5, 0, 0), // nobody was told that `asked` is
      row('replicated 2', 1, 0, 0),
      row('replicated 3', 1, 0, 0),
    ]);
  });

  it('by the death of a process: what was said before the commit', async () => {
    const losses = await lossesOf(`${HEAD}
      disk alpha stalled
      set quick{1..2}=1 at alpha fast; set seen{1..3}=1 at alpha
      wait 100ms
      crash alpha; disk alpha ok; start alpha; heal
      expect equal within 5s`);
    assert.deepEqual(losses.slice(0, 3), [
      row('fast', 3, 2, 0),
      row('committed', 1, 0, 0),
      row('durable', 5, 0, 0),
    ]);
  });

  it('with a disk: all that no other had, told apart from what is lost without', async () => {
    const losses = await lossesOf(`${HEAD}
      set quick=1 at alpha fast
      wait 100ms
      power off alpha; wipe alpha; start alpha; heal
      expect equal within 5s`);
    assert.deepEqual(losses, [
      row('fast', 2, 1, 1),
      row('committed', 1, 0, 0),
      row('durable', 5, 4, 4),
      row('replicated 2', 1, 0, 0),
      row('replicated 3', 1, 0, 0),
    ]);
  });

  it('with as many disks as it was said to be on', async () => {
    const losses = await lossesOf(`
      peers alpha beta gamma
      wait 1s
      cut gamma from alpha,beta
      set pair=1 at alpha on 2 disks within 2s
      expect pair on its disks within 1s
      power off alpha; wipe alpha; power off beta; wipe beta
      start alpha; start beta; heal
      expect equal within 9s`);
    assert.deepEqual(losses, [row('replicated 2', 1, 1, 1)]);
  });

  it('counts what a process said that left nothing on any disk, not even its own number', async () => {
    const losses = await lossesOf(`
      peers alpha beta
      wait 1s
      cut alpha from beta
      power off alpha; disk alpha stalled; start alpha
      set quick=1 at alpha fast
      power off alpha; disk alpha ok; start alpha
      set next=1 at alpha durable
      wait 100ms
      heal
      expect equal within 5s`);
    assert.deepEqual(losses, [row('fast', 1, 1, 0), row('durable', 1, 0, 0)]);
  });

  it(`in seeds 1 to ${SEEDS} of power cuts: of fast and committed writes some, of durable and replicated ones only with their disks`, async () => {
    const rows: LossRow[] = [];
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { failure, losses } = await cutPower(seed);
      assert.equal(failure, undefined, `seed ${seed}: ${failure?.detail ?? ''}`);
      rows.push(...(losses ?? []));
    }
    const sums = addLosses(rows);
    assert.deepEqual(
      sums.map(({ level }) => level),
      ['fast', 'committed', 'durable', 'WAIT 1', 'replicated 2', 'replicated 3', 'replicated 4'],
    );
    for (const { level, acknowledged, lost, lostWithDisks } of sums) {
      assert.ok(acknowledged > 0, `${level}: none`);
      const isAtRisk = level === 'fast' || level === 'committed';
      assert.ok(isAtRisk ? lost > lostWithDisks : lost === lostWithDisks, JSON.stringify(sums));
    }
  });
});
