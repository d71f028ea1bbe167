import assert from 'node:assert/strict';
import { SendQueue } from '../../src/peer/sendQueue.ts';

describe('send queue', () => {
  it('sends a small burst at once and a large one over several turns, in order', () => {
    const turns: (() => void)[] = [];
    const sent: number[] = [];
    const queue = new SendQueue((callback) => turns.push(callback));
    for (let at = 0; at < 100; at += 1) queue.push(() => sent.push(at));
    const first = sent.length;
    assert.ok(first > 0 && first < 100, `${first} at once`);
    let ends = 0;
    while (turns.length > 0) {
      const before = sent.length;
      turns.shift()?.();
      assert.ok(sent.length - before <= first, 'no turn sends more than the first');
      ends += 1;
    }
    assert.deepEqual(
      sent,
      [...sent].sort((a, b) => a - b),
    );
    assert.equal(sent.length, 100);
    assert.ok(ends >= 3);
  });

  it('keeps a bounded number waiting, drops the oldest beyond and counts them', () => {
    const sent: number[] = [];
    const turns: (() => void)[] = [];
    const queue = new SendQueue((callback) => turns.push(callback));
    const total = 9000;
    for (let at = 0; at < total; at += 1) queue.push(() => sent.push(at));
    while (turns.length > 0) turns.shift()?.();
    assert.ok(queue.dropped > 0);
    assert.equal(sent.length + queue.dropped, total);
    assert.equal(sent.at(-1), total - 1);
  });
});
