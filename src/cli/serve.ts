/**
 * `toposphere serve`: one peer with a Redis server and an HTTP port in front of it, until a signal stops them.
 *
 * Owns the order of things: settings are checked, then ports, then the store is opened; clients go
 * first when stopping. The peer itself is src/peer's, the server src/server's. Invariant: a start that
 * is refused has written nothing, and says why in one line a fault.
 */
import type { Argv } from 'yargs';
import { ToposphereError } from '../core/errors.ts';
import { formatAddress, listenTcp } from '../network/tcp.ts';
import { followClientCertificate } from '../peer/clientCertificate.ts';
import { followClientPassword } from '../peer/clientPassword.ts';
import { followClientUsers } from '../peer/clientUsers.ts';
import { resolveServeOptions } from '../peer/configuration.ts';
import type { HttpOptions } from '../peer/clientSettings.ts';
import type { ServeOptions } from '../peer/configuration.ts';
import { createLog } from '../peer/logger.ts';
import type { Log } from '../peer/logger.ts';
import type { GivenSettings } from '../peer/settingSources.ts';
import type { PeerBackend } from '../peer/peerBackend.ts';
import type { RedisServer } from '../server/server.ts';
import type { ReadyNotice } from './childPeer.ts';
import { goOnWhenUnread } from './brokenOutput.ts';
import { failureLines } from './failure.ts';
import { openLogger } from './logOutput.ts';
import { readSettings, withSettings } from './settingsOptions.ts';
import { listenForStop } from './stopSignal.ts';
import type { Stop } from './stopSignal.ts';

/** Milliseconds that closing may take: what is on disk is consistent at any moment, so waiting longer gains nothing. */
export const CLOSE_TIMEOUT_MS = 10_000;

/** Fails when the port is taken, before a store is created. The server binds it for good later. */
export async function refuseTakenPort(address: {
  readonly host: string;
  readonly port: number;
}): Promise<void> {
  const listener = await listenTcp({
    ...address,
    onSocket: (socket) => {
      socket.destroy();
    },
  });
  await listener.close();
}

/** Waits for a step of the ending, but not for ever, and never hides the error that led here. */
async function endInTime(log: Log, what: string, ending: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(
      resolve,
      CLOSE_TIMEOUT_MS,
      `${what} was not done within ${CLOSE_TIMEOUT_MS} ms, and was given up`,
    );
  });
  const closed = ending.catch((error: unknown) => `${what} failed: ${String(error)}`);
  const complaint = await Promise.race([closed, late]);
  clearTimeout(timer);
  if (typeof complaint === 'string') log('stopIncomplete', complaint);
}

/** A peer started by `up` reports over the channel to its parent, and stops when the parent is gone. */
function followParent(): Promise<void> {
  if (process.send === undefined) return new Promise(() => undefined);
  return new Promise((resolve) => {
    // It may be gone already: then no event follows.
    if (!process.connected) resolve();
    process.once('disconnect', () => {
      resolve();
    });
  });
}

function announce(log: Log, { peer, clients, http }: ServeOptions): void {
  const own = peer.servers.servers.find(({ id }) => id === peer.id);
  const peerAddress = own === undefined ? '' : ` ${formatAddress(own.host, own.port)}`;
  const clientAddress = formatAddress(clients.host, clients.port);
  const httpAddress = http && formatAddress(http.host, http.port);
  const tlsAddress = clients.tls && formatAddress(clients.tls.host, clients.tls.port);
  const also = [tlsAddress && `, over TLS ${tlsAddress}`, httpAddress && `, HTTP ${httpAddress}`].join('');
  log('ready', `ready ${peer.id}${peerAddress}, Redis clients ${clientAddress}${also}`, {
    clients: clientAddress,
    ...(httpAddress === undefined ? {} : { http: httpAddress }),
  });
  const notice: ReadyNotice = { kind: 'ready', clientHost: clients.host, clientPort: clients.port, http };
  process.send?.(notice);
}

async function serveClients(
  log: Log,
  backend: PeerBackend,
  options: ServeOptions,
  end: Promise<void>,
): Promise<void> {
  const { startRedisServer } = await import('../server/server.ts');
  const server = await startRedisServer({ backend, ...options.clients });
  const { passwordFile, usersFile, tls } = options.clients;
  if (passwordFile !== undefined)
    backend.addFile(followClientPassword(passwordFile, server.changePassword, log));
  if (usersFile !== undefined) backend.addFile(followClientUsers(usersFile, server.changeUsers, log));
  if (tls !== undefined) backend.addFile(followClientCertificate(tls.files, server.changeCertificate, log));
  try {
    await serveHttp(log, backend, options.http, server, async () => {
      announce(log, options);
      await end;
    });
  } finally {
    await endInTime(log, 'closing the Redis server', server.close());
  }
}

/** Serves HTTP, if it is to be served, while `run` does. */
async function serveHttp(
  log: Log,
  peer: PeerBackend,
  http: HttpOptions | undefined,
  clients: RedisServer,
  run: () => Promise<void>,
): Promise<void> {
  if (http === undefined) return run();
  const { startHttpServer } = await import('../server/httpServer.ts');
  const server = await startHttpServer({ ...http, peer, clients });
  try {
    await run();
  } finally {
    await endInTime(log, 'closing the HTTP server', server.close());
  }
}

/** A peer that the others know a later start of than its disk does starts again, above that one, but not in a tight loop. */
const RESTART_PAUSE_MS = 1000;

/** Runs until `stop`, or until the peer fails: then rejects with the reason. */
async function serve({ settings, origins }: GivenSettings, stop: Stop): Promise<void> {
  goOnWhenUnread();
  const logger = await openLogger(settings);
  const stopped = Promise.race([stop.requested, followParent()]);
  for (;;) {
    const options = await resolveServeOptions(settings, logger, origins);
    try {
      await serveOnce(options, stopped);
      return;
    } catch (error) {
      if (!(error instanceof ToposphereError) || error.code !== 'FENCED') throw error;
      const log = createLog(logger, () => ({ peer: options.peer.id }));
      log(
        'restarting',
        error.message.replace('start it again, and it will catch up', 'starting again to catch up'),
      );
      await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, RESTART_PAUSE_MS))]);
    }
  }
}

async function serveOnce(all: ServeOptions, stopped: Promise<void>): Promise<void> {
  const { peer: options, clients, http } = all;
  await refuseTakenPort(clients);
  for (const further of [clients.tls, http]) if (further !== undefined) await refuseTakenPort(further);
  // Loaded only here: the client commands need neither LMDB nor the protocol.
  const { Peer } = await import('../peer/peer.ts');
  const peer = await Promise.race([Peer.openWith(options), stopped]);
  if (peer === undefined) return; // Stopped while opening: a store is consistent at any moment.
  const { incarnation } = peer.status();
  const log = createLog(options.logger, () => ({ peer: options.id, incarnation }));
  const failed = new Promise<never>((_, reject) => {
    peer.onFailure(reject);
  });
  failed.catch(() => undefined); // judged by the race, which may not have begun when the peer fails
  const reload = (): void => {
    peer.reload().catch((error: unknown) => {
      for (const line of failureLines(error)) log('reloadFailed', line);
    });
  };
  process.on('SIGHUP', reload);
  try {
    await serveClients(log, peer.backend, all, Promise.race([stopped, failed]));
    await endInTime(log, 'writing the checkpoint file', peer.saveUnasked());
  } finally {
    process.off('SIGHUP', reload);
    await endInTime(log, 'closing the peer', peer.close());
  }
}

export function addServe(yargs: Argv): Argv {
  return yargs.command(
    'serve',
    'run one peer (of servers.txt, or with --discover), with a Redis server and an HTTP port in front of it',
    (options) => withSettings(options),
    // SIGHUP: read servers.txt, the cluster key file, the client password file, the users file and the certificate again.
    async (argv) => {
      const stop = listenForStop(['SIGINT', 'SIGTERM']);
      await serve(await readSettings(argv), stop);
    },
  );
}
