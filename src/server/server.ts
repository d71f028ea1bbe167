/**
 * The Redis protocol server of one peer: accepts clients and holds what their connections share.
 *
 * Owns the listening socket, the list of connections, their number, who of them gives way, and the memory behind
 * their unfinished requests. Leaves each conversation to connection.ts and all data to the Backend.
 * Invariant: after `close` has resolved no connection is open and no command will run; replies that waited
 * for their acknowledgement were sent, or their connection was closed without them.
 */
import { listenTcp } from '../network/tcp.ts';
import { listenTls } from '../network/tls.ts';
import type { TlsListener } from '../network/tls.ts';
import { createAcknowledgements } from './acknowledgements.ts';
import { isLoopback } from '../peer/backend.ts';
import type { AcknowledgementLevel, Backend, ClientUser, TlsMaterial } from '../peer/backend.ts';
import { createPasswordCheck, isOpen } from './authentication.ts';
import { createClientPause } from './clientPause.ts';
import { startClientSweep } from './clientSweep.ts';
import type { ClientState, ServerState } from './command.ts';
import { createCommandTable } from './commandTable.ts';
import type { ClientSocket, ConnectionHost } from './connectionHost.ts';
import { Connection, WATCH_OUTPUT_LIMIT_BYTES } from './connection.ts';
import { createKeyspaceEvents } from './keyspaceEvents.ts';
import { createLatencyEvents } from './latencyEvents.ts';
import { createReplyWriter } from './reply.ts';
import { BULK_LIMIT_BYTES, REQUEST_LIMIT_BYTES } from './requestParser.ts';
import { createScanCursors } from './scanCursors.ts';
import type { ServerCounters } from './serverCounters.ts';
import { createServerCounters } from './serverCounters.ts';
import { createLimits } from './serverLimits.ts';
import { createSlowlog } from './slowlog.ts';
import type { TrackingReport } from './tracking.ts';
import { createTracking, DEFAULT_MAX_TRACKED_KEYS } from './tracking.ts';
import { createUnauthenticatedClients } from './unauthenticatedClients.ts';
import { createWatchedKeys } from './watchedKeys.ts';

/** Milliseconds, where there is a password, that a client may be connected without having given it. */
export const DEFAULT_UNAUTHENTICATED_CLIENT_MS = 30_000;
/** One reply, bytes: a larger one closes the connection. It is also the most that one client can make us hold. */
export const DEFAULT_OUTPUT_LIMIT_BYTES = 256 * 1024 * 1024;
/** Memory behind the unfinished requests of all connections, bytes: who passes it is closed. */
export const INPUT_TOTAL_LIMIT_BYTES = 512 * 1024 * 1024;
/** Where replies go that nobody wants: first size, bytes. */
const UNSENT_CHUNK_BYTES = 4 * 1024;
/** Commands that one client has queued behind MULTI, bytes; and keys that it watches. */
const DEFAULT_MAX_TRANSACTION_BYTES = 8 * 1024 * 1024;
/** How long `close` waits for replies on their way, milliseconds. */
export const CLOSE_GRACE_MS = 1000;
const PROTECTED_MODE =
  'DENIED Toposphere is running in protected mode: no password is set for the default user, and there are no others. In this mode connections are only accepted from the loopback interface. Start the peer with --client-password-file or --client-users-file, or with --open-clients to serve whoever reaches it';
const TOO_MANY_CLIENTS = 'ERR max number of clients reached';

export interface RedisServerOptions {
  readonly backend: Backend;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** What a client's OK means unless it says otherwise; 'committed' if left out. */
  readonly acknowledge?: AcknowledgementLevel;
  /** What clients have to say first; left out: nothing. */
  readonly password?: string;
  /** Named users, who give passwords of their own; left out: there are none. */
  readonly users?: readonly ClientUser[];
  /** Who has no password may come from other machines too. */
  readonly isOpen?: boolean;
  /** Serves clients over TLS as well. */
  readonly tls?: { readonly host: string; readonly port: number; readonly material: TlsMaterial };
  readonly maxClients?: number | undefined;
  readonly clientIdleMs?: number;
  readonly clientStalledMs?: number;
  readonly slowCommandMicroseconds?: number;
  readonly slowCommandsKept?: number;
  /** Events on keys that clients are told of (src/peer/eventClasses.ts); left out: none. */
  readonly keyspaceEventClasses?: number;
  /** Where there is a password: how long a client may be connected without having given it. */
  readonly unauthenticatedClientMs?: number;
  /** Largest argument taken, bytes: the peer's maxValueBytes. */
  readonly maxValueBytes?: number;
  readonly outputLimitBytes?: number;
  readonly outputTotalLimitBytes?: number;
  /** Keys that clients which track may be remembered to have read: more, and they are told of the first ones as if these had changed. */
  readonly maxTrackedKeys?: number;
  /** What the commands that one client queues behind MULTI may take, and the keys that it watches. */
  readonly maxTransactionBytes?: number;
}

export interface RedisServer {
  readonly port: number;
  /** Undefined: TLS is not served. */
  readonly tlsPort: number | undefined;
  readonly counters: Readonly<ServerCounters>;
  readonly connectionCount: () => number;
  /** What is remembered for clients that track. */
  readonly tracking: () => TrackingReport;
  /**
   * From now on clients give this password; those that have given the one before stay, as in Redis. False when it is the same. Only for a server that was started with
   * one: clients that needed none have not given any.
   */
  readonly changePassword: (password: string) => boolean;
  /**
   * From now on these are the users. Connections of one who is gone, or may do something else, are closed; another password alone closes none, as with the client password. Says so in words. Only for a server that was started with some.
   */
  readonly changeUsers: (users: readonly ClientUser[]) => string;
  /** Shown from the next handshake on. Only for a server that was started with TLS. */
  readonly changeCertificate: (material: TlsMaterial) => void;
  /** Takes no more requests, sends what can still be sent within CLOSE_GRACE_MS, then closes. May be called twice. */
  readonly close: () => Promise<void>;
}

/** Rejects with the ToposphereError of `listenTcp` when the address cannot be had. */
export async function startRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  const { backend } = options;
  const limits = createLimits(options);
  const connections = new Map<number, Connection>();
  const counters = createServerCounters();
  const latency = createLatencyEvents();
  const unauthenticatedMs = options.unauthenticatedClientMs ?? DEFAULT_UNAUTHENTICATED_CLIENT_MS;
  const unauthenticated = createUnauthenticatedClients(unauthenticatedMs, (clientId) => {
    counters.authenticationTimedOut += 1;
    connections.get(clientId)?.expel(`NOAUTH no password was given within ${unauthenticatedMs} ms`);
  });
  const acknowledgements = createAcknowledgements(backend);
  let port = options.port;
  let tlsListener: TlsListener | undefined = undefined;
  let lastClientId = 0;
  let inputBytes = 0;
  let readyListeners: (() => void)[] = [];
  let closing: Promise<void> | undefined;
  let onEmpty: (() => void) | undefined;

  const findClient = (id: number): ClientState | undefined => connections.get(id)?.client;
  const maxTransactionBytes = options.maxTransactionBytes ?? DEFAULT_MAX_TRANSACTION_BYTES;
  const maxTrackedKeys = options.maxTrackedKeys ?? DEFAULT_MAX_TRACKED_KEYS;
  const outputLimitBytes = options.outputLimitBytes ?? DEFAULT_OUTPUT_LIMIT_BYTES;
  const server: ServerState = {
    table: createCommandTable(),
    cursors: createScanCursors(),
    counters,
    countersAtReset: createServerCounters(),
    limits,
    slowlog: createSlowlog(limits, (ms) => {
      latency.note('command', ms);
    }),
    latency,
    facts: {
      host: options.host,
      isOpen: options.isOpen ?? false,
      bulkLimitBytes: options.maxValueBytes ?? BULK_LIMIT_BYTES,
      requestLimitBytes: REQUEST_LIMIT_BYTES,
      outputLimitBytes,
      watchOutputLimitBytes: WATCH_OUTPUT_LIMIT_BYTES,
      maxTrackedKeys,
    },
    watched: createWatchedKeys(backend, maxTransactionBytes),
    pause: createClientPause(),
    maxTransactionBytes,
    tracking: createTracking({ backend, counters, maxTrackedKeys, findClient }),
    keyspaceEvents: createKeyspaceEvents(backend, limits),
    acknowledge: options.acknowledge ?? 'committed',
    isPassword: options.password === undefined ? undefined : createPasswordCheck(options.password),
    users: options.users && byName(options.users),
    port: () => port,
    tlsPort: () => tlsListener?.port,
    startedAtMs: Date.now(),
    noteAuthentication,
    clients: listClients,
    findClient,
    clientCount: () => connections.size,
  };

  const host: ConnectionHost = {
    backend,
    server,
    reply: createReplyWriter(outputLimitBytes),
    unsent: createReplyWriter(outputLimitBytes, UNSENT_CHUNK_BYTES),
    acknowledgements,
    turn: { isRunning: false },
    requestLimits: { bulkLimitBytes: options.maxValueBytes ?? BULK_LIMIT_BYTES },
    noteInputBytes: (change) => {
      inputBytes += change;
      return inputBytes <= INPUT_TOTAL_LIMIT_BYTES;
    },
    whenReady,
    noteStalled: () => {
      counters.stalledClosed += 1;
      latency.note('client-stalled', limits.clientStalledMs);
    },
    onClosed: (clientId) => {
      connections.delete(clientId);
      unauthenticated.remove(clientId);
      if (connections.size === 0) onEmpty?.();
    },
  };

  function* listClients(): IterableIterator<ClientState> {
    for (const connection of connections.values()) yield connection.client;
  }

  /** One question to the backend for all who wait. */
  function whenReady(onReady: () => void): void {
    readyListeners.push(onReady);
    if (readyListeners.length > 1) return;
    const tellAll = (): void => {
      const listeners = readyListeners;
      readyListeners = [];
      for (const listener of listeners) listener();
    };
    // A backend that failed says so when the writes are acknowledged; nobody may wait for it here.
    backend.whenReady().then(tellAll, tellAll);
  }

  function noteAuthentication({ id, isAuthenticated }: ClientState): void {
    if (isAuthenticated) unauthenticated.remove(id);
    else unauthenticated.add(id);
  }

  /** Whoever has been here longest without the password gives way, so that strangers keep nobody out by being many. False: all have given it. */
  function makePlace(): boolean {
    const clientId = unauthenticated.oldest();
    if (clientId === undefined) return false;
    unauthenticated.remove(clientId);
    counters.unauthenticatedDisplaced += 1;
    connections.get(clientId)?.expel(TOO_MANY_CLIENTS);
    return true;
  }

  function onSocket(socket: ClientSocket): void {
    if (closing !== undefined) {
      socket.destroy();
      return;
    }
    counters.connectionsAccepted += 1;
    if (isOpen(server) && !server.facts.isOpen && !isLoopback(ipv4Of(socket.remoteAddress ?? ''))) {
      counters.protectedModeRefused += 1;
      refuse(socket, PROTECTED_MODE);
      return;
    }
    if (connections.size >= limits.maxClients && !makePlace()) {
      counters.connectionsRejected += 1;
      refuse(socket, TOO_MANY_CLIENTS);
      return;
    }
    lastClientId += 1;
    const connection = new Connection(host, socket, lastClientId);
    connections.set(lastClientId, connection);
    noteAuthentication(connection.client);
  }

  const listener = await listenTcp({
    host: options.host,
    port: options.port,
    onSocket,
    sharesReads: true,
  });
  port = listener.port;
  tlsListener = await listenForTls().catch(async (error: unknown) => {
    await listener.close();
    throw error;
  });

  async function listenForTls(): Promise<TlsListener | undefined> {
    if (options.tls === undefined) return undefined;
    return listenTls({
      ...options.tls,
      handshakeMs: unauthenticatedMs,
      maxConnections: limits.maxClients,
      onSocket,
      onHandshakeFailed: () => {
        counters.tlsHandshakesFailed += 1;
      },
    });
  }

  function changeCertificate(material: TlsMaterial): void {
    if (tlsListener === undefined) throw new Error('a server without TLS was given a certificate');
    tlsListener.changeMaterial(material);
  }

  function changePassword(password: string): boolean {
    if (server.isPassword === undefined) throw new Error('a server without a password was given one');
    if (server.isPassword(Buffer.from(password).toString('latin1'))) return false;
    server.isPassword = createPasswordCheck(password);
    return true;
  }

  function changeUsers(users: readonly ClientUser[]): string {
    if (server.users === undefined) throw new Error('a server without users was given some');
    const known = byName(users);
    server.users = known;
    let closed = 0;
    for (const connection of connections.values()) {
      const { client } = connection;
      if (client.user === undefined) continue;
      const now = known.get(client.user.name);
      const isSame = now !== undefined && mayDoTheSame(now, client.user);
      client.user = now;
      if (isSame) continue;
      // Before anything else of it runs: without a name it would pass for the default user; and what it watches it might not any more.
      client.isAuthenticated = false;
      closed += 1;
      connection.expel('NOAUTH what the user of this connection may do has changed');
    }
    counters.userChangedClosed += closed;
    const ended =
      closed === 0 ? '' : `; ${closed} connections of users who may do something else now were closed`;
    return `${users.length} users${ended}`;
  }

  const { outputTotalLimitBytes } = options;
  server.keyspaceEvents.renew();
  const endSweep = startClientSweep({ connections, limits, counters, outputTotalLimitBytes });

  async function closeAll(): Promise<void> {
    endSweep();
    server.keyspaceEvents.stop();
    unauthenticated.stop();
    for (const connection of connections.values()) connection.endGently();
    if (connections.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, CLOSE_GRACE_MS);
        onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const connection of connections.values()) connection.destroy();
    await Promise.all([listener.close(), tlsListener?.close()]);
  }

  return {
    port,
    tlsPort: tlsListener?.port,
    counters,
    connectionCount: () => connections.size,
    tracking: () => server.tracking.report(),
    changePassword,
    changeUsers,
    changeCertificate,
    close: () => (closing ??= closeAll()),
  };
}

function mayDoTheSame(one: ClientUser, other: ClientUser): boolean {
  const wordsOf = ({ rights, prefixes }: ClientUser): string =>
    JSON.stringify([[...rights].sort(), prefixes]);
  return wordsOf(one) === wordsOf(other);
}

/** Says why, and closes. */
function refuse(socket: ClientSocket, reason: string): void {
  socket.on('error', () => undefined);
  socket.write(Buffer.from(`-${reason}\r\n`));
  socket.end(() => {
    socket.destroy();
  });
}

/** A socket that listens for both families writes IPv4 addresses as IPv6 ones. */
function ipv4Of(address: string): string {
  return address.replace(/^::ffff:/i, '');
}

function byName(users: readonly ClientUser[]): ReadonlyMap<string, ClientUser> {
  return new Map(users.map((user) => [user.name, user]));
}
