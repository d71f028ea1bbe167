/**
 * Peers without any servers.txt, over 127.0.0.1: found, admitted, converged; and who must stay out does.
 *
 * Owns what can be seen from outside. The rules of announcements are test/network's, those of members test/core's.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiscoveryStatus } from '../../src/peer/discovering.ts';
import type { Settings } from '../../src/peer/tunables.ts';
import { findGroup } from '../ports.ts';
import { ChildPeer } from './childPeer.ts';
import { awaitInTouch, awaitTakingPart, useClusters } from './cluster.ts';
import { runCommand } from './command.ts';
import { awaitEqualDigests } from './convergence.ts';
import { waitUntil } from './waiting.ts';

const IDS = ['alpha', 'beta', 'gamma', 'delta'];
const KEY = '0123456789abcdef'.repeat(4);
const OTHER_KEY = 'fedcba9876543210'.repeat(4);

describe('discovery', () => {
  const clusters = useClusters();

  interface Lan {
    readonly folder: string;
    readonly key: string;
    readonly discoveryPort: number;
    start(id: string, changes?: Settings): Promise<ChildPeer>;
  }

  async function prepare(): Promise<Lan> {
    const { folder, ports, settings } = await clusters.prepare({ ids: IDS });
    const { port: discoveryPort } = await findGroup();
    const key = join(folder, 'key');
    await writeFile(key, KEY, { mode: 0o600 });
    await writeFile(join(folder, 'otherKey'), OTHER_KEY, { mode: 0o600 });
    const { multicastGroup, multicastPort, dataDirectory } = settings;
    const common = { multicastGroup, multicastPort, dataDirectory, discoveryPort, clusterKeyFile: key };
    return {
      folder,
      key,
      discoveryPort,
      async start(id, changes = {}) {
        const port = Number(changes.port ?? ports.get(id));
        const own = { discover: true, host: '127.0.0.1', port };
        const peer = new ChildPeer(id, port, { ...common, ...own, ...changes });
        clusters.onEnd(() => peer.kill());
        await peer.start();
        return peer;
      },
    };
  }

  const discoveryOf = async (peer: ChildPeer): Promise<DiscoveryStatus> =>
    ((await peer.status()) as unknown as { discovery: DiscoveryStatus }).discovery;
  const standings = async (peer: ChildPeer): Promise<string> =>
    (await discoveryOf(peer)).found.map(({ id, standing }) => `${id} ${standing}`).join(', ');
  const awaitStandings = (peer: ChildPeer, expected: string): Promise<number> => {
    let seen = '';
    return waitUntil(
      `${peer.id} finds ${expected}`,
      async () => (seen = await standings(peer)) === expected,
      15_000,
      () => seen,
    );
  };
  const admit = (at: ChildPeer, id: string): Promise<string> =>
    runCommand(['admit', id, '--peer', `127.0.0.1:${at.clientPort}`]).then(({ lines, errorLines, ended }) => {
      assert.equal(ended.code, 0, errorLines.join('\n'));
      return lines.join('\n');
    });
  const refusal = async (at: ChildPeer, id: string): Promise<string> => {
    const { errorLines, ended } = await runCommand(['admit', id, '--peer', `127.0.0.1:${at.clientPort}`]);
    assert.equal(ended.code, 1);
    return errorLines.join('\n');
  };
  const begin = async (peer: ChildPeer): Promise<void> => {
    await peer.ask('TOPOSPHERE', 'BOOTSTRAP', 'YES');
  };

  it('three peers are found, admitted, and converge; another cluster and another key stay out', async () => {
    const lan = await prepare();
    const [alpha, beta, gamma] = await Promise.all([
      lan.start('alpha'),
      lan.start('beta'),
      lan.start('gamma'),
    ]);
    await awaitStandings(alpha, 'beta proposed, gamma proposed');
    await awaitStandings(gamma, 'alpha proposed, beta proposed');
    assert.equal((await beta.status()).phase, 'fresh');
    await begin(alpha);
    assert.match(await admit(alpha, 'beta'), /beta at 127\.0\.0\.1:\d+ is a member now, and joins by itself/);
    await awaitInTouch([alpha, beta]);
    await admit(beta, 'gamma'); // one command, at any member
    const peers = [alpha, beta, gamma];
    await awaitInTouch(peers);
    await awaitTakingPart(peers);
    for (const peer of peers) await peer.set(`from ${peer.id}`, 'v');
    assert.equal((await awaitEqualDigests(peers)).visible, 3);
    assert.deepEqual(
      (await alpha.status()).members.map(({ sameServers }) => sameServers),
      [true, true],
    );

    const elsewhere = await lan.start('delta', { clusterId: 'elsewhere' });
    await awaitStandings(alpha, 'delta otherCluster, beta member, gamma member');
    assert.match(await refusal(alpha, 'delta'), /delta is of cluster elsewhere.*never merge/);
    await elsewhere.stop();
    const stranger = await lan.start('delta', {
      clusterKeyFile: join(lan.folder, 'otherKey'),
      dataDirectory: join(lan.folder, 'x'),
    });
    await awaitStandings(alpha, 'beta member, delta unproved, gamma member');
    assert.match(await refusal(alpha, 'delta'), /delta at .* does not prove the cluster key/);
    await awaitStandings(stranger, 'alpha unproved, beta unproved, gamma unproved');
    for (const peer of peers) assert.equal((await peer.status()).members.length, 2, peer.id);
    assert.match(await refusal(alpha, 'nobody'), /nobody has not announced itself here/);
  }).timeout(90_000);

  it('a restart finds the others without discovery, and what was written is a servers.txt', async () => {
    const lan = await prepare();
    const [alpha, beta] = await Promise.all([lan.start('alpha'), lan.start('beta')]);
    await begin(alpha);
    await awaitStandings(alpha, 'beta proposed');
    await admit(alpha, 'beta');
    await awaitTakingPart([alpha, beta]);
    await alpha.set('k', 'v');
    const known = join(beta.dataDirectory, 'known-servers.txt');
    const lines = `alpha 127.0.0.1 ${alpha.port}\nbeta 127.0.0.1 ${beta.port}\n`;
    await waitUntil('addresses on disk', async () =>
      (await readFile(known, 'utf8').catch(() => '')).endsWith(lines),
    );

    const written = join(lan.folder, 'written.txt');
    const discover = ['discover', '--seconds', '2', '--interface', '127.0.0.1', '--write', written];
    const options = ['--discovery-port', String(lan.discoveryPort), '--cluster-key-file', lan.key];
    const first = await runCommand([...discover, ...options, '--json']);
    assert.equal(first.ended.code, 0, first.errorLines.join('\n'));
    assert.ok((await readFile(written, 'utf8')).endsWith(lines));
    assert.match(first.lines.join('\n'), /"clusterKey": "right"/);
    const again = await runCommand([...discover, ...options]);
    assert.equal(again.ended.code, 1);
    assert.match(again.errorLines.join('\n'), /is there already, and was not changed; add --replace/);
    // The settings of the peers serve it too.
    const config = join(lan.folder, 'discover.json');
    await writeFile(config, JSON.stringify({ discoveryPort: lan.discoveryPort, clusterKeyFile: lan.key }));
    const heard = await runCommand([...discover.slice(0, 5), '--config', config, '--json']);
    assert.equal(heard.ended.code, 0, heard.errorLines.join('\n'));
    assert.equal(heard.lines.join('\n').match(/"clusterKey": "right"/g)?.length, 2);
    await writeFile(config, JSON.stringify({ discoveryPort: 80, clusterId: 'a b' }));
    const refused = await runCommand([...discover.slice(0, 5), '--config', config]);
    assert.equal(refused.ended.code, 1);
    assert.match(refused.errorLines.join('\n'), /discover\.json: discoveryPort is 80; use 1024 to 65535/);

    await beta.stop();
    await awaitStandings(alpha, ''); // its goodbye
    const { port: unheard } = await findGroup();
    const muted = await lan.start('beta', { discoveryPort: unheard });
    await awaitInTouch([alpha, muted]);
    await alpha.set('k', 'w');
    await awaitEqualDigests([alpha, muted]);
    await Promise.all([muted.stop(), alpha.stop()]);

    // The file alone, without --discover, starts a cluster.
    const listed = { discover: undefined, host: undefined, port: undefined, servers: written };
    const dataDirectory = join(lan.folder, 'anew');
    const anew = await Promise.all(
      ['alpha', 'beta'].map((id) => lan.start(id, { ...listed, dataDirectory })),
    );
    await awaitInTouch(anew);
    await awaitTakingPart(anew);
  }).timeout(90_000);

  it('with the key and --admit-discovered newcomers come in by themselves, and nobody begins unasked', async () => {
    const lan = await prepare();
    const settings = { admitDiscovered: true };
    const peers = await Promise.all(['alpha', 'beta', 'gamma'].map((id) => lan.start(id, settings)));
    await awaitInTouch(peers);
    for (const peer of peers) assert.equal((await peer.status()).phase, 'fresh', peer.id);
    const [alpha] = peers;
    assert.ok(alpha !== undefined);
    await begin(alpha);
    await awaitTakingPart(peers);
    await alpha.set('k', 'v');
    await awaitEqualDigests(peers);
    const delta = await lan.start('delta', { bootstrap: true }); // it has a history of its own: that is for people to say
    await awaitStandings(alpha, 'beta member, delta proposed, gamma member');
    assert.equal((await delta.status()).members.length, 0);
    assert.match(await admit(alpha, 'delta'), /takes part already.*toposphere admit alpha there too/);
  }).timeout(90_000);

  it('a damaged file of addresses keeps nobody from starting', async () => {
    const lan = await prepare();
    await mkdir(join(lan.folder, 'data', 'alpha'), { recursive: true });
    await writeFile(join(lan.folder, 'data', 'alpha', 'known-servers.txt'), 'not three columns at all\n');
    const alpha = await lan.start('alpha', { bootstrap: true });
    assert.equal((await alpha.status()).phase, 'member');
    assert.match(alpha.log.join('\n'), /known-servers\.txt is not used/);
  }).timeout(40_000);

  it('a member that takes the place of one that died keeps the file of addresses one that can be read', async () => {
    const lan = await prepare();
    const [alpha, beta] = await Promise.all([lan.start('alpha'), lan.start('beta')]);
    await begin(alpha);
    await awaitStandings(alpha, 'beta proposed');
    await admit(alpha, 'beta');
    await awaitTakingPart([alpha, beta]);
    await beta.kill();
    const gamma = await lan.start('gamma', { port: beta.port });
    await awaitStandings(alpha, 'gamma proposed');
    await waitUntil('gamma can be admitted', async () => {
      const { ended } = await runCommand(['admit', 'gamma', '--peer', `127.0.0.1:${alpha.clientPort}`]);
      return ended.code === 0; // as soon as beta is not heard any more
    });
    await awaitTakingPart([alpha, gamma]);
    const known = join(alpha.dataDirectory, 'known-servers.txt');
    const lines = `alpha 127.0.0.1 ${alpha.port}\ngamma 127.0.0.1 ${beta.port}\n`;
    await waitUntil('addresses on disk', async () => (await readFile(known, 'utf8')).endsWith(lines));
    await alpha.stop();
    const again = await lan.start('alpha');
    assert.doesNotMatch(again.log.join('\n'), /known-servers\.txt/);
    await awaitTakingPart([again, gamma]);
  }).timeout(60_000);
});
