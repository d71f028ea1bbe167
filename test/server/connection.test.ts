/**
 * One connection over real sockets: order behind acknowledgements, back-pressure, endings, out-of-band changes.
 */
import { equal, ok } from 'node:assert/strict';
import type { Key } from '../../src/core/types.ts';
import { PAUSE_OUTPUT_BYTES, WATCH_OUTPUT_LIMIT_BYTES } from '../../src/server/connection.ts';
import type { RedisServer, RedisServerOptions } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import type { MapBackend } from './mapBackend.ts';
import { encode, openRawClient } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';

describe('connection', () => {
  let backend: MapBackend;
  let server: RedisServer;
  let clients: RawClient[];

  beforeEach(async () => {
    clients = [];
    await start({});
  });

  afterEach(async () => {
    for (const client of clients) client.destroy();
    await server.close();
  });

  async function start(options: Partial<RedisServerOptions>): Promise<void> {
    backend = createMapBackend();
    server = await startRedisServer({ backend, host: '127.0.0.1', port: 0, ...options });
  }

  async function restart(options: Partial<RedisServerOptions>): Promise<void> {
    await server.close();
    await start(options);
  }

  function open(): RawClient {
    const client = openRawClient(server.port);
    clients.push(client);
    return client;
  }

  it('answers reads at once and holds back what stands behind a write until it is acknowledged', async () => {
    backend.mode = 'held';
    const client = open();
    await client.ask('GET a\r\n', '$-1\r\n');
    client.send('SET a 1\r\nGET a\r\nPING\r\n');
    await backend.whenPending(1);
    client.send('PING\r\n');
    // Another connection proves that time has passed and reads are served.
    await open().ask('GET a\r\nPING\r\n', '$1\r\n1\r\n+PONG\r\n');
    equal(client.received(), '$-1\r\n');
    backend.pending[0]?.callback();
    equal(await client.waitForBytes(31), '$-1\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n+PONG\r\n');
  });

  it('keeps the order of replies over many turns with acknowledgements pending', async () => {
    backend.mode = 'held';
    const client = open();
    let expected = '';
    for (let turn = 1; turn <= 20; turn += 1) {
      client.send(`SET k ${turn}\r\nGET k\r\n`);
      expected += `+OK\r\n$${String(turn).length}\r\n${turn}\r\n`;
      await backend.whenPending(turn);
    }
    equal(client.received(), '');
    for (const { callback } of backend.pending) callback();
    equal(await client.waitForBytes(expected.length), expected);
  });

  it('asks for one acknowledgement a turn, however many commands and connections', async () => {
    backend.mode = 'held';
    const many = Array.from({ length: 20 }, open);
    for (const client of many) await client.ask('PING\r\n', '+PONG\r\n');
    for (const client of many) client.send('SET a 1\r\n'.repeat(50));
    await backend.whenPending(1);
    while (backend.values.size === 0 || server.counters.commandsProcessed < 20 * 51) await turn();
    await turn();
    ok(backend.acknowledgeCalls <= 10, `${backend.acknowledgeCalls} calls for 1000 writes`);
    for (const { callback } of backend.pending) callback();
    for (const client of many) equal((await client.waitForBytes(257)).length, 257);
  });

  it('closes without the replies when the writes cannot be acknowledged', async () => {
    backend.mode = 'held';
    const client = open();
    client.send('SET a 1\r\nGET a\r\n');
    await backend.whenPending(1);
    backend.pending[0]?.callback(new Error('disk full'));
    equal(await client.waitForClose(), '-STORAGEFAILED the write may be lost: disk full\r\n');
    equal(server.counters.acknowledgementFailed, 1);
  });

  it('waits for the level that the connection asked for, and for nothing with fast', async () => {
    backend.mode = 'held';
    const client = open();
    await client.ask('TOPOSPHERE ACK\r\n', '$9\r\ncommitted\r\n');
    await client.ask('TOPOSPHERE ACK fast\r\nSET a 1\r\n', '+OK\r\n+OK\r\n');
    equal(backend.acknowledgeCalls, 0);
    client.send(
      'TOPOSPHERE ACK durable\r\nSET a 2\r\nTOPOSPHERE ACK committed\r\nSET a 3\r\nTOPOSPHERE ACK fast\r\n',
    );
    await backend.whenPending(1);
    equal(backend.pending[0]?.level, 'durable');
    backend.pending[0].callback();
    await client.waitForBytes(50);
    await client.ask(
      'TOPOSPHERE ACK soon\r\n',
      '-ERR the acknowledgement level is one of fast, committed, durable, or REPLICATED n|MAJORITY|ALL [WITHIN ms]\r\n',
    );
    await client.ask('RESET\r\nTOPOSPHERE ACK\r\n', '+RESET\r\n$9\r\ncommitted\r\n');
  });

  it('does not let a later committed write overtake an earlier durable one', async () => {
    backend.mode = 'held';
    const client = open();
    client.send('TOPOSPHERE ACK durable\r\nSET a 1\r\n');
    await backend.whenPending(1);
    client.send('TOPOSPHERE ACK committed\r\nSET a 2\r\n');
    await backend.whenPending(2);
    backend.pending[1]?.callback();
    await open().ask('PING\r\n', '+PONG\r\n');
    equal(client.received(), '');
    backend.pending[0]?.callback();
    equal(await client.waitForBytes(20), '+OK\r\n'.repeat(4));
  });

  it('stops reading while the backend is busy and goes on when it is ready', async () => {
    const client = open();
    backend.setBusy(true);
    await client.ask('SET a 1\r\n', '+OK\r\n');
    client.send('SET a 2\r\n');
    await open().ask('GET a\r\n', '$1\r\n1\r\n');
    equal(server.counters.readingPaused, 1);
    backend.setBusy(false);
    equal(await client.waitForBytes(10), '+OK\r\n+OK\r\n');
  });

  it('holds a bounded output for a client that does not read, and serves it when it does', async () => {
    const value = Buffer.alloc(100_000, 'v');
    backend.values.set('big' as Key, value);
    const client = open();
    await client.ask('PING\r\n', '+PONG\r\n');
    client.pause();
    client.send(encode('GET', 'big').toString('latin1').repeat(2000));
    while (server.counters.readingPaused === 0) await turn();
    const other = open();
    other.send('CLIENT LIST\r\n');
    await other.waitForBytes(300);
    const heldBytes = Number(/omem=(\d+)/.exec(other.received())?.[1]);
    ok(heldBytes > 0 && heldBytes <= PAUSE_OUTPUT_BYTES + 2 * value.length, `${heldBytes} bytes held`);
    client.resume();
    const reply = 9 + value.length + 2;
    equal((await client.waitForBytes(7 + 2000 * reply)).length, 7 + 2000 * reply);
  }).timeout(30_000);

  it('closes a connection that asks for a reply longer than the limit, and counts it', async () => {
    await restart({ outputLimitBytes: 1_000_000 });
    backend.values.set('big' as Key, Buffer.alloc(100_000));
    const client = open();
    client.send(encode('MGET', ...Array<string>(50).fill('big')));
    equal(await client.waitForClose(), '');
    equal(server.counters.outputLimitClosed, 1);
    await open().ask('PING\r\n', '+PONG\r\n');
  });

  it('answers everything asked before a client closed its side', async () => {
    backend.mode = 'held';
    const client = open();
    client.send('SET a 1\r\nGET a\r\n');
    client.endHalf();
    await backend.whenPending(1);
    await open().ask('PING\r\n', '+PONG\r\n');
    backend.pending[0]?.callback();
    equal(await client.waitForClose(), '+OK\r\n$1\r\n1\r\n');
  });

  it('answers QUIT last and reads nothing after it', async () => {
    const client = open();
    client.send('SET a 1\r\nQUIT\r\nSET a 2\r\n');
    equal(await client.waitForClose(), '+OK\r\n+OK\r\n');
    equal(Buffer.from(backend.values.get('a' as Key) ?? '').toString(), '1');
  });

  it('tells a client that speaks no protocol what was wrong, then closes', async () => {
    const client = open();
    client.send('PING\r\n*1\r\n!3\r\nPING\r\n');
    equal(await client.waitForClose(), "+PONG\r\n-ERR Protocol error: expected '$', got '!'\r\n");
    equal(server.counters.protocolErrors, 1);
  });

  for (const request of [
    'GET / HTTP/1.1\r\n',
    'POST / HTTP/1.1\r\n',
    'Host: box\r\n',
    'PUT / HTTP/1.1\r\n',
  ]) {
    it(`drops ${JSON.stringify(request)} without running what follows`, async () => {
      const client = open();
      client.send(`${request}SET a 1\r\n`);
      equal(await client.waitForClose(), '');
      equal(backend.values.size, 0);
      equal(server.counters.httpDropped, 1);
    });
  }

  it('refuses one client more than maxClients in Redis words', async () => {
    await restart({ maxClients: 1 });
    const first = open();
    await first.ask('PING\r\n', '+PONG\r\n');
    equal(await open().waitForClose(), '-ERR max number of clients reached\r\n');
    first.destroy();
    while (server.connectionCount() > 0) await turn();
    await open().ask('PING\r\n', '+PONG\r\n');
  });

  it('words what the peer refuses with the code as prefix', async () => {
    await open().ask('SET ahead 1\r\n', '-CLOCKAHEAD this clock is an hour ahead\r\n');
    await open().ask(
      'TOPOSPHERE FAULTS cut beta\r\n',
      '-ERR this peer was not started with --allow-faults\r\n',
    );
    await open().ask('TOPOSPHERE FAULTS heal\r\n', '$6\r\nhealed\r\n');
  });

  it('tells clients of a peer without all data LOADING, reads and writes, and lets those in that ask how it is', async () => {
    backend.values.set('a' as Key, Buffer.from('1'));
    backend.loading = 'gamma has no data yet';
    const refused = '-LOADING gamma has no data yet\r\n';
    await open().ask('GET a\r\n', refused);
    await open().ask('SET a 2\r\nDEL none\r\nEXPIRE none 5\r\n', refused.repeat(3));
    await open().ask('KEYS *\r\nDBSIZE\r\nTOPOSPHERE RANGE "" "" 5\r\nPING\r\n', refused.repeat(4));
    await open().ask(
      'CLIENT SETNAME x\r\nINFO persistence\r\n',
      '+OK\r\n$26\r\n# Persistence\r\nloading:1\r\n\r\n',
    );
    backend.loading = undefined;
    await open().ask('GET a\r\n', '$1\r\n1\r\n');
  });

  it('keeps a late reply in its place', async () => {
    await open().ask(
      'PING\r\nTOPOSPHERE DIGEST\r\nPING\r\n',
      '+PONG\r\n*3\r\n$6\r\nc0ffee\r\n:0\r\n:0\r\n+PONG\r\n',
    );
  });

  it('keeps late replies of many connections apart', async () => {
    const expected = '*3\r\n$6\r\nc0ffee\r\n:0\r\n:0\r\n+PONG\r\n'.repeat(5);
    await Promise.all(
      Array.from({ length: 10 }, () => open().ask('TOPOSPHERE DIGEST\r\nPING\r\n'.repeat(5), expected)),
    );
  });

  it('sends watched changes with old and new value, as push to RESP3 and array to RESP2', async () => {
    const two = open();
    const three = open();
    await two.ask('TOPOSPHERE WATCH u:\r\n', '+OK\r\n');
    three.send('HELLO 3\r\nTOPOSPHERE WATCH u:\r\n');
    while (!three.received().endsWith('+OK\r\n')) await turn();
    const before = three.received().length;
    await open().ask('SET u:1 a\r\nSET v 1\r\nSET u:1 b\r\nDEL u:1\r\n', '+OK\r\n+OK\r\n+OK\r\n:1\r\n');
    const changes = (sign: string, nil: string): string =>
      [`${nil}$1\r\na\r\n`, '$1\r\na\r\n$1\r\nb\r\n', `$1\r\nb\r\n${nil}`]
        .map((values) => `${sign}4\r\n$6\r\nchange\r\n$3\r\nu:1\r\n${values}`)
        .join('');
    const asArrays = `+OK\r\n${changes('*', '$-1\r\n')}`;
    equal(await two.waitForBytes(asArrays.length), asArrays);
    const asPushes = changes('>', '_\r\n');
    equal((await three.waitForBytes(before + asPushes.length)).slice(before), asPushes);
  });

  it('sets no key of an MSET when one of them is refused', async () => {
    const client = open();
    await client.ask('MSET a 1 ahead 2\r\nGET a\r\n', '-CLOCKAHEAD this clock is an hour ahead\r\n$-1\r\n');
  });

  it('gives a connection that changes what it watches whole frames, never one inside another', async () => {
    const client = open();
    await client.ask('TOPOSPHERE WATCH \r\n'.replace(' \r', ' ""\r'), '+OK\r\n');
    client.send('MSET a 1 b 2\r\n');
    const change = (key: string, value: string): string =>
      `*4\r\n$6\r\nchange\r\n$1\r\n${key}\r\n$-1\r\n$1\r\n${value}\r\n`;
    const all = await client.waitForBytes(5 + 5 + 2 * change('a', '1').length);
    equal(all.replace(change('a', '1') + change('b', '2'), ''), '+OK\r\n+OK\r\n');
  });

  it('closes a watcher that does not read its changes, and no other', async () => {
    const watcher = open();
    await watcher.ask('TOPOSPHERE WATCH w\r\n', '+OK\r\n');
    watcher.pause();
    const writer = open();
    const value = 'x'.repeat(1_000_000);
    let writes = 0;
    while (server.counters.outputLimitClosed === 0 && writes < 200) {
      await writer.ask(encode('SET', 'w', value), '+OK\r\n');
      writes += 1;
    }
    equal(server.counters.outputLimitClosed, 1);
    ok(writes * value.length > WATCH_OUTPUT_LIMIT_BYTES / 2);
    await writer.ask('PING\r\n', '+PONG\r\n');
  });

  it('ends watches with the connection', async () => {
    const watcher = open();
    await watcher.ask('TOPOSPHERE WATCH w\r\nRESET\r\n', '+OK\r\n+RESET\r\n');
    await open().ask('SET w 1\r\n', '+OK\r\n');
    await watcher.ask('PING\r\n', '+PONG\r\n');
  });

  it('does not hand a value that shares memory with the chunk it came in', async () => {
    await open().ask(encode('SET', 'a', 'x'.repeat(20_000)), '+OK\r\n');
    const value = backend.values.get('a' as Key);
    equal(value?.byteLength, 20_000);
    equal(value.buffer.byteLength, 20_000);
  });

  it('sends what waits for its acknowledgement before it closes, and takes no more', async () => {
    backend.mode = 'held';
    const client = open();
    client.send('SET a 1\r\n');
    await backend.whenPending(1);
    const closed = server.close();
    backend.pending[0]?.callback();
    equal(await client.waitForClose(), '+OK\r\n');
    await closed;
    equal(await openRawClient(server.port).waitForClose(), '');
  });

  it('says in one line that a port is taken', async () => {
    const { port } = server;
    const failure = await startRedisServer({ backend, host: '127.0.0.1', port }).then(
      () => undefined,
      (error: unknown) => error,
    );
    ok(failure instanceof Error && failure.message.includes(`127.0.0.1:${port}`));
  });
});

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
