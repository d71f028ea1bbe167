/**
 * Default, file, environment, flag: which wins, and what a fault is called after where it stands.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ToposphereError } from '../../src/core/errors.ts';
import { resolveServeOptions } from '../../src/peer/configuration.ts';
import { readEnvironment } from '../../src/peer/environment.ts';
import { silentLogger } from '../../src/peer/logger.ts';
import { gatherSettings } from '../../src/peer/settingSources.ts';
import type { GivenSettings } from '../../src/peer/settingSources.ts';
import { environmentName, TUNABLE_NAMES } from '../../src/peer/tunables.ts';
import type { Settings } from '../../src/peer/tunables.ts';

let folder = '';

interface Sources {
  readonly file?: object | string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly flags?: Settings;
}

/** Gathers from a configuration file of this content, these variables and these flags. */
async function gatherFrom({ file = {}, environment = {}, flags = {} }: Sources): Promise<GivenSettings> {
  const config = join(folder, 'toposphere.json');
  await writeFile(config, typeof file === 'string' ? file : JSON.stringify(file));
  return gatherSettings({ settings: flags, config }, environment);
}

/** What `serve` would say, with the folder's path left out. */
async function refusalOf(sources: Sources): Promise<readonly string[]> {
  const servers = join(folder, 'servers.txt');
  await writeFile(servers, 'alpha 127.0.0.1 7401\n');
  const resolving = gatherFrom(sources).then(({ settings, origins }) =>
    resolveServeOptions({ servers, ...settings }, silentLogger, origins),
  );
  const error: unknown = await resolving.then(
    () => assert.fail('not refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ToposphereError, String(error));
  assert.equal(error.code, 'BAD_CONFIGURATION');
  return error.message.replaceAll(`${folder}/`, '').split('\n');
}

describe('the sources of settings', () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-sources-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('flags win over the environment, which wins over the file', async () => {
    const file = { keepaliveMs: 100, heartbeatMs: 100, deadAfterMs: 900, bootstrap: true };
    const environment = { TOPOSPHERE_HEARTBEAT_MS: '200', TOPOSPHERE_DEAD_AFTER_MS: '800' };
    const flags = { deadAfterMs: '700', bootstrap: false };
    const { settings, origins } = await gatherFrom({ file, environment, flags });
    assert.deepEqual(settings, {
      keepaliveMs: 100,
      heartbeatMs: '200',
      deadAfterMs: '700',
      bootstrap: false,
    });
    assert.deepEqual(origins.faults, []);
    assert.deepEqual(
      (['maxDriftMs', 'keepaliveMs', 'heartbeatMs', 'deadAfterMs', 'bootstrap'] as const).map(
        origins.sourceOf,
      ),
      ['default', 'file', 'environment', 'flag', 'flag'],
    );
  });

  it('every tunable has a variable of its own, and the environment sets them all', () => {
    const variables = TUNABLE_NAMES.map((name) => [environmentName(name), 'true'] as const);
    const { values, faults } = readEnvironment(Object.fromEntries(variables));
    assert.deepEqual(faults, []);
    assert.deepEqual(Object.keys(values), TUNABLE_NAMES);
    assert.equal(environmentName('dataDirectory'), 'TOPOSPHERE_DATA_DIRECTORY');
  });

  it('takes true, 1, false and 0 for a flag of the environment, and nothing else', async () => {
    for (const [text, value] of [
      ['true', true],
      ['1', true],
      ['false', false],
      ['0', false],
    ] as const) {
      const given = await gatherFrom({ environment: { TOPOSPHERE_OPEN_CLIENTS: text } });
      assert.deepEqual(given.settings, { openClients: value });
    }
    for (const text of ['yes', 'TRUE', ''])
      assert.deepEqual(await refusalOf({ environment: { TOPOSPHERE_OPEN_CLIENTS: text } }), [
        `TOPOSPHERE_OPEN_CLIENTS is '${text}'; use true or false`,
      ]);
  });

  it('refuses a variable that is no setting, naming the nearest', () => {
    const environment = {
      TOPOSPHERE_KEEPALIVE: '1',
      TOPOSPHERE_DATADIR: 'x',
      TOPOSPHERE_CONFG: 'x',
      TOPOSPHERE_: 'x',
      TOPOSPHERE_COLOUR: 'red',
      TOPOSPHERES: 'not ours',
      HOME: '/',
    };
    assert.deepEqual(readEnvironment(environment).faults, [
      'TOPOSPHERE_KEEPALIVE is not a setting; did you mean TOPOSPHERE_KEEPALIVE_MS? Otherwise unset it',
      'TOPOSPHERE_DATADIR is not a setting; did you mean TOPOSPHERE_DATA_DIRECTORY? Otherwise unset it',
      'TOPOSPHERE_CONFG is not a setting; did you mean TOPOSPHERE_CONFIG? Otherwise unset it',
      'TOPOSPHERE_ is not a setting; unset it',
      'TOPOSPHERE_COLOUR is not a setting; unset it',
    ]);
  });

  it('reports the faults of all sources together, each called as its source calls it', async () => {
    assert.deepEqual(
      await refusalOf({
        file: { keepaliveMs: 5, colour: 'red', clusterId: 'a b', acknowledge: 'maybe' },
        environment: {
          TOPOSPHERE_HEARTBEAT_MS: 'abc',
          TOPOSPHERE_COLOUR: 'red',
          TOPOSPHERE_MULTICAST_GROUP: '1',
        },
        flags: { maxDriftMs: '1.5', clientPort: '7401' },
      }),
      [
        'toposphere.json: colour is not a setting; take it out',
        'TOPOSPHERE_COLOUR is not a setting; unset it',
        'toposphere.json: keepaliveMs is 5; use 10 to 60000 (ms)',
        "toposphere.json: acknowledge is 'maybe'; use fast, committed, durable",
        "TOPOSPHERE_HEARTBEAT_MS is 'abc', not a whole number; use 10 to 60000 (ms)",
        "--max-drift-ms is '1.5', not a whole number; use 10 to 3600000 (ms)",
        "TOPOSPHERE_MULTICAST_GROUP is '1'; use an IPv4 group, best of 239.0.0.0/8, or an IPv6 group, best of ff12::/16",
        "toposphere.json: clusterId is 'a b'; use 1 to 32 characters of A-Z a-z 0-9 _ . -",
        "--client-port is 7401, the port of 'alpha' itself; choose another",
      ],
    );
  });

  it('calls the settings of a relation after their sources', async () => {
    assert.deepEqual(await refusalOf({ file: { keepaliveMs: 700 } }), [
      '--dead-after-ms is 2000, less than 3 times keepaliveMs of toposphere.json (700); use at least 2100',
    ]);
    assert.deepEqual(
      await refusalOf({
        file: { deadAfterMs: 1000 },
        environment: { TOPOSPHERE_KEEPALIVE_MS: '700' },
        flags: { clockOffsetMs: 5 },
      }),
      [
        'toposphere.json: deadAfterMs is 1000, less than 3 times TOPOSPHERE_KEEPALIVE_MS (700); use at least 2100',
        '--clock-offset-ms is 5, a rehearsed fault; add --allow-faults or leave it out',
      ],
    );
  });

  it('reports a value that is no good also where another source overrides it', async () => {
    assert.deepEqual(
      await refusalOf({
        file: { keepaliveMs: 5 },
        environment: { TOPOSPHERE_KEEPALIVE_MS: 'abc' },
        flags: { keepaliveMs: '100' },
      }),
      [
        'toposphere.json: keepaliveMs is 5; use 10 to 60000 (ms)',
        "TOPOSPHERE_KEEPALIVE_MS is 'abc', not a whole number; use 10 to 60000 (ms)",
      ],
    );
  });

  it('refuses a text that is empty, from whatever source', async () => {
    const empty = 'is empty; give it a value, or leave it out';
    assert.deepEqual(await refusalOf({ file: { dataDirectory: '' } }), [
      `toposphere.json: dataDirectory ${empty}`,
    ]);
    assert.deepEqual(await refusalOf({ environment: { TOPOSPHERE_DATA_DIRECTORY: '' } }), [
      `TOPOSPHERE_DATA_DIRECTORY ${empty}`,
    ]);
    assert.deepEqual(await refusalOf({ flags: { dataDirectory: '' } }), [`--data-directory ${empty}`]);
  });

  it('tells what is wrong with the other sources when the file cannot be read', async () => {
    const environment = { TOPOSPHERE_COLOUR: 'red', TOPOSPHERE_KEEPALIVE_MS: '5' };
    assert.deepEqual(await refusalOf({ file: '{ "id": 1', environment }), [
      'toposphere.json:1:10: is not JSON: unexpected end of input',
      'TOPOSPHERE_COLOUR is not a setting; unset it',
      'TOPOSPHERE_KEEPALIVE_MS is 5; use 10 to 60000 (ms)',
    ]);
  });

  it('reads the file that a flag names, else the one of the environment, and says which of them to correct', async () => {
    const file = join(folder, 'other.json');
    await writeFile(file, '{ "clusterId": "other" }');
    const variable = { TOPOSPHERE_CONFIG: file };
    const fromVariable = await gatherSettings({ settings: {}, config: undefined }, variable);
    assert.equal(fromVariable.settings.clusterId, 'other');
    assert.equal(fromVariable.origins.filePath, file);
    const both = await gatherFrom({ file: { clusterId: 'first' }, environment: variable });
    assert.equal(both.settings.clusterId, 'first');

    const missing = join(folder, 'none.json');
    await assert.rejects(gatherSettings({ settings: {}, config: missing }, variable), {
      message: `${missing}: cannot be read (ENOENT); correct --config`,
    });
    await assert.rejects(gatherSettings({ settings: {}, config: undefined }, { TOPOSPHERE_CONFIG: folder }), {
      message: `${folder}: cannot be read (EISDIR); correct TOPOSPHERE_CONFIG`,
    });
    await assert.rejects(gatherSettings({ settings: {}, config: undefined }, { TOPOSPHERE_CONFIG: '' }), {
      message: 'TOPOSPHERE_CONFIG is empty; give the path of a configuration file, or leave it out',
    });
  });
});
