/**
 * TOPOSPHERE DO: one command with a level of its own, whatever the connection has; words that are refused run nothing.
 */
import { deepEqual, equal, match } from 'node:assert/strict';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import type { MapBackend } from './mapBackend.ts';
import { encode, openRawClient } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';

describe('TOPOSPHERE DO', () => {
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

  const words = (line: string): Buffer => encode(...line.split(' '));

  it('runs the command and gives its reply, in a pipeline with others', async () => {
    client.send(
      Buffer.concat([
        words('TOPOSPHERE DO RUN SET a 1'),
        words('GET a'),
        words('toposphere do read local run get a'),
        words('TOPOSPHERE DO ACK durable RUN DEL a b'),
        words('PING'),
      ]),
    );
    equal(await client.waitForBytes(30), '+OK\r\n$1\r\n1\r\n$1\r\n1\r\n:1\r\n+PONG\r\n');
  });

  it('waits for the level of the command, and not for that of the connection', async () => {
    backend.mode = 'held';
    client.send(words('TOPOSPHERE DO ACK fast RUN SET a 1'));
    equal(await client.waitForBytes(5), '+OK\r\n');
    client.send(words('TOPOSPHERE DO ACK durable RUN SET a 2'));
    await backend.whenPending(1);
    client.send(words('SET a 3'));
    await backend.whenPending(2);
    deepEqual(
      backend.pending.map(({ level }) => level),
      ['durable', 'committed'],
    );
    equal(client.received(), '+OK\r\n');
    for (const { callback } of backend.pending) callback();
    equal(await client.waitForBytes(15), '+OK\r\n+OK\r\n+OK\r\n');
  });

  it('takes the strictest of a pipeline, also where the connection asks for nothing', async () => {
    await client.ask(words('TOPOSPHERE ACK fast'), '+OK\r\n');
    backend.mode = 'held';
    client.send(Buffer.concat([words('TOPOSPHERE DO ACK durable RUN SET a 1'), words('SET a 2')]));
    await backend.whenPending(1);
    equal(backend.pending[0]?.level, 'durable');
  });

  const refused: readonly [line: string, reply: RegExp][] = [
    ['TOPOSPHERE DO RUN', /wrong number of arguments for 'toposphere\|do'/],
    ['TOPOSPHERE DO ACK durable', /did not expect its end, before RUN: say TOPOSPHERE DO/],
    ['TOPOSPHERE DO ACK durable RUN', /did not expect its end, after RUN/],
    ['TOPOSPHERE DO ACK REPLICATED 3 ACK fast RUN SET a 1', /did not expect a second ACK/],
    ['TOPOSPHERE DO READ LOCAL READ SESSION RUN GET a', /did not expect a second READ/],
    ['TOPOSPHERE DO ACK never RUN SET a 1', /did not expect ACK NEVER/],
    ['TOPOSPHERE DO toString RUN SET a 1', /did not expect TOSTRING/],
    ['TOPOSPHERE DO READ later RUN GET a', /did not expect READ LATER/],
    ['TOPOSPHERE DO RUN TOPOSPHERE DO RUN SET a 1', /cannot run TOPOSPHERE DO/],
    ['TOPOSPHERE DO READ LOCAL RUN SET a 1', /READ LOCAL is for commands that only read/],
    ['TOPOSPHERE DO READ SESSION RUN GET a', /this connection has no session/],
    ['TOPOSPHERE DO RUN GET', /wrong number of arguments for 'get'/],
    ['TOPOSPHERE DO RUN NOSUCH a', /unknown command 'NOSUCH', with args beginning with: 'a'/],
  ];
  for (const [line, reply] of refused) {
    it(`refuses ${line}, and runs nothing`, async () => {
      client.send(Buffer.concat([words(line), words('EXISTS a'), words('QUIT')]));
      const received = await client.waitForClose();
      match(received, reply);
      match(received, /^-ERR [^\r]*\r\n:0\r\n\+OK\r\n$/);
    });
  }
});
