/** What is said of the processors is read as the kernel writes it. */
import assert from 'node:assert/strict';
import { idleShare, parseProcessors } from './processors.ts';

describe('the idle share of the processors', () => {
  it('is what nobody used of all that passed, stolen time among the used', () => {
    const before = parseProcessors('cpu  100 0 50 800 50 5 5 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n');
    const after = parseProcessors('cpu  180 0 60 830 60 5 5 20 7 0\n');
    assert.deepEqual(before, { total: 1010, idle: 850 });
    assert.equal(idleShare(before, after), 40 / 150);
  });

  it('is not known when no time passed', () => {
    const sample = parseProcessors('cpu  1 0 0 1 0 0 0 0 0 0\n');
    assert.equal(idleShare(sample, sample), undefined);
  });
});
