/** KEEPALIVE and HEARTBEAT at rest: short however many peers there are, and honest about who is heard. */
import assert from 'node:assert/strict';
import type { KeepaliveMessage } from '../../src/core/messages.ts';
import { createPeerState } from '../../src/core/loadState.ts';
import { originKey, type Incarnation, type OriginKey, type PeerId } from '../../src/core/types.ts';
import { addHashes, hashFolded, hashVector } from '../../src/core/vectorHash.ts';
import { defaultLimits, defaultSettings } from '../../src/core/settings.ts';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';
import { encodeMessage } from '../../src/wire/messageCodec.ts';
import { Cluster, seeded } from './cluster.ts';

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `peer-${100 + at}`);

function keepalivesOf(cluster: Cluster, from: string): KeepaliveMessage[] {
  return cluster.sent.flatMap(({ from: sender, message }) =>
    sender === from && message.kind === 'keepalive' ? [message] : [],
  );
}

describe('at rest', () => {
  it('a KEEPALIVE lists only exceptions, so that thirty peers need no more bytes than six', () => {
    const bytes = [6, 30].map((count) => {
      const cluster = new Cluster(names(count));
      cluster.run(2000);
      cluster.sent.length = 0;
      cluster.run(600);
      const [last] = keepalivesOf(cluster, 'peer-100');
      assert.ok(last);
      assert.deepEqual([last.others, last.listed], ['multicast', []]);
      return encodeMessage(last).length;
    });
    assert.ok((bytes[1] ?? 0) <= (bytes[0] ?? 0) + 2, `${bytes.join(' and ')} bytes`);
  });

  it('a peer that is not heard is an exception, and calls the one-way link dead', () => {
    const ids = names(6);
    const cluster = new Cluster(ids);
    cluster.loses = (_message, from, to) => from === 'peer-105' && to === 'peer-100';
    cluster.run(4000);
    const last = keepalivesOf(cluster, 'peer-100').at(-1);
    assert.ok(last);
    assert.deepEqual(
      [last.others, last.listed],
      ['multicast', [{ id: 'peer-105', how: 'unheard', aheadMs: 0 }]],
    );
    assert.equal(cluster.at('peer-105').state.peers.get('peer-100' as PeerId)?.isLive, false);
    assert.equal(cluster.at('peer-104').state.peers.get('peer-100' as PeerId)?.isLive, true);
  });

  it('what is said of the others does not hold for a peer that knows other members', () => {
    const cluster = new Cluster(names(4));
    cluster.run(2000);
    const message = keepalivesOf(cluster, 'peer-100').at(-1);
    assert.ok(message);
    const view = cluster.at('peer-101').state.peers.get('peer-100' as PeerId);
    assert.ok(view);
    cluster.deliver('peer-100', 'peer-101', { ...message, membershipHash: 1 });
    assert.equal(view.hearsUs, false);
    const listed = [{ id: 'peer-101' as PeerId, how: 'unicast' as const, aheadMs: 0 }];
    cluster.deliver('peer-100', 'peer-101', { ...message, membershipHash: 1, listed });
    assert.deepEqual([view.hearsUs, view.hearsOurMulticast], [true, false]);
    // And the other way round: who hears one with other members lists everyone.
    cluster.sent.length = 0;
    cluster.run(600);
    const answer = keepalivesOf(cluster, 'peer-101')[0];
    assert.ok(answer);
    assert.deepEqual([answer.others, answer.listed.length], ['unheard', 3]);
  });

  it('exceptions that no datagram holds take turns', () => {
    const limits = { ...defaultLimits, datagramBudgetBytes: 130 };
    const cluster = new Cluster(names(30), 1, { ...defaultSettings, limits });
    cluster.loses = (_message, from, to) => from >= 'peer-118' && to === 'peer-100';
    cluster.run(2000);
    const keepalives = keepalivesOf(cluster, 'peer-100').slice(-20);
    const listed = new Set<string>();
    for (const message of keepalives) {
      assert.ok(encodeMessage(message).length <= 130);
      for (const { id } of message.listed) listed.add(id);
    }
    assert.ok(listed.size === 12, `${listed.size} in ${keepalives.length} messages`);
  });

  it('a HEARTBEAT carries no vector, until something is written', () => {
    const cluster = new Cluster(names(4));
    cluster.run(1000);
    cluster.write('peer-100', 'k', 'v');
    cluster.run(1500);
    cluster.sent.length = 0;
    cluster.run(1200);
    const atRest = cluster.sent.filter(({ message }) => message.kind === 'heartbeat');
    assert.ok(atRest.length >= 8);
    for (const { message } of atRest) assert.ok(message.kind === 'heartbeat' && message.have === undefined);
    cluster.loses = (message) => message.kind !== 'heartbeat' && message.kind !== 'sync';
    cluster.write('peer-100', 'k', 'w');
    cluster.run(2500);
    for (const id of names(4)) assert.equal(cluster.read(id, 'k'), 'w', id);
  });

  it('a HEARTBEAT without a vector is answered with the whole one by whoever has something else', () => {
    const cluster = new Cluster(['alpha', 'beta']);
    cluster.run(1000);
    cluster.loses = () => true;
    cluster.write('alpha', 'k', 'v');
    cluster.run(1200);
    cluster.loses = () => false;
    cluster.sent.length = 0;
    const { vectorHash } = cluster.at('beta').state;
    cluster.deliver('beta', 'alpha', { kind: 'heartbeat', vectorHash });
    cluster.run(10);
    assert.equal(cluster.read('beta', 'k'), 'v');
  });
});

describe('the hash of a have-set', () => {
  it('does not depend on the order in which origins were met', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.run(1000);
    for (const id of ['gamma', 'alpha', 'beta', 'alpha']) cluster.write(id, id, 'v');
    cluster.run(2000);
    const hashes = cluster.members.map(({ state }) => state.vectorHash);
    assert.equal(new Set(hashes).size, 1);
    assert.ok((hashes[0] ?? 0) > 0);
    // Loaded from the disk it is the same.
    const { disk, id } = cluster.at('beta');
    const copy = openMemoryStore();
    for (const [name, value] of disk.store.states('')) copy.store.writeState(name, value);
    const again = createPeerState(
      { id, members: [], settings: defaultSettings, store: copy.store, random: () => 0.5 },
      { monotonicMs: 0, wallMs: Date.UTC(2026, 0, 2) },
    );
    assert.equal(hashVector(again), hashes[0]);
  });

  it('tells have-sets apart that differ in one dot more here and one fewer there (seed 513449)', () => {
    const random = seeded(1);
    const drawOrigin = (id: string): OriginKey =>
      originKey(id as PeerId, (775_736_000_000_000 + Math.floor(random() * 2 ** 30)) as Incarnation);
    const partOf = (origin: OriginKey, sequence: number): number => hashFolded(origin, [1, sequence]);
    let collisions = 0;
    for (let at = 0; at < 50_000; at += 1) {
      const [one, other] = [drawOrigin('alpha'), drawOrigin('beta')];
      const [m, n] = [1 + Math.floor(random() * 30), 1 + Math.floor(random() * 30)];
      const before = addHashes(partOf(one, m), partOf(other, n));
      for (const [here, there] of [
        [m + 1, n + 1],
        [m + 1, n + 2],
        [m, n + 1],
      ] as const)
        if (addHashes(partOf(one, here), partOf(other, there)) === before) collisions += 1;
    }
    assert.equal(collisions, 0);
  }).timeout(20_000);
});
