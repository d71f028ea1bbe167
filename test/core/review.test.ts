/**
 * Schedules that a review found, kept: each diverged, starved or lost something before it was mended.
 */
import assert from 'node:assert/strict';
import { encodeMessage } from '../../src/wire/messageCodec.ts';
import { MAX_FRAME_BYTES } from '../../src/network/frames.ts';
import { addSequence, createHaveSet, rangesLacked } from '../../src/core/haveSet.ts';
import { Cluster } from './cluster.ts';

const HOUR_MS = 3_600_000;

describe('schedules found by review', function () {
  this.timeout(20_000);

  it('compares have-sets of hundreds of thousands of intervals', () => {
    const have = createHaveSet(400_000);
    const claim = createHaveSet();
    for (let sequence = 2; sequence < 400_000; sequence += 2) addSequence(claim, sequence);
    const gaps = Array.from({ length: claim.gaps.length / 2 }, (_, at) => [2 + 2 * at, 2 + 2 * at] as const);
    assert.equal(rangesLacked(have, { contiguous: 0, gaps }).length, 200_000);
  });

  it('never answers with more than a frame holds, however large the values behind a small difference', () => {
    const cluster = new Cluster(['A', 'B'], 3);
    let tooLong = 0;
    cluster.loses = () => true;
    for (let at = 0; at < 300; at += 1) cluster.write('A', `s${at}`, 'x'.repeat(500));
    cluster.write('A', 'big', 'x'.repeat(16 * 1024 * 1024));
    cluster.write('A', 'last', '1');
    cluster.run(50);
    cluster.restart('A'); // nobody announces the old incarnation: only heartbeats can help
    cluster.loses = (message, _from, _to, channel) => {
      if (channel !== 'stream' || encodeMessage(message).length + 100 <= MAX_FRAME_BYTES) return false;
      tooLong += 1;
      return true;
    };
    cluster.run(4000);
    assert.equal(tooLong, 0);
    assert.equal(cluster.read('B', 'last'), '1');
    assert.equal(cluster.read('B', 'big')?.length, 16 * 1024 * 1024);
  });

  it('refuses writes as soon as its own wall steps ahead, not seconds later', () => {
    const cluster = new Cluster(['A', 'B', 'C'], 3);
    cluster.run(3000);
    cluster.at('A').offsetMs = HOUR_MS;
    assert.equal(cluster.write('A', 'k', 'v')?.code, 'CLOCK_AHEAD');
    cluster.run(3000);
    assert.equal(cluster.write('A', 'k', 'v')?.code, 'CLOCK_AHEAD');
    cluster.at('A').offsetMs = 0;
    assert.equal(cluster.write('A', 'k', 'v'), undefined);
    cluster.run(100);
    assert.equal(cluster.read('B', 'k'), 'v');
  });

  it('brings news past an origin whose records must be refused', () => {
    const cluster = new Cluster(['A', 'B', 'X'], 3);
    cluster.loses = () => true;
    cluster.at('X').offsetMs = HOUR_MS;
    cluster.restart('X');
    for (let at = 0; at < 700; at += 1) cluster.write('X', `x${at}`, 'x'.repeat(500));
    cluster.run(300);
    cluster.loses = (_message, from, to) => from !== 'X' && to !== 'X';
    cluster.write('B', 'fromB', '1');
    cluster.run(15_000);
    assert.equal(cluster.read('X', 'fromB'), '1');
    assert.equal(cluster.read('A', 'fromB'), '1');
  });
});
