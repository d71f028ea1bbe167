/**
 * TLS for whoever listens: a certificate, its key, perhaps an authority that has to have signed those of clients.
 *
 * Owns the handshake, its time, how many may be under way, and that another certificate is shown from the next one on. Keeps node:tls inside src/network. Leaves files to src/peer, and what is said
 * inside to its callers. Invariant: `onSocket` is called for no connection whose handshake, with a client's certificate where one is asked for, has not succeeded.
 */
import { createSecureContext, createServer } from 'node:tls';
import { ToposphereError } from '../core/errors.ts';
import { closeServer, errorCode, listenOn } from './tcp.ts';
import type { Socket, TcpListener } from './tcp.ts';

/** Handshakes under way beside the connections that are open, count: beyond, new ones are closed unanswered. */
const HANDSHAKES_LIMIT = 256;

/** As PEM. */
export interface TlsMaterial {
  readonly certificate: string;
  readonly key: string;
  /** Left out: clients show no certificate. */
  readonly authority?: string | undefined;
}

export interface TlsListener extends TcpListener {
  /** From the next handshake on; fit to be used, and with an authority exactly where there was one. */
  readonly changeMaterial: (material: TlsMaterial) => void;
}

interface TlsListenOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly material: TlsMaterial;
  readonly handshakeMs: number;
  readonly maxConnections: number;
  /** Called with every connection that may speak. The caller must add its own 'error' listener; an empty one is already there. */
  readonly onSocket: (socket: Socket) => void;
  readonly onHandshakeFailed: () => void;
}

function contextOf({ certificate, key, authority }: TlsMaterial) {
  return { cert: certificate, key, ...(authority === undefined ? {} : { ca: authority }) };
}

/** Throws BAD_CONFIGURATION, and quotes nothing, when these are no certificate and its key. */
export function assertTlsMaterial(material: TlsMaterial): void {
  try {
    createSecureContext(contextOf(material));
  } catch (error) {
    throw new ToposphereError(
      'BAD_CONFIGURATION',
      `the certificate, its key, or the authority for clients' certificates cannot be used (${errorCode(error)}); give PEM files, the key the certificate's own and without a passphrase`,
    );
  }
}

/** Listens on exactly `host:port`. Rejects as `listenTcp` does. */
export function listenTls(options: TlsListenOptions): Promise<TlsListener> {
  const { host, port, material, handshakeMs, maxConnections, onSocket, onHandshakeFailed } = options;
  const open = new Set<Socket>();
  const mustShow = material.authority !== undefined;
  const server = createServer({
    ...contextOf(material),
    handshakeTimeout: handshakeMs,
    requestCert: mustShow,
    rejectUnauthorized: mustShow,
    noDelay: true,
  });
  server.maxConnections = maxConnections + HANDSHAKES_LIMIT;
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => undefined);
  });
  server.on('secureConnection', (socket) => {
    // What the client says to a connection that just ended must not end the process.
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.on('tlsClientError', (_, socket) => {
    onHandshakeFailed();
    socket.destroy();
  });
  return listenOn(server, host, port).then((boundPort) => ({
    port: boundPort,
    changeMaterial: (other) => {
      server.setSecureContext(contextOf(other));
    },
    close: () => closeServer(server, open),
  }));
}
