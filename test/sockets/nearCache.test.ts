/**
 * The near cache of the sticky client over real peers: it follows what is written elsewhere, never hides an own write, and stops when its peer does.
 */
import assert from 'node:assert/strict';
import { StickyClient } from '../../src/client/index.ts';
import type { NearCacheCounts, StickyClientOptions } from '../../src/client/index.ts';
import { useClusters } from './cluster.ts';
import type { ChildCluster } from './cluster.ts';
import { report, waitUntil } from './waiting.ts';

const TURNS = 30;
const LEASE_MS = 400;

describe('the near cache over real peers', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  async function connect(cluster: ChildCluster, ids: readonly string[], options: StickyClientOptions = {}) {
    const peers = ids.map((id) => `127.0.0.1:${cluster.peer(id).clientPort}`);
    const client = await StickyClient.connect({ peers, nearCache: true, ...options });
    clusters.onEnd(() => client.close());
    return client;
  }

  const countsOf = (client: StickyClient): NearCacheCounts => {
    const { nearCache } = client.stats();
    assert.ok(nearCache !== undefined);
    return nearCache;
  };

  it('serves what it keeps, until that is written at another peer, deleted, or expires', async () => {
    const cluster = await clusters.start({ ids: ['alpha', 'beta'] });
    const [reader, writer] = [await connect(cluster, ['alpha']), await connect(cluster, ['beta'])];
    for (let turn = 0; turn < TURNS; turn += 1) {
      await writer.set('k', `${turn}`);
      await waitUntil(`turn ${turn}`, async () => (await reader.getText('k')) === `${turn}`);
      const { hits } = countsOf(reader);
      const found = await reader.get('k');
      found?.fill(0); // its own
      for (let again = 0; again < 9; again += 1) assert.equal(await reader.getText('k'), `${turn}`);
      assert.equal(countsOf(reader).hits, hits + 10);
    }
    await writer.set('brief', '1', { expiresInMs: 300 });
    await waitUntil('brief', async () => (await reader.getText('brief')) === '1');
    await writer.delete('k');
    await waitUntil('the deletion', async () => (await reader.get('k')) === undefined);
    await waitUntil('the expiry', async () => (await reader.get('brief')) === undefined);
    assert.ok(countsOf(reader).invalidations >= TURNS);
  });

  it('shows every own write at once, at whatever level, and what a read beyond its peer has shown', async () => {
    const cluster = await clusters.start({ ids: ['alpha', 'beta'] });
    const client = await connect(cluster, ['alpha', 'beta']);
    for (let turn = 0; turn < TURNS; turn += 1) {
      const write = (['fast', 'committed', 'durable'] as const)[turn % 3] ?? 'fast';
      const early = client.getText('k'); // on its way while the write is made
      const written = client.set('k', `${turn}`, { write });
      const late = client.getText('k');
      await early;
      assert.equal(await late, `${turn}`);
      await written;
      assert.equal(await client.getText('k'), `${turn}`);
      assert.equal(await client.getText('k', { read: 'local' }), `${turn}`);
      assert.equal(await client.getText('k'), `${turn}`);
    }
    assert.equal(await client.delete('k'), true);
    assert.equal(await client.get('k'), undefined);
  });

  it('keeps nothing of a peer that was killed, nor what it read before another session was merged', async () => {
    const cluster = await clusters.start({ ids: ['alpha', 'beta', 'gamma'] });
    const client = await connect(cluster, ['alpha', 'beta'], { deadlineMs: 20_000 });
    const other = await connect(cluster, ['gamma'], { nearCache: false });
    assert.equal(other.stats().nearCache, undefined);
    await client.set('k', 'of client');
    assert.equal(await client.getText('k'), 'of client');
    await other.set('j', '1');
    client.session.merge(other.session.token);
    assert.equal(countsOf(client).entries, 0);
    assert.equal(await client.getText('j'), '1');
    assert.equal(await client.getText('k'), 'of client');
    assert.equal(countsOf(client).entries, 2);
    const left = cluster.peers.find(({ clientPort }) => client.peer === `127.0.0.1:${clientPort}`);
    assert.ok(left !== undefined);
    await left.kill();
    await waitUntil('the end of the connection', () => countsOf(client).entries === 0);
    await other.set('k', 'of other');
    await waitUntil('the other peer', async () => (await client.getText('k')) === 'of other');
  });

  it('serves nothing later than the lease allows while its peer is paused, and goes on with what it kept', async () => {
    const cluster = await clusters.start({ ids: ['alpha', 'beta'] });
    const nearCache = { leaseMs: LEASE_MS };
    const client = await connect(cluster, ['alpha'], {
      nearCache,
      operationTimeoutMs: 20_000,
      deadlineMs: 20_000,
    });
    await client.set('k', 'old');
    assert.equal(await client.getText('k'), 'old');
    const alpha = cluster.peer('alpha');
    alpha.signal('SIGSTOP');
    const pausedAtMs = performance.now();
    const writer = await connect(cluster, ['beta']);
    await writer.set('k', 'new');
    let lastHitMs = 0;
    let asked: Promise<string | undefined> | undefined;
    await waitUntil('the end of the lease', async () => {
      const { hits } = countsOf(client);
      asked = client.getText('k');
      if (countsOf(client).hits === hits) return true;
      assert.equal(await asked, 'old');
      lastHitMs = performance.now() - pausedAtMs;
      return false;
    });
    assert.ok(lastHitMs > 0 && lastHitMs < LEASE_MS + 20, `${lastHitMs} ms`);
    assert.equal(countsOf(client).doubted, 1);
    alpha.signal('SIGCONT');
    await asked;
    await waitUntil('the write at beta', async () => (await client.getText('k')) === 'new');
    report(`the last hit ${lastHitMs.toFixed(0)} ms after the peer was paused, lease ${LEASE_MS} ms`);
  });

  it('refuses limits that are none, all together', async () => {
    await assert.rejects(
      StickyClient.connect({
        peers: ['127.0.0.1:1'],
        heartbeatMs: 300,
        nearCache: { maxEntries: 0, maxBytes: 0.5, leaseMs: 500 },
      }),
      ({ code, message }: { code: string; message: string }) => {
        assert.equal(code, 'BAD_ARGUMENT');
        for (const name of ['maxEntries is 0', 'maxBytes is 0.5', 'leaseMs is 500, and an idle peer'])
          assert.ok(message.includes(`nearCache.${name}`), message);
        return true;
      },
    );
  });
});
