/** Peers that answer late, for they are busy: nothing is asked for, or sent, over and over meanwhile (section 5). */
import assert from 'node:assert/strict';
import { Cluster } from './cluster.ts';
import { sent } from './three.ts';

const HOUR_MS = 3_600_000;
const LATE_MS = 100;

describe('a peer that answers late', () => {
  it('is asked again for what it is about to send a few times at most', () => {
    const cluster = new Cluster(['alpha', 'beta']);
    cluster.run(1000);
    cluster.waitsMs = () => LATE_MS;
    let losesNext = true;
    cluster.loses = (message) => message.kind === 'update' && (losesNext = !losesNext);
    for (let at = 0; at < 400; at += 1) {
      cluster.write('alpha', `k${at}`, 'v');
      cluster.run(10);
    }
    cluster.loses = () => false;
    cluster.run(4000);
    assert.deepEqual(cluster.contents('beta'), cluster.contents('alpha'));
    // Every second of 400 was lost. Asked for again every 12 ms, all of them would come 1,650 times in vain.
    const { droppedDuplicate } = cluster.at('beta').state.counters;
    assert.ok(droppedDuplicate < 800, `${droppedDuplicate} of 200 repairs came in vain`);
  });

  /** Megabytes that beta missed while it was cut off, on their way at last. Alpha may first have written what must wait for its time. */
  function catchUp(waitsMs: number, isFirstAhead: boolean) {
    const cluster = new Cluster(['alpha', 'beta']);
    cluster.run(1000);
    cluster.loses = () => true;
    cluster.run(3000);
    const alpha = cluster.at('alpha');
    if (isFirstAhead) {
      const { clock } = alpha.state;
      alpha.offsetMs = HOUR_MS;
      assert.equal(cluster.write('alpha', 'ahead', '1'), undefined);
      alpha.offsetMs = 0;
      alpha.state.clock = clock; // or all that follows would be ahead as well
    }
    for (let at = 0; at < 200; at += 1) cluster.write('alpha', `k${at}`, 'v'.repeat(20_000));
    cluster.run(500);
    cluster.waitsMs = () => waitsMs;
    cluster.sent.length = 0;
    cluster.loses = (message) => message.kind === 'nak'; // or all would be asked for twice, by NAK and by HEARTBEAT
    const sinceMs = cluster.timeMs;
    while (cluster.read('beta', 'k199') === undefined && cluster.timeMs - sinceMs < 60_000) cluster.run(100);
    const records = sent(cluster, 'sync', 'alpha').flatMap(({ message }) =>
      message.kind === 'sync' ? message.records : [],
    );
    return { tookMs: cluster.timeMs - sinceMs, records: records.length };
  }

  it('is sent a long answer once, whatever it says before it has taken it in', () => {
    const { records } = catchUp(600, false);
    assert.ok(records <= 300, `${records} records for 200`);
  });

  it('is sent the rest at once though it must refuse the first record of it', () => {
    const { tookMs } = catchUp(0, true);
    assert.ok(tookMs <= 3000, `${tookMs} ms`);
  });
});
