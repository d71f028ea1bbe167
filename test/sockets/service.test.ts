/**
 * What runs a peer on a machine of its own: the systemd unit, and a user without rights.
 *
 * The unit is checked by systemd itself where it is installed, and against what the command needs; nothing is started by it here. A peer as
 * another user is a process that gives its rights up before the first line of ours, which only root can.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { SpawnSyncReturns } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLOSE_TIMEOUT_MS } from '../../src/cli/serve.ts';
import { buildArguments } from '../../src/cli/settingsOptions.ts';
import { ChildPeer } from './childPeer.ts';
import { useClusters } from './cluster.ts';
import { Command, MAIN } from './command.ts';

const UNIT = 'config/toposphere.service';
/** The user and group `nobody`, as Linux numbers them. */
const NOBODY = 65_534;
/** Of 100, as systemd-analyze counts what a service could do: Debian's own are at 90. */
const MOST_EXPOSURE = 30;

function analyze(words: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync('systemd-analyze', words, { encoding: 'utf8', timeout: 20_000 });
}

/** The unit with commands that are installed here. */
async function writeUnit(folder: string): Promise<string> {
  const path = join(folder, 'toposphere.service');
  const text = (await readFile(UNIT, 'utf8')).replace('=toposphere ', `=${process.execPath} ${MAIN} `);
  await writeFile(path, text);
  return path;
}

describe('the systemd unit', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-unit-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is one to systemd, and leaves the service few rights', async function () {
    if (analyze(['--version']).status !== 0) {
      console.log('      skipped: there is no systemd-analyze');
      this.skip();
    }
    const path = await writeUnit(folder);
    const verified = analyze(['verify', path]);
    assert.equal(`${verified.stdout}${verified.stderr}`, '');
    assert.equal(verified.status, 0);
    const judged = analyze(['security', '--offline=true', `--threshold=${MOST_EXPOSURE}`, path]);
    assert.equal(judged.status, 0, `${judged.stdout.split('\n').slice(-3).join('\n')}${judged.stderr}`);
  }).timeout(40_000);

  it('stops a peer no sooner than a clean stop may take', async () => {
    const [, seconds = ''] = /^TimeoutStopSec=(\d+)$/m.exec(await readFile(UNIT, 'utf8')) ?? [];
    const steps = (await readFile('src/cli/serve.ts', 'utf8')).match(/await endInTime\(/g) ?? [];
    assert.ok(steps.length > 0);
    assert.ok(
      Number(seconds) * 1000 > steps.length * CLOSE_TIMEOUT_MS,
      `${steps.length} steps of ${CLOSE_TIMEOUT_MS} ms`,
    );
  });

  it('starts a command that takes these settings', async () => {
    const [, line = ''] = /^ExecStart=toposphere (.*)$/m.exec(await readFile(UNIT, 'utf8')) ?? [];
    // The settings are looked at in full before servers.txt is found to be missing.
    const words = line.replaceAll('%S', folder).replaceAll('/etc/toposphere', folder);
    const command = new Command(words.split(' '));
    assert.deepEqual(await command.awaitEnd(), { code: 1, signal: null });
    assert.deepEqual(command.errorLines.map((said) => said.replace(/: .*?: /, ': ')).sort(), [
      'toposphere: cannot be read (ENOENT); give the path of servers.txt with --servers',
      'toposphere: client password cannot be read (ENOENT); correct the path',
      'toposphere: cluster key cannot be read (ENOENT); correct the path',
    ]);
  });
});

describe('a user without rights', () => {
  const clusters = useClusters();
  const program = [
    '--import',
    `data:text/javascript,process.setgroups([]);process.setgid(${NOBODY});process.setuid(${NOBODY})`,
    MAIN,
  ];

  before(function () {
    const isRoot = process.getuid?.() === 0;
    const ls = isRoot ? spawnSync('ls', [MAIN], { uid: NOBODY, gid: NOBODY }) : undefined;
    if (ls?.status === 0) return;
    console.log(
      `      skipped: ${isRoot ? 'other users cannot read this folder' : 'only root can become one'}`,
    );
    this.skip();
  });

  it('runs a peer in a folder of its own', async () => {
    const site = await clusters.prepare({ ids: ['alpha'] });
    await chown(site.folder, NOBODY, NOBODY);
    const alpha = new ChildPeer('alpha', site.ports.get('alpha') ?? 0, site.settings, program);
    clusters.onEnd(() => alpha.kill());
    await alpha.start();
    assert.match(
      await readFile(`/proc/${alpha.pid}/status`, 'utf8'),
      new RegExp(`^Uid:\\t${NOBODY}\\t`, 'm'),
    );
    await alpha.set('a', '1');
    await alpha.stop();
    await alpha.start();
    assert.equal(await alpha.get('a'), '1');
  }).timeout(30_000);

  it('is told that the data directory is not writable', async () => {
    const site = await clusters.prepare({ ids: ['alpha'] });
    await chmod(site.folder, 0o755);
    const dataDirectory = join(site.folder, 'data');
    await mkdir(dataDirectory);
    const words = ['serve', ...buildArguments({ ...site.settings, id: 'alpha', dataDirectory })];
    const command = new Command(words, false, program);
    clusters.onEnd(() => command.kill());
    assert.deepEqual(await command.awaitEnd(), { code: 1, signal: null });
    const said = command.errorLines.filter((line) => !line.includes('smallReceiveBuffer'));
    assert.equal(said.length, 1, said.join('\n'));
    assert.match(
      said[0] ?? '',
      /^toposphere: opening .*alpha failed: EACCES: .*The peer needs a directory that it may read and write/,
    );
    assert.equal(existsSync(join(dataDirectory, 'alpha')), false);
  }).timeout(30_000);
});
