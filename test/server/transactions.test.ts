/**
 * MULTI EXEC DISCARD WATCH UNWATCH beyond what the oracle compares: levels, requests with ids, tracking, bounds, refusals of our own.
 */
import { deepEqual, equal, match } from 'node:assert/strict';
import { ToposphereError } from '../../src/core/errors.ts';
import type { Key } from '../../src/core/types.ts';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import type { MapBackend } from './mapBackend.ts';
import { encode, openRawClient } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';

const LIMIT_BYTES = 4096;

describe('transactions', () => {
  let backend: MapBackend;
  let server: RedisServer;
  let client: RawClient;
  let other: RawClient;

  beforeEach(async () => {
    backend = createMapBackend();
    server = await startRedisServer({
      backend,
      host: '127.0.0.1',
      port: 0,
      maxTransactionBytes: LIMIT_BYTES,
    });
    client = openRawClient(server.port);
    other = openRawClient(server.port);
  });

  afterEach(async () => {
    client.destroy();
    other.destroy();
    await server.close();
  });

  const lines = (...texts: readonly string[]): Buffer =>
    Buffer.concat(texts.map((line) => encode(...line.split(' '))));
  const QUEUED = '+QUEUED\r\n';

  it('run as one group, and a transaction that reads as well', async () => {
    await client.ask(
      lines('MULTI', 'SET a 1', 'APPEND a 2', 'GET a', 'EXEC'),
      `+OK\r\n${QUEUED.repeat(3)}*3\r\n+OK\r\n:2\r\n$2\r\n12\r\n`,
    );
    equal(backend.groups, 1);
    equal(server.counters.transactionsExecuted, 1);
  });

  it('count upon what they have written before, and empty the database in their one turn', async () => {
    await client.ask(
      lines('MULTI', 'SET a 41', 'INCR a', 'SET b x', 'INCR b', 'RENAME a c', 'FLUSHALL', 'DBSIZE', 'EXEC'),
      `+OK\r\n${QUEUED.repeat(7)}*7\r\n+OK\r\n:42\r\n+OK\r\n-ERR value is not an integer or out of range\r\n+OK\r\n+OK\r\n:0\r\n`,
    );
  });

  for (const [line, reply] of [
    ['MSET a 1 b 2', '+OK'],
    ['MSETNX a 1 b 2', ':1'],
    ['RENAME from a', '+OK'],
    ['RENAMENX from a', ':1'],
  ] as const)
    it(`${line} is one group by itself, none of its own in EXEC, with a request id one with its record, and separate updates where it has no room`, async () => {
      const again = lines('DEL a b', 'SET from 1');
      const reset = async (): Promise<void> => {
        const before = other.received().length;
        other.send(again);
        while (!other.received().slice(before).endsWith('+OK\r\n'))
          await other.waitForBytes(other.received().length + 1);
        backend.groups = 0;
      };
      await reset();
      await client.ask(lines(line), `${reply}\r\n`);
      equal(backend.groups, 1);
      await reset();
      await client.ask(lines('MULTI', line, 'EXEC'), `+OK\r\n${QUEUED}*1\r\n${reply}\r\n`);
      equal(backend.groups, 1);
      await reset();
      await client.ask(lines(`TOPOSPHERE DO ID ${line.replaceAll(' ', '-')} RUN ${line}`), `${reply}\r\n`);
      equal(backend.groups, 2, 'what ran on buffered keys, and what was recorded');
      await reset();
      backend.groupRoom = 1;
      await client.ask(lines(line), `${reply}\r\n`);
      equal(backend.groups, 0);
      await other.ask(lines('GET a'), '$1\r\n1\r\n');
    });

  it('change nothing before EXEC, and nothing at all when the client goes', async () => {
    await client.ask(lines('MULTI', 'SET a 1'), `+OK\r\n${QUEUED}`);
    await other.ask(lines('EXISTS a'), ':0\r\n');
    client.destroy();
    await other.ask(lines('SET b 1', 'EXISTS a'), '+OK\r\n:0\r\n');
  });

  it('are overtaken by a change of a watched key that any client makes, told late or not', async () => {
    backend.tellsLate = true;
    await client.ask(lines('SET a 0', 'WATCH a b', 'MULTI', 'SET a 1'), `+OK\r\n+OK\r\n+OK\r\n${QUEUED}`);
    await other.ask(lines('SET b 1'), '+OK\r\n');
    await client.ask(lines('EXEC', 'GET a'), '*-1\r\n$1\r\n0\r\n');
    equal(server.counters.transactionsOvertaken, 1);
    // Afterwards nothing is watched.
    await other.ask(lines('SET b 2'), '+OK\r\n');
    await client.ask(lines('MULTI', 'SET a 1', 'EXEC'), `+OK\r\n${QUEUED}*1\r\n+OK\r\n`);
  });

  it('are overtaken by an expiry, also one that nobody has noticed yet', async () => {
    backend.write('a' as Key, Buffer.from('1'), Date.now() + 20);
    await client.ask(lines('WATCH a', 'MULTI', 'PING'), `+OK\r\n+OK\r\n${QUEUED}`);
    const untilMs = Date.now() + 25;
    while (Date.now() < untilMs) await other.ask(lines('PING'), '+PONG\r\n');
    await client.ask(lines('EXEC'), '*-1\r\n');
    // One that was gone already when it was watched is not news.
    await client.ask(lines('WATCH a', 'MULTI', 'PING', 'EXEC'), `+OK\r\n+OK\r\n${QUEUED}*1\r\n+PONG\r\n`);
  });

  it('wait for the level of the connection, or for the one that is said around EXEC', async () => {
    await client.ask(
      lines('MULTI', 'SET a 1', 'MULTI'),
      `+OK\r\n${QUEUED}-ERR MULTI calls can not be nested\r\n`,
    );
    backend.mode = 'held';
    client.send(lines('EXEC', 'MULTI', 'SET a 2', 'TOPOSPHERE DO ACK durable RUN EXEC'));
    await backend.whenPending(1);
    equal(backend.pending[0]?.level, 'durable', 'the strictest of a pipeline');
    const before = client.received();
    backend.pending[0].callback();
    const answer = `*1\r\n+OK\r\n+OK\r\n${QUEUED}*1\r\n+OK\r\n`;
    equal((await client.waitForBytes(before.length + answer.length)).slice(before.length), answer);
  });

  it('that only read wait for nothing', async () => {
    backend.mode = 'held';
    await client.ask(lines('MULTI', 'GET a', 'EXEC'), `+OK\r\n${QUEUED}*1\r\n$-1\r\n`);
    deepEqual(backend.pending, []);
  });

  it('wait for other disks as one write, also where a command in them failed', async () => {
    backend.replicated = [];
    backend.lastWritten = () => backend.values.size;
    await client.ask(lines('TOPOSPHERE ACK REPLICATED 2'), '+OK\r\n');
    await client.ask(
      lines('MULTI', 'SET a 1', 'SET a 1 EX x', 'GET none', 'EXEC', 'PING'),
      `+OK\r\n${QUEUED.repeat(3)}*3\r\n+OK\r\n-ERR value is not an integer or out of range\r\n$-1\r\n+PONG\r\n`,
    );
    deepEqual(backend.replicated, [{ replicated: 2 }]);
  });

  it('with a request id are executed once, and answered from the record', async () => {
    const once = lines('MULTI', 'APPEND a x', 'GET a', 'SET n 1 NX GET', 'TOPOSPHERE DO ID t1 RUN EXEC');
    const answer = `+OK\r\n${QUEUED.repeat(3)}*3\r\n:1\r\n$1\r\nx\r\n$-1\r\n`;
    await client.ask(once, answer);
    equal(backend.groups, 2, 'its commands, and its record with what they changed');
    await client.ask(
      lines('MULTI', 'APPEND a x', 'GET a', 'SET n 1 NX GET', 'TOPOSPHERE DO ID t1 AGAIN RUN EXEC', 'GET a'),
      `${answer}$1\r\nx\r\n`,
    );
    // Errors inside are part of the reply; a transaction that is refused as a whole is not recorded.
    await client.ask(
      lines(
        'MULTI',
        'SET a 1 EX x',
        'TOPOSPHERE DO ID t2 RUN EXEC',
        'MULTI',
        'SET a',
        'TOPOSPHERE DO ID t3 RUN EXEC',
      ),
      `+OK\r\n${QUEUED}*1\r\n-ERR value is not an integer or out of range\r\n+OK\r\n-ERR wrong number of arguments for 'set' command\r\n-EXECABORT Transaction discarded because of previous errors.\r\n`,
    );
    await client.ask(
      lines('MULTI', 'SET a 5', 'TOPOSPHERE DO ID t3 RUN EXEC'),
      `+OK\r\n${QUEUED}*1\r\n+OK\r\n`,
    );
  });

  it('are refused as a whole where every write would be', async () => {
    backend.refusal = new ToposphereError('CLOCK_AHEAD', 'this clock is an hour ahead');
    await client.ask(
      lines('MULTI', 'SET a 1', 'EXEC', 'MULTI', 'GET a', 'EXEC'),
      `+OK\r\n${QUEUED}-EXECABORT Transaction discarded because of: CLOCKAHEAD this clock is an hour ahead\r\n+OK\r\n${QUEUED}*1\r\n$-1\r\n`,
    );
    backend.refusal = undefined;
    backend.loading = 'it has to catch up first';
    await client.ask(
      lines('MULTI', 'SET a 1', 'EXEC'),
      '+OK\r\n-LOADING it has to catch up first\r\n-EXECABORT Transaction discarded because of previous errors.\r\n',
    );
  });

  it('answer the error of one command, of our own kind too, and run the rest', async () => {
    await client.ask(
      lines('MULTI', 'SET ahead 1', 'SET a 1', 'EXEC'),
      `+OK\r\n${QUEUED.repeat(2)}*2\r\n-CLOCKAHEAD this clock is an hour ahead\r\n+OK\r\n`,
    );
  });

  for (const line of [
    'WAIT 1 100',
    'SUBSCRIBE __redis__:invalidate',
    'TOPOSPHERE SESSION BEGIN',
    'TOPOSPHERE DO ACK fast RUN SET a 1',
    'TOPOSPHERE DO ACK never RUN SET a 1',
    'TOPOSPHERE STATUS',
  ])
    it(`do not take ${line}`, async () => {
      client.send(lines('MULTI', line, 'EXEC', 'PING'));
      const answer = await client.waitForBytes(80);
      match(
        answer,
        /^\+OK\r\n-ERR [^\r]+\r\n-EXECABORT Transaction discarded because of previous errors\.\r\n/,
      );
      await client.ask(lines('PING'), '+PONG\r\n');
    });

  it('tell a client that tracks of what it wrote before the reply to that, never within it', async () => {
    client.send(lines('HELLO 3', 'CLIENT TRACKING ON', 'GET a'));
    await client.waitForBytes(100);
    while (!client.received().endsWith('_\r\n')) await client.waitForBytes(client.received().length + 1);
    const invalidated = '>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n';
    await client.ask(
      lines('MULTI', 'SET a 1', 'GET a', 'EXEC'),
      `+OK\r\n${QUEUED.repeat(2)}${invalidated}*2\r\n+OK\r\n$1\r\n1\r\n`,
    );
    // What it read within is tracked.
    const before = client.received();
    await other.ask(lines('SET a 2'), '+OK\r\n');
    equal(await client.waitForBytes(before.length + invalidated.length), before + invalidated);
  });

  it('are listed, and forgotten by RESET and DISCARD, with what is watched', async () => {
    await client.ask(lines('WATCH a', 'MULTI', 'SET a 1'), `+OK\r\n+OK\r\n${QUEUED}`);
    other.send(lines('CLIENT LIST'));
    match(await other.waitForBytes(200), / multi=1 /);
    await client.ask(lines('RESET', 'EXEC'), '+RESET\r\n-ERR EXEC without MULTI\r\n');
    const before = other.received().length;
    other.send(lines('SET a 2'));
    await other.waitForBytes(before + 5);
    await client.ask(lines('MULTI', 'PING', 'EXEC'), `+OK\r\n${QUEUED}*1\r\n+PONG\r\n`);
  });

  it('that grow too large are refused with the reason, and hold no memory', async () => {
    const tooLarge = `the commands of one transaction may take ${LIMIT_BYTES} bytes (maxTransactionBytes), 192 for each and 16 for each argument with them: send fewer or smaller ones`;
    const many = Array.from({ length: 30 }, () => 'SET a 1');
    client.send(lines('MULTI', ...many, 'EXEC', 'SET a 2'));
    const fits = Math.floor(LIMIT_BYTES / (192 + 3 * 16 + 5));
    const expected = `+OK\r\n${QUEUED.repeat(fits)}-ERR ${tooLarge}\r\n${QUEUED.repeat(30 - fits - 1)}-EXECABORT Transaction discarded because of: ${tooLarge}\r\n+OK\r\n`;
    equal(await client.waitForBytes(expected.length), expected);
    equal(server.counters.transactionsTooLarge, 1);
    equal(backend.groups, 0);
  });

  it('watch no more than they may hold', async () => {
    client.send(lines(`WATCH ${Array.from({ length: 30 }, (_, at) => `k${at}`).join(' ')}`, 'PING'));
    match(
      await client.waitForBytes(100),
      /^-ERR what one connection watches may take 4096 bytes \(maxTransactionBytes\): watch fewer keys\r\n\+PONG/,
    );
    await other.ask(lines('SET k0 1'), '+OK\r\n');
    await client.ask(lines('MULTI', 'PING', 'EXEC'), `+OK\r\n${QUEUED}*1\r\n+PONG\r\n`);
  });
});
