/**
 * TCP for the whole house: listening and dialling, and nothing about what is said.
 *
 * Owns the wording of what can go wrong with an address, so that a taken port is one clear line
 * whoever asked for it. Leaves framing, limits on connections and every protocol to its callers. Keeps
 * node:net inside src/network: other folders import `listenTcp`, `dialTcp` and the type `Socket` from here.
 */
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { ToposphereError } from '../core/errors.ts';
import { shareReads } from './sharedReads.ts';

/** The last there is, of UDP as of TCP. */
export const LAST_PORT = 65_535;

export type { Socket } from 'node:net';

export interface TcpListener {
  /** The port that was bound: the one asked for, or the system's choice when 0 was asked. */
  readonly port: number;
  /** Stops listening and destroys the connections that are still open. May be called twice. */
  close(): Promise<void>;
}

interface TcpListenOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Called with every connection. The caller must add its own 'error' listener; an empty one is already there. */
  readonly onSocket: (socket: Socket) => void;
  /** The bytes of a 'data' event are written over after it (`sharedReads.ts`): whoever keeps any copies them. */
  readonly sharesReads?: boolean;
}

/** `host:port`, with brackets around an IPv6 host. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Turns the system's error about an address into one clear line. `protocol` is 'TCP' or 'UDP'. */
export function describeListenFailure(
  protocol: 'TCP' | 'UDP',
  host: string,
  port: number,
  cause: unknown,
): ToposphereError {
  const code = errorCode(cause);
  const address = formatAddress(host, port);
  if (code === 'EADDRINUSE') {
    const message = `cannot listen on ${protocol} ${address}: another process uses this port; stop it, or give this peer another port`;
    return new ToposphereError('ADDRESS_IN_USE', message, { cause });
  }
  const advice =
    code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND'
      ? 'this machine has no such address; correct the host in servers.txt or the settings'
      : code === 'EACCES'
        ? 'the system forbids it; choose a port above 1023'
        : `the system answered ${code}; correct the host and port in servers.txt or the settings`;
  return new ToposphereError('BAD_CONFIGURATION', `cannot listen on ${protocol} ${address}: ${advice}`, {
    cause,
  });
}

/** The `code` of a system error, such as 'ECONNREFUSED', or its message when it has none. */
export function errorCode(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
}

/**
 * Listens on exactly `host:port`. Rejects with a ToposphereError: ADDRESS_IN_USE when the port is taken,
 * BAD_CONFIGURATION when the address is not this machine's or not allowed.
 */
export function listenTcp(options: TcpListenOptions): Promise<TcpListener> {
  const { host, port, onSocket, sharesReads = false } = options;
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true }, (accepted) => {
    const socket = sharesReads ? shareReads(accepted) : accepted;
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    // A connection reset before the caller listens for errors must not end the process.
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  return listenOn(server, host, port).then((boundPort) => ({
    port: boundPort,
    close: () => closeServer(server, open),
  }));
}

/** The port on which a server, of TLS too, now listens. Rejects as `listenTcp` does. */
export function listenOn(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(describeListenFailure('TCP', host, port, cause));
    });
    try {
      // exclusive: a cluster worker must not share the port silently.
      server.listen({ host, port, exclusive: true }, () => {
        server.removeAllListeners('error');
        // Later errors are failed accepts (out of descriptors): the system retries them.
        server.on('error', () => undefined);
        const address = server.address();
        resolve(address !== null && typeof address === 'object' ? address.port : port);
      });
    } catch (cause) {
      reject(describeListenFailure('TCP', host, port, cause));
    }
  });
}

/** Resolves when it listens no more, and each socket that it took is gone. */
export function closeServer(server: Server, open: Iterable<Socket>): Promise<void> {
  return new Promise((resolve) => {
    // An error here only says that it was closed already, which is what was asked.
    server.close(() => {
      resolve();
    });
    for (const socket of open) socket.destroy();
  });
}

/**
 * Starts a connection and returns its socket at once; 'connect' or 'error' follows. An empty 'error'
 * listener is already there: a refusal ends in 'close', never in an uncaught exception.
 */
export function dialTcp(address: { readonly host: string; readonly port: number }): Socket {
  const socket = connect({ host: address.host, port: address.port, noDelay: true });
  socket.on('error', () => undefined);
  return socket;
}
