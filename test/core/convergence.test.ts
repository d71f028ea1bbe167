import assert from 'node:assert/strict';
import { findBrokenInvariants } from '../../src/core/invariants.ts';
import { defaultLimits, defaultSettings } from '../../src/core/settings.ts';
import { Cluster, type Sent } from './cluster.ts';

/** What a peer reports that has nothing. */
const NOTHING = { vector: [], closures: [], promises: [] };
const FOUR = ['alpha', 'beta', 'gamma', 'delta'];

function assertConverged(cluster: Cluster): void {
  const [first, ...rest] = cluster.members;
  assert.ok(first);
  const expected = cluster.contents(first.id);
  for (const member of rest)
    assert.deepEqual(cluster.contents(member.id), expected, `${member.id} against ${first.id}`);
  for (const member of cluster.members) assert.deepEqual(findBrokenInvariants(member.state), [], member.id);
}

describe('convergence', () => {
  it('shows a write on every peer within a few milliseconds', () => {
    const cluster = new Cluster(FOUR);
    cluster.run(1000);
    cluster.write('alpha', 'k', 'v');
    cluster.run(3);
    for (const id of FOUR) assert.equal(cluster.read(id, 'k'), 'v');
  });

  it('repairs a lost UPDATE by NAK long before the next heartbeat', () => {
    const cluster = new Cluster(FOUR);
    cluster.run(1000);
    cluster.loses = (message, _from, to) => message.kind === 'update' && to === 'delta';
    cluster.write('alpha', 'lost', '1');
    cluster.run(2);
    cluster.loses = () => false;
    cluster.write('alpha', 'next', '2');
    cluster.run(15);
    assert.equal(cluster.read('delta', 'lost'), '1');
  });

  it('learns of a lost tail from the next KEEPALIVE', () => {
    const cluster = new Cluster(FOUR);
    cluster.run(1000);
    cluster.loses = (message) => message.kind === 'update' || message.kind === 'heartbeat';
    cluster.write('alpha', 'tail', '1');
    cluster.run(320);
    for (const id of FOUR) assert.equal(cluster.read(id, 'tail'), '1', id);
  });

  it('converges within a second of healing, both sides having written', () => {
    const cluster = new Cluster(FOUR);
    cluster.run(1000);
    const isLeft = (id: string): boolean => id === 'alpha' || id === 'beta';
    cluster.loses = (_message, from, to) => isLeft(from) !== isLeft(to);
    cluster.run(5000);
    for (let at = 0; at < 100; at += 1) {
      cluster.write('alpha', `left${at}`, 'l');
      cluster.write('delta', `right${at}`, 'r');
      cluster.write('beta', 'same', `left ${at}`);
      cluster.write('gamma', 'same', `right ${at}`);
    }
    cluster.run(1000);
    assert.equal(cluster.read('alpha', 'right0'), undefined);
    cluster.loses = () => false;
    cluster.run(1000);
    assert.equal(cluster.read('alpha', 'right99'), 'r');
    assertConverged(cluster);
  });

  it('carries a key written many times once', () => {
    const cluster = new Cluster(['alpha', 'beta']);
    cluster.run(1000);
    cluster.loses = () => true;
    cluster.run(3000);
    for (let at = 0; at < 50; at += 1) cluster.write('alpha', 'hot', `${at}`);
    cluster.run(1000);
    cluster.sent.length = 0;
    cluster.loses = (message) => message.kind === 'nak';
    cluster.run(1000);
    assertConverged(cluster);
    const records = cluster.sent.flatMap(({ message }) => (message.kind === 'sync' ? message.records : []));
    assert.ok(records.length >= 1 && records.length <= 2, `${records.length} records`);
  });

  it('brings news across a single link between two rings', () => {
    const ids = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'];
    const cluster = new Cluster(ids);
    const side = (id: string): number => (id <= 'p3' ? 0 : 1);
    const isBridge = (a: string, b: string): boolean => [a, b].sort().join() === 'p1,p4';
    cluster.loses = (_message, from, to) => side(from) !== side(to) && !isBridge(from, to);
    cluster.run(3000);
    cluster.write('p6', 'far', 'news');
    cluster.run(8000);
    for (const id of ids) assert.equal(cluster.read(id, 'far'), 'news', id);
  });

  for (const kind of ['process', 'power'] as const) {
    it(`keeps through a crash of the ${kind} what it reported ${kind === 'process' ? 'committed' : 'durable'}`, () => {
      let lost = 0;
      for (let seed = 1; seed <= 30; seed += 1) {
        const cluster = new Cluster(FOUR, seed);
        cluster.run(1000);
        for (let at = 0; at < 40; at += 1) {
          cluster.write('alpha', `k${at}`, `${at}`);
          if (at % 8 === 0) cluster.run(cluster.random());
        }
        const alpha = cluster.at('alpha');
        const promised = [...(kind === 'process' ? alpha.committed : alpha.durable)];
        const reported = alpha.committed.length;
        cluster.loses = () => true; // the others may not help
        cluster.restart('alpha', kind);
        for (const write of promised) {
          const [key = '', value] = write.split('=');
          assert.equal(cluster.read('alpha', key), value, `seed ${seed}`);
        }
        lost += 40 - promised.length;
        assert.ok(reported >= promised.length);
        cluster.loses = () => false;
        cluster.run(2000);
        assertConverged(cluster);
      }
      assert.ok(lost > 0, 'no crash came before its commit: the test proves nothing');
    });
  }

  it('never multicasts an update that a crash of the process can still undo', () => {
    const cluster = new Cluster(['alpha', 'beta']);
    cluster.run(1000);
    for (let at = 0; at < 200; at += 1) {
      cluster.write('alpha', 'k', `${at}`);
      const seen = cluster.sent.flatMap(({ message }) =>
        message.kind === 'update' ? message.records : [],
      ).length;
      assert.ok(seen <= cluster.at('alpha').committed.length, `${seen} sent`);
      cluster.run(cluster.random() / 2);
    }
  });

  it('goes silent when there is nothing left to say', () => {
    const cluster = new Cluster(FOUR, 3);
    cluster.loses = () => cluster.random() < 0.3;
    cluster.run(1000);
    for (let at = 0; at < 50; at += 1) cluster.write(FOUR[at % 4] ?? '', `k${at % 7}`, `${at}`);
    cluster.loses = () => false;
    cluster.run(3000);
    cluster.sent.length = 0;
    cluster.run(3 * defaultSettings.heartbeatMs);
    assertConverged(cluster);
    const kinds = new Set(cluster.sent.map(({ message }) => message.kind));
    assert.deepEqual([...kinds].sort(), ['heartbeat', 'keepalive']);
  });

  it('does not answer a heartbeat with what is still on its way, but with what stays missing', () => {
    const cluster = new Cluster(['alpha', 'beta']);
    cluster.run(1000);
    const isSync = ({ message }: Sent): boolean => message.kind === 'sync' && message.records.length > 0;
    for (let at = 0; at < 20; at += 1) {
      cluster.write('alpha', `k${at}`, 'v');
      cluster.deliver('beta', 'alpha', { kind: 'heartbeat', vectorHash: 0, have: NOTHING });
      cluster.run(3);
    }
    assert.equal(cluster.sent.filter(isSync).length, 0);
    cluster.run(1200);
    cluster.deliver('beta', 'alpha', { kind: 'heartbeat', vectorHash: 0, have: NOTHING });
    cluster.run(3);
    const records = cluster.sent
      .filter(isSync)
      .flatMap(({ message }) => (message.kind === 'sync' ? message.records : []));
    assert.equal(records.length, 20);
  });

  it('gives what has come a while ago, by the HEARTBEATs alone that ask for it', () => {
    const seldom = { ...defaultSettings, keepaliveMs: 60_000, deadAfterMs: 600_000 };
    const cluster = new Cluster(['alpha', 'beta', 'gamma'], 1, seldom);
    cluster.loses = (_message, from, to) => from === 'alpha' && to === 'gamma'; // so that it asks nobody by NAK
    cluster.run(1000);
    cluster.write('alpha', 'k', '1');
    cluster.run(4 * seldom.heartbeatMs);
    assert.equal(cluster.read('gamma', 'k'), '1');
  });

  it('fetches a value that no datagram holds, by stream', () => {
    const cluster = new Cluster(FOUR);
    cluster.run(1000);
    const large = 'x'.repeat(100_000);
    cluster.write('alpha', 'large', large);
    cluster.run(30);
    for (const id of FOUR) assert.equal(cluster.read(id, 'large'), large, id);
    assert.ok(cluster.sent.some(({ channel }) => channel === 'stream'));
    assertConverged(cluster);
  });

  it('sends a difference of thousands of updates by stream, piece after piece', () => {
    const cluster = new Cluster(['alpha', 'beta']);
    cluster.run(1000);
    cluster.loses = () => true;
    cluster.run(3000);
    for (let at = 0; at < 6000; at += 1) cluster.write('alpha', `key${at}`, 'v'.repeat(100));
    cluster.run(1000);
    cluster.loses = () => false;
    cluster.run(700);
    assertConverged(cluster);
    const pieces = cluster.sent.filter(
      ({ message, channel }) => message.kind === 'sync' && channel === 'stream',
    );
    assert.ok(pieces.length > 1, `${pieces.length} pieces`);
  });

  for (let seed = 1; seed <= 60; seed += 1) {
    it(`converges under loss, cuts, restarts and shrunk limits (seed ${seed})`, () => {
      const isShrunk = seed % 2 === 0;
      const limits = isShrunk
        ? {
            ...defaultLimits,
            maxGapIntervals: 3,
            maxDotsAboveVector: 8,
            maxNakRanges: 2,
            maxNakDots: 4,
            maxNakBacklog: 16,
            maxPendingRepairs: 6,
            maxAnswerDots: 10,
            maxAnswerBytes: 600,
            streamThresholdBytes: 1300,
          }
        : defaultLimits;
      const cluster = new Cluster(FOUR, seed, { ...defaultSettings, limits });
      const lossOf = new Map<string, number>();
      for (const from of FOUR)
        for (const to of FOUR)
          lossOf.set(`${from} ${to}`, cluster.random() < 0.3 ? 1 : cluster.random() * 0.6);
      cluster.loses = (_message, from, to) => cluster.random() < (lossOf.get(`${from} ${to}`) ?? 0);
      for (let step = 0; step < 300; step += 1) {
        const id = FOUR[Math.floor(cluster.random() * 4)] ?? '';
        const key = `k${Math.floor(cluster.random() * 12)}`;
        const dice = cluster.random();
        if (dice < 0.7) cluster.write(id, key, cluster.random() < 0.02 ? 'L'.repeat(5000) : `${step}`);
        else if (dice < 0.9) cluster.write(id, key, undefined);
        else if (dice < 0.92) cluster.restart(id, cluster.random() < 0.5 ? 'process' : 'power');
        else cluster.run(cluster.random() * 400);
      }
      for (const member of cluster.members)
        assert.deepEqual(findBrokenInvariants(member.state), [], member.id);
      cluster.loses = () => false;
      cluster.run(8000);
      assertConverged(cluster);
    });
  }
});
