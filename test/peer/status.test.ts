/** What a peer says of itself: the reason why it refuses writes, and who holds up collection. */
import assert from 'node:assert/strict';
import { listRemarks, parseStatus } from '../../src/cli/statusReport.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import { Faults } from '../../src/peer/faults.ts';
import { buildStatus, type PeerStatus } from '../../src/peer/status.ts';
import { Cluster } from '../core/cluster.ts';

const THREE = ['alpha', 'beta', 'gamma'];
const MINUTE_MS = 60_000;

function statusOf(cluster: Cluster, id: string): PeerStatus {
  const member = cluster.at(id);
  const faults = new Faults(
    false,
    () => [],
    () => 0,
  ).report();
  return buildStatus(member.state, cluster.now(member), { drops: new Map(), dropSources: new Map() }, faults);
}

function remarksOf(cluster: Cluster, id: string): string {
  return listRemarks(id, parseStatus(JSON.stringify(statusOf(cluster, id)))).join('\n');
}

describe('status of refused writes', () => {
  it('says that a clock is fast while it is', () => {
    const cluster = new Cluster(THREE);
    cluster.at('alpha').offsetMs = MINUTE_MS;
    cluster.run(3000);
    const refusal = cluster.write('alpha', 'k', 'v');
    assert.deepEqual(statusOf(cluster, 'alpha').writesRefused, refusal);
    assert.match(
      remarksOf(cluster, 'alpha'),
      /^alpha refuses writes: the clock of alpha is .* set the clock/,
    );
  });

  it('says when time will have caught up where the clock is right and only the last timestamps are ahead', () => {
    const cluster = new Cluster(THREE);
    cluster.at('alpha').offsetMs = MINUTE_MS;
    assert.equal(cluster.write('alpha', 'k', 'written alone'), undefined);
    cluster.at('alpha').offsetMs = 0;
    cluster.run(10_000);
    const status = statusOf(cluster, 'alpha');
    assert.equal(status.clock.verdict, 'right');
    assert.equal(status.writesRefused?.code, 'CLOCK_AHEAD');
    const remark = remarksOf(cluster, 'alpha');
    assert.match(
      remark,
      /last timestamps of alpha, not its clock, .* takes writes again at 00:01:00 UTC, .*nothing needs/,
    );
    assert.doesNotMatch(remark, /set the clock/);
    const late = new Cluster(THREE);
    late.at('alpha').offsetMs = 3000 * MINUTE_MS;
    late.write('alpha', 'k', 'written alone');
    late.at('alpha').offsetMs = 0;
    late.run(3000);
    assert.match(remarksOf(late, 'alpha'), /takes writes again at 02:00:00 UTC in 2 days, when/);
    cluster.run(MINUTE_MS - 10_000);
    assert.equal(statusOf(cluster, 'alpha').writesRefused, null);
    assert.equal(cluster.write('alpha', 'k', 'v'), undefined);
    assert.equal(remarksOf(cluster, 'alpha'), '');
  });
});

describe('status of collection', () => {
  const settings = { ...defaultSettings, gcUpdateCount: 5, gcIntervalMs: 1e9 };

  function write(cluster: Cluster): void {
    for (let at = 0; at < 6; at += 1) cluster.write('alpha', `k${at}`, 'v');
  }

  it('names who has not answered a round that is open, and advises to forget nobody who is heard', () => {
    const cluster = new Cluster(THREE, 1, settings);
    cluster.run(1000);
    cluster.loses = (_message, from, to) => from === 'beta' || to === 'beta';
    cluster.run(4000);
    write(cluster);
    cluster.run(1000);
    assert.deepEqual(statusOf(cluster, 'alpha').collection.waitingWhy, { beta: 'silent' });
    assert.match(remarksOf(cluster, 'alpha'), /waits for beta since .*`toposphere forget beta`/);
    // Beta is back, but gamma's answers are lost.
    cluster.loses = (message, from) => from === 'gamma' && message.kind === 'prepared';
    cluster.run(3000);
    for (let at = 0; at < 16; at += 1) {
      const { collection } = statusOf(cluster, 'alpha');
      assert.deepEqual(collection.waitingWhy, { gamma: 'unanswered' }, `after ${3 + at} s`);
      assert.ok((collection.waitingSinceMs ?? 0) <= cluster.now(cluster.at('alpha')).wallMs - 1000 * at);
      cluster.run(1000);
    }
    assert.match(remarksOf(cluster, 'alpha'), /waits for gamma since .*; gamma has not answered yet$/);
    assert.doesNotMatch(remarksOf(cluster, 'alpha'), /forget/);
    cluster.loses = () => false;
    cluster.run(1000);
    assert.equal(remarksOf(cluster, 'alpha'), '');
  });

  it('gives up a round as soon as one that has not answered is presumed dead', () => {
    const cluster = new Cluster(THREE, 1, settings);
    cluster.run(1000);
    cluster.at('gamma').isUp = false;
    write(cluster);
    cluster.run(3000);
    assert.deepEqual(statusOf(cluster, 'alpha').collection.waitingWhy, { gamma: 'silent' });
    assert.equal(cluster.at('alpha').state.round, undefined);
  });

  it('tells who has left from who is silent, at once', () => {
    const cluster = new Cluster(THREE, 1, settings);
    cluster.run(1000);
    cluster.at('gamma').isUp = false;
    cluster.deliver('gamma', 'alpha', { kind: 'leaving' });
    write(cluster);
    cluster.run(200);
    const { members, collection } = statusOf(cluster, 'alpha');
    const seen = members.map(({ id, alive, heard, left }) => [id, alive, heard, left]);
    assert.deepEqual(seen, [
      ['beta', true, true, false],
      ['gamma', false, false, true],
    ]);
    assert.deepEqual(collection.waitingWhy, { gamma: 'left' });
    assert.match(remarksOf(cluster, 'alpha'), /gamma was stopped: start it again/);
  });

  it('says that a member joins, does not hear this one or has another list', () => {
    const cluster = new Cluster(THREE, 1, settings);
    cluster.run(1000);
    const gamma = cluster.at('gamma').state;
    cluster.loses = (message) => message.kind === 'checkpoint';
    gamma.phase = 'joining';
    cluster.run(1000);
    write(cluster);
    cluster.run(1000);
    assert.match(remarksOf(cluster, 'alpha'), /gamma is joining$/);
    gamma.phase = 'member';
    cluster.loses = (_message, from, to) => from === 'alpha' && to === 'gamma';
    cluster.run(4000);
    write(cluster);
    cluster.run(1000);
    assert.match(remarksOf(cluster, 'alpha'), /gamma does not hear this peer$/);
    gamma.membershipHash = 7;
    cluster.loses = (message) => message.kind === 'heartbeat';
    cluster.run(3000);
    write(cluster);
    cluster.run(1000);
    assert.match(remarksOf(cluster, 'alpha'), /gamma has another list of members$/);
  });
});
