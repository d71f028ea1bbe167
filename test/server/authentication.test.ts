/**
 * A server with a password: who gets in, what is said before, and what is never said. Redis's own words are redisOracle.test.ts's.
 */
import { equal, ok, rejects } from 'node:assert/strict';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { allCommands } from '../../src/server/commandTable.ts';
import { createPasswordCheck } from '../../src/server/authentication.ts';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import type { MapBackend } from './mapBackend.ts';
import { encode, openRawClient } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';

const PASSWORD = 'pässword with ünicode';
const NOAUTH = '-NOAUTH Authentication required.\r\n';

describe('a server with a password', () => {
  let backend: MapBackend;
  let server: RedisServer;
  let clients: RawClient[];

  beforeEach(async () => {
    clients = [];
    backend = createMapBackend();
    server = await startRedisServer({ backend, host: '127.0.0.1', port: 0, password: PASSWORD });
  });
  afterEach(async () => {
    for (const client of clients) client.destroy();
    await server.close();
  });

  function open(): RawClient {
    const client = openRawClient(server.port);
    clients.push(client);
    return client;
  }

  const password = Buffer.from(PASSWORD);

  it('answers nothing of any command before, but AUTH, HELLO, QUIT and RESET', async () => {
    const free = new Set(['auth', 'hello', 'quit', 'reset']);
    const rows = allCommands.flatMap((row) => [row, ...(row.subcommands ?? [])]);
    ok(rows.length > 40);
    const client = open();
    for (const { name, arity, subcommands } of rows) {
      if (free.has(name) || (subcommands !== undefined && arity === -2)) continue;
      const words = name.split('|');
      while (words.length < Math.abs(arity)) words.push('1');
      await client.ask(encode(...words), NOAUTH);
    }
    equal(backend.values.size, 0);
    equal(server.counters.commandsProcessed, 0);
  });

  it('does not even say that it is loading', async () => {
    backend.loading = 'no data yet';
    await open().ask('GET a\r\n', NOAUTH);
  });

  it('lets in who gives the password, by its bytes, alone or with a user', async () => {
    const client = open();
    await client.ask(encode('AUTH', password), '+OK\r\n');
    await client.ask('SET a 1\r\n', '+OK\r\n');
    const other = open();
    await other.ask('GET a\r\n', NOAUTH);
    await other.ask(encode('AUTH', 'default', password), '+OK\r\n');
    await other.ask('GET a\r\n', '$1\r\n1\r\n');
  });

  it('takes the password and what it opens in one breath', async () => {
    const words = [encode('AUTH', password), encode('SET', 'a', 'x'.repeat(100_000)), encode('GET', 'none')];
    await open().ask(Buffer.concat(words), '+OK\r\n+OK\r\n$-1\r\n');
  });

  it('sends no change of a watched key after RESET', async () => {
    const client = open();
    await client.ask(encode('AUTH', password), '+OK\r\n');
    await client.ask('TOPOSPHERE WATCH a\r\nRESET\r\n', '+OK\r\n+RESET\r\n');
    const other = open();
    await other.ask(Buffer.concat([encode('AUTH', password), encode('SET', 'a', '1')]), '+OK\r\n+OK\r\n');
    await client.ask('GET a\r\n', NOAUTH);
  });

  it('counts wrong passwords', async () => {
    const wrong = '-WRONGPASS invalid username-password pair or user is disabled.\r\n';
    await open().ask('AUTH wrong\r\nAUTH other wrong\r\nHELLO 3 AUTH default wrong\r\n', wrong.repeat(3));
    equal(server.counters.authenticationsFailed, 3);
  });

  it('writes the password into no answer', async () => {
    const client = open();
    const ask = ['CLIENT LIST', 'INFO', 'TOPOSPHERE STATUS', 'COMMAND', 'QUIT'].join('\r\n');
    client.send(Buffer.concat([encode('AUTH', password), Buffer.from(`${ask}\r\n`)]));
    const answer = Buffer.from(await client.waitForClose(), 'latin1');
    ok(answer.length > 1000);
    ok(!answer.includes(password));
  });

  it('asks new connections for the password that it was changed to; those that gave the one before stay', async () => {
    const [before, waiting] = [open(), open()];
    await before.ask(encode('AUTH', password), '+OK\r\n');
    await waiting.ask('GET a\r\n', NOAUTH);
    equal(server.changePassword(PASSWORD), false);
    equal(server.changePassword('ein anderes ü'), true);
    await before.ask('SET a 1\r\n', '+OK\r\n');
    const wrong = '-WRONGPASS invalid username-password pair or user is disabled.\r\n';
    await waiting.ask(encode('AUTH', password), wrong);
    await waiting.ask(encode('AUTH', Buffer.from('ein anderes ü')), '+OK\r\n');
    await before.ask(encode('RESET'), '+RESET\r\n');
    await before.ask(encode('AUTH', password), wrong);
  });

  it('serves node-redis and ioredis with the password, and tells them without', async () => {
    const url = `redis://127.0.0.1:${server.port}`;
    const withPassword = createClient({ url, password: PASSWORD });
    await withPassword.connect();
    equal(await withPassword.set('k', 'v'), 'OK');
    withPassword.destroy();

    const without = createClient({ url, socket: { reconnectStrategy: false } });
    without.on('error', () => undefined);
    await rejects(without.connect(), /NOAUTH/);

    const redis = new Redis(server.port, '127.0.0.1', { password: PASSWORD });
    equal(await redis.get('k'), 'v');
    redis.disconnect();
  });
});

describe('the comparison of passwords', () => {
  it('is by whole bytes', () => {
    const isPassword = createPasswordCheck('geheim-ü');
    const guess = (text: string): boolean => isPassword(Buffer.from(text).toString('latin1'));
    ok(guess('geheim-ü'));
    for (const wrong of ['', 'geheim-', 'geheim-u', 'geheim-üx', 'GEHEIM-Ü', 'geheim-ü\0'])
      equal(guess(wrong), false, wrong);
    equal(isPassword('geheim-ü'), false, 'latin-1 is not UTF-8');
  });
});
