/**
 * Peers with IPv6 addresses, as the command starts them: by unicast alone on ::1, and with multicast where an interface takes it.
 *
 * Linux has no IPv6 multicast on its loopback, so the second half runs this file, and the network's tests, in a network namespace of their own with
 * a pair of virtual interfaces; no packet leaves it. Where the system allows no namespace that half is skipped, with the reason.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { SpawnSyncReturns } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '../../src/peer/tunables.ts';
import { useClusters } from './cluster.ts';
import type { ChildCluster } from './cluster.ts';
import { awaitEqualDigests } from './convergence.ts';
import { runCommand } from './command.ts';
import { waitUntil } from './waiting.ts';

const NAMESPACE_HOST = 'fd00:7090::1';
/** Only in the namespace: the address there. */
const host = process.env['TEST_HOST_IPV6'];
const NAMESPACE_TIMEOUT_MS = 100_000;
const KEYS = 50;

/** As `unshare` runs it: the interfaces, then what was asked for. nodad: the address serves at once. */
const SET_UP = [
  'ip link set lo up',
  'ip link add tl0 type veth peer name tl1',
  'ip link set tl0 up',
  'ip link set tl1 up',
  `ip addr add ${NAMESPACE_HOST}/64 dev tl0 nodad`,
  'exec "$@"',
].join(' && ');

function runInNamespace(words: readonly string[]): SpawnSyncReturns<string> {
  const all = ['--map-root-user', '--net', 'sh', '-c', SET_UP, 'sh', ...words];
  return spawnSync('unshare', all, {
    encoding: 'utf8',
    timeout: NAMESPACE_TIMEOUT_MS,
    env: { ...process.env, TEST_HOST_IPV6: NAMESPACE_HOST },
  });
}

/** Writes at each peer, and waits until all hold everything. */
async function converge({ peers }: ChildCluster): Promise<void> {
  await Promise.all(
    peers.map(async (peer) => {
      for (let index = 0; index < KEYS; index += 1) await peer.set(`${peer.id}/${index}`, `of ${peer.id}`);
    }),
  );
  const { visible } = await awaitEqualDigests(peers);
  assert.equal(visible, KEYS * peers.length);
}

/** Waits until every peer says of every other one that multicast does, or does not, carry between them. */
async function awaitMulticast({ peers }: ChildCluster, isHeard: boolean): Promise<void> {
  await waitUntil(`multicast ${isHeard ? '' : 'not '}heard`, async () => {
    const statuses = await Promise.all(peers.map((peer) => peer.status()));
    return statuses.every(({ members }) => members.every(({ multicast }) => multicast === isHeard));
  });
}

describe(`IPv6 over ${host ?? '::1'}`, () => {
  const clusters = useClusters();

  before(function () {
    const own = Object.values(networkInterfaces()).flat();
    if (own.some((one) => one?.address === (host ?? '::1'))) return;
    console.log(`      skipped: this machine has no ${host ?? '::1'}`);
    this.skip();
  });

  /** Beyond loopback a key is asked for. */
  async function settingsHere(): Promise<Settings> {
    if (host === undefined) return {};
    const folder = await mkdtemp(join(tmpdir(), 'toposphere-key-'));
    clusters.onEnd(() => rm(folder, { recursive: true }));
    const clusterKeyFile = join(folder, 'cluster.key');
    await writeFile(clusterKeyFile, 'ab'.repeat(32), { mode: 0o600 });
    return { clusterKeyFile, openClients: true };
  }

  it(`converges ${host === undefined ? 'by unicast alone' : 'with multicast'}, a value too long for a datagram included`, async () => {
    const cluster = await clusters.start({
      host: host ?? '::1',
      settings: await settingsHere(),
    });
    if (host !== undefined || process.platform === 'linux') await awaitMulticast(cluster, host !== undefined);
    await cluster.peer('alpha').set('long', 'x'.repeat(300_000));
    await waitUntil('the long value at delta', async () => {
      return (await cluster.peer('delta').get('long'))?.length === 300_000;
    });
    await cluster.peer('alpha').ask('DEL', 'long');
    await converge(cluster);
    if (host === undefined) return;
    const { network } = await cluster.peer('delta').status();
    assert.ok(network.datagrams.received.multicast > 0, 'multicast was received');
    assert.equal(network.faults['multicastUnavailable'], undefined);
  }).timeout(60_000);

  it('is reached by the command line, by id and by address', async () => {
    const ids = ['alpha', 'beta'];
    const { peer, serversPath } = await clusters.start({
      ids,
      host: host ?? '::1',
      settings: await settingsHere(),
    });
    const address = `[${host ?? '::1'}]:${peer('alpha').clientPort}`;
    const set = await runCommand(['set', 'a', '1', '--peer', address]);
    assert.deepEqual(set.ended, { code: 0, signal: null }, set.lines.join('\n'));
    assert.match(set.lines.join('\n'), /OK/);
    await waitUntil('a at beta', async () => (await peer('beta').get('a')) === '1');
    const get = await runCommand(['get', 'a', '--id', 'beta', '--servers', serversPath]);
    assert.deepEqual(get.lines, ['out 1']);
  }).timeout(40_000);

  if (host === undefined) {
    it('does the same, and the network too, where an interface takes multicast', function () {
      const probe = runInNamespace(['true']);
      if (probe.status !== 0) {
        console.log(`      skipped: no network namespace (${probe.stderr.trim() || String(probe.error)})`);
        this.skip();
      }
      const files = ['test/network/network.test.ts', 'test/sockets/ipv6.test.ts'];
      const mocha = ['node_modules/mocha/bin/mocha.js', '--config', '.mocharc.sockets.json', ...files];
      const run = runInNamespace([process.execPath, ...mocha]);
      assert.equal(run.status, 0, `${run.stdout}\n${run.stderr}`);
      assert.match(
        run.stdout,
        /over fd00:7090::1[^]*lets all members of the group[^]*converges with multicast/,
      );
    }).timeout(NAMESPACE_TIMEOUT_MS + 10_000);
  }
});
