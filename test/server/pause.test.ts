/**
 * CLIENT PAUSE and UNPAUSE: whose commands wait, that each is carried out once and in order when the pause is over, and what becomes of clients that go meanwhile.
 */
import { equal, match, ok } from 'node:assert/strict';
import type { Key } from '../../src/core/types.ts';
import { encode } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';
import { useServer } from './served.ts';
import { waitUntil } from '../sockets/waiting.ts';

const DEADLINE_MS = 5_000;

const lines = (...texts: readonly string[]): Buffer =>
  Buffer.concat(texts.map((line) => encode(...line.split(' '))));

describe('CLIENT PAUSE', () => {
  const at = useServer();

  /** How CLIENT LIST shows the first client's connection: its flags, and its last command. */
  async function shown(by: RawClient): Promise<string> {
    const before = by.received().length;
    by.send(lines('CLIENT LIST', 'PING'));
    while (!by.received().endsWith('+PONG\r\n')) await by.waitForBytes(by.received().length + 1);
    const line =
      by
        .received()
        .slice(before)
        .split('\n')
        .find((text) => text.includes('id=1 ')) ?? '';
    return `${/flags=\w+/.exec(line)?.[0]} ${/cmd=\S+/.exec(line)?.[0]}`;
  }

  async function whenHeld(by: RawClient, expected: string): Promise<void> {
    await waitUntil(expected, async () => (await shown(by)) === expected, DEADLINE_MS);
  }

  it('WRITE holds back what writes and publishes, in its order with what follows, until UNPAUSE', async () => {
    const [client, other] = [at.client, at.open()];
    await client.ask(lines('PING'), '+PONG\r\n');
    await other.ask(lines('CLIENT PAUSE 60000 WRITE'), '+OK\r\n');
    client.send(lines('GET a', 'PUBLISH c m', 'APPEND a 1', 'GET a', 'APPEND a 2', 'GET a'));
    await whenHeld(other, 'flags=b cmd=publish');
    equal(client.received(), '+PONG\r\n$-1\r\n');
    const before = other.received().length;
    other.send(lines('INFO clients'));
    match(await other.waitForBytes(before + 100), /blocked_clients:1\r\n/);
    client.send(lines('GET a')); // behind what waits, in a chunk of its own
    await other.ask(
      lines('MULTI', 'GET a', 'EXEC', 'CLIENT UNPAUSE'),
      '+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n+OK\r\n',
    );
    const answer = ':0\r\n:1\r\n$1\r\n1\r\n:2\r\n$2\r\n12\r\n$2\r\n12\r\n';
    equal(await client.waitForBytes(12 + answer.length), `+PONG\r\n$-1\r\n${answer}`);
  });

  it('ALL holds back whatever is right, UNPAUSE too, but our own words on the peer, and ends by itself', async () => {
    const [client, other] = [at.client, at.open()];
    await client.ask(lines('CLIENT PAUSE 150'), '+OK\r\n');
    const startMs = performance.now();
    await other.ask(
      lines('NOSUCH', 'GET'),
      "-ERR unknown command 'NOSUCH', with args beginning with: \r\n-ERR wrong number of arguments for 'get' command\r\n",
    );
    await other.ask(lines('TOPOSPHERE DIGEST'), '*3\r\n$6\r\nc0ffee\r\n:0\r\n:0\r\n');
    client.send('PING\r\n'); // an inline request is read again as well
    await other.ask(lines('CLIENT UNPAUSE'), '+OK\r\n');
    ok(performance.now() - startMs >= 140);
    equal(await client.waitForBytes(12), '+OK\r\n+PONG\r\n');
  });

  it('of two the longer and the stricter hold', async () => {
    const [client, other] = [at.client, at.open()];
    await client.ask(lines('CLIENT PAUSE 60000 WRITE', 'CLIENT PAUSE 1 WRITE'), '+OK\r\n+OK\r\n');
    client.send(lines('SET a 1'));
    await whenHeld(other, 'flags=b cmd=set');
    const untilMs = performance.now() + 5;
    while (performance.now() < untilMs) await other.ask(lines('EXISTS a'), ':0\r\n');
    await other.ask(lines('CLIENT UNPAUSE'), '+OK\r\n');
    client.send(lines('GET a'));
    equal(await client.waitForBytes(22), '+OK\r\n+OK\r\n+OK\r\n$1\r\n1\r\n');
  });

  it('holds back a transaction where it is read: a write before it is queued, and EXEC of writes', async () => {
    const [client, other] = [at.client, at.open()];
    await client.ask(lines('MULTI', 'SET a 1'), '+OK\r\n+QUEUED\r\n');
    equal(await shown(other), 'flags=x cmd=set');
    await other.ask(lines('CLIENT PAUSE 60000 WRITE'), '+OK\r\n');
    client.send(lines('EXEC'));
    await whenHeld(other, 'flags=xb cmd=exec');
    equal(at.backend.groups, 0);
    await other.ask(lines('CLIENT UNPAUSE'), '+OK\r\n');
    equal(await client.waitForBytes(23), '+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n');
  });

  it('drops the command of a client that goes, and holds its memory no longer', async () => {
    const [client, other] = [at.client, at.open()];
    await client.ask(lines('CLIENT PAUSE 60000 WRITE'), '+OK\r\n');
    client.send(lines('SET a 1'));
    await whenHeld(other, 'flags=b cmd=set');
    client.endHalf();
    equal(await client.waitForClose(), '+OK\r\n');
    await other.ask(lines('CLIENT UNPAUSE', 'EXISTS a'), '+OK\r\n:0\r\n');
  });

  it('is said of a command around which TOPOSPHERE DO stands, and of one whose reply is not wanted', async () => {
    const [client, other] = [at.client, at.open()];
    await client.ask(
      lines('CLIENT PAUSE 60000 WRITE', 'TOPOSPHERE DO READ LOCAL RUN GET a'),
      '+OK\r\n$-1\r\n',
    );
    client.send(lines('CLIENT REPLY SKIP', 'TOPOSPHERE DO ACK fast RUN SET a 1', 'GET a'));
    await whenHeld(other, 'flags=b cmd=set');
    equal(at.backend.values.has('a' as Key), false);
    await other.ask(lines('CLIENT UNPAUSE'), '+OK\r\n');
    equal(await client.waitForBytes(17), '+OK\r\n$-1\r\n$1\r\n1\r\n');
  });

  it('never closes who is held as silent, and does not keep the server from closing', async () => {
    await at.restart({ clientIdleMs: 50 });
    const [client, other] = [at.client, at.open()];
    await other.ask(lines('CLIENT PAUSE 600 WRITE'), '+OK\r\n');
    client.send(lines('SET a 1'));
    equal(await client.waitForBytes(5), '+OK\r\n');
    await client.ask(lines('CLIENT PAUSE 60000'), '+OK\r\n');
    client.send(lines('SET a 2'));
    await at.server.close();
    equal(await client.waitForClose(), '+OK\r\n+OK\r\n');
    equal(at.backend.read('a' as Key)?.toString(), '1');
  });
});
