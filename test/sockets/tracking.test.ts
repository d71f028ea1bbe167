/**
 * CLIENT TRACKING across real peers: what changes at one peer is told to clients of another, by whatever way it came there, and node-redis's own client-side
 * cache follows.
 */
import assert from 'node:assert/strict';
import { createClient } from 'redis';
import { startRedisServer } from '../../src/server/server.ts';
import { openRawClient, type RawClient } from '../server/rawClient.ts';
import type { ChildPeer } from './childPeer.ts';
import { useClusters } from './cluster.ts';
import { report, waitUntil } from './waiting.ts';

const TURNS = 40;

describe('client tracking across peers', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  /** A RESP3 connection that tracks what it reads. */
  async function openTracking(port: number, words = ''): Promise<RawClient> {
    const client = openRawClient(port);
    clusters.onEnd(() => {
      client.destroy();
    });
    client.send(`HELLO 3\r\nCLIENT TRACKING ON${words}\r\nECHO begun\r\n`);
    await seen(client, 'begun');
    return client;
  }

  async function seen(client: RawClient, text: string): Promise<void> {
    await waitUntil(text, () => client.received().includes(text));
  }

  function invalidations(client: RawClient, key: string): number {
    return client.received().split(`invalidate\r\n*1\r\n$${key.length}\r\n${key}\r\n`).length - 1;
  }

  async function connectCached(peer: ChildPeer) {
    const client = createClient({
      url: `redis://127.0.0.1:${peer.clientPort}`,
      RESP: 3,
      clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: 'LRU' },
    });
    client.on('error', () => undefined);
    await client.connect();
    clusters.onEnd(() => {
      client.destroy();
    });
    return client;
  }

  it('node-redis caches at one peer what is written at another, and never keeps it when it has changed', async () => {
    const { peer } = await clusters.start({ ids: ['alpha', 'beta'] });
    const [reader, writer] = [await connectCached(peer('alpha')), await connectCached(peer('beta'))];
    const statistics = (): { readonly hitCount: number } => {
      assert.ok(reader.clientSideCache !== undefined);
      return reader.clientSideCache.stats();
    };
    const delaysMs: number[] = [];
    for (let turn = 0; turn < TURNS; turn += 1) {
      await writer.set('shared', `${turn}`);
      delaysMs.push(
        await waitUntil(`turn ${turn} at alpha`, async () => (await reader.get('shared')) === `${turn}`),
      );
      const before = statistics().hitCount;
      for (let again = 0; again < 10; again += 1) assert.equal(await reader.get('shared'), `${turn}`);
      assert.equal(statistics().hitCount, before + 10);
    }
    await reader.set('shared', 'own'); // its own write it sees at once
    assert.equal(await reader.get('shared'), 'own');
    await writer.del('shared');
    await waitUntil('the deletion at alpha', async () => (await reader.get('shared')) === null);
    report(
      `${TURNS} writes at beta, seen through a cache at alpha after ${Math.max(...delaysMs).toFixed(1)} ms at most`,
    );
  });

  it('tells of an expiry, of a repair, and of what a peer takes in that was away', async () => {
    const { peer } = await clusters.start({ ids: ['alpha', 'beta'], settings: { allowFaults: true } });
    const reader = await openTracking(peer('alpha').clientPort);
    const writer = await peer('beta').connect();
    clusters.onEnd(() => {
      writer.close();
    });
    await writer.call('SET', 'brief', '1', 'PX', '400');
    await waitUntil('brief at alpha', async () => {
      reader.send('GET brief\r\n');
      return reader.waitForBytes(0).then((text) => text.includes('$1\r\n1\r\n'));
    });
    await waitUntil('the expiry', () => invalidations(reader, 'brief') > 0);
    // Nothing of this comes as an UPDATE: heartbeats and SYNC bring it when the cut has healed.
    reader.send('MGET kept:1 kept:2\r\nECHO read\r\n');
    await seen(reader, 'read');
    await peer('alpha').faults('cut', 'beta');
    await peer('beta').faults('cut', 'alpha');
    await writer.call('SET', 'kept:1', '1');
    await writer.call('SET', 'kept:2', '1');
    reader.send('ECHO cut\r\n');
    await seen(reader, 'cut');
    assert.equal(invalidations(reader, 'kept:1'), 0);
    await peer('alpha').faults('heal');
    await peer('beta').faults('heal');
    await waitUntil(
      'what was missed',
      () => invalidations(reader, 'kept:1') === 1 && invalidations(reader, 'kept:2') === 1,
    );
  });

  it('tells of what a program writes to the peer that it embeds', async () => {
    const { peers } = await clusters.startEmbedded({ ids: ['solo'] });
    const [peer] = peers;
    assert.ok(peer !== undefined);
    const server = await startRedisServer({ backend: peer.backend, host: '127.0.0.1', port: 0 });
    clusters.onEnd(() => server.close());
    const reader = await openTracking(server.port);
    const quiet = await openTracking(server.port, ' NOLOOP');
    for (const client of [reader, quiet]) {
      client.send('GET k\r\nECHO read\r\n');
      await seen(client, 'read');
    }
    await peer.set('k', '1');
    await waitUntil('told', () => [reader, quiet].every((client) => invalidations(client, 'k') === 1));
    quiet.send('TOPOSPHERE ACK fast\r\nGET k\r\nSET k 2\r\nECHO written\r\n');
    await seen(quiet, 'written');
    assert.equal(invalidations(quiet, 'k'), 1);
    await peer.set('k', '3');
    await waitUntil('told again', () => invalidations(quiet, 'k') === 2);
  });
});
