import assert from 'node:assert/strict';
import { timestampOf } from '../../src/core/clock.ts';
import type { SyncRecord, UpdateRecord } from '../../src/core/messages.ts';
import { defaultLimits, defaultSettings } from '../../src/core/settings.ts';
import {
  SYNTHETIC_ID,
  type Incarnation,
  type Key,
  type PeerId,
  type Timestamp,
} from '../../src/core/types.ts';
import { Cluster } from './cluster.ts';

const HOUR_MS = 3_600_000;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function stampNow(cluster: Cluster): Timestamp {
  return timestampOf(cluster.now(cluster.at('alpha')).wallMs);
}

function update(
  cluster: Cluster,
  sequence: number,
  key: string,
  value: string,
  timestamp = stampNow(cluster),
): UpdateRecord {
  return { sequence, key: key as Key, timestamp, kind: 'value', expiresAt: 0, value: bytes(value) };
}

/** A pair of which beta says only what the test makes it say. */
function pair(): Cluster {
  const cluster = new Cluster(['alpha', 'beta']);
  cluster.loses = () => true;
  return cluster;
}

describe('R2 and R4, receiving', () => {
  it('ignores an update whose dot it already holds, though the bytes differ', () => {
    const cluster = pair();
    cluster.deliver('beta', 'alpha', { kind: 'update', records: [update(cluster, 1, 'k', 'first')] });
    cluster.deliver('beta', 'alpha', {
      kind: 'update',
      records: [update(cluster, 1, 'k', 'second', (stampNow(cluster) + 9) as Timestamp)],
    });
    assert.equal(cluster.read('alpha', 'k'), 'first');
    assert.equal(cluster.at('alpha').state.counters.droppedDuplicate, 1);
  });

  it('breaks a tie of timestamps by id, the same way on both sides', () => {
    const cluster = pair();
    cluster.at('beta').offsetMs = 0;
    cluster.write('alpha', 'k', 'of alpha');
    const timestamp = cluster.at('alpha').state.clock;
    cluster.deliver('beta', 'alpha', {
      kind: 'update',
      records: [update(cluster, 1, 'k', 'of beta', timestamp)],
    });
    assert.equal(cluster.read('alpha', 'k'), 'of beta');
  });

  it('records the dot of an update at or below the horizon without applying it, and raises an alarm', () => {
    const cluster = pair();
    const { state } = cluster.at('alpha');
    state.horizon = stampNow(cluster);
    cluster.deliver('beta', 'alpha', {
      kind: 'update',
      records: [update(cluster, 1, 'gone', 'zombie', state.horizon)],
    });
    assert.equal(cluster.read('alpha', 'gone'), undefined);
    assert.equal(state.counters.recordsBelowHorizon, 1);
    assert.deepEqual(cluster.notices.filter(({ name }) => name === 'writeBelowHorizon').length, 1);
    cluster.deliver('beta', 'alpha', {
      kind: 'update',
      records: [update(cluster, 2, 'gone', 'new', (state.horizon + 1) as Timestamp)],
    });
    assert.equal(cluster.read('alpha', 'gone'), 'new');
  });

  it('remembers no more above the vector than its limits allow, and drops the rest unrecorded', () => {
    const limits = { ...defaultLimits, maxGapIntervals: 3, maxDotsAboveVector: 4 };
    const cluster = new Cluster(['alpha', 'beta'], 1, { ...defaultSettings, limits });
    cluster.loses = () => true;
    for (const sequence of [3, 5, 7, 9, 11]) {
      cluster.deliver('beta', 'alpha', {
        kind: 'update',
        records: [update(cluster, sequence, `k${sequence}`, 'v')],
      });
    }
    assert.equal(cluster.read('alpha', 'k7'), 'v');
    assert.equal(cluster.read('alpha', 'k9'), undefined);
    assert.equal(cluster.at('alpha').state.counters.droppedGapLimit, 2);
  });

  it('drops what comes from nobody it knows', () => {
    const cluster = pair();
    const { state } = cluster.at('alpha');
    cluster.members.push({ ...cluster.at('beta'), id: 'mallory' as PeerId });
    cluster.deliver('mallory', 'alpha', { kind: 'update', records: [update(cluster, 1, 'k', 'v')] });
    assert.equal(cluster.read('alpha', 'k'), undefined);
    assert.equal(state.counters.droppedNotMember, 1);
  });
});

describe('R3, stamping', () => {
  it('stamps a write above a newer value seen from another peer, though the wall runs an hour slow', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.at('gamma').offsetMs = -HOUR_MS;
    cluster.run(2000);
    cluster.write('alpha', 'k', 'old');
    cluster.run(10);
    cluster.write('gamma', 'k', 'new');
    cluster.run(10);
    for (const id of ['alpha', 'beta', 'gamma']) assert.equal(cluster.read(id, 'k'), 'new', id);
    assert.equal(cluster.at('gamma').state.clockVerdict, 'behind');
  });

  it('stamps by the others when its wall runs an hour slow, also on a key nobody wrote lately', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.at('gamma').offsetMs = -HOUR_MS;
    cluster.write('alpha', 'k', 'old');
    cluster.run(60_000);
    cluster.write('gamma', 'other', 'x');
    const behindMs = (stampNow(cluster) - cluster.at('gamma').state.clock) / 4096;
    assert.ok(behindMs < 1000, `stamped ${behindMs} ms behind`);
  });

  it('draws a higher incarnation at each start and never stamps at or below what it stamped before', () => {
    const cluster = pair();
    cluster.write('alpha', 'k', 'v');
    cluster.run(5);
    const { self, clock } = cluster.at('alpha').state;
    cluster.at('alpha').offsetMs = -HOUR_MS; // the clock steps back at boot
    cluster.restart('alpha');
    const restarted = cluster.at('alpha').state;
    assert.ok(restarted.self.incarnation > self.incarnation);
    cluster.write('alpha', 'k', 'after');
    assert.ok(restarted.clock > clock);
    assert.equal(cluster.read('alpha', 'k'), 'after');
  });
});

describe('R5, serving', () => {
  const covers = (
    sequence: number,
    incarnation: Incarnation,
    id = 'beta' as PeerId,
  ): SyncRecord['covers'] => [{ id, incarnation, ranges: [[sequence, sequence]] }];

  it('marks the covered dots and the winner, and never the vector of the sender', () => {
    const cluster = pair();
    const { incarnation } = cluster.at('beta').state.self;
    const record: SyncRecord = {
      kind: 'entry',
      key: 'k' as Key,
      timestamp: stampNow(cluster),
      id: 'beta' as PeerId,
      incarnation,
      sequence: 3,
      entryKind: 'value',
      expiresAt: 0,
      value: bytes('v'),
      covers: covers(1, incarnation),
    };
    const vector = [{ id: 'beta' as PeerId, incarnation, contiguous: 5, gaps: [], trim: 0 }];
    const have = { vector, closures: [], promises: [] };
    cluster.deliver('beta', 'alpha', { kind: 'sync', records: [record], more: false, have });
    const origin = cluster.at('alpha').state.origins.get(`beta/${incarnation}` as never);
    assert.equal(origin?.have.contiguous, 1);
    assert.deepEqual(origin.have.gaps, [3, 3]);
  });

  it('leaves a synthetic tombstone for a key that was dropped elsewhere, so that nothing older returns', () => {
    const cluster = pair();
    const { incarnation } = cluster.at('beta').state.self;
    const horizon = stampNow(cluster);
    cluster.deliver('beta', 'alpha', {
      kind: 'sync',
      records: [{ kind: 'absent', key: 'k' as Key, horizon, covers: covers(1, incarnation) }],
      more: false,
    });
    const entry = cluster.at('alpha').disk.store.readEntry('k' as Key);
    assert.equal(entry?.kind, 'synthetic');
    assert.equal(entry.id, SYNTHETIC_ID);
    cluster.deliver('beta', 'alpha', {
      kind: 'update',
      records: [update(cluster, 2, 'k', 'older', horizon)],
    });
    assert.equal(cluster.read('alpha', 'k'), undefined);
  });

  it('answers for a superseded dot with the winner under its true tag', () => {
    const cluster = new Cluster(['alpha', 'beta']);
    cluster.run(1000);
    cluster.write('alpha', 'k', 'first');
    cluster.write('alpha', 'k', 'second');
    cluster.run(10);
    cluster.sent.length = 0;
    const { self } = cluster.at('alpha').state;
    cluster.deliver('beta', 'alpha', { kind: 'nak', origin: self, ranges: [[1, 1]] });
    cluster.run(10);
    const answer = cluster.sent.map(({ message }) => message).find((message) => message.kind === 'sync');
    const record = answer?.records[0];
    assert.ok(record?.kind === 'entry');
    assert.equal(record.sequence, 2);
    assert.deepEqual(record.covers, [{ id: 'alpha', incarnation: self.incarnation, ranges: [[1, 1]] }]);
  });

  it('multicasts a repair that two asked for, and unicasts one that one asked for', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.run(1000);
    cluster.write('alpha', 'one', '1');
    cluster.write('alpha', 'two', '2');
    cluster.run(10);
    cluster.sent.length = 0;
    const { self } = cluster.at('alpha').state;
    cluster.deliver('beta', 'alpha', { kind: 'nak', origin: self, ranges: [[1, 1]] });
    cluster.deliver('gamma', 'alpha', { kind: 'nak', origin: self, ranges: [[1, 2]] });
    cluster.run(10);
    const repairs = cluster.sent.filter(({ message }) => message.kind === 'sync');
    const keysBy = (to: string): string[] =>
      repairs
        .filter((sent) => sent.to === to)
        .flatMap(({ message }) =>
          message.kind === 'sync' ? message.records.map(({ key }) => key as string) : [],
        );
    assert.deepEqual(keysBy('*'), ['one']);
    assert.deepEqual(keysBy('gamma'), ['two']);
  });
});

describe('section 6, liveness', () => {
  it('does not hold a one-way link for live', () => {
    const cluster = new Cluster(['alpha', 'beta']);
    cluster.loses = (_message, _from, to) => to === 'beta';
    cluster.run(3000);
    assert.equal(cluster.at('alpha').state.peers.get('beta' as PeerId)?.isLive, false);
    cluster.loses = () => false;
    cluster.run(1000);
    assert.equal(cluster.at('alpha').state.peers.get('beta' as PeerId)?.isLive, true);
  });

  it('notices death by silence', () => {
    const cluster = new Cluster(['alpha', 'beta']);
    cluster.run(1000);
    cluster.at('beta').isUp = false;
    cluster.run(3000);
    assert.equal(cluster.at('alpha').state.peers.get('beta' as PeerId)?.isLive, false);
    assert.ok(cluster.notices.some(({ at, name }) => at === 'alpha' && name === 'peerDead'));
  });

  it('judges nobody after a stall until it has drained its socket', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.run(1000);
    cluster.at('alpha').isPaused = true;
    cluster.run(10_000);
    cluster.notices.length = 0;
    cluster.resumeTimers('alpha');
    cluster.run(0);
    assert.deepEqual(cluster.notices, [], 'nobody is judged by what waits in the socket unread');
    cluster.resume('alpha');
    cluster.run(1000);
    for (const id of ['beta', 'gamma']) {
      assert.equal(cluster.at('alpha').state.peers.get(id as PeerId)?.isLive, true, id);
      assert.equal(cluster.at(id).state.peers.get('alpha' as PeerId)?.isLive, true, id);
    }
  });

  it('reaches by unicast whom multicast does not, without being told', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.run(1000);
    cluster.loses = (_message, _from, _to, channel) => channel === 'multicast';
    cluster.run(3000);
    for (const id of ['beta', 'gamma'])
      assert.equal(cluster.at('alpha').state.peers.get(id as PeerId)?.isLive, true);
    cluster.write('alpha', 'k', 'v');
    cluster.run(2);
    assert.equal(cluster.read('gamma', 'k'), 'v');
    cluster.loses = () => false;
    cluster.run(2000);
    cluster.sent.length = 0;
    cluster.write('alpha', 'k2', 'v');
    cluster.run(2);
    const updates = cluster.sent.filter(({ message }) => message.kind === 'update');
    assert.deepEqual(
      updates.map(({ to }) => to),
      ['*'],
    );
    assert.equal(cluster.read('gamma', 'k2'), 'v');
  });
});

describe('section 8, clocks', () => {
  it('refuses the writes of a peer an hour fast, with the reason, and leaves the others unharmed', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma', 'delta']);
    cluster.at('delta').offsetMs = HOUR_MS;
    cluster.run(2000);
    const refusal = cluster.write('delta', 'k', 'from the future');
    assert.equal(refusal?.code, 'CLOCK_AHEAD');
    assert.match(refusal.message, /36000\d\d ms ahead.*NTP/);
    assert.equal(cluster.read('delta', 'k'), undefined);
    assert.equal(cluster.write('alpha', 'k', 'now'), undefined);
    cluster.run(20);
    for (const id of ['alpha', 'beta', 'gamma', 'delta']) assert.equal(cluster.read(id, 'k'), 'now', id);
    assert.equal(cluster.at('alpha').state.clockVerdict, 'right');
  });

  it('lets a peer that hears nobody write, fast clock or not, and takes its records when time has passed', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.at('gamma').offsetMs = 3000;
    cluster.loses = (_message, from, to) => from === 'gamma' || to === 'gamma';
    cluster.run(1000);
    assert.equal(cluster.write('gamma', 'early', 'bird'), undefined);
    cluster.loses = () => false;
    cluster.run(1000);
    assert.equal(cluster.read('alpha', 'early'), undefined);
    assert.ok(cluster.at('alpha').state.counters.droppedAheadOfClock > 0);
    cluster.at('gamma').offsetMs = 0;
    cluster.run(4000);
    assert.equal(cluster.read('alpha', 'early'), 'bird');
  });

  it('takes a KEEPALIVE that waited in a buffer for late, not for a slow clock', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.run(2000);
    for (let stall = 0; stall < 4; stall += 1) {
      cluster.at('alpha').isPaused = true;
      cluster.run(800 + 3000 * (stall % 2)); // shorter and longer than what counts as a stall
      const alpha = cluster.at('alpha');
      if (stall < 2) cluster.resumeTimers('alpha');
      alpha.isPaused = false;
      for (const arrive of alpha.waitingMessages.splice(0)) {
        arrive();
        assert.equal(
          cluster.write('alpha', 'k', 'v'),
          undefined,
          `refused while draining after stall ${stall}`,
        );
      }
      cluster.resume('alpha');
      for (let at = 0; at < 20; at += 1) {
        cluster.run(50);
        assert.equal(cluster.write('alpha', 'k', `${at}`), undefined, `refused after stall ${stall}`);
      }
    }
    assert.deepEqual(
      cluster.notices.filter(({ name }) => name.startsWith('clock')),
      [],
    );
  });

  it('takes every write while every message waits for seconds in a busy peer, and still knows the clock that is fast', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma', 'delta']);
    cluster.at('delta').offsetMs = HOUR_MS;
    cluster.run(2000);
    cluster.waitsMs = (to) => (to === 'beta' ? 2500 : 900);
    for (let at = 0; at < 200; at += 1) {
      for (const id of ['alpha', 'beta', 'gamma'])
        assert.equal(cluster.write(id, 'k', `${at}`), undefined, id);
      assert.equal(cluster.write('delta', 'k', 'from the future')?.code, 'CLOCK_AHEAD');
      cluster.run(50);
    }
    for (const id of ['alpha', 'beta', 'gamma']) assert.equal(cluster.at(id).state.clockVerdict, 'right', id);
  });

  it('follows the clock that is set while the peer runs: refuses at once, and takes writes again at once', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.run(2000);
    for (let time = 0; time < 3; time += 1) {
      cluster.at('beta').offsetMs = HOUR_MS;
      for (let at = 0; at < 80; at += 1) {
        assert.equal(
          cluster.write('beta', 'k', 'from the future')?.code,
          'CLOCK_AHEAD',
          `after ${at * 50} ms`,
        );
        cluster.run(50);
      }
      cluster.at('beta').offsetMs = 0;
      for (let at = 0; at < 80; at += 1) {
        assert.equal(cluster.write('beta', 'k', 'now'), undefined, `after ${at * 50} ms`);
        cluster.run(50);
      }
    }
  });

  it('accepts a peer 400 ms fast, and all agree on the values', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.at('gamma').offsetMs = 400;
    cluster.run(2000);
    for (let at = 0; at < 20; at += 1) {
      assert.equal(cluster.write('gamma', 'k', `g${at}`), undefined);
      assert.equal(cluster.write('alpha', 'k', `a${at}`), undefined);
      cluster.run(1);
    }
    cluster.run(1000);
    assert.equal(cluster.contents('alpha')['k'], cluster.contents('gamma')['k']);
    assert.equal(cluster.contents('alpha')['k'], cluster.contents('beta')['k']);
  });
});
