/**
 * SCAN, KEYS and TOPOSPHERE RANGE: complete while keys change, bounded in what they remember.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Key } from '../../src/core/types.ts';
import type { Backend } from '../../src/peer/backend.ts';
import { keysWithPrefix } from '../../src/server/prefixedKeys.ts';
import { createScanCursors } from '../../src/server/scanCursors.ts';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import type { RedisClientType } from 'redis';
import { createClient } from 'redis';
import type { MapBackend } from './mapBackend.ts';
import { createMapBackend } from './mapBackend.ts';

describe('scan', () => {
  let backend: MapBackend;
  let server: RedisServer;
  let client: RedisClientType;

  beforeEach(async () => {
    backend = createMapBackend();
    server = await startRedisServer({ backend, host: '127.0.0.1', port: 0 });
    client = createClient({ url: `redis://127.0.0.1:${server.port}` });
    await client.connect();
  });

  afterEach(async () => {
    client.destroy();
    await server.close();
  });

  async function step(...words: string[]): Promise<[cursor: string, keys: string[]]> {
    const [cursor, keys] = await client.sendCommand<[string, string[]]>(['SCAN', ...words]);
    return [cursor, keys];
  }

  function fill(count: number, prefix = 'k'): void {
    for (let index = 0; index < count; index += 1) {
      backend.write(`${prefix}${String(index).padStart(5, '0')}` as Key, Buffer.from('v'));
    }
  }

  it('returns every key that is there throughout once, while others come and go', async () => {
    fill(1000);
    const seen: string[] = [];
    let cursor = '0';
    let round = 0;
    do {
      let keys: string[];
      [cursor, keys] = await step(cursor, 'COUNT', '7');
      seen.push(...keys);
      round += 1;
      backend.remove(`k${String((round * 37) % 500).padStart(5, '0')}` as Key);
      backend.write(`n${round}` as Key, Buffer.from('v'));
      const last = keys.at(-1);
      // The very key where the scan stands goes away.
      if (last !== undefined && last < 'k00500') backend.remove(last as Key);
    } while (cursor !== '0');
    for (let index = 500; index < 1000; index += 1) {
      const key = `k${String(index).padStart(5, '0')}`;
      equal(seen.filter((found) => found === key).length, 1, key);
    }
  });

  it('filters by MATCH and TYPE and still walks on', async () => {
    fill(100, 'a');
    fill(100, 'b');
    backend.write('b' as Key, Buffer.from('v'));
    const found: string[] = [];
    let cursor = '0';
    do {
      let keys: string[];
      [cursor, keys] = await step(cursor, 'MATCH', 'b*', 'COUNT', '10', 'TYPE', 'string');
      found.push(...keys);
    } while (cursor !== '0');
    equal(found.length, 101);
    ok(found.includes('b'));
    deepEqual(await step('0', 'TYPE', 'hash', 'COUNT', '1000'), ['0', []]);
    equal((await client.keys('a0000?')).length, 10);
    equal((await client.keys('*')).length, 201);
  });

  it('answers a cursor asked twice the same, and refuses one it never gave', async () => {
    fill(50);
    const [cursor] = await step('0');
    const second = await step(cursor);
    deepEqual((await step(cursor))[1], second[1]);
    await step(second[0]).then(([next]) => step(next));
    await refuses(step('999999'));
    await refuses(step('-1'));
  });

  async function refuses(asked: Promise<unknown>): Promise<void> {
    const message = await asked.then(
      () => 'answered',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    );
    equal(message, 'ERR invalid cursor');
  }

  it('reads a range with its values, page by page, to an empty page', async () => {
    fill(25, 'r');
    backend.write('s' as Key, Buffer.from('other'));
    const seen: string[] = [];
    let after = '';
    for (;;) {
      const page = await client.sendCommand<string[]>(['TOPOSPHERE', 'RANGE', 'r', after, '10']);
      if (page.length === 0) break;
      for (let index = 0; index < page.length; index += 2) seen.push(page[index] ?? '');
      after = seen.at(-1) ?? '';
      equal(page[1], 'v');
    }
    equal(seen.length, 25);
    deepEqual(seen, [...seen].sort());
  });

  it('remembers a bounded number of places, and two for one long scan', () => {
    const cursors = createScanCursors(100);
    let cursor = '0';
    for (let index = 0; index < 1000; index += 1) cursor = cursors.add(String(index) as Key, cursor);
    equal(cursors.size(), 2);
    equal(cursors.find(cursor), '999');
    for (let index = 0; index < 1000; index += 1) cursors.add(String(index) as Key, '0');
    equal(cursors.size(), 100);
    equal(cursors.find(cursor), undefined);
  });

  it('asks the backend only for keys that can match a prefix', () => {
    fill(10, 'a');
    fill(10, 'm');
    fill(10, 'z');
    const asked: (Key | undefined)[] = [];
    const spy: Backend = {
      ...backend,
      keysAfter: (after, limit) => {
        asked.push(after);
        return backend.keysAfter(after, limit);
      },
    };
    const { keys, isLast } = keysWithPrefix(spy, 'm' as Key, undefined, 100);
    equal(keys.length, 10);
    equal(isLast, true);
    deepEqual(asked, ['m']);
  });
});
