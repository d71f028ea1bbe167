/**
 * The package as a user gets it: packed, installed into an empty folder from the registry, imported, and taken along the README's path.
 *
 * Three peers are started, converge, a fourth is added, one moves, one is forgotten: on one machine with a port each, and where root allows on hosts of
 * their own, network namespaces on a bridge, each behind a firewall. The lines that make the key, start a peer and open the firewall are the README's own.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, constants, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { findGroup, findPeerPorts } from '../ports.ts';
import { ensureBuilt } from './command.ts';
import { ShellHost } from './shellHost.ts';
import { report, waitUntil } from './waiting.ts';

const run = promisify(execFile);
const IDS = ['alpha', 'beta', 'gamma', 'delta'] as const;
const INSTALL_TIMEOUT_MS = 120_000;
/** What stands beside dist in the package; config grows with what an operator may want to copy. */
const BESIDE = ['ARCHITECTURE.md', 'CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'];
/** How npm says that there is no registry to be had. */
const NO_REGISTRY = /ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|E40[13]/;

/** Files below `folder`, relative to it, in order. */
async function listFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** The lines of the README that follow `heading` up to the next one, and stand in a block. */
async function readmeLines(heading: string): Promise<readonly string[]> {
  const [, after = ''] = (await readFile('README.md', 'utf8')).split(`\n## ${heading}\n`);
  const [section = ''] = after.split('\n## ');
  return section
    .split('\n')
    .filter((line) => line.startsWith('    '))
    .map((line) => line.replace(/ +# .*$/, '').trim());
}

/** Hosts are namespaces of these names with a number each, on a bridge in one more. */
const NAMESPACES = 'tl-ipv6-';
const SWITCH = `${NAMESPACES}switch`;

/** Where gamma moves to; its host has both. */
const LATER_ADDRESS = 'fd00:7078::33';
/** What the README takes for granted: a table that lets in only answers, the machine itself and the neighbours' ICMP. */
const FIREWALL = [
  'nft add table inet filter',
  "nft add chain inet filter input '{ type filter hook input priority 0; policy drop; }'",
  'nft add rule inet filter input ct state established,related accept',
  'nft add rule inet filter input iif lo accept',
  'nft add rule inet filter input meta l4proto ipv6-icmp accept',
];

function addressOf(index: number): string {
  return `fd00:7078::${index + 1}`;
}

/** One network card a host, all on one bridge. */
async function wireUp(count: number): Promise<void> {
  const ip = (words: string): Promise<unknown> => run('ip', words.split(' '));
  await takeDown();
  await ip(`netns add ${SWITCH}`);
  await ip(`-n ${SWITCH} link add lan type bridge mcast_snooping 0`);
  await ip(`-n ${SWITCH} link set lan up`);
  for (let index = 0; index < count; index += 1) {
    const host = `${NAMESPACES}${index}`;
    await ip(`netns add ${host}`);
    await ip(`-n ${SWITCH} link add port${index} type veth peer name eth0 netns ${host}`);
    await ip(`-n ${SWITCH} link set port${index} master lan up`);
    for (const card of ['lo', 'eth0']) await ip(`-n ${host} link set ${card} up`);
    await ip(`-n ${host} addr add ${addressOf(index)}/64 dev eth0 nodad`);
    if (index === 2) await ip(`-n ${host} addr add ${LATER_ADDRESS}/64 dev eth0 nodad`);
  }
}

/** Also what an earlier run that was killed has left. */
async function takeDown(): Promise<void> {
  const { stdout } = await run('ip', ['netns', 'list']);
  const names = stdout.split('\n').map((line) => line.split(' ')[0] ?? '');
  for (const name of names.filter((one) => one.startsWith(NAMESPACES)))
    await run('ip', ['netns', 'del', name]);
}

describe('the packed package', () => {
  let folder = '';
  let installed = '';
  const hosts: ShellHost[] = [];
  const releases: (() => Promise<unknown>)[] = [];

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    ensureBuilt();
    folder = await mkdtemp(join(tmpdir(), 'toposphere-packed-'));
    const packing = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
    const tarball = join(folder, (await run('npm', packing)).stdout.trim());
    const home = join(folder, 'home');
    await mkdir(home);
    const installing = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--silent', tarball];
    const failure = await run('npm', installing, { cwd: home }).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    if (failure !== undefined && NO_REGISTRY.test(failure)) {
      console.log('      skipped: the registry cannot be reached');
      this.skip();
    }
    assert.equal(failure, undefined);
    installed = join(home, 'node_modules', 'toposphere');
  });

  afterEach(async function () {
    if (this.currentTest?.state === 'failed') for (const host of hosts) console.log(host.log.join('\n'));
    await Promise.all(hosts.splice(0).map((host) => host.end()));
    for (const release of releases.splice(0).reverse()) await release();
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it('holds what was built of each source, what an operator copies, and nothing else', async () => {
    const sources = (await listFiles('src')).filter(
      (name) => name.endsWith('.ts') && !name.endsWith('.d.ts') && !name.startsWith('cli/'),
    );
    const built = sources.flatMap((name) => {
      const stem = `dist/${name.replace(/\.ts$/, '')}`;
      return [`${stem}.d.ts`, `${stem}.js`];
    });
    const config = (await listFiles('config')).map((name) => `config/${name}`);
    assert.ok(config.includes('config/toposphere.service'));
    assert.deepEqual(
      (await listFiles(installed)).filter((name) => !name.startsWith('dist/bin/')),
      [...BESIDE, ...config, ...built].sort(),
      'what an older build left? remove dist',
    );
    const main = join(installed, 'dist/bin/toposphere.js');
    assert.match(await readFile(main, 'utf8'), /^#!\/usr\/bin\/env node\n/);
    await access(main, constants.X_OK);
  });

  it('is imported by a program, types included', async () => {
    const home = join(installed, '../..');
    const program = [
      "import { Peer, ToposphereError } from 'toposphere';",
      "import { simulate } from 'toposphere/simulator';",
      'const open: typeof Peer.open = (settings, logger) => Peer.open(settings, logger);',
      "const kept: Promise<string> = open({ servers: '/nowhere/servers.txt' }).then(",
      "  (peer) => peer.getText('a') ?? '',",
      '  (error: unknown) => (error instanceof ToposphereError ? error.code : String(error)),',
      ');',
      '// @ts-expect-error a seed is a number',
      "const wrong: Parameters<typeof simulate>[0] = { seed: 'x' };",
      'console.log(await kept, typeof wrong, typeof simulate);',
    ];
    await writeFile(join(home, 'program.mts'), program.join('\n'));
    const compiler = join(process.cwd(), 'node_modules/typescript/bin/tsc');
    const types = ['--types', 'node', '--typeRoots', join(process.cwd(), 'node_modules/@types')];
    const options = ['--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2023', ...types];
    await run(process.execPath, [compiler, ...options, 'program.mts'], { cwd: home }).catch(
      (error: unknown) => {
        throw new Error(String((error as { stdout?: string }).stdout));
      },
    );
    const { stdout } = await run(process.execPath, ['program.mjs'], { cwd: home });
    assert.equal(stdout.trim(), 'BAD_CONFIGURATION object function');
  }).timeout(60_000);

  /** The README's path. `lines` are those of servers.txt, `moved` gamma's later one, `more` what each start needs beside the README's line. */
  async function walk(lines: string[], moved: string, more: (index: number) => string): Promise<void> {
    const typed = await readmeLines('On several machines');
    const serve = typed.find((line) => line.startsWith('toposphere serve ')) ?? '';
    const [first, second, third, fourth] = hosts;
    assert.ok(serve !== '' && first && second && third && fourth);
    const write = (host: ShellHost, count: number): Promise<void> =>
      writeFile(join(host.folder, 'servers.txt'), `${lines.slice(0, count).join('\n')}\n`);
    const tell = (host: ShellHost, words: string): Promise<string> => {
      const id = IDS[hosts.indexOf(host)] ?? '';
      return host.type(`toposphere ${words} --servers servers.txt --id ${id}`);
    };
    // One key and one password, copied to each.
    for (const secret of ['cluster.key', 'client.password']) {
      const making = typed.find((line) => new RegExp(`[ >]${secret}\\)?$`).test(line) && line !== serve);
      await first.type(making ?? assert.fail(`the README makes no ${secret}`));
      for (const host of [second, third, fourth])
        await cp(join(first.folder, secret), join(host.folder, secret));
    }
    const members = [first, second, third];
    for (const host of members) await write(host, 3);
    await Promise.all(members.map((host, index) => host.start(`${serve} ${more(index)}`)));
    await tell(first, 'wait-ready');
    await tell(first, 'set greeting hello');
    await waitUntil(
      'the greeting at gamma',
      async () => (await tell(third, 'get greeting').catch(() => '')) === 'hello',
    );

    for (const host of hosts) await write(host, 4);
    for (const host of members) assert.match(await tell(host, 'reload'), /delta (?:admitted|is now at)/);
    await fourth.start(`${serve} ${more(3)}`);
    await tell(fourth, 'wait-ready');
    assert.equal(await tell(fourth, 'get greeting'), 'hello');

    await third.stop();
    lines[2] = moved;
    for (const host of hosts) await write(host, 4);
    for (const host of [first, second, fourth])
      assert.match(await tell(host, 'reload'), /gamma is now at|nothing new/);
    await third.start(`${serve} ${more(2)}`);
    await tell(third, 'wait-ready');
    await tell(third, 'set moved there');
    await waitUntil(
      'news of gamma at delta',
      async () => (await tell(fourth, 'get moved').catch(() => '')) === 'there',
    );

    await second.stop();
    assert.match(await tell(first, 'forget beta --yes').catch(String), /beta/);
    for (const host of [first, third, fourth]) {
      const kept = `${[lines[0], lines[2], lines[3]].join('\n')}\n`;
      await writeFile(join(host.folder, 'servers.txt'), kept);
      await tell(host, 'reload');
    }
    await tell(fourth, 'set after forgetting');
    await waitUntil('equal digests of the three', () =>
      first.type('toposphere digest --servers servers.txt').then(
        () => true,
        () => false,
      ),
    );
    assert.equal(await tell(first, 'get after'), 'forgetting');
  }

  async function addHost(prefix: readonly string[] = []): Promise<void> {
    const home = join(folder, `${hosts.length}-${Date.now()}`);
    await mkdir(home);
    hosts.push(new ShellHost(home, join(installed, '../.bin'), prefix));
  }

  it('goes the README’s path on one machine', async () => {
    const ports = await findPeerPorts(IDS.length + 1);
    const group = await findGroup();
    while (hosts.length < IDS.length) await addHost();
    const began = performance.now();
    await walk(
      IDS.map((id, index) => `${id} 127.0.0.1 ${ports[index] ?? 0}`),
      `gamma 127.0.0.1 ${ports[IDS.length] ?? 0}`,
      (index) => `--id ${IDS[index] ?? ''} --multicast-group ${group.group} --multicast-port ${group.port}`,
    );
    report(`the README's path on one machine took ${Math.round(performance.now() - began)} ms`);
  }).timeout(90_000);

  it('goes it on hosts of their own too, with IPv6 addresses and multicast', async function () {
    const refused = await wireUp(IDS.length).then(
      () => (process.getuid?.() === 0 ? undefined : 'only root can make network namespaces'),
      (error: unknown) => String(error),
    );
    releases.push(takeDown);
    if (refused !== undefined) {
      console.log(`      skipped: ${refused}`);
      this.skip();
    }
    const opening = (await readmeLines('On several machines')).filter((line) => line.startsWith('nft '));
    assert.equal(opening.length, 2);
    for (const index of IDS.keys()) {
      await addHost(['ip', 'netns', 'exec', `${NAMESPACES}${index}`]);
      for (const line of [...FIREWALL, ...opening]) await hosts[index]?.type(line);
    }
    await walk(
      IDS.map((id, index) => `${id} ${addressOf(index)} 7401`),
      `gamma ${LATER_ADDRESS} 7401`,
      () => '',
    );
    const status = (): Promise<string> =>
      hosts[0]?.type('toposphere status --servers servers.txt') ?? Promise.resolve('');
    await waitUntil('multicast heard', async () => !/\(unicast\)|\(one way\)/.test(await status()));
  }).timeout(120_000);
});
