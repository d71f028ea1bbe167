/**
 * The embedded API on real sockets and real LMDB: what a Node developer does with a peer.
 */
import assert from 'node:assert/strict';
import { Peer, type Change } from '../../src/index.ts';
import { useClusters } from './cluster.ts';
import { waitUntil } from './waiting.ts';

const THREE = ['alpha', 'beta', 'gamma'];
const ONE = ['solo'];

function only<T>(items: readonly T[]): T {
  const [first] = items;
  assert.ok(first !== undefined);
  return first;
}

describe('embedded peer', function () {
  this.timeout(40_000);
  const clusters = useClusters();

  it('reads at once what it wrote, text and bytes, at every acknowledgement level', async () => {
    const peer = only((await clusters.startEmbedded({ ids: ONE })).peers);
    for (const acknowledge of ['fast', 'committed', 'durable'] as const) {
      const written = peer.set(`k/${acknowledge}`, 'wert ü', { acknowledge });
      assert.equal(peer.getText(`k/${acknowledge}`), 'wert ü');
      await written;
    }
    const binary = Buffer.from([0, 255, 10, 0, 128]);
    await peer.set(binary, binary);
    assert.deepEqual(peer.get(binary), binary);
    assert.equal(peer.has(Buffer.from([0, 255])), false);
    assert.equal(peer.get('missing'), undefined);
    assert.equal(await peer.delete('missing'), false);
    assert.equal(await peer.delete(binary), true);
    assert.equal(peer.has(binary), false);
  });

  it('gives away buffers that may be changed without harm', async () => {
    const peer = only((await clusters.startEmbedded({ ids: ONE })).peers);
    await peer.set('k', 'intact');
    peer.get('k')?.fill(0);
    assert.equal(peer.getText('k'), 'intact');
  });

  it('ranges by prefix, bounds, direction and limit in byte order, over pages and while writes go on', async () => {
    const peer = only((await clusters.startEmbedded({ ids: ONE })).peers);
    const keys = Array.from({ length: 700 }, (_, at) => `r/${String(at).padStart(4, '0')}`);
    await Promise.all([...keys, 'q', 's'].map((key) => peer.set(key, key)));
    const names = (options: Parameters<Peer['range']>[0]): string[] =>
      [...peer.range(options)].map(({ key }) => key.toString());
    assert.deepEqual(names({ prefix: 'r/' }), keys);
    assert.deepEqual(names({ prefix: 'r/', reverse: true }), [...keys].reverse());
    assert.deepEqual(names({ prefix: 'r/', after: 'r/0690', limit: 3 }), ['r/0691', 'r/0692', 'r/0693']);
    assert.deepEqual(names({ from: 'r/0698', before: 's' }), ['r/0698', 'r/0699']);
    assert.deepEqual(names({ prefix: 'none' }), []);
    const seen: string[] = [];
    for (const { key } of peer.range({ prefix: 'r/' })) {
      seen.push(key.toString());
      if (seen.length % 100 === 0) await peer.set('r/0000x', 'late');
    }
    assert.deepEqual(
      seen.filter((key) => key !== 'r/0000x'),
      keys,
    );
  });

  it('tells a watcher of every change with old and new value, wherever it was written', async () => {
    const { peers } = await clusters.startEmbedded({ ids: THREE });
    const [alpha, , gamma] = peers;
    assert.ok(alpha !== undefined && gamma !== undefined);
    const changes: string[] = [];
    const describeChange = ({ key, previous, value }: Change): string =>
      `${key.toString()} ${previous?.toString() ?? '-'} ${value?.toString() ?? '-'}`;
    const stop = gamma.watch('w/', (change) => changes.push(describeChange(change)));
    await alpha.set('w/1', 'a');
    await waitUntil('first change', () => changes.length === 1);
    await gamma.set('w/1', 'b');
    await alpha.set('other', 'x');
    await waitUntil('own write seen by alpha', () => alpha.getText('w/1') === 'b');
    await alpha.delete('w/1');
    await waitUntil('deletion', () => changes.length === 3);
    assert.deepEqual(changes, ['w/1 - a', 'w/1 a b', 'w/1 b -']);
    stop();
    await alpha.set('w/2', 'c');
    await waitUntil('write seen by gamma', () => gamma.getText('w/2') === 'c');
    assert.equal(changes.length, 3);
  });

  it('lets keys expire everywhere, cut off or not, tells watchers, and finds what expired while it was closed', async () => {
    const cluster = await clusters.startEmbedded({ ids: THREE });
    const { peers } = cluster;
    const [alpha, beta, gamma] = peers;
    assert.ok(alpha !== undefined && beta !== undefined && gamma !== undefined);
    const changes: string[] = [];
    gamma.watch('t/', ({ key, value }) => changes.push(`${key.toString()} ${value?.toString() ?? 'gone'}`));
    await alpha.set('t/short', 'v', { expiresInMs: 1500 });
    await alpha.set('t/long', 'v', { expiresInMs: 3_600_000 });
    await alpha.set('t/lasting', 'v');
    await waitUntil('all at gamma', () => gamma.has('t/lasting') && gamma.has('t/short'));
    const leftMs = gamma.timeToLive('t/long') ?? 0;
    assert.ok(leftMs > 3_590_000 && leftMs <= 3_600_000 + 500, `${leftMs} ms left`);
    assert.equal(gamma.timeToLive('t/lasting'), Infinity);
    assert.equal(gamma.timeToLive('t/none'), undefined);
    await gamma.set('t/long', 'renewed', { expiresInMs: 1000 });
    await beta.close();
    await waitUntil('expired at alpha and gamma', () =>
      [alpha, gamma].every((one) => !one.has('t/short') && !one.has('t/long')),
    );
    await waitUntil(
      'told to the watcher',
      () => changes.filter((change) => change.endsWith('gone')).length === 2,
    );
    assert.deepEqual(
      [...gamma.range({ prefix: 't/' })].map(({ key }) => key.toString()),
      ['t/lasting'],
    );
    const again = await Peer.open({ ...cluster.settings, id: 'beta' });
    clusters.onEnd(() => again.close());
    assert.equal(again.get('t/short'), undefined);
    assert.equal(again.getText('t/lasting'), 'v');
    for (const expiresInMs of [0, -1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER])
      await assert.rejects(alpha.set('t/bad', 'v', { expiresInMs }), { code: 'BAD_ARGUMENT' });
    assert.equal(alpha.has('t/bad'), false);
  });

  it('converges to equal digests, says so in status, and keeps everything over a restart', async () => {
    const cluster = await clusters.startEmbedded({ ids: THREE });
    const { peers } = cluster;
    await Promise.all(
      Array.from({ length: 300 }, (_, at) => only(peers.slice(at % 3)).set(`k${at % 100}`, `${at}`)),
    );
    const digests = async (): Promise<Set<string>> =>
      new Set((await Promise.all(peers.map((one) => one.digest()))).map(({ digest }) => digest));
    await waitUntil('equal digests', async () => (await digests()).size === 1);
    await waitUntil('converged in status', () =>
      peers.every(
        (peer) => peer.status().lagUpdates === 0 && peer.status().members.every(({ converged }) => converged),
      ),
    );
    const alpha = only(peers);
    const before = await alpha.digest();
    const { incarnation } = alpha.status();
    await alpha.close();
    await assert.rejects(alpha.set('k', 'v'), { code: 'CLOSED' });
    assert.throws(() => alpha.get('k'), { code: 'CLOSED' });
    const again = await Peer.open({ ...cluster.settings, id: 'alpha' });
    clusters.onEnd(() => again.close());
    assert.deepEqual(await again.digest(), before);
    assert.ok(again.status().incarnation > incarnation);
    await again.set('after', 'restart');
    await waitUntil('write of the new incarnation', () => peers[2]?.getText('after') === 'restart');
  });

  it('carries values from nothing to the longest to every peer', async () => {
    const { peers } = await clusters.startEmbedded({ ids: THREE });
    const alpha = only(peers);
    const sizes = [0, 1, 1200, 1400, 70_000, 1_000_000, 16 * 1024 * 1024];
    for (const size of sizes) await alpha.set(`size/${size}`, Buffer.alloc(size, size % 251));
    for (const peer of peers) {
      await waitUntil(`all sizes at ${peer.id}`, () => sizes.every((size) => peer.has(`size/${size}`)));
      for (const size of sizes)
        assert.ok(peer.get(`size/${size}`)?.equals(Buffer.alloc(size, size % 251)), `${size} at ${peer.id}`);
    }
    await assert.rejects(alpha.set('k', Buffer.alloc(16 * 1024 * 1024 + 1)), { code: 'VALUE_TOO_LONG' });
    await assert.rejects(alpha.set('k'.repeat(1901), 'v'), { code: 'KEY_TOO_LONG' });
  });

  it('refuses a second opening, a taken port and a folder it cannot write, each by name', async () => {
    const site = await clusters.prepare({ ids: ONE });
    const peer = await Peer.open({ ...site.settings, id: 'solo' });
    clusters.onEnd(() => peer.close());
    await assert.rejects(Peer.open({ ...site.settings, id: 'solo' }), { code: 'ADDRESS_IN_USE' });
    const other = await clusters.prepare({ ids: ONE });
    await assert.rejects(
      Peer.open({ ...other.settings, dataDirectory: site.settings.dataDirectory, id: 'solo' }),
      { code: 'STORE_LOCKED' },
    );
    await assert.rejects(Peer.open({ ...other.settings, dataDirectory: other.serversPath, id: 'solo' }), {
      code: 'STORAGE_FAILED',
    });
    await assert.rejects(Peer.open({ ...other.settings, id: 'nobody' }), { code: 'BAD_CONFIGURATION' });
    assert.equal(peer.has('still'), false);
  });
});
