/**
 * Whose processor time it was: on texts of /proc, and on a child that is busy and counted as the test's own or not.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { parseMachine, parseProcess, shareOfOthers, watchProcessors } from './processors.ts';
import { duration } from './waiting.ts';

const STAT = 'cpu  100 20 30 400 50 1 9 90 7 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 12345\n';
const BUSY_MS = 500;

describe('processor time of others', () => {
  it('reads /proc as the kernel writes it', () => {
    assert.deepEqual(parseMachine(STAT), { total: 700, interrupts: 10, idle: 450 });
    assert.equal(parseProcess('77 (a ) b) S 1 77 77 0 -1 4194304 99 0 0 0 12 30 5 6 20 0 11 0 221'), 42);
  });

  it('is what is left of the time that passed, less idle, interrupts and the own, within 0 and 1', () => {
    const before = { total: 1000, interrupts: 10, idle: 500, own: [100, 50] };
    const after = { total: 1200, interrupts: 20, idle: 540, own: [160, 90] };
    assert.equal(shareOfOthers(before, after), 0.25);
    assert.equal(shareOfOthers(before, { ...after, own: [300, 90] }), 0);
    assert.equal(shareOfOthers(before, before), undefined, 'no tick has passed');
  });

  it("counts a busy process as others' unless it is given, and says nothing once that has ended", async function () {
    if (!existsSync('/proc/stat')) this.skip();
    const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    try {
      const { pid } = child;
      assert.ok(pid !== undefined);
      const [withoutIt, withIt] = [await watchProcessors([]), await watchProcessors([pid])];
      await duration(BUSY_MS);
      const [all, others] = [await withoutIt(), await withIt()];
      assert.ok(all !== undefined && others !== undefined);
      assert.ok(all > others && others >= 0 && all <= 1, `${all} with the child, ${others} without`);
      child.kill('SIGKILL');
      await ended;
      assert.equal(await withIt(), undefined);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
