/** TOPOSPHERE DOCTOR, DIGESTS and MARKS: the shapes of their replies, and what they refuse. */
import { deepEqual, equal, rejects } from 'node:assert/strict';
import type { RedisClientType } from 'redis';
import { createClient } from 'redis';
import type { DigestRange } from '../../src/peer/backend.ts';
import { MARKS_LIMIT, PARTS_LIMIT } from '../../src/server/examineCommands.ts';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { entryNumber } from '../storage/entries.ts';
import { createMapBackend } from './mapBackend.ts';

describe('what doctor asks', () => {
  let server: RedisServer;
  let client: RedisClientType;
  let asked: unknown[] = [];

  beforeEach(async () => {
    asked = [];
    const note = <T>(answer: T, ...what: unknown[]): Promise<T> => {
      asked.push(what);
      return Promise.resolve(answer);
    };
    const part = { from: 'a\0' as never, digest: '00ff', count: 3 };
    const mark = { ...entryNumber(5), key: 'k' as never, digest: '0a0b' };
    server = await startRedisServer({
      host: '127.0.0.1',
      port: 0,
      backend: {
        ...createMapBackend(),
        divideRange: (range: DigestRange, parts) => note([part, part], range, parts),
        digestParts: (range: DigestRange, bounds) => note([part], range, bounds),
        markRange: (range: DigestRange, count) => note([mark], range, count),
      },
    });
    client = createClient({ url: `redis://127.0.0.1:${server.port}` });
    await client.connect();
  });

  afterEach(async () => {
    client.destroy();
    await server.close();
  });

  const ask = (...words: string[]) => client.sendCommand<unknown>(['TOPOSPHERE', ...words]);

  it('answers an examination as JSON', async () => {
    equal(await ask('DOCTOR'), '{"id":"alpha"}');
  });

  it('passes ranges on, with an empty bound for none, and lists parts without nesting', async () => {
    deepEqual(await ask('DIGESTS', '', 'z', '7', '64'), ['a\0', '00ff', 3, 'a\0', '00ff', 3]);
    deepEqual(await ask('DIGESTS', 'b', '', '0', 'at', 'b', 'c'), ['a\0', '00ff', 3]);
    deepEqual(asked, [
      [{ from: undefined, before: 'z', above: 7 }, 64],
      [{ from: 'b', before: undefined, above: 0 }, ['b', 'c']],
    ]);
  });

  it('lists entries with kind, tag and hash', async () => {
    const { timestamp, id, incarnation, sequence, expiresAt } = entryNumber(5);
    deepEqual(await ask('MARKS', '', '', '0', '10'), [
      'k',
      'value',
      `${timestamp} ${id} ${incarnation} ${sequence} ${expiresAt}`,
      '0a0b',
    ]);
  });

  it('refuses counts out of bounds, bounds that are too many or none, and what is no timestamp, and asks for nothing then', async () => {
    const bounds = Array.from({ length: PARTS_LIMIT + 1 }, (_, at) => `b${at}`);
    for (const words of [
      ['DIGESTS', '', '', '0', '0'],
      ['DIGESTS', '', '', '0', String(PARTS_LIMIT + 1)],
      ['DIGESTS', '', '', '0', 'AT'],
      ['DIGESTS', '', '', '0', 'AT', ...bounds],
      ['DIGESTS', '', '', '-1', '4'],
      ['DIGESTS', '', '', 'x', '4'],
      ['DIGESTS', '', '', '0'],
      ['MARKS', '', '', '0', String(MARKS_LIMIT + 1)],
      ['MARKS', '', '', '0', '1', '2'],
    ])
      await rejects(ask(...words), /ERR/, words.join(' ').slice(0, 60));
    deepEqual(asked, []);
  });
});
