/**
 * The configuration file: what it may say, what each fault of it is called, and that its schema says the same.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { ToposphereError } from '../../src/core/errors.ts';
import { parseConfiguration } from '../../src/peer/configurationFile.ts';
import { renderSchema } from '../../src/peer/configurationSchema.ts';
import { TUNABLE_NAMES, TUNABLES } from '../../src/peer/tunables.ts';
import type { Tunable, TunableName } from '../../src/peer/tunables.ts';
import { findValueFault } from '../../src/peer/tunableValue.ts';

const NAME = 'config/toposphere.json';
const SCHEMA_FILE = new URL('../../config/toposphere.schema.json', import.meta.url);
const SHIPPED_FILE = new URL('../../config/toposphere.json', import.meta.url);

async function faultsOf(text: string): Promise<readonly string[]> {
  return (await parseConfiguration(text, NAME)).faults;
}

async function refusalOf(text: string): Promise<string> {
  const outcome = await parseConfiguration(text, NAME).then(
    () => assert.fail(`not refused: ${text}`),
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof ToposphereError, String(outcome));
  assert.equal(outcome.code, 'BAD_CONFIGURATION');
  return outcome.message;
}

/** Values around the bounds of a tunable, good and bad, and of every type of JSON. */
function valuesToTry(tunable: Tunable): readonly unknown[] {
  const anyType = ['', 'some text', '250', true, false, 7, null, [], {}];
  if (tunable.kind === 'text') return [...anyType, ...(tunable.choices ?? [])];
  if (tunable.kind === 'flag') return anyType;
  const { minimum, maximum } = tunable;
  return [...anyType, minimum, maximum, minimum - 1, maximum + 1, minimum + 0.5];
}

/** Whether the file, with this value alone, would be let through. */
async function isTaken(name: TunableName, value: unknown): Promise<boolean> {
  const { values, faults } = await parseConfiguration(JSON.stringify({ [name]: value }), NAME);
  const given = values[name];
  return faults.length === 0 && given !== undefined && findValueFault(TUNABLES[name], given) === undefined;
}

describe('the configuration file', () => {
  it('sets numbers, texts and flags by the names of the tunables', async () => {
    const text = '{ "$schema": "./x.json", "keepaliveMs": 100, "clusterId": "shop", "openClients": true }';
    assert.deepEqual(await parseConfiguration(text, NAME), {
      path: NAME,
      values: { keepaliveMs: 100, clusterId: 'shop', openClients: true },
      faults: [],
    });
    assert.deepEqual((await parseConfiguration('\uFEFF{}\r\n', NAME)).values, {});
  });

  it('has relative paths begin at its own folder, whatever the working directory is', async () => {
    const text = '{ "servers": "servers.txt", "dataDirectory": "/var/lib/x", "clusterKeyFile": "../key" }';
    assert.deepEqual((await parseConfiguration(text, '/etc/toposphere/a.json')).values, {
      servers: '/etc/toposphere/servers.txt',
      dataDirectory: '/var/lib/x',
      clusterKeyFile: '/etc/key',
    });
    assert.deepEqual((await parseConfiguration(text, NAME)).values, {
      servers: 'config/servers.txt',
      dataDirectory: '/var/lib/x',
      clusterKeyFile: 'key',
    });
  });

  it('knows every path among the settings, and takes no other text for one', () => {
    for (const name of TUNABLE_NAMES) {
      const tunable: Tunable = TUNABLES[name];
      if (tunable.kind !== 'text') continue;
      const saysSo = /^(?:path of|folder)/.test(tunable.meaning);
      assert.equal(tunable.isPath === true, saysSo, `${name}: isPath, or a meaning that begins as a path's`);
    }
  });

  it('says line and column where it is not JSON', async () => {
    const refusals: readonly (readonly [string, string])[] = [
      ['{\n  "id": "alpha",\n}', ":3:1: is not JSON: unexpected '}'"],
      ['{\n  "id": alpha\n}', ":2:9: is not JSON: unexpected character 'a'"],
      ['{\n  // why\n}', ":2:3: is not JSON: unexpected character '/'"],
      ['{ "id" "alpha" }', ':1:8: is not JSON: unexpected string'],
      ['{ "id": "alpha"', ':1:16: is not JSON: unexpected end of input'],
      ['', ':1:1: is not JSON: unexpected end of input'],
      ['[]', ': holds no object; write { "name": value, ... }'],
      ['"alpha"', ': holds no object; write { "name": value, ... }'],
    ];
    for (const [text, said] of refusals) assert.equal(await refusalOf(text), `${NAME}${said}`);
  });

  it('names a key that is no setting, the nearest that is one, and never its value', async () => {
    assert.deepEqual(
      await faultsOf('{ "keepAliveMS": 1, "clusterKey": "abab", "data-directory": "x", "colour": "red" }'),
      [
        `${NAME}: keepAliveMS is not a setting; did you mean keepaliveMs?`,
        `${NAME}: clusterKey is not a setting; did you mean clusterKeyFile?`,
        `${NAME}: data-directory is not a setting; did you mean dataDirectory?`,
        `${NAME}: colour is not a setting; take it out`,
      ],
    );
    assert.deepEqual(await faultsOf('{ "__proto__": { "id": "x" }, "constructor": 1 }'), [
      `${NAME}: __proto__ is not a setting; take it out`,
      `${NAME}: constructor is not a setting; take it out`,
    ]);
  });

  it('refuses values of another type, each with what to write', async () => {
    assert.deepEqual(
      await faultsOf(
        '{ "keepaliveMs": "250", "id": 7, "clusterId": null, "bootstrap": "yes", "servers": [1] }',
      ),
      [
        `${NAME}: keepaliveMs is a text; write a number without quotes, 10 to 60000 (ms)`,
        `${NAME}: id is 7; write a text in double quotes`,
        `${NAME}: clusterId is null; write a text in double quotes`,
        `${NAME}: bootstrap is a text; write true or false without quotes`,
        `${NAME}: servers is a list; write a text in double quotes`,
      ],
    );
    assert.deepEqual(await faultsOf('{ "$schema": 1 }'), [`${NAME}: $schema must be a text`]);
  });

  it('refuses a key that is there twice', async () => {
    assert.deepEqual(await faultsOf('{ "keepaliveMs": 100,\n "id": "a",\n "keepaliveMs": 200 }'), [
      `${NAME}: keepaliveMs is there twice, on lines 1 and 3; keep one`,
    ]);
  });
});

describe('the schema of the configuration file', () => {
  it('in config/ is the one that the tunables generate', () => {
    assert.equal(readFileSync(SCHEMA_FILE, 'utf8'), renderSchema(), 'write it anew with: npm run schema');
  });

  it('allows what a peer takes, and nothing else', async () => {
    const isValid = new Ajv({ strict: true }).compile(JSON.parse(renderSchema()));
    for (const name of TUNABLE_NAMES) {
      for (const value of valuesToTry(TUNABLES[name])) {
        const said = `${name}: ${JSON.stringify(value)}`;
        assert.equal(isValid({ [name]: value }), await isTaken(name, value), said);
      }
    }
    assert.ok(isValid({ $schema: './toposphere.schema.json' }));
    assert.ok(!isValid({ keepAliveMs: 100 }));
  });

  it('is named by the file that is shipped, which sets nothing', async () => {
    const text = readFileSync(SHIPPED_FILE, 'utf8');
    assert.deepEqual(await parseConfiguration(text, NAME), { path: NAME, values: {}, faults: [] });
    const { $schema } = JSON.parse(text) as { readonly $schema: string };
    assert.equal(new URL($schema, SHIPPED_FILE).href, SCHEMA_FILE.href);
  });
});
