/** `toposphere simulate` as users run it: verdict, replay line, files, exit code. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunResult } from '../../src/simulator/run.ts';
import { runCommand } from './runCommand.ts';

describe('toposphere simulate', function () {
  this.timeout(60_000);
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-simulate-'));
  });
  after(async () => {
    await rm(folder, { recursive: true });
  });
  const run = (...words: string[]) => runCommand(['simulate', ...words], folder);
  const short = ['--minutes', '0.1', '--servers', '3'];

  it('runs a seed, saves its schedule and draws it; the saved schedule gives the same trace', async () => {
    const { code, output } = await run('--seed', '5', ...short, '--save', 'five.json', '--plot', 'five.html');
    assert.equal(code, 0);
    assert.match(output.toString(), /^seed 5: passed; equal \d+ ms after healing/);
    const trace = /trace ([0-9a-f]{16})/.exec(output.toString())?.[1];
    const again = await run('--schedule', 'five.json');
    assert.equal(again.code, 0);
    assert.equal(/trace ([0-9a-f]{16})/.exec(again.output.toString())?.[1], trace);
    assert.match(await readFile(join(folder, 'five.html'), 'utf8'), /^<!doctype html>/i);
  });

  it('prints one JSON object a run, for several seeds, with what the clients did that were asked for', async () => {
    const { code, output } = await run('--seed', '1', '--runs', '3', ...short, '--publishers', '2', '--json');
    assert.equal(code, 0);
    const runs = output
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Pick<RunResult, 'traceHash' | 'publishers'> & { title: string });
    assert.deepEqual(
      runs.map(({ title }) => title),
      ['seed 1', 'seed 2', 'seed 3'],
    );
    assert.equal(new Set(runs.map(({ traceHash }) => traceHash)).size, 3);
    for (const { publishers } of runs) assert.ok(publishers !== undefined && publishers.published > 0);
  });

  it('shows a scenario as a transcript, and fails with the line that did not hold', async () => {
    await writeFile(join(folder, 'good.txt'), 'wait 1s; set x=1 at alpha; expect x=1 everywhere within 1s\n');
    const good = await run('--scenario', 'good.txt');
    assert.equal(good.code, 0);
    assert.match(good.output.toString(), /1\.000 {2}alpha {4}set x=1\n/);
    await writeFile(join(folder, 'bad.txt'), 'wait 1s\nexpect x=1 everywhere within 1s\n');
    const bad = await run('--scenario', 'bad.txt');
    assert.equal(bad.code, 1);
    assert.match(bad.output.toString(), /FAILED .*line 2, expect x=1/);
    assert.match(bad.output.toString(), /again: toposphere simulate --scenario bad\.txt/);
    assert.equal(bad.errors, 'toposphere: bad.txt failed\n');
  });

  it('refuses what cannot be run, one line a fault', async () => {
    await writeFile(join(folder, 'none.json'), '{}');
    for (const [words, line] of [
      [['--seed', 'abc'], /--seed abc: give a number/],
      [['--faults', 'jumps'], /--faults jumps: the kinds are/],
      [['--schedule', 'missing.json'], /missing\.json cannot be read \(ENOENT\)/],
      [['--schedule', 'none.json'], /the schedule cannot be run/],
      [['--scenario', 'good.txt', '--seed', '1'], /mutually exclusive/],
    ] as const) {
      const { code, errors, output } = await run(...words);
      assert.equal(code, 1, errors);
      assert.match(errors, line);
      assert.equal(output.length, 0);
    }
  });
});
