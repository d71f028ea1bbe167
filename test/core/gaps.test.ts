/** Gaps and NAKs (section 5, the asking side): when a dot that is missing is asked for, how often, and how long an answer is waited for. */
import assert from 'node:assert/strict';
import { Cluster } from './cluster.ts';
import { sent } from './three.ts';

/** Between two writes, milliseconds. */
const PACE_MS = 10;
const LATE_MS = 100;
const WRITES = 400;

/** Alpha writes, every fifth UPDATE of it is lost to beta, and alpha reads its mail late. Calls `onLost` a moment after beta could notice each loss. */
function writeWithLoss(cluster: Cluster, onLost: (sequence: number) => void = () => undefined): void {
  const inner = cluster.loses;
  let written = 0;
  const isUnlucky = (sequence: number): boolean => sequence % 5 === 4;
  cluster.loses = (message, ...rest) =>
    message.kind === 'update' ? isUnlucky(written) : inner(message, ...rest);
  while (written < WRITES) {
    written += 1;
    cluster.write('alpha', `k${written}`, 'v');
    cluster.run(PACE_MS);
    if (isUnlucky(written - 1)) onLost(written - 1);
  }
}

/** Sequences in the NAKs that beta has sent. */
function asked(cluster: Cluster): number[] {
  const all: number[] = [];
  for (const { message } of sent(cluster, 'nak', 'beta')) {
    if (message.kind !== 'nak') continue;
    for (const [from, to] of message.ranges) for (let at = from; at <= to; at += 1) all.push(at);
  }
  return all;
}

function startLate(): Cluster {
  const cluster = new Cluster(['alpha', 'beta']);
  cluster.run(1000);
  cluster.waitsMs = (to) => (to === 'alpha' ? LATE_MS : 0);
  return cluster;
}

describe('gaps', () => {
  it('are asked for as they appear, though answers to earlier ones are still waited for', () => {
    const cluster = startLate();
    writeWithLoss(cluster, (sequence) => {
      assert.ok(asked(cluster).includes(sequence), `${sequence} has not been asked for`);
    });
  });

  it('are not asked for again with older ones before their own answer can be here', () => {
    const cluster = startLate();
    writeWithLoss(cluster);
    cluster.run(1000);
    assert.deepEqual(cluster.contents('beta'), cluster.contents('alpha'));
    const lost = WRITES / 5;
    const times = asked(cluster).length;
    assert.ok(times >= lost);
    assert.ok(times <= 1.25 * lost, `${lost} dots were asked for ${times} times`);
  });

  it('are waited for no longer because NAKs and repairs are lost', () => {
    const cluster = startLate();
    cluster.loses = (message) =>
      (message.kind === 'nak' || message.kind === 'sync') && cluster.random() < 0.4;
    const delays: number[] = [];
    writeWithLoss(cluster, () => {
      for (const { id, repairDelayMs } of cluster.at('beta').state.origins.values())
        if (id === 'alpha') delays.push(repairDelayMs);
    });
    const meanMs = delays.reduce((sum, delayMs) => sum + delayMs, 0) / delays.length;
    assert.ok(meanMs >= 0.5 * LATE_MS, `${meanMs} ms`); // patience is twice that
    assert.ok(meanMs <= 1.5 * LATE_MS, `answers take ${LATE_MS} ms, and are taken to need ${meanMs}`);
  });
});
