/**
 * Clusters with a key (protocol.md, section 9): who has it is in, who has not is out and counted.
 *
 * Owns what can be seen from outside: convergence, counters, bytes on the wire. The seal's own rules are
 * test/wire's.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { buildArguments } from '../../src/cli/settingsOptions.ts';
import { awaitInTouch, useClusters } from './cluster.ts';
import type { ChildCluster, Clusters } from './cluster.ts';
import { ChildPeer } from './childPeer.ts';
import { runCommand } from './command.ts';
import { awaitEqualDigests } from './convergence.ts';
import { report, waitUntil } from './waiting.ts';

const KEY = '0123456789abcdef'.repeat(4);
const OTHER_KEY = 'fedcba9876543210'.repeat(4);

async function writeKeys(clusters: Clusters): Promise<{ readonly key: string; readonly other: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'toposphere-keys-'));
  clusters.onEnd(() => rm(folder, { recursive: true, force: true }));
  const files = { key: join(folder, 'key'), other: join(folder, 'other') };
  await writeFile(files.key, `${KEY}\n`, { mode: 0o600 });
  await writeFile(files.other, `${OTHER_KEY}\n`, { mode: 0o600 });
  return files;
}

/** Every datagram to the cluster's group from now on. */
async function overhear(clusters: Clusters, { group }: ChildCluster): Promise<readonly Buffer[]> {
  const heard: Buffer[] = [];
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  clusters.onEnd(() => void socket.close());
  socket.on('message', (bytes) => void heard.push(bytes));
  await new Promise<void>((resolve) => socket.bind({ address: group.group, port: group.port }, resolve));
  socket.addMembership(group.group, '127.0.0.1');
  return heard;
}

async function writeFrom(peers: readonly ChildPeer[], count: number, value: string): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      await peers[index % peers.length]?.set(`sealed:${index}`, `${value} ${index}`);
    }),
  );
}

describe('sealed clusters', () => {
  const clusters = useClusters();

  it('four peers with a key converge, by datagram and by stream, and nothing can be read on the wire', async () => {
    const { key } = await writeKeys(clusters);
    const cluster = await clusters.start({ settings: { clusterKeyFile: key } });
    const heard = await overhear(clusters, cluster);
    await writeFrom(cluster.peers, 400, 'a-secret-value');
    await cluster.peer('beta').set('large', 'another-secret-value'.repeat(20_000));
    const { visible } = await awaitEqualDigests(cluster.peers);
    assert.equal(visible, 401);
    await waitUntil('datagrams overheard', () => heard.length > 20);
    const traffic = Buffer.concat(heard);
    assert.equal(traffic.includes('a-secret-value'), false);
    assert.equal(traffic.includes('sealed:'), false);
    for (const one of cluster.peers) {
      const { drops } = await one.status();
      assert.deepEqual(
        Object.keys(drops).filter((reason) => /seal|checksum|key/i.test(reason)),
        [],
        one.id,
      );
    }
  }).timeout(40_000);

  it('the same traffic without a key can be read: the check above sees what it should', async () => {
    const cluster = await clusters.start({ ids: ['alpha', 'beta'] });
    const heard = await overhear(clusters, cluster);
    await writeFrom(cluster.peers, 40, 'a-secret-value');
    await waitUntil('the value overheard', () => Buffer.concat(heard).includes('a-secret-value'));
  }).timeout(40_000);

  for (const intruder of ['another key', 'no key'] as const) {
    it(`a peer with ${intruder} stays out, is counted, and disturbs nobody`, async () => {
      const { key, other } = await writeKeys(clusters);
      const cluster = await clusters.start({ settings: { clusterKeyFile: key }, absent: ['delta'] });
      const settings = intruder === 'no key' ? { clusterKeyFile: undefined } : { clusterKeyFile: other };
      const outside = new ChildPeer('delta', cluster.ports.get('delta') ?? 0, {
        ...cluster.settings,
        ...settings,
        bootstrap: true, // nobody answers it: else it would take no writes of its own
      });
      clusters.onEnd(() => outside.kill());
      await outside.start();
      const reason = intruder === 'no key' ? 'notSealed' : 'badSeal';
      const reasonOutside = intruder === 'no key' ? 'unexpectedSeal' : 'badSeal';
      for (const one of cluster.peers) {
        await waitUntil(
          `${one.id} counts ${reason}`,
          async () => ((await one.status()).drops[reason] ?? 0) > 2,
        );
      }
      await waitUntil(
        'the intruder counts too',
        async () => ((await outside.status()).drops[reasonOutside] ?? 0) > 2,
      );
      await outside.set('intruder', 'was here');
      await writeFrom(cluster.peers, 100, 'v');
      const { visible } = await awaitEqualDigests(cluster.peers);
      assert.equal(visible, 100);
      await awaitInTouch(cluster.peers);
      for (const one of cluster.peers) {
        assert.equal(await one.get('intruder'), null, one.id);
        const { members } = await one.status();
        assert.equal(members.find(({ id }) => id === 'delta')?.heard, false);
      }
      assert.equal((await outside.digest()).visible, 1);
      const { drops } = await cluster.peer('alpha').status();
      report(`a peer with ${intruder}: counted as ${reason} ${drops[reason] ?? 0} times`);
    }).timeout(40_000);
  }

  it('a keyless peer beyond loopback is refused: its own address, or another in servers.txt', async () => {
    const site = await clusters.prepare({ ids: ['alpha'] });
    for (const text of ['alpha 127.0.0.1 17401\nbeta 203.0.113.1 17401\n', 'alpha 203.0.113.1 17401\n']) {
      await writeFile(site.serversPath, text);
      const { ended, errorLines } = await runCommand([
        'serve',
        ...buildArguments({ ...site.settings, id: 'alpha' }),
      ]);
      assert.deepEqual(ended, { code: 1, signal: null });
      assert.ok(
        errorLines.some((line) => /beyond loopback .*203\.0\.113\.1.*--cluster-key-file/.test(line)),
        errorLines.join('\n'),
      );
      assert.equal(existsSync(join(site.folder, 'data')), false);
    }
  }).timeout(40_000);

  it('a key file that is none is refused without quoting it', async () => {
    const { key } = await writeKeys(clusters);
    await writeFile(key, KEY.slice(1));
    const site = await clusters.prepare();
    const words = ['serve', ...buildArguments({ ...site.settings, id: 'alpha', clusterKeyFile: key })];
    const { ended, errorLines } = await runCommand(words);
    assert.deepEqual(ended, { code: 1, signal: null });
    assert.equal(errorLines.length, 1);
    assert.match(errorLines[0] ?? '', /:1: is no key/);
    assert.equal(errorLines[0]?.includes(KEY.slice(1, 20)), false);
  }).timeout(40_000);
});
