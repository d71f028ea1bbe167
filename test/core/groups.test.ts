/**
 * Groups: one timestamp, one UPDATE, taken whole or not at all.
 */
import assert from 'node:assert/strict';
import { closeGroup, hasGroupRoom, openGroup } from '../../src/core/groups.ts';
import { findBrokenInvariants } from '../../src/core/invariants.ts';
import type { UpdateMessage } from '../../src/core/messages.ts';
import { defaultLimits, defaultSettings } from '../../src/core/settings.ts';
import type { CoreLimits } from '../../src/core/settings.ts';
import type { Key } from '../../src/core/types.ts';
import { onWrite, onWrites, type WriteRefusal } from '../../src/core/write.ts';
import { Cluster } from './cluster.ts';

const THREE = ['alpha', 'beta', 'gamma'];
const SHORT = [
  ['a', '1'],
  ['b', '2'],
  ['c', '3'],
] as const;
/** Outgrows a datagram. */
const LONG = Array.from({ length: 40 }, (_, at) => [`k${at}`, 'x'.repeat(100)] as const);

function clusterOf(limits: Partial<CoreLimits> = {}): Cluster {
  const settings = { ...defaultSettings, limits: { ...defaultLimits, ...limits } };
  const cluster = new Cluster(THREE, 1, settings);
  cluster.run(1000);
  cluster.sent.length = 0;
  return cluster;
}

/** Writes a group; answers what was refused of it. */
function writeGroup(
  cluster: Cluster,
  writes: readonly (readonly [key: string, value: string])[],
): WriteRefusal | undefined {
  const member = cluster.at('alpha');
  let refusal: WriteRefusal | undefined;
  openGroup(member.state);
  for (const [key, value] of writes)
    refusal ??= onWrite(member.state, cluster.now(member), key as Key, Buffer.from(value), false);
  closeGroup(member.state);
  cluster.write('alpha', 'end of turn', '');
  return refusal;
}

function updatesOf(cluster: Cluster): readonly (readonly [channel: string, keys: string])[] {
  return cluster.sent.flatMap(({ channel, message }) =>
    message.kind === 'update' ? [[channel, message.records.map(({ key }) => key).join(' ')] as const] : [],
  );
}

function hasOf(cluster: Cluster, id: string, writes: readonly (readonly [string, string])[]): number {
  return writes.filter(([key, value]) => cluster.read(id, key) === value).length;
}

describe('a group', () => {
  it('has one timestamp, a dot for each write, and of one key the last value', () => {
    const cluster = clusterOf();
    writeGroup(cluster, [...SHORT, ['a', '4']]);
    const { store } = cluster.at('alpha').disk;
    const [a, b, c] = ['a', 'b', 'c'].map((key) => store.readEntry(key as Key));
    assert.equal(a?.timestamp, b?.timestamp);
    assert.equal(b?.timestamp, c?.timestamp);
    assert.deepEqual([b?.sequence, c?.sequence, a?.sequence], [2, 3, 4]);
    const after = store.readEntry('end of turn' as Key);
    assert.ok(after !== undefined && a !== undefined && after.timestamp > a.timestamp);
    cluster.run(5);
    for (const id of THREE) {
      assert.deepEqual(
        ['a', 'b', 'c'].map((key) => cluster.read(id, key)),
        ['4', '2', '3'],
      );
      assert.deepEqual(findBrokenInvariants(cluster.at(id).state), []);
    }
  });

  it('shares a datagram with other updates where all of it fits, and begins another where it does not', () => {
    const cluster = clusterOf();
    const { state } = cluster.at('alpha');
    onWrite(state, cluster.now(cluster.at('alpha')), 'before' as Key, Buffer.alloc(1000), false);
    writeGroup(cluster, [...SHORT, ['d', 'y'.repeat(300)]]);
    cluster.run(5);
    assert.deepEqual(updatesOf(cluster), [
      ['multicast', 'before'],
      ['multicast', 'a b c d end of turn'],
    ]);
  });

  it('goes by stream, in one message and with all its values, where it outgrows a datagram', () => {
    const cluster = clusterOf();
    writeGroup(cluster, [...LONG, ['long', 'z'.repeat(5000)]]);
    cluster.run(5);
    const streamed = cluster.sent.filter(
      ({ channel, message }) => channel === 'stream' && message.kind === 'update',
    );
    assert.deepEqual(
      streamed.map(({ to }) => to),
      ['beta', 'gamma'],
    );
    for (const { message } of streamed) assert.equal((message as UpdateMessage).records.length, 41);
    for (const id of THREE) assert.equal(hasOf(cluster, id, LONG), 40, id);
  });

  it('is not split by a repair when a datagram overtakes its stream', () => {
    const cluster = clusterOf();
    writeGroup(cluster, LONG);
    let slow = true;
    // NAKs for what it brings are sent after 2 to 4 ms.
    cluster.loses = (message, _from, to, channel) =>
      slow && to === 'beta' && channel === 'stream' && message.kind === 'update';
    cluster.run(0.3);
    for (let step = 0; step < 40; step += 1) {
      cluster.run(1);
      assert.equal(hasOf(cluster, 'beta', LONG), 0, `after ${step} ms`);
    }
    assert.ok(cluster.sent.some(({ from, message }) => from === 'beta' && message.kind === 'nak'));
    slow = false;
    cluster.run(1000); // it was lost: repair brings it, one by one
    assert.equal(hasOf(cluster, 'beta', LONG), 40);
  });

  for (const [what, limits, before] of [
    ['dots above the vector', { maxDotsAboveVector: 3 }, 0],
    ['intervals', { maxGapIntervals: 1 }, 1],
  ] as const)
    it(`is dropped whole where there is no room for some of its ${what}`, () => {
      const cluster = clusterOf(limits);
      cluster.loses = (message, _from, to) =>
        to === 'beta' && (message.kind === 'update' ? isLost(message) : message.kind === 'sync');
      const isLost = ({ records }: UpdateMessage): boolean => records.some(({ key }) => key === 'lost');
      for (let at = 0; at < before; at += 1) {
        cluster.write('alpha', 'lost', '');
        cluster.write('alpha', `other${at}`, '');
        cluster.run(2);
      }
      cluster.write('alpha', 'lost', '');
      writeGroup(cluster, [...SHORT, ['d', '4']]);
      cluster.run(1);
      assert.equal(hasOf(cluster, 'gamma', SHORT), 3);
      assert.equal(hasOf(cluster, 'beta', SHORT), 0);
      assert.equal(cluster.at('beta').state.counters.droppedGapLimit >= 4, true);
      cluster.loses = () => false;
      cluster.run(1500);
      assert.equal(hasOf(cluster, 'beta', SHORT), 3);
    });

  it('takes no more than fits in one message, one by one or at once, and stays open for what does', () => {
    const cluster = clusterOf({ maxGroupBytes: 1000 });
    const member = cluster.at('alpha');
    const refusal = writeGroup(cluster, [
      ['big', 'x'.repeat(800)],
      ['more', 'y'.repeat(100)],
    ]);
    assert.equal(refusal?.code, 'NO_ROOM');
    assert.match(refusal.message, /at most 1000 bytes \(maxTransactionBytes\)/);
    assert.equal(cluster.read('alpha', 'big')?.length, 800);
    assert.equal(cluster.read('alpha', 'more'), undefined);
    assert.equal(hasGroupRoom(member.state, 1, 1000 - 128), true);
    assert.equal(hasGroupRoom(member.state, 1, 1000 - 127), false);
    assert.equal(hasGroupRoom(member.state, 2, 1000 - 128), false);
    openGroup(member.state);
    const write = { key: 'w' as Key, value: Buffer.alloc(400), expiresAt: 0 };
    assert.equal(onWrites(member.state, cluster.now(member), [write, write], false)?.code, 'NO_ROOM');
    assert.equal(onWrites(member.state, cluster.now(member), [write], false), undefined);
    closeGroup(member.state);
    assert.equal(member.state.counters.writesRefusedGroupFull, 2);
    assert.equal(
      cluster.write('alpha', 'alone', 'x'.repeat(2000)),
      undefined,
      'a write by itself has no such limit',
    );
  });

  it('is never opened inside another', () => {
    const { state } = clusterOf().at('alpha');
    openGroup(state);
    assert.throws(() => {
      openGroup(state);
    }, /inside another/);
  });
});
