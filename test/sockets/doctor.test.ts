/**
 * `toposphere doctor` in front of real peers: each thing that goes wrong with a LAN, brought about, found and given the right advice.
 *
 * Owns the causes. Each finding's words, from pictures built by hand, are test/cli/doctor's. What a busy machine does by itself (a slow disk) is not counted.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, readFile, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addKey, generateKeyText, promoteKey } from '../../src/peer/clusterKeyFile.ts';
import { plantEntry } from '../plantedEntry.ts';
import type { ChildCluster } from './cluster.ts';
import { awaitTakingPart, useClusters } from './cluster.ts';
import { runCommand } from './command.ts';
import { awaitEqualDigests } from './convergence.ts';
import { examine, only, QUIET } from './examine.ts';
import type { Found } from './examine.ts';
import { withMuted } from './mutedMulticast.ts';
import { report, waitUntil } from './waiting.ts';

describe('doctor', () => {
  const clusters = useClusters();

  /** One finding of that kind and none of another that matters. */
  async function assertFound(
    { serversPath }: Pick<ChildCluster, 'serversPath'>,
    code: string,
    peers: readonly string[],
    seen: RegExp,
    fix: RegExp,
  ): Promise<void> {
    let latest: readonly Found[] = [];
    // What a peer knows of the others it learns by their messages: a moment may go by.
    await waitUntil(
      `${code} and nothing else`,
      async () => {
        const { findings } = await examine(serversPath);
        latest = findings;
        return findings.length === 1 && findings[0]?.code === code;
      },
      30_000,
      () => JSON.stringify(latest, undefined, 2),
    );
    const found = only(latest, code);
    assert.deepEqual(found.peers, peers);
    assert.match(found.seen, seen);
    assert.match(found.fix, fix);
  }

  it('finds nothing to mend in four healthy peers, and ends with 0', async () => {
    const { peers, serversPath } = await clusters.start({ settings: QUIET });
    for (let at = 0; at < 50; at += 1) await peers[at % 4]?.set(`k${at}`, String(at));
    await awaitEqualDigests(peers);
    let latest: readonly Found[] = [];
    const startMs = performance.now();
    await waitUntil(
      'nothing is found',
      async () => {
        const { code, findings } = await examine(serversPath);
        latest = findings;
        return code === 0 && findings.length === 0;
      },
      30_000,
      () => JSON.stringify(latest),
    );
    report(`four healthy peers examined within ${Math.round(performance.now() - startMs)} ms`);
    const { ended, lines } = await runCommand(['doctor', '--servers', serversPath]);
    if (ended.code === 0) assert.deepEqual(lines, ['out nothing to mend: alpha, beta, gamma, delta']);
  }).timeout(60_000);

  it('finds a servers.txt that was edited: before it is read, and after', async () => {
    const site = await clusters.start({ ids: ['alpha', 'beta', 'gamma'], settings: QUIET });
    // The file is everybody's: the one that is meant lies elsewhere.
    const meant = join(site.folder, 'meant.txt');
    const text = await readFile(site.serversPath, 'utf8');
    await writeFile(meant, text);
    await writeFile(site.serversPath, `${text}omega 127.0.0.1 12345\n`);
    const awaitCode = async (code: string, isAlone: boolean): Promise<Found> => {
      let latest: readonly Found[] = [];
      // A peer gives the same examination for a second.
      await waitUntil(
        code,
        async () => {
          latest = (await examine(meant)).findings;
          return latest.some((found) => found.code === code) && (!isAlone || latest.length === 1);
        },
        20_000,
        () => JSON.stringify(latest, undefined, 2),
      );
      return only(latest, code);
    };
    const edited = await awaitCode('serversEdited', true);
    assert.deepEqual(edited.peers, ['alpha', 'beta', 'gamma']);
    assert.match(edited.seen, /it has 'omega 127\.0\.0\.1 12345', which what it goes by has not/);
    assert.match(edited.fix, /toposphere reload --id beta/);
    await site.peer('beta').ask('TOPOSPHERE', 'RELOAD');
    await writeFile(site.serversPath, text);
    const differing = await awaitCode('serversDiffer', false);
    assert.deepEqual(differing.peers, ['beta']);
    assert.match(differing.seen, /it has 'omega 127\.0\.0\.1 12345', which .*meant\.txt has not/);
    assert.match(differing.fix, /toposphere reload --id beta/);
  }).timeout(60_000);

  it('finds a clock that is 3 s off', async () => {
    const site = await clusters.start({
      settings: { ...QUIET, allowFaults: true },
      settingsOf: { gamma: { clockOffsetMs: 3000 } },
    });
    await assertFound(
      site,
      'clock',
      ['gamma'],
      /the clock of gamma is 3\.\d s ahead of the others/,
      /install chrony/,
    );
  }).timeout(60_000);

  it('finds a peer behind a switch that delivers no multicast to it or from it', async () => {
    const site = await clusters.start({ settings: QUIET, programOf: { gamma: withMuted('deaf', 'mute') } });
    await assertFound(
      site,
      'multicastBlocked',
      ['gamma'],
      /gamma has joined .*hears nobody by multicast and is heard by nobody, while unicast works/,
      /UDP \d+ in through the firewall.*IGMP querier/,
    );
  }).timeout(60_000);

  it('suspects IGMP snooping where multicast reaches nobody, and tells a peer that only is deaf or could not join', async () => {
    const ids = ['alpha', 'beta', 'gamma'];
    const all = withMuted('deaf');
    const nowhere = await clusters.start({
      ids,
      settings: QUIET,
      programOf: { alpha: all, beta: all, gamma: all },
    });
    await assertFound(
      nowhere,
      'multicastBlocked',
      ids,
      /between none of alpha, beta, gamma/,
      /IGMP snooping/,
    );
    const deaf = await clusters.start({ ids, settings: QUIET, programOf: { beta: withMuted('deaf') } });
    await assertFound(
      deaf,
      'multicastBlocked',
      ['beta'],
      /beta .*hears nobody by multicast, and is heard/,
      /firewall of its machine/,
    );
    const notJoined = await clusters.start({
      ids,
      settings: QUIET,
      programOf: { beta: withMuted('notJoined') },
    });
    await assertFound(
      notJoined,
      'multicastNotJoined',
      ['beta'],
      /beta has not joined the group .* on its interface 127\.0\.0\.1/,
      /--multicast-interface/,
    );
  }).timeout(120_000);

  it('finds a peer of another group', async () => {
    const site = await clusters.start({
      ids: ['alpha', 'beta', 'gamma'],
      settings: QUIET,
      settingsOf: { beta: { multicastGroup: '239.195.255.254' } },
    });
    await assertFound(
      site,
      'settingsDiffer',
      ['beta'],
      /--multicast-group is not the same everywhere.* 239\.195\.255\.254 on beta.* by unicast/,
      /start beta again with --multicast-group/,
    );
  }).timeout(60_000);

  it('finds a receive buffer that the system did not grant', async function () {
    if (process.platform !== 'linux') this.skip();
    const limit = Number(await readFile('/proc/sys/net/core/rmem_max', 'utf8').catch(() => '0'));
    if (limit === 0 || limit >= 256 * 2 ** 20) this.skip();
    const asked = limit + 4096;
    const site = await clusters.start({
      ids: ['alpha', 'beta'],
      settings: QUIET,
      settingsOf: { beta: { receiveBufferBytes: asked } },
    });
    await assertFound(
      site,
      'receiveBuffer',
      ['beta'],
      new RegExp(`net\\.core\\.rmem_max is ${limit}`),
      new RegExp(`sysctl -w net\\.core\\.rmem_max=${asked} `),
    );
  }).timeout(60_000);

  it('finds a disk with less room than is to stay free', async () => {
    const { bavail, bsize } = await statfs('/tmp');
    const minFreeBytes = Math.min(2 ** 40, bavail * bsize * 4);
    const site = await clusters.start({
      ids: ['alpha', 'beta'],
      settings: QUIET,
      settingsOf: { beta: { minFreeBytes } },
    });
    await assertFound(
      site,
      'disk',
      ['beta'],
      /the disk of beta \(.*data\/beta\) has \d+ MiB free, and \d+ MiB are to stay free.*refuses writes/,
      /free some space/,
    );
  }).timeout(60_000);

  it('finds a peer with another cluster key, and does not call its silence a lost link', async () => {
    const site = await clusters.prepare({ settings: QUIET });
    const [right, wrong] = await Promise.all(
      ['right.key', 'wrong.key'].map(async (name) => {
        const path = join(site.folder, name);
        await writeFile(path, randomBytes(32).toString('hex'));
        await chmod(path, 0o600);
        return path;
      }),
    );
    const cluster = await clusters.start({ settings: { ...QUIET, clusterKeyFile: right } });
    const gamma = cluster.peer('gamma');
    await gamma.stop();
    const stranger = clusters.restarted(gamma, { clusterKeyFile: wrong });
    await stranger.start();
    await assertFound(
      cluster,
      'wrongKey',
      ['gamma'],
      /gamma sends is refused by alpha, beta, delta \(badSeal\).* under the same id 1/,
      /same cluster key file/,
    );
  }).timeout(90_000);

  it('finds by key ids who lacks a key, whose file was not read again, and what a change of the key waits for', async () => {
    const ids = ['alpha', 'beta', 'gamma'];
    const first = generateKeyText();
    const added = addKey(first, 'key').text;
    const promoted = promoteKey(added, 'key').text;
    const site = await clusters.prepare({ ids });
    const fileOf = (id: string): string => join(site.folder, `${id}.key`);
    const give = (id: string, text: string): Promise<void> => writeFile(fileOf(id), text, { mode: 0o600 });
    const settingsOf = Object.fromEntries(ids.map((id) => [id, { clusterKeyFile: fileOf(id) }]));
    for (const id of ids) await give(id, first);
    const cluster = await clusters.start({ ids, settings: QUIET, settingsOf });
    const take = async (id: string, text: string): Promise<void> => {
      await give(id, text);
      await cluster.peer(id).ask('TOPOSPHERE', 'RELOAD');
    };

    for (const id of ['alpha', 'beta']) await take(id, added);
    await assertFound(cluster, 'keyRotation', ['gamma'], /key 2 is not accepted yet by gamma/, /--id gamma$/);
    await give('gamma', added);
    await assertFound(
      cluster,
      'keyFileEdited',
      ['gamma'],
      /gamma\.key on gamma was changed since it was read: it holds key 1 and, accepted, 2/,
      /^toposphere reload --id gamma$/,
    );
    for (const id of ['alpha', 'beta']) await take(id, promoted);
    await give('gamma', first);
    await assertFound(
      cluster,
      'keyMissing',
      ['gamma'],
      /gamma does not have key 2, with which alpha, beta seal/,
      /copy the cluster key file of alpha to gamma \(mode 600\), then: toposphere reload --id gamma$/,
    );
    // The fix, carried out.
    await take('gamma', promoted);
    await assertFound(cluster, 'keyRotation', [], /every peer seals with key 2/, /^toposphere key retire/);
    const { lines } = await runCommand(['doctor', '--servers', cluster.serversPath, '--json'], 60_000);
    const said = lines.join('\n');
    assert.match(said, /"accepted"/);
    for (const secret of promoted.match(/[0-9a-f]{64}/g) ?? []) assert.ok(!said.includes(secret.slice(0, 8)));
  }).timeout(120_000);

  it('names a key that was planted in one store, one that was taken out, and no other', async () => {
    const { peers, peer, serversPath } = await clusters.start({ settings: QUIET });
    await Promise.all(Array.from({ length: 400 }, async (_, at) => peers[at % 4]?.set(`k${at}`, String(at))));
    await awaitEqualDigests(peers);
    const gamma = peer('gamma');
    await gamma.stop();
    await plantEntry(
      gamma.dataDirectory,
      'k123',
      (entry) => entry && { ...entry, value: Buffer.from('planted') },
    );
    await plantEntry(gamma.dataDirectory, 'k321', () => undefined);
    await gamma.start();
    await awaitTakingPart(peers);
    await waitUntil('gamma caught up', async () => (await gamma.status()).lagUpdates === 0);
    let latest: readonly Found[] = [];
    await waitUntil(
      'both are named',
      async () => {
        latest = (await examine(serversPath)).findings;
        return latest.length === 2;
      },
      30_000,
      () => JSON.stringify(latest, undefined, 2),
    );
    assert.deepEqual(
      latest.map(({ code, severity }) => [code, severity]),
      Array(2).fill(['keyDiffers', 'fault']),
    );
    assert.match(
      latest[0]?.seen ?? '',
      /^key k123 differs .*a value of .* on alpha, beta, delta; a value of .* on gamma$/,
    );
    assert.match(latest[1]?.seen ?? '', /^key k321 differs .*on alpha, beta, delta; absent on gamma$/);
    assert.match(latest[0]?.fix ?? '', /write the right value once more/);
    // The fix, carried out.
    await peers[0]?.set('k123', '123');
    await peers[1]?.set('k321', '321');
    await awaitEqualDigests(peers);
    assert.deepEqual((await examine(serversPath)).findings, []);
  }).timeout(90_000);

  it('takes for no difference what is written while it looks', async () => {
    const { peers, serversPath } = await clusters.start({ settings: QUIET });
    let isOver = false;
    let written = 0;
    const writing = Promise.all(
      peers.map(async (one) => {
        for (; !isOver; written += 1) await one.set(`busy:${written % 500}`, String(written));
      }),
    );
    const { findings } = await examine(serversPath).finally(() => {
      isOver = true;
    });
    await writing;
    assert.deepEqual(
      findings.filter(({ code }) => code === 'keyDiffers'),
      [],
    );
    report(
      `${written} writes while doctor looked; ${findings.map(({ code }) => code).join(' ') || 'nothing'} found`,
    );
    assert.ok(written > 100, `${written} writes`);
  }).timeout(60_000);

  it('tells a peer that was stopped from one that is cut off, and examines the others', async () => {
    const { peer, serversPath } = await clusters.start({
      settings: { ...QUIET, allowFaults: true, deadAfterMs: 1000 },
    });
    await peer('delta').stop();
    await peer('beta').faults('cut', 'gamma');
    await waitUntil('delta is missed', async () =>
      (await peer('alpha').status()).members.some(({ id, alive }) => id === 'delta' && !alive),
    );
    const { code, findings } = await examine(serversPath);
    assert.equal(code, 1);
    assert.match(only(findings, 'unreachable').seen, /delta does not run/);
    assert.match(only(findings, 'unreachable').fix, /toposphere serve --id delta/);
    assert.match(only(findings, 'rehearsed').seen, /beta: it is cut off from gamma/);
    assert.deepEqual(
      findings.filter(({ code: one }) => one === 'unheard'),
      [],
    );
  }).timeout(60_000);
});
