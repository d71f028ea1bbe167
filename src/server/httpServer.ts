/**
 * The HTTP port of one peer: for probes, for Prometheus, and for whoever looks what is there.
 *
 * Owns the listening socket, the paths, the bounds on requests and the headers of answers. What the numbers are is
 * httpMetrics.ts's. It only reads, asks nobody for a password and shows no key and no value of a client. Invariant:
 * whatever arrives is answered or closed, never thrown; after `close` has resolved no connection is open.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { PeerDescription } from '../peer/backend.ts';
import { describeListenFailure, errorCode } from '../network/tcp.ts';
import type { ClientFigures, Metrics } from './httpMetrics.ts';

/** Connections at a time, count: a probe and a scraper need one each. Beyond, they are closed at once. */
export const MAX_HTTP_CONNECTIONS = 64;
/** Line and headers of one request, bytes. */
export const MAX_HEADER_BYTES = 8 * 1024;
/** Milliseconds in which a request must have come whole, and after which a silent connection is closed. */
export const REQUEST_TIMEOUT_MS = 5000;
/** How often the former is looked at, milliseconds. */
const LOOK_EVERY_MS = 1000;
/** How long `/ready` waits for the peer to have caught up, milliseconds: under load there is nearly always an update on its way. */
export const READY_WAIT_MS = 500;
const READY_POLL_MS = 25;
/** How long `close` waits for answers on their way, milliseconds. */
const CLOSE_GRACE_MS = 500;

export interface HttpServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly peer: HttpSource;
  /** What the Redis server in front of the same peer counts. */
  readonly clients: ClientFigures;
}

/** The peer as this port sees it. */
export interface HttpSource {
  describe(): PeerDescription;
  /** Why the peer takes no part or has not caught up, in one line; undefined when it has. */
  findBehind(): string | undefined;
}

export interface HttpServer {
  readonly port: number;
  /** Takes no more requests, gives answers on their way a moment, then closes. May be called twice. */
  readonly close: () => Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

interface Parts {
  readonly peer: HttpSource;
  /** What prom-client needs to be loaded is loaded for the first who asks: a peer is ready earlier, and many are never asked. */
  readonly loadMetrics: () => Promise<Metrics>;
}

type Page = (parts: Parts) => Answer | Promise<Answer>;

const PAGES: Readonly<Partial<Record<string, Page>>> = {
  '/': ({ peer }) => ({ status: 200, body: describePages(peer.describe().id) }),
  // Alive is all that it says: who is restarted for a full disk or for peers that are away is not helped.
  '/healthz': () => ({ status: 200, body: 'alive\n' }),
  '/ready': async ({ peer }) => {
    const reason = await awaitCaughtUp(peer);
    return reason === undefined
      ? { status: 200, body: 'ready\n' }
      : { status: 503, body: `${reason.replaceAll(/\s+/g, ' ')}\n` };
  },
  '/metrics': async ({ loadMetrics }) => {
    const { collect, contentType } = await loadMetrics();
    return { status: 200, body: await collect(), type: contentType };
  },
};

/** For a browser that follows a link here, or one that a stranger's page sends: nothing to run, to keep or to embed. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** Rejects with the ToposphereError of `describeListenFailure` when the address cannot be had. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { peer, clients } = options;
  let metrics: Promise<Metrics> | undefined;
  const loadMetrics = (): Promise<Metrics> =>
    (metrics ??= import('./httpMetrics.ts').then(({ createMetrics }) => createMetrics(peer, clients)));
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: LOOK_EVERY_MS,
    },
    (request, response) => {
      void answer(request, { peer, loadMetrics }).then((found) => {
        send(request, response, found);
      });
    },
  );
  server.maxConnections = MAX_HTTP_CONNECTIONS;
  server.on('clientError', refuseRequest);
  const port = await listen(server, options);
  let closing: Promise<void> | undefined;
  return { port, close: () => (closing ??= closeServer(server)) };
}

function listen(server: Server, { host, port }: HttpServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(describeListenFailure('TCP', host, port, cause));
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      // Later errors are failed accepts (out of descriptors): the system retries them.
      server.on('error', () => undefined);
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : port);
    });
  });
}

/** Never rejects: a page that fails is an answer too. */
async function answer({ method = '', url = '' }: IncomingMessage, parts: Parts): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, body: 'only GET and HEAD\n' };
  const path = url.split('?', 1)[0] ?? '';
  const page = Object.hasOwn(PAGES, path) ? PAGES[path] : undefined;
  if (page === undefined) return { status: 404, body: 'no such page; / lists what there is\n' };
  try {
    return await page(parts);
  } catch (error) {
    return { status: 500, body: `this page failed: ${errorCode(error)}\n` };
  }
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, type }: Answer): void {
  response.writeHead(status, {
    ...HEADERS,
    'content-type': type ?? 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    // What follows a refused method may be a body of any length: it is not waited for.
    ...(status === 405 ? { allow: 'GET, HEAD', connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** What is no request, too long or too slow. Whatever was sent, only the kind of fault comes back. */
function refuseRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  socket.on('error', () => undefined);
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request';
  if (socket.writable && error.code !== 'ECONNRESET')
    socket.write(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  socket.destroy();
}

/** Why it has not caught up, if it has not within READY_WAIT_MS. */
async function awaitCaughtUp(peer: HttpSource): Promise<string | undefined> {
  const deadlineMs = performance.now() + READY_WAIT_MS;
  for (;;) {
    const reason = peer.findBehind();
    if (reason === undefined || performance.now() >= deadlineMs) return reason;
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
}

function describePages(id: string): string {
  return [
    `Toposphere peer ${id}`,
    '',
    '/healthz  200 while this process serves',
    '/ready    200 when this peer takes part and has caught up, else 503 with the reason',
    '/metrics  numbers for Prometheus',
    '',
  ].join('\n');
}

async function closeServer(server: Server): Promise<void> {
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, CLOSE_GRACE_MS);
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeIdleConnections();
  });
  clearTimeout(timer);
}
