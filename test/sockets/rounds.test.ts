/**
 * Checkpoint rounds on real sockets and real LMDB: deletions are forgotten everywhere, and never undone.
 *
 * Owns what a peer brings back that missed the forgetting: a directory from before it, an empty one (R6, R8, R9, R10). Deaths within a
 * round are roundsKilled.ts's, the rules themselves test/core's and the simulator's.
 */
import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import type { ChildPeer } from './childPeer.ts';
import { awaitInTouch, awaitTakingPart, useClusters } from './cluster.ts';
import type { ChildCluster } from './cluster.ts';
import { assertNoTombstones, awaitCollected } from './collection.ts';
import { awaitEqualDigests } from './convergence.ts';
import { duration, report, waitUntil } from './waiting.ts';

const IDS = ['alpha', 'beta', 'gamma'] as const;
/** Fast enough for a test, slow enough for a busy machine. */
const SETTINGS = { keepaliveMs: 50, heartbeatMs: 100, deadAfterMs: 1000 } as const;
const ROUND_EVERY_MS = 200;
/** How long a deleted key is looked for after the return of who had it, milliseconds. */
const LOOKED_FOR_MS = 3000;
const OTHER_KEYS = 40;

async function startAgain(peers: readonly ChildPeer[], one: ChildPeer): Promise<void> {
  await one.start();
  await awaitInTouch(peers);
  await awaitTakingPart(peers);
}

/** For some seconds: nobody has the key. */
async function assertStaysDeleted(peers: readonly ChildPeer[], key: string): Promise<void> {
  const untilMs = performance.now() + LOOKED_FOR_MS;
  while (performance.now() < untilMs) {
    for (const peer of peers) assert.equal(await peer.get(key), null, `${key} is back at ${peer.id}`);
    await duration(100);
  }
}

describe('rounds', () => {
  const clusters = useClusters();

  /** `k` was set, a round ended; gamma was stopped, and its directory copied, before `k` was deleted and the deletion forgotten by all. */
  async function forgetDeletion(): Promise<{ readonly cluster: ChildCluster; readonly copy: string }> {
    const cluster = await clusters.start({
      ids: IDS,
      settings: { ...SETTINGS, gcIntervalMs: ROUND_EVERY_MS },
    });
    const { peers, peer, folder } = cluster;
    const [alpha, gamma] = [peer('alpha'), peer('gamma')];
    await alpha.set('k', 'zombie');
    for (let index = 0; index < OTHER_KEYS; index += 1)
      await peers[index % peers.length]?.set(`other:${index}`, String(index));
    await awaitEqualDigests(peers);
    await awaitCollected(peers);
    assert.equal(await gamma.get('k'), 'zombie');
    await gamma.stop();
    const copy = `${folder}/gamma-before`;
    await cp(gamma.dataDirectory, copy, { recursive: true });
    await startAgain(peers, gamma);
    await gamma.stop();
    assert.equal(await alpha.ask('DEL', 'k'), 1);
    await waitUntil('the deletion at beta', async () => (await peer('beta').get('k')) === null);
    assert.equal((await alpha.status()).tombstones, 1, 'kept while a member is away');
    await startAgain(peers, gamma);
    const tookMs = await awaitCollected(peers);
    await assertNoTombstones(peers);
    for (const one of peers) assert.equal(await one.get('k'), null, one.id);
    report(`the deletion was forgotten by all ${Math.round(tookMs)} ms after the return of who was away`);
    await gamma.stop();
    return { cluster, copy };
  }

  async function assertReturned({ peers, peer }: ChildCluster): Promise<void> {
    const gamma = peer('gamma');
    const joinedMs = await waitUntil(
      'gamma joined',
      async () => ((await gamma.status()).counters['checkpointsJoined'] ?? 0) > 0,
    );
    await awaitInTouch(peers);
    await awaitTakingPart(peers);
    await assertStaysDeleted(peers, 'k');
    const { visible, tookMs } = await awaitEqualDigests(peers);
    report(`joined after ${Math.round(joinedMs)} ms; equal at once (${Math.round(tookMs)} ms)`);
    assert.ok(visible >= OTHER_KEYS);
    for (const one of peers) assert.equal(await one.get(`other:${OTHER_KEYS - 1}`), String(OTHER_KEYS - 1));
    // Rounds go on with who has returned.
    await gamma.set('after', 'the return');
    await gamma.ask('DEL', 'other:0');
    await awaitCollected(peers);
    await awaitEqualDigests(peers);
    for (const one of peers) assert.equal(await one.get('after'), 'the return', one.id);
  }

  it('a directory from before a deletion that all have forgotten: the key stays deleted everywhere', async () => {
    const { cluster, copy } = await forgetDeletion();
    const gamma = cluster.peer('gamma');
    await rm(gamma.dataDirectory, { recursive: true });
    await cp(copy, gamma.dataDirectory, { recursive: true });
    await gamma.start();
    // Before the others have told it, it does not know that its disk is old. What it takes then it keeps.
    const isTaken = await gamma.set('meanwhile', 'taken').then(
      () => true,
      (error: unknown) => {
        assert.match(String(error), /LOADING/);
        return false;
      },
    );
    await assertReturned(cluster);
    if (isTaken) for (const one of cluster.peers) assert.equal(await one.get('meanwhile'), 'taken', one.id);
    report(`a write at once after the start was ${isTaken ? 'taken, and kept' : 'refused'}`);
  }).timeout(60_000);

  it('an empty directory: LOADING until it has joined, and then everything; the key stays deleted', async () => {
    const { cluster } = await forgetDeletion();
    const gamma = cluster.peer('gamma');
    const others = cluster.peers.filter((one) => one !== gamma);
    await rm(gamma.dataDirectory, { recursive: true });
    for (const one of others) one.signal('SIGSTOP');
    await gamma.start();
    await assert.rejects(gamma.set('early', 'refused'), /LOADING gamma has no data yet/);
    await assert.rejects(gamma.set('other:1', 'refused'), /LOADING/);
    await assert.rejects(gamma.get('other:1'), /LOADING/); // nil would say that nobody has it
    assert.match(String(await gamma.ask('INFO', 'persistence')), /^loading:1\r$/m);
    assert.equal((await gamma.status()).phase, 'fresh');
    for (const one of others) one.signal('SIGCONT');
    await assertReturned(cluster);
    for (const one of cluster.peers) assert.equal(await one.get('early'), null, one.id);
  }).timeout(60_000);
});
