/** R4's alarms: an update that came too late somewhere is stamped anew, whatever was lost or refused on the way. */
import assert from 'node:assert/strict';
import { TICKS_PER_MS, timestampOf } from '../../src/core/clock.ts';
import { defaultLimits, defaultSettings, type CoreSettings } from '../../src/core/settings.ts';
import type { Key, PeerId, Timestamp } from '../../src/core/types.ts';
import type { Cluster } from './cluster.ts';
import { sent, THREE, three } from './three.ts';

const SETTINGS = { ...defaultSettings, gcIntervalMs: 1e9 };

/** Three peers, of which beta and gamma have a horizon that is `aheadMs` ahead of alpha's clock, and know of no key. */
function withHorizonAhead(aheadMs: number, settings: CoreSettings = SETTINGS): Cluster {
  const cluster = three(settings);
  for (const id of ['beta', 'gamma']) {
    const { state, disk } = cluster.at(id);
    state.horizon = (timestampOf(cluster.now(cluster.at(id)).wallMs) + aheadMs * TICKS_PER_MS) as Timestamp;
    disk.store.writeState('horizon', state.horizon);
  }
  cluster.sent.length = 0;
  return cluster;
}

function assertEverywhere(cluster: Cluster, key: string, value: string): void {
  for (const id of THREE) {
    assert.equal(cluster.read(id, key), value, id);
    assert.equal(cluster.at(id).state.alarms.size, 0, id);
    assert.deepEqual([...cluster.at(id).disk.store.states('alarm/')], [], id);
  }
}

describe('an update that came too late', () => {
  it('is stamped anew by its origin when told of it, if it is still the newest there', () => {
    const cluster = three(SETTINGS);
    cluster.write('alpha', 'k', 'late');
    cluster.run(20);
    const { incarnation } = cluster.at('alpha').state.self;
    const key = 'k' as Key;
    const alarm = { kind: 'alarm', incarnation, sequence: 1, key, horizon: 1 as Timestamp } as const;
    cluster.deliver('beta', 'alpha', alarm);
    cluster.run(20);
    assert.equal(cluster.at('alpha').state.own.have.contiguous, 2);
    for (const id of THREE) assert.equal(cluster.read(id, 'k'), 'late');
    // Told again of the old dot: what stands there now is another.
    cluster.deliver('beta', 'alpha', alarm);
    cluster.run(20);
    assert.equal(cluster.at('alpha').state.own.have.contiguous, 2);
  });

  it('is stamped above the horizon that it came too late for, once', () => {
    const cluster = withHorizonAhead(300);
    cluster.write('alpha', 'k', 'v');
    cluster.run(2000);
    assertEverywhere(cluster, 'k', 'v');
    assert.equal(cluster.at('alpha').state.counters.writesRestamped, 1);
    assert.ok(sent(cluster, 'alarm').length <= 4, `${sent(cluster, 'alarm').length} alarms`);
    cluster.sent.length = 0;
    cluster.run(3000);
    assert.deepEqual(sent(cluster, 'alarm'), []);
  });

  it('is refused while that horizon is further ahead than clocks may be, counted, and stamped when time has passed', () => {
    const cluster = withHorizonAhead(3000);
    cluster.write('alpha', 'k', 'v');
    cluster.run(2000);
    const { counters, own } = cluster.at('alpha').state;
    assert.equal(own.have.contiguous, 1);
    assert.ok(counters.alarmsAhead >= 4 && counters.alarmsAhead <= 16, `${counters.alarmsAhead}`);
    assert.equal(cluster.write('alpha', 'other', 'v'), undefined);
    cluster.run(2000);
    assertEverywhere(cluster, 'k', 'v');
  });

  it('is told of again when the alarm was lost, over restarts of the teller and of the origin', () => {
    for (const restarted of [[], ['beta', 'gamma'], ['alpha'], THREE]) {
      const cluster = withHorizonAhead(-10);
      const { state } = cluster.at('alpha');
      state.clock = 0 as Timestamp;
      cluster.at('alpha').offsetMs = -500; // stamps below the horizon
      cluster.loses = (message) => message.kind === 'alarm';
      cluster.write('alpha', 'k', 'v');
      cluster.run(2500);
      assert.equal(cluster.read('beta', 'k'), undefined);
      for (const id of restarted) cluster.restart(id);
      cluster.loses = () => false;
      cluster.run(3000);
      assertEverywhere(cluster, 'k', 'v');
    }
  });

  it('is told of once more at most where nothing is left to be stamped', () => {
    const cluster = withHorizonAhead(300);
    cluster.loses = (message) => message.kind === 'alarm';
    cluster.write('alpha', 'k', 'v');
    cluster.run(1000);
    const { disk } = cluster.at('alpha');
    disk.store.removeEntry('k' as never); // as a checkpoint that says it was deleted would
    cluster.loses = () => false;
    cluster.run(2000);
    for (const id of THREE) assert.equal(cluster.at(id).state.alarms.size, 0, id);
    assert.equal(cluster.at('alpha').state.counters.writesRestamped, 0);
  });

  it('is told of by stream when its key is long', () => {
    const cluster = withHorizonAhead(300);
    const key = 'k'.repeat(defaultLimits.maxKeyBytes);
    cluster.write('alpha', key, 'v');
    cluster.run(2000);
    assert.deepEqual(new Set(sent(cluster, 'alarm').map(({ channel }) => channel)), new Set(['stream']));
    assertEverywhere(cluster, key, 'v');
  });

  it('is not recorded when no more alarms can be remembered, and comes again', () => {
    const settings = { ...SETTINGS, limits: { ...defaultLimits, maxAlarms: 3 } };
    const cluster = withHorizonAhead(300, settings);
    cluster.loses = (message) => message.kind === 'alarm';
    for (let at = 0; at < 10; at += 1) cluster.write('alpha', `k${at}`, 'v');
    cluster.run(2000);
    const { state } = cluster.at('beta');
    assert.equal(state.alarms.size, 3);
    assert.ok(state.counters.droppedAlarmLimit > 0);
    cluster.loses = () => false;
    cluster.run(10_000);
    for (let at = 0; at < 10; at += 1) assertEverywhere(cluster, `k${at}`, 'v');
  });

  it('of a forgotten member is told of no more', () => {
    const cluster = withHorizonAhead(300);
    cluster.loses = (message) => message.kind === 'alarm';
    cluster.write('alpha', 'k', 'v');
    cluster.run(1000);
    const { state } = cluster.at('beta');
    assert.equal(state.alarms.size, 1);
    state.peers.delete('alpha' as PeerId);
    cluster.run(1000);
    assert.equal(state.alarms.size, 0);
  });
});
