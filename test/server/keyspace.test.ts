/**
 * Commands on many keys: FLUSHALL in turns of bounded length and at the client's level, RANDOMKEY, and both keys of RENAME. What they answer is compared with Redis's in redisOracle.test.ts.
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { Key } from '../../src/core/types.ts';
import { drawKey } from '../../src/server/randomKey.ts';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import type { MapBackend } from './mapBackend.ts';
import { createRandom } from './mutation.ts';
import { encode, openRawClient } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';

const words = (line: string): Buffer => encode(...line.split(' '));

function fill(backend: MapBackend, keys: Iterable<string>): void {
  for (const key of keys) backend.write(key as Key, Buffer.from('1'));
}

describe('commands on many keys', () => {
  let backend: MapBackend;
  let server: RedisServer;
  let client: RawClient;

  beforeEach(async () => {
    backend = createMapBackend();
    server = await startRedisServer({ backend, host: '127.0.0.1', port: 0 });
    client = openRawClient(server.port);
  });

  afterEach(async () => {
    client.destroy();
    await server.close();
  });

  describe('FLUSHALL', () => {
    const numbered = Array.from({ length: 2500 }, (_, index) => `key:${index}`);

    it('lets others have their turn between two thousand deletions, and answers when all keys are gone', async () => {
      fill(backend, numbered);
      const other = openRawClient(server.port);
      const left: number[] = [];
      const look = (): void => {
        left.push(backend.values.size);
        if (backend.values.size > 0) setImmediate(look);
      };
      setImmediate(look);
      client.send(words('FLUSHALL'));
      equal(await client.waitForBytes(5), '+OK\r\n');
      equal(backend.values.size, 0);
      ok(new Set(left).size >= 3, `seen from outside: ${[...new Set(left)].join(', ')}`);
      await other.ask(words('PING'), '+PONG\r\n');
      other.destroy();
    });

    for (const count of [3, 2500]) {
      it(`of ${count} keys is answered behind the level of the connection`, async () => {
        fill(backend, numbered.slice(0, count));
        backend.mode = 'held';
        client.send(Buffer.concat([words('TOPOSPHERE ACK durable'), words('FLUSHDB'), words('PING')]));
        await backend.whenPending(1);
        equal(backend.values.size, 0);
        ok(client.received().length <= 5, `received ${client.received()}`); // of ACK at most
        deepEqual(
          backend.pending.map(({ level }) => level),
          ['durable'],
        );
        for (const { callback } of backend.pending) callback();
        equal(await client.waitForBytes(17), '+OK\r\n+OK\r\n+PONG\r\n');
      });
    }

    it('says so when the deletions may be lost', async () => {
      fill(backend, numbered);
      backend.mode = 'held';
      client.send(words('FLUSHALL'));
      await backend.whenPending(1);
      backend.pending[0]?.callback(new Error('no space'));
      match(await client.waitForBytes(51), /^-STORAGEFAILED the deletions may be lost: no space\r\n$/);
    });

    it('waits while writes outrun the disk', async () => {
      fill(backend, numbered);
      backend.setBusy(true);
      client.send(words('FLUSHALL'));
      await openAndPing(server.port);
      equal(backend.values.size, 1500);
      backend.setBusy(false);
      equal(await client.waitForBytes(5), '+OK\r\n');
    });

    it('is on as many disks as was asked for', async () => {
      fill(backend, numbered);
      backend.replicated = [];
      client.send(
        Buffer.concat([words('TOPOSPHERE ACK REPLICATED 2'), words('FLUSHALL'), words('FLUSHALL')]),
      );
      equal(await client.waitForBytes(15), '+OK\r\n+OK\r\n+OK\r\n');
      deepEqual(backend.replicated, [{ replicated: 2 }, { replicated: 2 }]);
    });

    it('is one turn inside a transaction: of few keys, or refused', async () => {
      fill(backend, numbered.slice(0, 3));
      client.send(Buffer.concat([words('MULTI'), words('FLUSHALL'), words('EXEC')]));
      equal(await client.waitForBytes(23), '+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n');
      equal(backend.values.size, 0);
      fill(backend, numbered);
      client.send(Buffer.concat([words('MULTI'), words('FLUSHALL'), words('EXEC')]));
      match(await client.waitForBytes(60), /\*1\r\n-ERR nothing was deleted: there are 2500 keys/);
      await openAndPing(server.port);
      equal(backend.values.size, 2500);
    });

    it('is refused under a request id, and deletes nothing', async () => {
      fill(backend, ['a']);
      client.send(words('TOPOSPHERE DO ID x RUN FLUSHALL'));
      match(await client.waitForBytes(40), /^-ERR ID does not go with flushall/);
      equal(backend.values.size, 1);
    });
  });

  describe('RANDOMKEY', () => {
    it('draws evenly from few keys', () => {
      fill(backend, ['a', 'aa', 'b']);
      const random = createRandom(1);
      const drawn = new Map<string, number>();
      for (let turn = 0; turn < 3000; turn += 1) {
        const key = drawKey(backend, random) ?? '';
        drawn.set(key, (drawn.get(key) ?? 0) + 1);
      }
      deepEqual([...drawn.keys()].sort(), ['a', 'aa', 'b']);
      for (const count of drawn.values()) ok(count > 900 && count < 1100, `drawn ${count} times of 3000`);
    });

    it('may draw any of many keys, one that others begin with and bytes at the ends too', () => {
      const many = Array.from({ length: 70 }, (_, index) => `user:${index}`);
      const keys = [...many, 'user:', 'u', '\0', '\xff\xff\xff', '\xff'];
      fill(backend, keys);
      const random = createRandom(2);
      const drawn = new Set<string>();
      for (let turn = 0; turn < 20_000; turn += 1) drawn.add(drawKey(backend, random) ?? 'none');
      deepEqual([...drawn].sort(), [...keys].sort());
    });
  });

  describe('RENAME', () => {
    it('writes the new key before the old one goes, and asks before the first', async () => {
      const changes: string[] = [];
      fill(backend, ['a']);
      backend.watchKeys('' as Key, ({ key, value }) =>
        changes.push(`${key} ${value === undefined ? '-' : '+'}`),
      );
      await client.ask(words('RENAME a b'), '+OK\r\n');
      deepEqual(changes, ['b +', 'a -']);
      client.send(words('RENAME b ahead')); // the map refuses that key
      match(await client.waitForBytes(30), /-CLOCKAHEAD/);
      client.send(words('COPY b ahead'));
      match(await client.waitForBytes(60), /-CLOCKAHEAD.*-CLOCKAHEAD/s);
      deepEqual(changes, ['b +', 'a -']);
    });

    it('is one request: a retry is answered from the record', async () => {
      fill(backend, ['a']);
      client.send(
        Buffer.concat([
          words('TOPOSPHERE DO ID x RUN RENAME a b'),
          words('TOPOSPHERE DO ID x AGAIN RUN RENAME a b'),
        ]),
      );
      equal(await client.waitForBytes(10), '+OK\r\n+OK\r\n');
      deepEqual([...backend.values.keys()], ['b']);
    });
  });
});

/** Whatever of the turns before was to happen has happened when another client is answered twice. */
async function openAndPing(port: number): Promise<void> {
  const client = openRawClient(port);
  await client.ask(words('PING'), '+PONG\r\n');
  await client.ask(words('PING'), '+PONG\r\n');
  client.destroy();
}
