/**
 * Members that no servers.txt lists: without state nobody begins by itself, a newcomer believes who counts it among the members, and nobody else does.
 */
import assert from 'node:assert/strict';
import { bootstrap } from '../../src/core/join.ts';
import { learnMembers } from '../../src/core/members.ts';
import { sendMembers } from '../../src/core/onHeartbeat.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { PeerId } from '../../src/core/types.ts';
import { Cluster } from './cluster.ts';

const UNLISTED = { ...defaultSettings, gcIntervalMs: 1000, isUnlisted: true };
const THREE = ['alpha', 'beta', 'gamma'];

describe('peers without a servers.txt', () => {
  const alone = (ids = THREE): Cluster => {
    const cluster = new Cluster(ids, 1, UNLISTED, false, (id) => [id]);
    cluster.run(3000);
    return cluster;
  };
  /** What an admission does at one peer (src/peer/discovering.ts). */
  const admit = (cluster: Cluster, at: string, ids: readonly string[]): void => {
    const { state } = cluster.at(at);
    learnMembers(state, { admitted: ids as PeerId[], forgotten: [] });
    for (const id of ids) sendMembers(state, id as PeerId);
    cluster.run(3000);
  };
  const begin = (cluster: Cluster, id: string): void => {
    bootstrap(cluster.at(id).state);
    cluster.run(3000);
  };
  const phases = (cluster: Cluster): string => cluster.members.map(({ state }) => state.phase).join(' ');

  it('do not begin by themselves: alone, admitted, or started again', () => {
    const cluster = alone();
    assert.equal(phases(cluster), 'fresh fresh fresh');
    admit(cluster, 'alpha', ['beta', 'gamma']);
    for (const { state } of cluster.members) assert.equal(state.peers.size, 2, state.self.id);
    cluster.restart('beta');
    cluster.run(3000);
    assert.equal(phases(cluster), 'fresh fresh fresh');
    assert.equal(cluster.write('alpha', 'k', 'v')?.code, 'LOADING');
  });

  it('join the one that was told to begin, whoever was admitted where, and when', () => {
    const cluster = alone();
    admit(cluster, 'alpha', ['beta']);
    begin(cluster, 'alpha');
    assert.equal(phases(cluster), 'member member fresh');
    assert.equal(cluster.write('alpha', 'k', 'v'), undefined);
    admit(cluster, 'beta', ['gamma']);
    assert.equal(phases(cluster), 'member member member');
    assert.equal(cluster.read('gamma', 'k'), 'v');
    assert.deepEqual([...cluster.at('alpha').state.admitted].sort(), THREE);
  });

  it('go on alone after a restart once one has begun', () => {
    const cluster = alone(['alpha']);
    begin(cluster, 'alpha');
    cluster.write('alpha', 'k', 'v');
    cluster.run(100);
    cluster.restart('alpha');
    assert.equal(phases(cluster), 'member');
    assert.equal(cluster.read('alpha', 'k'), 'v');
  });

  it('are not drawn in by strangers once they have begun, nor by who does not count them as members', () => {
    const cluster = alone();
    begin(cluster, 'alpha');
    admit(cluster, 'beta', ['alpha', 'gamma']); // beta holds nothing: gamma believes it, alpha has a history of its own
    assert.equal(cluster.at('alpha').state.peers.size, 0);
    assert.ok(cluster.at('alpha').state.counters.droppedNotMember > 0);
    assert.equal(cluster.at('gamma').state.peers.size, 2);
    const delta = alone(['delta', 'epsilon']);
    const members = { admitted: ['epsilon', 'zeta'] as PeerId[], forgotten: [] };
    delta.deliver('epsilon', 'delta', { kind: 'heartbeat', vectorHash: 0, members });
    const forgotten = { admitted: ['delta', 'epsilon'] as PeerId[], forgotten: ['delta'] as PeerId[] };
    delta.deliver('epsilon', 'delta', { kind: 'heartbeat', vectorHash: 0, members: forgotten });
    assert.equal(delta.at('delta').state.admitted.size, 1);
  });

  it('differ from no servers.txt', () => {
    const cluster = new Cluster(['alpha', 'beta'], 1, defaultSettings);
    cluster.at('alpha').state.serversHash = 7;
    cluster.run(3000);
    assert.deepEqual(
      cluster.notices.filter(({ name }) => name === 'serversDiffer'),
      [],
    );
    cluster.at('beta').state.serversHash = 8;
    cluster.run(3000);
    assert.equal(cluster.notices.filter(({ name }) => name === 'serversDiffer').length, 2);
  });
});
