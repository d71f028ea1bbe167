/**
 * The HTTP port over real loopback sockets, in front of a real peer: each page, and what must not work.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as startRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer } from '../../src/peer/peer.ts';
import { COLLECT_EVERY_MS } from '../../src/server/httpMetrics.ts';
import { MAX_HEADER_BYTES, MAX_HTTP_CONNECTIONS, startHttpServer } from '../../src/server/httpServer.ts';
import type { HttpServer, HttpSource } from '../../src/server/httpServer.ts';
import { createServerCounters } from '../../src/server/serverCounters.ts';
import { findGroup, findPeerPorts } from '../ports.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const HOST = '127.0.0.1';
const TRACKED = { clients: 0, keys: 0, pairs: 0, prefixes: 0, bytes: 0 };

describe('the HTTP port', function () {
  this.timeout(20_000);
  let folder = '';
  let peer: Peer;
  let server: HttpServer;
  let reason: string | undefined;
  /** Answers of findBehind before `reason` is asked. */
  let passing: string[] = [];
  let described = 0;
  let failing: Error | undefined;
  const counters = createServerCounters();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-http-'));
    const [port = 0] = await findPeerPorts(1);
    const group = await findGroup();
    await writeFile(join(folder, 'servers.txt'), `solo ${HOST} ${port}\n`);
    peer = await Peer.open({
      servers: join(folder, 'servers.txt'),
      dataDirectory: folder,
      multicastGroup: group.group,
      multicastPort: group.port,
      bootstrap: true,
    });
  });
  after(async () => {
    await peer.close();
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    reason = undefined;
    failing = undefined;
    passing = [];
    const source: HttpSource = {
      describe: () => {
        described += 1;
        if (failing !== undefined) throw failing;
        return peer.backend.describe();
      },
      findBehind: () => passing.shift() ?? reason,
    };
    server = await startHttpServer({
      host: HOST,
      port: 0,
      peer: source,
      clients: { counters, connectionCount: () => 3, tracking: () => TRACKED },
    });
  });
  afterEach(async () => {
    await server.close();
  });

  /** One request on a connection of its own. */
  async function ask(path: string, method = 'GET', body = ''): Promise<Answer> {
    const sent = startRequest({
      host: HOST,
      port: server.port,
      path,
      method,
      agent: false,
      headers: body === '' ? {} : { 'content-length': body.length },
    });
    sent.end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: Buffer.concat(chunks).toString(),
    };
  }

  async function dial(): Promise<Socket> {
    const socket = connect({ host: HOST, port: server.port });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  /** What comes back for these bytes until the other side closes. */
  async function send(bytes: string | Buffer): Promise<string> {
    const socket = await dial();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.write(bytes);
    await once(socket, 'close');
    return Buffer.concat(chunks).toString();
  }

  /** Another scrape, numbers gathered anew. */
  async function scrape(): Promise<string> {
    await new Promise((resolve) => setTimeout(resolve, COLLECT_EVERY_MS + 5));
    return (await ask('/metrics')).body;
  }

  it('lists its pages', async () => {
    const { status, headers, body } = await ask('/');
    assert.equal(status, 200);
    assert.match(String(headers['content-type']), /^text\/plain/);
    for (const part of ['solo', '/healthz', '/ready', '/metrics']) assert.ok(body.includes(part), part);
  });

  it('is alive whether or not the peer has caught up', async () => {
    reason = 'beta has not been heard since the start';
    assert.deepEqual(pick(await ask('/healthz')), [200, 'alive\n']);
  });

  it('is ready when the peer takes part and has caught up, also a moment after it was asked', async () => {
    assert.deepEqual(pick(await ask('/ready')), [200, 'ready\n']);
    passing = ['2 updates that exist are not here yet'];
    assert.deepEqual(pick(await ask('/ready')), [200, 'ready\n']);
  });

  it('says in one line why the peer is not ready', async () => {
    reason = 'solo has no data yet;\r\nit joins';
    assert.deepEqual(pick(await ask('/ready')), [503, 'solo has no data yet; it joins\n']);
  });

  it('answers HEAD with the same headers and no body, and takes a query for no part of the path', async () => {
    const whole = await ask('/healthz?probe=1');
    const head = await ask('/healthz', 'HEAD');
    assert.deepEqual([head.status, head.body], [200, '']);
    assert.equal(head.headers['content-length'], whole.headers['content-length']);
  });

  it('gives metrics in which every line is well formed and every metric is explained', async () => {
    const { status, headers, body } = await ask('/metrics');
    assert.equal(status, 200);
    assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/);
    const metrics = parseMetrics(body);
    for (const [name, { kind }] of metrics) {
      assert.equal(kind === 'counter', name.endsWith('_total'), name);
      assert.match(name, /^(?:toposphere|process|nodejs)_/);
      assert.doesNotMatch(name, /(?:_ms|millis|_kb|_mib)/i);
    }
    const value = (name: string, labels = ''): number | undefined => metrics.get(name)?.samples.get(labels);
    assert.equal(value('toposphere_phase', 'phase="member"'), 1);
    assert.equal(value('toposphere_phase', 'phase="joining"'), 0);
    assert.equal(value('toposphere_caught_up'), 1);
    assert.equal(value('toposphere_client_connections'), 3);
    assert.equal(value('toposphere_receive_buffer_bytes'), Number(receiveBufferOf(peer)));
    assert.ok((value('toposphere_event_loop_lag_seconds') ?? -1) >= 0);
    assert.ok((value('toposphere_disk_free_bytes') ?? 0) > 0);
    assert.ok((value('toposphere_store_file_bytes') ?? 0) > 0);
  });

  it('has the same metrics at every scrape, whose counters never fall and count what happened', async () => {
    const before = parseMetrics(await scrape());
    for (let index = 0; index < 5; index += 1) await peer.set(`key-secret-${index}`, 'value-secret');
    counters.commandsProcessed += 7;
    const text = await scrape();
    const after = parseMetrics(text);
    assert.deepEqual([...after.keys()], [...before.keys()]);
    let counted = 0;
    for (const [name, { kind, samples }] of before) {
      if (kind !== 'counter') continue;
      for (const [labels, value] of samples) {
        assert.ok((after.get(name)?.samples.get(labels) ?? -1) >= value, `${name}{${labels}} fell`);
        counted += 1;
      }
    }
    assert.ok(counted > 50);
    const grown = (name: string): number =>
      (after.get(name)?.samples.get('') ?? 0) - (before.get(name)?.samples.get('') ?? 0);
    assert.equal(grown('toposphere_writes_accepted_total'), 5);
    assert.equal(grown('toposphere_client_commands_processed_total'), 7);
    assert.ok(grown('toposphere_commits_total') >= 5);
    const [vector] = after.get('toposphere_vector_sequence')?.samples ?? [];
    assert.deepEqual(vector, [`origin="solo",incarnation="${peer.status().incarnation}"`, 5]);
    assert.ok(!text.includes('secret'));
    const accepted = parseMetrics(await scrape())
      .get('toposphere_writes_accepted_total')
      ?.samples.get('');
    assert.equal(accepted, 5, 'counted once, however often it is scraped');
  });

  it('gathers numbers only when it is asked, and no more often for being asked more often', async () => {
    await scrape();
    const settled = described;
    await new Promise((resolve) => setTimeout(resolve, 2 * COLLECT_EVERY_MS));
    assert.equal(described, settled);
    const startedMs = performance.now();
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/metrics')));
    const most = 1 + Math.floor((performance.now() - startedMs) / COLLECT_EVERY_MS);
    assert.ok(most < answers.length, 'too slow a machine to tell');
    const gathered = described - settled;
    assert.ok(gathered >= 1 && gathered <= most, `${gathered} times, ${most} at most`);
    assert.ok(new Set(answers.map(({ body }) => body)).size <= most);
  });

  it('leaves out what is not known, and takes it up when it is', async () => {
    const name = 'toposphere_checkpoint_file_timestamp_seconds';
    assert.equal(parseMetrics(await scrape()).get(name)?.samples.size, 0);
    await peer.checkpoint();
    const seconds =
      parseMetrics(await scrape())
        .get(name)
        ?.samples.get('') ?? 0;
    assert.ok(Math.abs(seconds - Date.now() / 1000) < 60);
  });

  it('answers a page that fails with 500, and goes on', async () => {
    failing = new Error('planted');
    assert.equal((await ask('/')).status, 500);
    assert.equal((await ask('/healthz')).status, 200);
    failing = undefined;
    assert.equal((await ask('/')).status, 200);
  });

  for (const path of [
    '/nothing',
    '//',
    '/healthz/',
    '/toString',
    '/__proto__',
    '/../package.json',
    '/%2e%2e/x',
  ]) {
    it(`has no page ${path}, and does not repeat it`, async () => {
      const { status, body } = await ask(path);
      assert.equal(status, 404);
      assert.ok(path === '//' || !body.includes(path));
    });
  }

  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']) {
    it(`refuses ${method} and closes, whatever its body`, async () => {
      const { status, headers } = await ask('/metrics', method, 'x'.repeat(200_000));
      assert.equal(status, 405);
      assert.equal(headers.allow, 'GET, HEAD');
      assert.equal(headers.connection, 'close');
    });
  }

  it('sends headers that let a browser neither run, keep, guess nor embed anything, on every answer', async () => {
    for (const one of [await ask('/'), await ask('/metrics'), await ask('/x'), await ask('/', 'POST')]) {
      assert.equal(one.headers['x-content-type-options'], 'nosniff');
      assert.equal(one.headers['cache-control'], 'no-store');
      assert.match(String(one.headers['content-security-policy']), /default-src 'none'/);
      assert.equal(one.headers['cross-origin-resource-policy'], 'same-origin');
      assert.equal(one.headers['access-control-allow-origin'], undefined);
    }
  });

  it('answers what is no request with 400 and closes', async () => {
    for (const bytes of [
      '*1\r\n$4\r\nPING\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      Buffer.alloc(300, 0xff),
    ])
      assert.match(await send(bytes), /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.equal((await ask('/healthz')).status, 200);
  });

  it('answers headers beyond the limit with 431 and closes', async () => {
    const head = `GET / HTTP/1.1\r\nhost: x\r\nlong: ${'y'.repeat(MAX_HEADER_BYTES)}\r\n\r\n`;
    assert.match(await send(head), /^HTTP\/1\.1 431 /);
  });

  it('does not wait for ever for a request that trickles in', async () => {
    const startedMs = performance.now();
    assert.match(await send('GET / HTTP/1.1\r\nhost: x\r\n'), /^HTTP\/1\.1 408 /);
    assert.ok(performance.now() - startedMs < 15_000);
  });

  it('closes CONNECT, and answers a wish to speak another protocol as if it had not been said', async () => {
    assert.doesNotMatch(await send('CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n'), /^HTTP\/1\.1 2/);
    const wish =
      'GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n';
    assert.match(await send(wish), /^HTTP\/1\.1 200 /);
  });

  it('holds a bounded number of connections, and serves again when they are gone', async () => {
    const sockets = await Promise.all(Array.from({ length: MAX_HTTP_CONNECTIONS }, dial));
    const beyond = await dial();
    await once(beyond, 'close');
    const closed = sockets.map((socket) => once(socket, 'close'));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
    await eventually(async () => (await ask('/healthz').catch(() => undefined))?.status === 200);
  });

  it('closes without waiting for connections that are kept alive or say nothing', async () => {
    const silent = await dial();
    const kept = await dial();
    kept.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(kept, 'data');
    const closed = Promise.all([once(silent, 'close'), once(kept, 'close')]);
    const startedMs = performance.now();
    await Promise.all([server.close(), server.close()]);
    assert.ok(performance.now() - startedMs < 2000); // not the 5 s that an idle connection is kept
    await closed;
    await assert.rejects(ask('/healthz'), { code: 'ECONNREFUSED' });
  });

  it('says in one line that its port is taken', async () => {
    const peerOf: HttpSource = { describe: () => peer.backend.describe(), findBehind: () => undefined };
    const clients = { counters, connectionCount: () => 0, tracking: () => TRACKED };
    await assert.rejects(startHttpServer({ host: HOST, port: server.port, peer: peerOf, clients }), {
      code: 'ADDRESS_IN_USE',
    });
  });
});

function pick({ status, body }: Answer): readonly [number, string] {
  return [status, body];
}

function receiveBufferOf(peer: Peer): unknown {
  return peer.backend.describe().network.datagrams.receiveBuffer.grantedBytes;
}

async function eventually(isTrue: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 5000;
  while (!(await isTrue())) {
    assert.ok(performance.now() < deadlineMs, 'did not come true in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

interface ParsedMetric {
  readonly kind: string;
  /** Value by labels as they stand between the braces. */
  readonly samples: Map<string, number>;
}

const LABELS = String.raw`[a-z_]+="(?:[^"\\\n]|\\["\\n])*"`;
const SAMPLE = new RegExp(
  String.raw`^([a-z_][a-z0-9_]*)(?:\{(${LABELS}(?:,${LABELS})*)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?)$`,
);

/** Reads the text format as a scraper does, and fails at the first line that it would refuse. */
function parseMetrics(text: string): Map<string, ParsedMetric> {
  assert.ok(text.endsWith('\n'));
  const metrics = new Map<string, ParsedMetric>();
  let helped: string | undefined;
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [, help] = /^# HELP ([a-z_][a-z0-9_]*) \S.*$/.exec(line) ?? [];
    const [, typed, kind] = /^# TYPE ([a-z_][a-z0-9_]*) (counter|gauge)$/.exec(line) ?? [];
    if (help !== undefined) {
      assert.ok(!metrics.has(help), `${help} is explained twice`);
      helped = help;
    } else if (typed !== undefined && kind !== undefined) {
      assert.equal(typed, helped, 'TYPE follows HELP');
      metrics.set(typed, { kind, samples: new Map() });
    } else {
      const [, name = '', labels = '', value] = SAMPLE.exec(line) ?? [];
      const metric = metrics.get(name);
      assert.ok(
        metric !== undefined && name === helped,
        `not a line of the format, or out of place: ${line}`,
      );
      assert.ok(!metric.samples.has(labels), `twice: ${line}`);
      metric.samples.set(labels, Number(value));
    }
  }
  return metrics;
}
