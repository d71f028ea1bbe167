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

describe('clients that do not give the password', () => {
  const LIMIT_MS = 300;
  const LATE = `-NOAUTH no password was given within ${LIMIT_MS} ms\r\n`;
  let server: RedisServer;
  const clients: RawClient[] = [];

  async function start(limits: { maxClients?: number; unauthenticatedClientMs: number }): Promise<void> {
    server = await startRedisServer({
      ...{ backend: createMapBackend(), host: '127.0.0.1', port: 0, password: PASSWORD },
      ...limits,
    });
  }

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await server.close();
  });

  function open(): RawClient {
    const client = openRawClient(server.port);
    clients.push(client);
    return client;
  }

  async function authenticated(): Promise<RawClient> {
    const client = open();
    await client.ask(encode('AUTH', Buffer.from(PASSWORD)), '+OK\r\n');
    return client;
  }

  /** Asks until the connection ends; what was received. */
  async function insist(client: RawClient, request: string): Promise<string> {
    const timer = setInterval(() => {
      client.send(request);
    }, LIMIT_MS / 20);
    try {
      return await client.waitForClose();
    } finally {
      clearInterval(timer);
    }
  }

  it('are closed when their time is up, with the reason, whatever they say meanwhile; those that gave it stay', async () => {
    await start({ unauthenticatedClientMs: LIMIT_MS });
    const right = await authenticated();
    const startMs = performance.now();
    const [silent, asking, resetting] = [open(), open(), open()];
    const ends = await Promise.all([
      silent.waitForClose(),
      insist(asking, 'PING\r\n'),
      insist(resetting, 'RESET\r\n'),
    ]);
    ok(performance.now() - startMs >= LIMIT_MS);
    equal(ends[0], LATE);
    for (const end of ends) ok(end.endsWith(LATE), end.slice(-100));
    equal(server.counters.authenticationTimedOut, 3);
    await right.ask('PING\r\n', '+PONG\r\n');
    equal(server.connectionCount(), 1);
  });

  it('have as much time again after RESET took the password back', async () => {
    await start({ unauthenticatedClientMs: LIMIT_MS });
    const client = await authenticated();
    await client.ask('RESET\r\n', '+RESET\r\n');
    ok((await client.waitForClose()).endsWith(LATE));
    const again = await authenticated();
    await again.ask('RESET\r\n', '+RESET\r\n');
    await again.ask(encode('AUTH', Buffer.from(PASSWORD)), '+OK\r\n');
    await open().waitForClose();
    await again.ask('PING\r\n', '+PONG\r\n');
  });

  it('give way, the oldest first, where there is no room for another', async () => {
    await start({ maxClients: 4, unauthenticatedClientMs: 60_000 });
    const right = await authenticated();
    const silent: RawClient[] = [];
    for (let at = 0; at < 3; at += 1) {
      const client = open();
      await client.ask('PING\r\n', NOAUTH);
      silent.push(client);
    }
    const others = [await authenticated(), await authenticated(), await authenticated()];
    for (const client of silent)
      equal(await client.waitForClose(), `${NOAUTH}-ERR max number of clients reached\r\n`);
    equal(server.counters.unauthenticatedDisplaced, 3);
    // Those with the password have all places now: nobody gives way.
    equal(await open().waitForClose(), '-ERR max number of clients reached\r\n');
    equal(server.counters.connectionsRejected, 1);
    for (const client of [right, ...others]) await client.ask('PING\r\n', '+PONG\r\n');
  });

  it('are closed at once though they take nothing of what they are told', async () => {
    await start({ maxClients: 1, unauthenticatedClientMs: 60_000 });
    const client = open();
    client.pause();
    const request = Buffer.from('GET\r\n'.repeat(20_000));
    while (server.counters.readingPaused === 0) {
      client.send(request);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await open().ask('GET a\r\n', NOAUTH);
    equal(server.counters.unauthenticatedDisplaced, 1);
    equal(server.connectionCount(), 1);
  });

  it('are let be where nobody needs a password', async () => {
    const options = { backend: createMapBackend(), host: '127.0.0.1', port: 0 };
    const free = await startRedisServer({ ...options, unauthenticatedClientMs: 100 });
    const client = openRawClient(free.port);
    try {
      await client.ask('PING\r\n', '+PONG\r\n');
      // Another server's client has more time than this one would have had.
      await start({ unauthenticatedClientMs: LIMIT_MS });
      await open().waitForClose();
      await client.ask('PING\r\n', '+PONG\r\n');
    } finally {
      client.destroy();
      await free.close();
    }
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
