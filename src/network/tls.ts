/**
 * TLS for whoever listens, a certificate, its key, perhaps an authority that has to have signed those of clients; and for whoever dials.
 *
 * Owns the handshake, its time, how many may be under way, and that another certificate is shown from the next one on. Keeps node:tls inside src/network. Leaves files to src/peer, and what is said
 * inside to its callers, what an error means to tlsFaults.ts. Invariant: `onSocket` is called for no connection whose handshake, with a client's certificate where one is asked for, has not succeeded,
 * and `onOpen` for none whose other side has not shown a certificate of its own address, signed by whom it is to be signed by.
 */
import { X509Certificate } from 'node:crypto';
import { connect, createSecureContext, createServer } from 'node:tls';
import type { SecureContextOptions } from 'node:tls';
import { ToposphereError } from '../core/errors.ts';
import { closeServer, dialTcp, errorCode, listenOn } from './tcp.ts';
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

/** As PEM: by whom the other side's certificate has to be signed, and what is shown to who asks for one. */
export interface TlsTrust {
  /** Left out: those that Node.js knows. */
  readonly authority?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
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

/** As node:tls calls them. */
export function contextOf({ certificate, key, authority }: TlsTrust): SecureContextOptions {
  return {
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(authority === undefined ? {} : { ca: authority }),
  };
}

/** Throws BAD_CONFIGURATION, and quotes nothing, when these are no certificates, or the key is of another one. */
export function assertTlsMaterial(material: TlsTrust): void {
  try {
    createSecureContext(contextOf(material));
    // Of an authority that is none createSecureContext says nothing, and takes no certificate for trusted.
    if (material.authority !== undefined) new X509Certificate(material.authority);
  } catch (error) {
    throw new ToposphereError(
      'BAD_CONFIGURATION',
      `the certificate, its key, or the authority for the other side's certificates cannot be used (${errorCode(error)}); give PEM, the key the certificate's own and without a passphrase`,
    );
  }
}

interface Dialled {
  readonly host: string;
  readonly port: number;
  /** Left out: without TLS. */
  readonly tls?: TlsTrust | undefined;
}

/** As `dialTcp`, over TLS where that is asked for. `onOpen` is called once something may be said. */
export function dial({ host, port, tls }: Dialled, onOpen: () => void): Socket {
  if (tls === undefined) return dialTcp({ host, port }).once('connect', onOpen);
  // noDelay is an option of net.connect, which tls.connect hands on; its types do not know that.
  const options = { host, port, noDelay: true, ...contextOf(tls) };
  return connect(options, onOpen).on('error', () => undefined);
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
