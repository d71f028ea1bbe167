/**
 * `config`, and what the file and the environment do to every command, as users meet it.
 */
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PEER_TUNABLE_NAMES, TUNABLES } from '../../src/peer/tunables.ts';
import { bulk, startFakePeer } from './fakePeer.ts';
import { runCommand } from './runCommand.ts';
import type { Outcome } from './runCommand.ts';

type Variables = Readonly<Record<string, string>>;

interface Row {
  readonly name: string;
  readonly value: unknown;
  readonly unit: string | null;
  readonly source: string;
}

describe('configuration on the command line', function () {
  // Each command is a process of its own; several at a time share this machine with other tests.
  this.timeout(60_000);
  let folder = '';

  const write = async (name: string, text: string): Promise<void> => {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  };
  const configure = (settings: object): Promise<void> =>
    write('config/toposphere.json', JSON.stringify(settings));
  const run = (words: readonly string[], environment?: Variables): Promise<Outcome> =>
    runCommand(words, folder, environment);

  /** What `config --json` says of one setting. */
  async function effective(
    name: string,
    words: readonly string[] = [],
    environment?: Variables,
  ): Promise<readonly unknown[]> {
    const { output, errors } = await run(['config', '--json', ...words], environment);
    assert.equal(errors, '');
    const { settings } = JSON.parse(output.toString()) as { readonly settings: readonly Row[] };
    const row = settings.find((setting) => setting.name === name);
    return [row?.value, row?.source];
  }

  /** Fails unless the command printed nothing, ended with 1 and was refused with exactly these lines. */
  async function assertRefused(
    words: readonly string[],
    lines: readonly string[],
    environment?: Variables,
  ): Promise<void> {
    const { code, output, errors } = await run(words, environment);
    assert.deepEqual(
      errors.trimEnd().split('\n'),
      lines.map((line) => `toposphere: ${line}`),
    );
    assert.equal(output.toString(), '');
    assert.equal(code, 1);
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-config-'));
    await write('config/servers.txt', 'alpha 127.0.0.1 7401\n');
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('prints a row for each setting, with what follows from others in place of a missing default', async () => {
    await configure({ keepaliveMs: 100 });
    const { code, output, errors } = await run(['config', '--client-port', '6500'], {
      TOPOSPHERE_DATA_DIRECTORY: 'the data',
    });
    assert.equal(errors, '');
    assert.equal(code, 0);
    const lines = output.toString().trimEnd().split('\n');
    assert.equal(lines[0], 'configuration file: config/toposphere.json');
    assert.match(lines[1] ?? '', /^name +value +unit +source$/);
    assert.deepEqual(
      lines.slice(2).map((line) => line.split(' ')[0]),
      PEER_TUNABLE_NAMES,
    );
    for (const row of [
      /^id +alpha +- +default$/m,
      /^dataDirectory +"the data" +- +environment$/m,
      /^checkpointDirectory +"the data" +- +default$/m,
      /^clusterKeyFile +- +- +default$/m,
      /^multicastInterface +127\.0\.0\.1 +- +default$/m,
      /^keepaliveMs +100 +ms +file$/m,
      /^bootstrap +false +- +default$/m,
      /^clientHost +127\.0\.0\.1 +- +default$/m,
      /^clientPort +6500 +port +flag$/m,
    ])
      assert.match(output.toString(), row);
  });

  it('prints the same as JSON, with a number for each number', async () => {
    const { output } = await run(['config', '--json', '--keepalive-ms', '100']);
    const { file, settings } = JSON.parse(output.toString()) as {
      readonly file: unknown;
      readonly settings: readonly Row[];
    };
    assert.equal(file, null);
    assert.deepEqual(
      settings.map(({ name }) => name),
      PEER_TUNABLE_NAMES,
    );
    assert.deepEqual(
      settings.find(({ name }) => name === 'keepaliveMs'),
      {
        name: 'keepaliveMs',
        value: 100,
        unit: 'ms',
        source: 'flag',
      },
    );
    for (const { name, value } of settings)
      if (TUNABLES[name as keyof typeof TUNABLES].kind === 'number' && name !== 'clientTlsPort')
        assert.equal(typeof value, 'number', name);
    assert.equal(settings.find(({ name }) => name === 'clientTlsPort')?.value, null, 'none unless given');
  });

  it('lets each source win over the one below it', async () => {
    const variable = { TOPOSPHERE_HEARTBEAT_MS: '300' };
    const flag = ['--heartbeat-ms', '200'];
    assert.deepEqual(await effective('heartbeatMs'), [500, 'default']);
    assert.deepEqual(await effective('heartbeatMs', [], variable), [300, 'environment']);
    assert.deepEqual(await effective('heartbeatMs', flag), [200, 'flag']);
    await configure({ heartbeatMs: 400 });
    assert.deepEqual(await effective('heartbeatMs'), [400, 'file']);
    assert.deepEqual(await effective('heartbeatMs', [], variable), [300, 'environment']);
    assert.deepEqual(await effective('heartbeatMs', flag), [200, 'flag']);
    assert.deepEqual(await effective('heartbeatMs', flag, variable), [200, 'flag']);
  });

  it('lets a flag take back what the file switches on', async () => {
    await configure({ allowFaults: true });
    assert.deepEqual(await effective('allowFaults'), [true, 'file']);
    assert.deepEqual(await effective('allowFaults', ['--no-allow-faults']), [false, 'flag']);
    assert.deepEqual(await effective('allowFaults', [], { TOPOSPHERE_ALLOW_FAULTS: '0' }), [
      false,
      'environment',
    ]);
  });

  it('reads another file when one is named, which must be there', async () => {
    await configure({ clusterId: 'first' });
    await write('etc/other.json', '{ "clusterId": "second", "servers": "servers.txt" }');
    await write('etc/servers.txt', 'alpha 127.0.0.1 7401\n');
    const named = { TOPOSPHERE_CONFIG: 'etc/other.json' };
    assert.deepEqual(await effective('clusterId'), ['first', 'file']);
    assert.deepEqual(await effective('clusterId', ['--config', 'etc/other.json']), ['second', 'file']);
    assert.deepEqual(await effective('servers', [], named), ['etc/servers.txt', 'file']);
    assert.deepEqual(await effective('clusterId', ['--config=config/toposphere.json'], named), [
      'first',
      'file',
    ]);
    const missing = ['none.json: cannot be read (ENOENT); correct --config'];
    await assertRefused(['config', '--config', 'none.json'], missing);
    await assertRefused(['get', 'a', '--config', 'none.json'], missing);
  });

  it('never prints what the file of a secret holds', async () => {
    const secret = 'ab'.repeat(32);
    await write('config/key', secret);
    await chmod(join(folder, 'config/key'), 0o600);
    await configure({ clusterKeyFile: 'key' });
    const shown = await run(['config']);
    assert.match(shown.output.toString(), /^clusterKeyFile +config\/key +- +file$/m);
    await configure({ clusterKeyFile: 'key', clusterKey: secret });
    for (const { output, errors } of [shown, await run(['config']), await run(['config', '--json'])])
      assert.ok(!`${output.toString()}${errors}`.includes(secret));
  });

  const faulty = { keepaliveMs: 5, colour: 'red', openClients: 'yes' };
  const environment = { TOPOSPHERE_KEEPALIVE: '7', TOPOSPHERE_BOOTSTRAP: 'yes' };
  const faults = [
    'config/toposphere.json: colour is not a setting; take it out',
    'config/toposphere.json: openClients is a text; write true or false without quotes',
    'TOPOSPHERE_KEEPALIVE is not a setting; did you mean TOPOSPHERE_KEEPALIVE_MS? Otherwise unset it',
    'config/toposphere.json: keepaliveMs is 5; use 10 to 60000 (ms)',
    "TOPOSPHERE_BOOTSTRAP is 'yes'; use true or false",
  ];
  for (const command of ['config', 'serve', 'up', 'restore'] as const) {
    it(`${command}: all faults of all sources, a line each, nothing written`, async () => {
      await configure(faulty);
      await assertRefused(
        [command, '--max-drift-ms', '5', '--servers', 'none.txt'],
        [
          ...faults,
          '--max-drift-ms is 5; use 10 to 3600000 (ms)',
          'none.txt: cannot be read (ENOENT); give the path of servers.txt with --servers',
        ],
        environment,
      );
      assert.deepEqual(await readdir(folder), ['config']);
    });
  }

  it('client commands are refused for the same faults, also when --peer says whom to ask', async () => {
    await configure(faulty);
    await assertRefused(['status'], faults, environment);
    await assertRefused(['get', 'a', '--peer', '127.0.0.1:1'], faults, environment);
  });

  it('client commands find servers.txt where the file or the environment says', async () => {
    const peer = await startFakePeer(() => bulk('found'));
    try {
      await write('lan/servers.txt', `alpha 127.0.0.1 ${peer.port + 1000}\n`);
      await configure({ servers: '../lan/servers.txt', id: 'beta' });
      const found = await run(['get', 'a']);
      assert.equal(`${found.output.toString()}${found.errors}`, 'found\n');
      await configure({});
      const again = await run(['get', 'a'], { TOPOSPHERE_SERVERS: 'lan/servers.txt' });
      assert.equal(`${again.output.toString()}${again.errors}`, 'found\n');
    } finally {
      await peer.close();
    }
  });

  it('up refuses what can be set for one peer alone', async () => {
    await configure({ clientPort: 6500 });
    await assertRefused(
      ['up'],
      [
        'config/toposphere.json: clientPort is set for one peer, and up starts several; leave it out, or use: toposphere serve',
        'TOPOSPHERE_ID is set for one peer, and up starts several; leave it out, or use: toposphere serve',
      ].reverse(),
      { TOPOSPHERE_ID: 'alpha' },
    );
    const { code, errors } = await run(['up'], { TOPOSPHERE_CLIENT_TLS_PORT: '6501' });
    assert.equal(code, 1);
    assert.match(
      errors,
      /^toposphere: TOPOSPHERE_CLIENT_TLS_PORT is set for one peer, and up starts several/m,
    );
  });
});
