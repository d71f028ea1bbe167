/**
 * A new cluster key under load, step by step, as an operator takes it.
 *
 * Owns what must hold: no operation fails, nothing is dropped for its key on the way, and in the end the old key opens nothing. The
 * envelope's part is test/wire's, the file's test/peer's.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import {
  addKey,
  generateKeyText,
  promoteKey,
  readClusterKeys,
  retireKeys,
} from '../../src/peer/clusterKeyFile.ts';
import { createEnvelope } from '../../src/wire/envelope.ts';
import type { ClusterKey } from '../../src/wire/envelope.ts';
import { loadHashing } from '../../src/wire/hash.ts';
import { sealing } from '../wire/sealing.ts';
import type { ChildPeer } from './childPeer.ts';
import { useClusters } from './cluster.ts';
import type { ChildCluster, Clusters } from './cluster.ts';
import { runCommand } from './command.ts';
import { awaitAllPresent, awaitEqualDigests } from './convergence.ts';
import { startLoad } from './load.ts';
import { report, waitUntil } from './waiting.ts';

const THREE = ['alpha', 'beta', 'gamma'];
const RATE = 1500;
/** Longer than the steps take on a busy machine: it is stopped after them. */
const LOAD_LIMIT_MS = 90_000;
/** Writes between two steps, and after the last. */
const WRITES_BETWEEN = 500;

async function toposphere(...words: readonly string[]): Promise<string> {
  const { ended, lines } = await runCommand(words);
  assert.equal(ended.code, 0, lines.join('\n'));
  return lines.map((line) => line.slice(4)).join('\n');
}

/** Drops that have to do with keys or seals, over all peers. */
async function keyDrops(peers: readonly ChildPeer[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const peer of peers) {
    for (const [reason, count] of Object.entries((await peer.status()).drops))
      if (/key|seal/i.test(reason)) counts[reason] = (counts[reason] ?? 0) + count;
  }
  return counts;
}

/** Sends what a member with `keys` would, from outside, until `peer` counts `reason` more often. */
async function assertRefused(
  clusters: Clusters,
  peer: ChildPeer,
  keys: readonly ClusterKey[],
  reason: string,
): Promise<void> {
  const self = { id: 'beta' as PeerId, incarnation: (2 ** 52) as Incarnation };
  const hashing = await loadHashing();
  const envelope = sealing(
    createEnvelope({ hashing, clusterId: 'toposphere', self, membershipHash: 0, keys }),
  );
  const socket = createSocket('udp4');
  clusters.onEnd(() => void socket.close());
  const before = (await peer.status()).drops[reason] ?? 0;
  await waitUntil(`${peer.id} counts ${reason}`, async () => {
    socket.send(envelope.seal(Buffer.from([1]), 'datagram'), peer.port, '127.0.0.1');
    return ((await peer.status()).drops[reason] ?? 0) > before;
  });
}

describe('key rotation', () => {
  const clusters = useClusters();

  async function start(): Promise<{ cluster: ChildCluster; clusterKeyFile: string }> {
    const folder = await mkdtemp(join(tmpdir(), 'toposphere-rotation-'));
    clusters.onEnd(() => rm(folder, { recursive: true, force: true }));
    const clusterKeyFile = join(folder, 'cluster.key');
    await toposphere('key', 'generate', clusterKeyFile);
    const cluster = await clusters.start({ ids: THREE, settings: { clusterKeyFile } });
    return { cluster, clusterKeyFile };
  }

  it('add, promote and retire under load: no operation fails, and the old key is refused afterwards', async () => {
    const { cluster, clusterKeyFile } = await start();
    const { peers } = cluster;
    const servers = ['--servers', cluster.serversPath];
    const [oldKey] = (await readClusterKeys(clusterKeyFile)).keys;
    assert.ok(oldKey !== undefined);
    const clients = await Promise.all(peers.map((peer) => peer.connect()));
    clusters.onEnd(() => {
      for (const client of clients) client.close();
    });
    let answered = 0;
    const load = startLoad({
      clients,
      ratePerSecond: RATE,
      count: Infinity,
      limitMs: LOAD_LIMIT_MS,
      write: (index) => ({ key: `k:${index % 5000}`, value: `value ${index}` }),
      onAcknowledged: () => {
        answered += 1;
      },
    });
    const moreWrites = async (): Promise<void> => {
      const enough = answered + WRITES_BETWEEN;
      await waitUntil('more writes', () => answered >= enough);
    };
    const steps = [
      ['add', [1, 2], /every peer accepts key 2: toposphere key promote may follow/],
      ['promote', [2, 1], /every peer seals with key 2: toposphere key retire may follow/],
      ['retire', [2], /every peer seals with key 2 and accepts no other/],
    ] as const;
    for (const [action, accepted, advice] of steps) {
      await moreWrites();
      await toposphere('key', action, clusterKeyFile);
      const said = await toposphere('reload', ...servers);
      assert.equal(said.match(new RegExp(`key ${accepted[0]} seals`, 'g'))?.length, 3, said);
      for (const peer of peers) {
        const keys = (await peer.status()).clusterKeys;
        assert.deepEqual([keys?.sealing, keys?.accepted], [accepted[0], accepted]);
      }
      // Everybody hears everybody under the key that seals now.
      await waitUntil(`heard under key ${accepted[0]}`, async () => {
        const statuses = await Promise.all(peers.map((peer) => peer.status()));
        return statuses.every(({ clusterKeys }) =>
          Object.values(clusterKeys?.heard ?? { nobody: null }).every((id) => id === accepted[0]),
        );
      });
      assert.match(await toposphere('status', ...servers), advice);
    }
    await moreWrites();
    load.stop();
    const { sent, refused, refusals } = await load.done;
    assert.deepEqual([refused, refusals], [0, []]);
    await awaitEqualDigests(peers);
    report(`${sent} SETs through a rotation, none failed; drops ${JSON.stringify(await keyDrops(peers))}`);
    assert.deepEqual(Object.keys(await keyDrops(peers)), []);

    await assertRefused(clusters, cluster.peer('alpha'), [oldKey], 'unknownKey');
    const secrets = [oldKey, ...(await readClusterKeys(clusterKeyFile)).keys];
    for (const peer of peers) {
      const said = [...peer.log, JSON.stringify(await peer.status())].join('\n');
      for (const { secret } of secrets) assert.ok(!said.includes(Buffer.from(secret).toString('hex')));
    }
  }).timeout(120_000);

  it('SIGHUP reads the key file too, and a file that is refused changes nothing', async () => {
    const { cluster, clusterKeyFile } = await start();
    const alpha = cluster.peer('alpha');
    const whole = await readFile(clusterKeyFile, 'utf8');
    const accepted = async (): Promise<string> => (await alpha.status()).clusterKeys?.accepted.join() ?? '';
    for (const [text, complaint] of [
      [whole.slice(0, -8), /cluster\.key:\d+: is no key/],
      [
        `1 ${'ab'.repeat(32)}\n`,
        /key 1 is not the one that is in use under this id, and nothing was changed/,
      ],
    ] as const) {
      await writeFile(clusterKeyFile, text);
      const seen = alpha.log.length;
      alpha.signal('SIGHUP');
      await waitUntil('the complaint', () => alpha.log.slice(seen).some((line) => complaint.test(line)));
      assert.equal(await accepted(), '1');
    }
    await writeFile(clusterKeyFile, whole);
    await toposphere('key', 'add', clusterKeyFile);
    alpha.signal('SIGHUP');
    await waitUntil('the added key', async () => (await accepted()) === '1,2');
    await cluster.peer('beta').set('still', 'heard');
    await awaitAllPresent(cluster.peers, new Map([['still', 'heard']]));
  }).timeout(60_000);

  it('no peer retires a key with which a member still seals, by reload or SIGHUP, unless it is told to by force', async () => {
    const ids = ['alpha', 'beta'];
    const site = await clusters.prepare({ ids });
    const fileOf = (id: string): string => join(site.folder, `${id}.key`);
    const give = (id: string, text: string): Promise<void> => writeFile(fileOf(id), text, { mode: 0o600 });
    const added = addKey(generateKeyText(), 'key').text;
    for (const id of ids) await give(id, added);
    const settingsOf = Object.fromEntries(ids.map((id) => [id, { clusterKeyFile: fileOf(id) }]));
    const { peers, peer, serversPath } = await clusters.start({ ids, settingsOf });
    const [alpha, beta] = [peer('alpha'), peer('beta')];
    const acceptedBy = async (one: ChildPeer): Promise<string> =>
      (await one.status()).clusterKeys?.accepted.join() ?? '';
    const promoted = promoteKey(added, 'key').text;
    await give('alpha', promoted);
    await alpha.ask('TOPOSPHERE', 'RELOAD');
    assert.equal(await acceptedBy(alpha), '2,1');

    // beta seals with key 1 still.
    await give('alpha', retireKeys(promoted, 'key').text);
    const complaint = /without key 1 beta would be cut off.*nothing was changed.*toposphere reload --force/;
    await assert.rejects(alpha.ask('TOPOSPHERE', 'RELOAD'), complaint);
    await assert.rejects(alpha.ask('TOPOSPHERE', 'RELOAD', 'now'), /say TOPOSPHERE RELOAD/);
    const seen = alpha.log.length;
    alpha.signal('SIGHUP');
    await waitUntil('the complaint', () => alpha.log.slice(seen).some((line) => complaint.test(line)));
    assert.equal(await acceptedBy(alpha), '2,1');
    await beta.set('still', 'heard');
    await awaitAllPresent(peers, new Map([['still', 'heard']]));

    // Nobody has to be cut off: the step that beta lacks comes first.
    await give('beta', promoted);
    await beta.ask('TOPOSPHERE', 'RELOAD');
    await waitUntil(
      'beta is heard under key 2',
      async () => (await alpha.status()).clusterKeys?.heard['beta'] === 2,
    );
    await alpha.ask('TOPOSPHERE', 'RELOAD');
    assert.equal(await acceptedBy(alpha), '2');

    // Told to by force, it does what cuts beta off.
    await give('alpha', addKey(retireKeys(promoted, 'key').text, 'key').text);
    await alpha.ask('TOPOSPHERE', 'RELOAD');
    await give(
      'alpha',
      retireKeys(promoteKey(await readFile(fileOf('alpha'), 'utf8'), 'key').text, 'key').text,
    );
    const refused = await runCommand(['reload', '--id', 'alpha', '--servers', serversPath]);
    assert.equal(refused.ended.code, 1);
    assert.match(refused.errorLines.join(), /without key 2 beta would be cut off/);
    await toposphere('reload', '--id', 'alpha', '--servers', serversPath, '--force');
    assert.equal(await acceptedBy(alpha), '3');
    await waitUntil('beta is refused', async () => ((await alpha.status()).drops['unknownKey'] ?? 0) > 0);
  }).timeout(60_000);
});
