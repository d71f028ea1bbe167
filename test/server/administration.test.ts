/**
 * What an operator asks of a server that runs: CONFIG, SLOWLOG, CLIENT LIST, KILL and REPLY, and who is closed for being silent or standing still.
 * Redis's own words are redisOracle.test.ts's.
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { Key } from '../../src/core/types.ts';
import { createLatencyEvents } from '../../src/server/latencyEvents.ts';
import type { RedisServer, RedisServerOptions } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import type { MapBackend } from './mapBackend.ts';
import { encode, openRawClient } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';

const DEADLINE_MS = 8000;

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${DEADLINE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a server that is administered', () => {
  let backend: MapBackend;
  let server: RedisServer;
  const clients: RawClient[] = [];

  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await server.close();
  });

  async function start(options: Partial<RedisServerOptions> = {}): Promise<void> {
    backend = createMapBackend();
    server = await startRedisServer({ backend, host: '127.0.0.1', port: 0, ...options });
  }

  function open(): RawClient {
    const client = openRawClient(server.port);
    clients.push(client);
    return client;
  }

  /** The reply to one request, read until the connection has nothing more to say. */
  async function answer(client: RawClient, request: string | Buffer): Promise<string> {
    const before = client.received().length;
    const end = '$11\r\nend-of-test\r\n';
    client.send(Buffer.concat([Buffer.from(request), encode('ECHO', 'end-of-test')]));
    while (!client.received().slice(before).endsWith(end))
      await client.waitForBytes(client.received().length + 1);
    return client.received().slice(before, -end.length);
  }

  it('takes over what CONFIG SET says, at once, and nothing of a SET with a fault', async () => {
    await start({ maxClients: 5 });
    const client = open();
    await client.ask('CONFIG GET maxclients\r\n', '*2\r\n$10\r\nmaxclients\r\n$1\r\n5\r\n');
    match(await answer(client, 'CONFIG SET maxclients 1 timeout x\r\n'), /^-ERR CONFIG SET failed/);
    await client.ask('CONFIG GET maxclients\r\n', '*2\r\n$10\r\nmaxclients\r\n$1\r\n5\r\n');
    await client.ask('CONFIG SET maxclients 1\r\n', '+OK\r\n');
    equal(await open().waitForClose(), '-ERR max number of clients reached\r\n');
    match(await answer(client, 'INFO clients\r\n'), /maxclients:1\r\n/);
  });

  it('answers CONFIG GET with patterns, each parameter once, in any spelling', async () => {
    await start();
    const answered = await answer(open(), 'CONFIG GET SLOW* slowlog-max-len tim[ei]*\r\n');
    const names = [...answered.matchAll(/\r\n([a-z-]{4,})\r\n/g)].map(([, name]) => name).sort();
    deepEqual(names, ['slowlog-log-slower-than', 'slowlog-max-len', 'timeout']);
  });

  it('says of a setting in milliseconds no timeout of zero seconds, which would mean never', async () => {
    await start({ clientIdleMs: 1500 });
    await open().ask('CONFIG GET timeout\r\n', '*2\r\n$7\r\ntimeout\r\n$1\r\n2\r\n');
  });

  it('counts from zero in INFO after CONFIG RESETSTAT, and on in its own counters', async () => {
    await start();
    const client = open();
    await client.ask('PING\r\nPING\r\n', '+PONG\r\n+PONG\r\n');
    await client.ask('CONFIG RESETSTAT\r\n', '+OK\r\n');
    match(
      await answer(client, 'INFO stats\r\n'),
      /total_connections_received:0\r\ntotal_commands_processed:[12]\r\n/,
    );
    ok(server.counters.commandsProcessed >= 4);
  });

  it('keeps in SLOWLOG what took at least the threshold, the newest first, bounded and without passwords', async () => {
    await start({ slowCommandMicroseconds: 0, slowCommandsKept: 3, password: 'geheim-geheim' });
    const client = open();
    await client.ask('AUTH geheim-geheim\r\n', '+OK\r\n');
    match(await answer(client, 'SLOWLOG GET\r\n'), /AUTH\r\n\$10\r\n\(redacted\)/);
    await client.ask('CLIENT SETNAME me\r\n', '+OK\r\n');
    await client.ask(encode('SET', 'k', 'v'.repeat(200)), '+OK\r\n');
    const many = Array.from({ length: 40 }, (_, index) => `k${index}`);
    await client.ask(encode('DEL', ...many), ':0\r\n');
    await client.ask('SLOWLOG LEN\r\n', ':3\r\n');
    const got = await answer(client, 'SLOWLOG GET 3\r\n');
    ok(got.indexOf('SLOWLOG') < got.indexOf('DEL') && got.indexOf('DEL') < got.indexOf('SET'), got);
    match(got, /\.\.\. \(10 more arguments\)/);
    ok(got.includes(`$147\r\n${'v'.repeat(128)}... (72 more bytes)\r\n`), got);
    match(got, /\$2\r\nme\r\n$/);
    await client.ask(
      'CONFIG SET slowlog-log-slower-than -1\r\nSLOWLOG RESET\r\nSLOWLOG LEN\r\n',
      '+OK\r\n+OK\r\n:0\r\n',
    );
  });

  it('remembers nothing that was faster than the threshold', async () => {
    await start({ slowCommandMicroseconds: 500_000 });
    await open().ask('MSET a 1 b 2\r\nSLOWLOG LEN\r\n', '+OK\r\n:0\r\n');
  });

  it('tells by LATENCY of commands that SLOWLOG keeps, when and how long, until RESET', async () => {
    await start({ slowCommandMicroseconds: 4000 });
    const client = open();
    match(await answer(client, 'LATENCY DOCTOR\r\n'), /Nothing took long: no command 4000 microseconds/);
    backend.keysAfter = () => {
      const untilMs = performance.now() + 5;
      while (performance.now() < untilMs);
      return [];
    };
    await client.ask('GET none\r\nSCAN 0\r\n', '$-1\r\n*2\r\n$1\r\n0\r\n*0\r\n');
    match(await answer(client, 'LATENCY HISTORY command\r\n'), /^\*1\r\n\*2\r\n:\d{10}\r\n:\d+\r\n$/);
    match(
      await answer(client, 'LATENCY LATEST\r\n'),
      /^\*1\r\n\*4\r\n\$7\r\ncommand\r\n:\d{10}\r\n:(\d+)\r\n:\1\r\n$/,
    );
    match(
      await answer(client, 'LATENCY DOCTOR\r\n'),
      /command: in one second, last \d+ ms, at most \d+ ms; SLOWLOG GET tells/,
    );
    await client.ask(
      'LATENCY RESET nosuch\r\nLATENCY RESET\r\nLATENCY HISTORY command\r\n',
      ':0\r\n:1\r\n*0\r\n',
    );
    match(
      await answer(client, 'LATENCY HISTOGRAM\r\n'),
      /^-ERR unknown subcommand 'HISTOGRAM'\. Try LATENCY HELP/,
    );
  });

  it('kills whom the filters mean, itself behind the reply, and counts', async () => {
    await start();
    const [own, other, third] = [open(), open(), open()];
    for (const client of [own, other, third]) await client.ask('PING\r\n', '+PONG\r\n');
    await own.ask('CLIENT KILL ID 2\r\n', ':1\r\n');
    equal(await other.waitForClose(), '+PONG\r\n');
    await own.ask('CLIENT KILL MAXAGE 1000\r\n', ':0\r\n');
    const [, address = ''] = / addr=(\S+) /.exec(await answer(third, 'CLIENT INFO\r\n')) ?? [];
    await own.ask(`CLIENT KILL ${address}\r\n`, '+OK\r\n');
    await third.waitForClose();
    own.send('CLIENT KILL SKIPME no\r\nPING\r\n');
    match(await own.waitForClose(), /-ERR No such client\r\n\+PONG\r\n$|:1\r\n$/);
  });

  it('kills itself only behind the reply, and runs nothing after', async () => {
    await start();
    const own = open();
    own.send('CLIENT KILL ID 1 SKIPME no\r\nSET a 1\r\n');
    equal(await own.waitForClose(), ':1\r\n');
    equal(backend.values.size, 0);
    equal(server.counters.clientsKilled, 1);
  });

  it('lists only the clients with the given numbers', async () => {
    await start();
    const [own, other] = [open(), open()];
    await own.ask('PING\r\n', '+PONG\r\n');
    await other.ask('PING\r\n', '+PONG\r\n');
    const lines = (await answer(own, 'CLIENT LIST ID 2 7\r\n'))
      .split('\n')
      .filter((line) => line.startsWith('id='));
    equal(lines.length, 1);
    match(lines[0] ?? '', /^id=2 /);
  });

  it('runs and acknowledges commands whose replies are not wanted', async () => {
    await start();
    const client = open();
    await client.ask(
      'CLIENT REPLY OFF\r\nSET a 1\r\nTOPOSPHERE DIGEST\r\nCLIENT REPLY ON\r\nGET a\r\n',
      '+OK\r\n$1\r\n1\r\n',
    );
    await client.ask('CLIENT REPLY SKIP\r\nTOPOSPHERE DIGEST\r\nPING\r\n', '+PONG\r\n');
  });

  it('closes who is silent for too long, but not who listens or watches', async () => {
    await start({ clientIdleMs: 600 });
    const [silent, watching] = [open(), open()];
    await silent.ask('PING\r\n', '+PONG\r\n');
    await watching.ask('TOPOSPHERE WATCH w\r\n', '+OK\r\n');
    equal(await silent.waitForClose(), '+PONG\r\n');
    equal(server.counters.idleClosed, 1);
    await watching.ask('PING\r\n', '+PONG\r\n');
  });

  it('closes who takes nothing of its replies for too long, and nobody who takes them slowly', async () => {
    await start({ clientStalledMs: 700 });
    backend.write('big' as Key, Buffer.alloc(8 * 1024 * 1024, 'x'));
    const [standing, slow] = [open(), open()];
    standing.pause();
    slow.pause();
    for (const client of [standing, slow]) client.send('GET big\r\nGET big\r\n');
    const pulse = setInterval(() => {
      slow.resume();
      setImmediate(slow.pause);
    }, 50);
    await until('a stalled client', () => server.counters.stalledClosed > 0);
    clearInterval(pulse);
    equal(server.counters.stalledClosed, 1);
    match(
      await answer(open(), 'LATENCY LATEST\r\n'),
      /^\*1\r\n\*4\r\n\$14\r\nclient-stalled\r\n:\d{10}\r\n:700\r\n:700\r\n$/,
    );
    slow.resume();
    equal((await slow.waitForBytes(2 * (8 * 1024 * 1024 + 12))).length, 2 * (8 * 1024 * 1024 + 12));
  });

  it('closes who has most when all replies together are too much', async () => {
    await start({ outputTotalLimitBytes: 4 * 1024 * 1024 });
    backend.write('big' as Key, Buffer.alloc(32 * 1024 * 1024, 'x'));
    backend.write('small' as Key, Buffer.alloc(3 * 1024 * 1024, 'x'));
    const [greedy, modest] = [open(), open()];
    for (const client of [greedy, modest]) {
      await client.ask('PING\r\n', '+PONG\r\n');
      client.pause();
    }
    greedy.send('GET big\r\n');
    modest.send('GET small\r\n');
    await until('too much output', () => server.counters.outputTotalClosed > 0);
    equal(server.counters.outputTotalClosed, 1);
    modest.resume();
    await modest.waitForBytes(3 * 1024 * 1024 + 12 + 7);
    await modest.ask('PING\r\n', '+PONG\r\n');
  });
});

describe('what LATENCY tells of', () => {
  it('keeps of what took long the longest of each second, 160 of them, and the longest of all', () => {
    let nowMs = 1_000;
    const latency = createLatencyEvents(() => nowMs);
    latency.note('command', 900);
    latency.note('client-stalled', 0.9);
    deepEqual([...latency.series.keys()], ['command']);
    for (let second = 2; second <= 162; second += 1) {
      nowMs = second * 1000;
      for (const ms of [3.9, second, 0.9, 2]) latency.note('command', ms);
    }
    const { samples, longestMs } = latency.series.get('command') ?? { samples: [], longestMs: 0 };
    equal(longestMs, 900);
    deepEqual(
      [samples.length, samples[0], samples.at(-1)],
      [160, { atSeconds: 3, ms: 3 }, { atSeconds: 162, ms: 162 }],
    );
  });
});
