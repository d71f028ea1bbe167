/**
 * Redis clients over TLS, by node:tls, node-redis and ioredis; certificates of clients, and another certificate while the server runs. And who is refused in protected mode.
 */
import { equal, match, ok, throws } from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { connect } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { dialTcp } from '../../src/network/tcp.ts';
import { assertTlsMaterial } from '../../src/network/tls.ts';
import type { RedisServer, RedisServerOptions } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import {
  AUTHORITY,
  OTHER_CERTIFICATE,
  OTHER_KEY,
  PEER_CERTIFICATE,
  PEER_KEY,
  STRANGER_CERTIFICATE,
  STRANGER_KEY,
} from './certificates.ts';
import { createMapBackend } from './mapBackend.ts';
import { openRawClient } from './rawClient.ts';

const HOST = '127.0.0.1';
const DEADLINE_MS = 5000;
const MATERIAL = { certificate: PEER_CERTIFICATE, key: PEER_KEY };

describe('Redis clients over TLS', () => {
  let server: RedisServer;

  afterEach(() => server.close());

  async function start(options: Partial<RedisServerOptions> = {}): Promise<void> {
    const tls = { host: HOST, port: 0, material: MATERIAL };
    server = await startRedisServer({ backend: createMapBackend(), host: HOST, port: 0, tls, ...options });
  }

  /** What is answered to `text` until the other side closes, and whose certificate was shown. Rejects when the handshake fails. */
  function converse(
    text: string,
    options: ConnectionOptions = {},
  ): Promise<{ answer: string; shown: string }> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: HOST, port: server.tlsPort, ca: AUTHORITY, ...options });
      const timer = setTimeout(() => {
        socket.destroy(new Error(`nothing came within ${DEADLINE_MS} ms`));
      }, DEADLINE_MS);
      let answer = '';
      let shown = '';
      socket.on('secureConnect', () => {
        const { CN } = socket.getPeerCertificate().subject;
        shown = typeof CN === 'string' ? CN : '';
        socket.write(text);
      });
      socket.on('data', (bytes: Buffer) => {
        answer += bytes.toString('latin1');
      });
      socket.on('error', reject);
      socket.on('close', () => {
        clearTimeout(timer);
        resolve({ answer, shown });
      });
    });
  }

  it('are answered as without, beside those without, and large values whole', async () => {
    await start({ password: 'correct-horse' });
    const { answer, shown } = await converse('AUTH correct-horse\r\nSET a 1\r\nCLIENT INFO\r\nQUIT\r\n');
    equal(shown, 'peer');
    match(answer, /^\+OK\r\n\+OK\r\n\$\d+\r\nid=1 addr=127\.0\.0\.1:\d+ /);
    await openRawClient(server.port).ask('AUTH correct-horse\r\nGET a\r\n', '+OK\r\n$1\r\n1\r\n');
    const url = `rediss://:correct-horse@127.0.0.1:${server.tlsPort ?? 0}`;
    const client = createClient({ url, socket: { ca: AUTHORITY, tls: true } });
    await client.connect();
    const value = 'x'.repeat(5_000_000);
    equal(await client.set('big', value), 'OK');
    equal(await client.get('big'), value);
    client.destroy();
    const redis = new Redis(server.tlsPort ?? 0, HOST, { password: 'correct-horse', tls: { ca: AUTHORITY } });
    equal(await redis.get('a'), '1');
    redis.disconnect();
  });

  it('are refused with what is no TLS, counted, and nobody else is troubled', async () => {
    await start();
    const plain = openRawClient(server.tlsPort ?? 0);
    plain.send('PING\r\n');
    await plain.waitForClose();
    equal(server.counters.tlsHandshakesFailed, 1);
    equal(server.counters.connectionsAccepted, 0);
    equal((await converse('PING\r\nQUIT\r\n')).answer, '+PONG\r\n+OK\r\n');
  });

  it('are closed when they do not finish the handshake in time', async () => {
    await start({ unauthenticatedClientMs: 200 });
    await openRawClient(server.tlsPort ?? 0).waitForClose();
    equal(server.counters.tlsHandshakesFailed, 1);
  });

  it('have to show a certificate of the authority where there is one', async () => {
    await start({ tls: { host: HOST, port: 0, material: { ...MATERIAL, authority: AUTHORITY } } });
    const own = { cert: OTHER_CERTIFICATE, key: OTHER_KEY };
    equal((await converse('PING\r\nQUIT\r\n', own)).answer, '+PONG\r\n+OK\r\n');
    for (const stranger of [{}, { cert: STRANGER_CERTIFICATE, key: STRANGER_KEY }])
      // In TLS 1.3 the client's side of the handshake is over before it is judged.
      equal((await converse('PING\r\nQUIT\r\n', stranger).catch(() => ({ answer: '' }))).answer, '');
    equal(server.counters.tlsHandshakesFailed, 2);
    equal(server.counters.connectionsAccepted, 1);
  });

  it('are shown another certificate from the next connection on, and open ones stay', async () => {
    await start();
    const socket = connect({ host: HOST, port: server.tlsPort, ca: AUTHORITY });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    server.changeCertificate({ certificate: OTHER_CERTIFICATE, key: OTHER_KEY });
    equal((await converse('QUIT\r\n')).shown, 'another');
    const answered = new Promise<string>((resolve) =>
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes.toString());
      }),
    );
    socket.write('PING\r\n');
    equal(await answered, '+PONG\r\n');
    socket.destroy();
  });

  it('are not served where a certificate and a key are not of each other, and neither is quoted', () => {
    return start().then(() => {
      throws(
        () => {
          assertTlsMaterial({ certificate: PEER_CERTIFICATE, key: OTHER_KEY });
        },
        (error: unknown) =>
          error instanceof Error && !error.message.includes('MIG') && /PEM/.test(error.message),
      );
      throws(() => {
        assertTlsMaterial({ ...MATERIAL, authority: 'no certificate' });
      }, /PEM/);
      assertTlsMaterial({ ...MATERIAL, authority: AUTHORITY });
    });
  });
});

describe('protected mode', () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses = []) => addresses)
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

  /** What a client that comes from another address than a loopback one is told at once, until the server closes or answers. */
  async function greet(options: Partial<RedisServerOptions>): Promise<{ said: string; refused: number }> {
    const server = await startRedisServer({
      backend: createMapBackend(),
      host: '0.0.0.0',
      port: 0,
      ...options,
    });
    try {
      const socket = dialTcp({ host: outside ?? HOST, port: server.port });
      const said = await new Promise<string>((resolve, reject) => {
        socket.once('data', (bytes: Buffer) => {
          resolve(bytes.toString());
        });
        socket.once('error', reject);
        socket.write('PING\r\n');
      });
      socket.destroy();
      return { said, refused: server.counters.protectedModeRefused };
    } finally {
      await server.close();
    }
  }

  it('refuses who comes from another machine where nobody is asked for a password', async function () {
    if (outside === undefined) this.skip();
    const { said, refused } = await greet({});
    match(said, /^-DENIED Toposphere is running in protected mode/);
    equal(refused, 1);
  });

  it('is off where a password is asked for, or where it was said so by name', async function () {
    if (outside === undefined) this.skip();
    equal((await greet({ isOpen: true })).said, '+PONG\r\n');
    match((await greet({ password: 'correct-horse' })).said, /^-NOAUTH/);
  });

  it('lets those of this machine in', async () => {
    const server = await startRedisServer({ backend: createMapBackend(), host: '0.0.0.0', port: 0 });
    try {
      await openRawClient(server.port).ask('PING\r\n', '+PONG\r\n');
      ok(server.counters.protectedModeRefused === 0);
    } finally {
      await server.close();
    }
  });
});
