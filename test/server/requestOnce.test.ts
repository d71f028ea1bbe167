/**
 * TOPOSPHERE DO ID: what runs, what is answered from the record, and in which protocol. What a peer knows of a request is test/core/requests.test.ts's; here it is a map.
 */
import { deepEqual, equal, match } from 'node:assert/strict';
import type { Key } from '../../src/core/types.ts';
import { allCommands } from '../../src/server/commandTable.ts';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import type { MapBackend } from './mapBackend.ts';
import { encode, openRawClient } from './rawClient.ts';

describe('TOPOSPHERE DO ID', () => {
  let backend: MapBackend;
  let server: RedisServer;

  beforeEach(async () => {
    backend = createMapBackend();
    server = await startRedisServer({ backend, host: '127.0.0.1', port: 0 });
  });

  afterEach(async () => {
    await server.close();
  });

  const words = (line: string): Buffer => encode(...line.split(' '));

  /** What is answered to each line, all in one pipeline, on a connection of its own. */
  async function answers(...lines: readonly string[]): Promise<string> {
    const client = openRawClient(server.port);
    client.send(Buffer.concat([...lines, 'QUIT'].map(words)));
    const received = await client.waitForClose();
    client.destroy();
    return received.replace(/\+OK\r\n$/, '');
  }

  const value = (key: string): string | undefined => {
    const bytes = backend.values.get(key as Key);
    return bytes === undefined ? undefined : Buffer.from(bytes).toString();
  };

  /** Each with what it answers twice, once executed and once from the record. */
  const once: readonly [command: string, reply: string][] = [
    ['SET k v', '+OK\r\n'],
    ['SET here v NX', '$-1\r\n'],
    ['SET here v GET', '$1\r\n1\r\n'],
    ['SET k v EX 1000 GET', '$-1\r\n'],
    ['SETNX k v', ':1\r\n'],
    ['SETNX here v', ':0\r\n'],
    ['GETSET here v', '$1\r\n1\r\n'],
    ['GETDEL here', '$1\r\n1\r\n'],
    ['APPEND here 23', ':3\r\n'],
    ['DEL here none', ':1\r\n'],
    ['MSET k 1 l 2 k 3', '+OK\r\n'],
    ['MSETNX k 1 l 2', ':1\r\n'],
    ['EXPIRE here 1000', ':1\r\n'],
    ['PERSIST here', ':0\r\n'],
    ['GETEX here EX 100', '$1\r\n1\r\n'],
    ['SETEX k 1000 v', '+OK\r\n'],
    ['INCR here', ':2\r\n'],
    ['DECR here', ':0\r\n'],
    ['INCRBY here 9223372036854775806', ':9223372036854775807\r\n'],
    ['DECRBY n 3', ':-3\r\n'],
    ['UNLINK here none', ':1\r\n'],
    ['SETRANGE here 1 xy', ':3\r\n'],
    ['RENAME here k', '+OK\r\n'],
    ['RENAMENX here k', ':1\r\n'],
    ['COPY here k', ':1\r\n'],
    ['INCRBYFLOAT here 0.25', '$4\r\n1.25\r\n'],
  ];
  for (const [command, reply] of once) {
    it(`runs ${command} once, and answers ${JSON.stringify(reply)} again`, async () => {
      const first = await answers('SET here 1', `TOPOSPHERE DO ID x RUN ${command}`);
      equal(first, `+OK\r\n${reply}`);
      const after = new Map(backend.values);
      equal(await answers(`TOPOSPHERE DO ID x AGAIN RUN ${command}`), reply);
      equal(await answers(`TOPOSPHERE DO ID x RUN ${command}`), reply);
      deepEqual(backend.values, after);
      equal(
        await answers(`TOPOSPHERE DO ID y AGAIN RUN ${command}`).then((text) => text.slice(0, 13)),
        '-MAYBEAPPLIED',
      );
    });
  }

  it('is tried here with every command that writes', () => {
    const tried = new Set(once.map(([command]) => command.split(' ')[0]?.toLowerCase()));
    const writing = allCommands.filter(({ flags }) => flags.includes('write')).map(({ name }) => name);
    const others = writing.filter((name) => !tried.has(name));
    deepEqual(
      others,
      ['pexpire', 'expireat', 'pexpireat', 'psetex', 'move', 'swapdb', 'flushdb', 'flushall'],
      'tried above, written as one that is, of no effect, or refused below',
    );
  });

  it('does not go with what empties the database, in turns of its own', async () => {
    match(
      await answers('SET k 1', 'TOPOSPHERE DO ID x RUN FLUSHALL'),
      /^\+OK\r\n-ERR ID does not go with flushall/,
    );
    equal(value('k'), '1');
  });

  it('answers in the protocol of who asks again', async () => {
    equal(await answers('SET k 1', 'TOPOSPHERE DO ID x RUN SET k v NX'), '+OK\r\n$-1\r\n');
    match(await answers('HELLO 3', 'TOPOSPHERE DO ID x AGAIN RUN SET k v NX'), /\r\n_\r\n$/);
  });

  it('takes what an attempt says, and runs again where a ticket proves that it may', async () => {
    const client = openRawClient(server.port);
    client.send(words('TOPOSPHERE TICKET'));
    const ticket = (await client.waitForBytes(15)).split('\r\n')[1] ?? '';
    client.destroy();
    equal(await answers(`toposphere do id x again since ${ticket} run append k 1`), ':1\r\n');
    equal(await answers(`TOPOSPHERE DO ID x AGAIN SINCE ${ticket} RUN APPEND k 1`), ':1\r\n');
    equal(value('k'), '1');
    match(await answers('TOPOSPHERE DO ID y AGAIN SINCE alpha RUN APPEND k 1'), /^-ERR this is no ticket/);
  });

  it('compares ids byte by byte', async () => {
    const long = 'i'.repeat(64);
    for (const id of ['x', 'X', 'x0', '0x', long, `${'i'.repeat(63)}j`])
      equal(await answers(`TOPOSPHERE DO ID ${id} RUN APPEND ${id} 1`), ':1\r\n');
    const client = openRawClient(server.port);
    client.send(encode('TOPOSPHERE', 'DO', 'ID', 'x\0\xff', 'RUN', 'APPEND', 'b', '1'));
    equal(await client.waitForBytes(4), ':1\r\n');
    client.destroy();
  });

  it('records no error, and writes nothing where there is one', async () => {
    match(await answers('TOPOSPHERE DO ID x RUN SET k v NX XX'), /^-ERR syntax error/);
    match(await answers('TOPOSPHERE DO ID x RUN MSET k v l'), /^-ERR wrong number/);
    match(await answers('TOPOSPHERE DO ID x RUN MSET k v ahead 1'), /^-CLOCKAHEAD/);
    equal(backend.values.size, 0);
    equal(await answers('TOPOSPHERE DO ID x RUN SET k v'), '+OK\r\n');
  });

  it('waits for the level of the command, also with what it answers again', async () => {
    backend.mode = 'held';
    const client = openRawClient(server.port);
    for (const again of ['', ' AGAIN']) {
      client.send(words(`TOPOSPHERE DO ACK durable ID x${again} RUN SET k v`));
      await backend.whenPending(1);
      equal(backend.pending[0]?.level, 'durable');
      const before = client.received();
      for (const { callback } of backend.pending.splice(0)) callback();
      equal(await client.waitForBytes(before.length + 5), `${before}+OK\r\n`);
    }
    client.destroy();
  });

  it('waits for the disks of what this process executed, and says of what another did that nobody here knows', async () => {
    backend.replicated = [];
    const replicated = 'TOPOSPHERE DO ACK REPLICATED 3 WITHIN 50 ID x';
    equal(await answers(`${replicated} RUN APPEND k 1`), ':1\r\n');
    equal(await answers(`${replicated} AGAIN RUN APPEND k 1`), ':1\r\n');
    deepEqual(backend.replicated, [
      { replicated: 3, withinMs: 50 },
      { replicated: 3, withinMs: 50 },
    ]);
    backend.recordsAreOthers = true;
    for (const line of [`${replicated} AGAIN RUN APPEND k 1`, `${replicated} RUN APPEND k 1`])
      match(await answers(line), /^-UNKNOWN [^\r]*was executed[^\r]*\r\n$/);
    match(
      await answers('TOPOSPHERE ACK REPLICATED 2', 'TOPOSPHERE DO ID x AGAIN RUN APPEND k 1'),
      /^\+OK\r\n-UNKNOWN /,
    );
    equal(backend.replicated.length, 2);
    equal(await answers('TOPOSPHERE DO ACK DURABLE ID x AGAIN RUN APPEND k 1'), ':1\r\n');
    equal(value('k'), '1');
  });

  it('counts nothing for WAIT, once, where a command was answered from the record of another process', async () => {
    backend.recordsAreOthers = true;
    const line = 'TOPOSPHERE DO ID x RUN APPEND k 1';
    equal(await answers(line, 'WAIT 2 50'), ':1\r\n:2\r\n', 'executed here');
    match(await answers(line, 'WAIT 2 50', 'WAIT 2 50'), /^:1\r\n-UNKNOWN [^\r]*\r\n:2\r\n$/);
  });

  it('goes with no READ that a majority answers', async () => {
    for (const read of ['LINEARIZABLE', 'MAJORITY', 'STALE 50'])
      match(
        await answers(`TOPOSPHERE DO READ ${read} ID x RUN SET k v`),
        /^-ERR ID does not go with this READ/,
      );
    equal(backend.values.size, 0);
  });

  const refused: readonly [line: string, reply: RegExp][] = [
    ['TOPOSPHERE DO ID', /wrong number of arguments/],
    ['TOPOSPHERE DO ID x', /did not expect its end, before RUN/],
    ['TOPOSPHERE DO ID x AGAIN', /did not expect its end, before RUN/],
    ['TOPOSPHERE DO ID x AGAIN SINCE', /did not expect its end, before RUN/],
    [`TOPOSPHERE DO ID ${'i'.repeat(65)} RUN SET a 1`, /a request id has 1 to 64 bytes/],
    ['TOPOSPHERE DO ID  RUN SET a 1', /a request id has 1 to 64 bytes/],
    ['TOPOSPHERE DO ID x RUN GET a', /ID is for commands that write/],
    ['TOPOSPHERE DO ID x RUN PING', /ID is for commands that write/],
    ['TOPOSPHERE TICKET x', /wrong number of arguments/],
  ];
  for (const [line, reply] of refused) {
    it(`refuses ${line.slice(0, 50)}, and runs nothing`, async () => {
      const received = await answers(line, 'EXISTS a');
      match(received, reply);
      match(received, /^-ERR [^\r]*\r\n:0\r\n$/);
    });
  }
});
