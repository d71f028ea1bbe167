/** The soak: what is counted and kept when seeds end out of order, when it is resumed, and when the build is broken. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSchedule } from '../../src/simulator/schedule.ts';
import { Children } from '../../tools/bench/children.ts';
import { BuildCopy, ROOT, transpile } from '../../tools/soak/buildCopy.ts';
import { Failures } from '../../tools/soak/failures.ts';
import { Progress } from '../../tools/soak/progress.ts';
import { soak } from '../../tools/soak/soak.ts';

const RESULT = { peerMs: 60_000, steps: 10, written: 2, tookMs: 5 };

describe('the soak', function () {
  this.timeout(60_000);
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-soak-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('counts seeds in order, and goes on behind the last one without a gap', async () => {
    const file = join(folder, 'state.json');
    const progress = await Progress.open(file, 7);
    assert.deepEqual([progress.take(), progress.take(), progress.take()], [7, 8, 9]);
    progress.finish(9, RESULT);
    progress.finish(7, { ...RESULT, failure: 'I2' });
    await progress.save();
    const resumed = await Progress.open(file, 1);
    assert.equal(resumed.totals.seeds, 1);
    assert.deepEqual(resumed.totals.failures, [{ seed: 7, failure: 'I2' }]);
    assert.equal(resumed.take(), 8);
    progress.finish(8, RESULT);
    assert.deepEqual([progress.totals.seeds, progress.totals.nextSeed], [3, 10]);
  });

  it('hands out so many seeds and no more', async () => {
    const progress = await Progress.open(undefined, 1, 2);
    assert.deepEqual([progress.take(), progress.take(), progress.take()], [1, 2, undefined]);
  });

  it('refuses a state that is none', async () => {
    const file = join(folder, 'state.json');
    for (const text of ['', '{}', '[1]', '{"version":2}', 'null']) {
      await writeFile(file, text);
      await assert.rejects(Progress.open(file, 1), /no state of a soak/);
    }
  });

  it('keeps the schedule and the result of every seed that fails', async () => {
    const children = new Children(undefined);
    const copy = await BuildCopy.create();
    try {
      const file = 'src/core/apply.ts';
      const text = await readFile(join(ROOT, file), 'utf8');
      await copy.replace(file, text.replace('compareTags(incoming, present) <= 0', 'present === incoming'));
      const progress = await Progress.open(undefined, 1, 2);
      const failures = new Failures(join(folder, 'failures'));
      const told: string[] = [];
      await soak({
        children,
        copy,
        progress,
        failures,
        jobs: 2,
        hangMs: 30_000,
        isOver: () => false,
        onFailure: (seed, name) => told.push(`${seed} ${name}`),
      });
      assert.deepEqual(told.sort(), ['1 I5', '2 I5']);
      assert.deepEqual(progress.totals.failures, [
        { seed: 1, failure: 'I5' },
        { seed: 2, failure: 'I5' },
      ]);
      const kept = (await readdir(failures.folder)).sort();
      assert.deepEqual(
        kept,
        [1, 2].flatMap((seed) => [`seed-${seed}.result.json`, `seed-${seed}.schedule.json`]),
      );
      const schedule = await readFile(join(failures.folder, 'seed-2.schedule.json'), 'utf8');
      assert.equal(parseSchedule(schedule).seed, 2);
    } finally {
      await children.stopAll();
      await copy.remove();
    }
  });

  it('makes of a source file what the build made of it', async () => {
    const copy = await BuildCopy.create();
    try {
      for (const file of ['src/core/apply.ts', 'src/peer/runtime.ts', 'src/wire/messageCodec.ts']) {
        const built = (await copy.read(file)).replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n');
        assert.equal(transpile(await readFile(join(ROOT, file), 'utf8'), file), built, file);
      }
    } finally {
      await copy.remove();
    }
  });
});
