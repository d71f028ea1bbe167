/**
 * `toposphere up` (what `npm start` runs): every peer of servers.txt that lives on this machine's loopback.
 *
 * Owns the choreography: check everything once, start one `serve` process a line, wait until they hear
 * each other, say how to reach them, stop all together. One process is childPeer.ts's. Invariant: when
 * it ends, all its children have ended; a start that is refused has started nothing.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Argv } from 'yargs';
import { ToposphereError } from '../core/errors.ts';
import { formatAddress } from '../network/tcp.ts';
import { resolveServeOptions } from '../peer/configuration.ts';
import { silentLogger } from '../peer/logger.ts';
import { TUNABLES } from '../peer/tunables.ts';
import type { TunableName } from '../peer/tunables.ts';
import { createFaultReport, gather, reportValues } from '../peer/faultReport.ts';
import { isLoopback, readServersFile } from '../peer/serversFile.ts';
import { gatherSettings, nameInSource } from '../peer/settingSources.ts';
import type { Flags, GivenSettings } from '../peer/settingSources.ts';
import { ChildPeer } from './childPeer.ts';
import type { ServedAddress } from './childPeer.ts';
import type { Address } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { goOnWhenUnread } from './brokenOutput.ts';
import { printLine, printWarning, renderTable } from './print.ts';
import { refuseTakenPort } from './serve.ts';
import { buildArguments, readFlags, withSettings } from './settingsOptions.ts';
import { askStatus } from './status.ts';
import { hearsAll, parseStatus } from './statusReport.ts';
import { listenForStop } from './stopSignal.ts';

/** Milliseconds the peers are given to hear each other before it is called a problem; they go on all the same. */
const HEAR_TIMEOUT_MS = 15_000;
/** Milliseconds between two looks at whether they do. */
const HEAR_POLL_MS = 100;
/** Settings that belong to one peer, not to all of them. */
const OF_ONE_PEER: readonly TunableName[] = [
  'id',
  'clientHost',
  'clientPort',
  'clientTlsHost',
  'clientTlsPort',
  'httpHost',
  'httpPort',
  'multicastInterface',
  ...(['discover', 'admitDiscovered', 'host', 'port', 'discoveryPort'] as const),
];

/** Runs every check, then throws what they refused as one BAD_CONFIGURATION, each line once. */
async function gatherFaults(checks: readonly Promise<unknown>[]): Promise<void> {
  const lines = new Set<string>();
  for (const outcome of await Promise.allSettled(checks)) {
    if (outcome.status === 'fulfilled') continue;
    if (!(outcome.reason instanceof ToposphereError)) throw outcome.reason;
    for (const line of outcome.reason.message.split('\n')) lines.add(line);
  }
  if (lines.size > 0) throw new ToposphereError('BAD_CONFIGURATION', [...lines].join('\n'));
}

/** What the environment or the file sets for one peer alone: `up` has no flag for it, and cannot give it to several. */
function findOfOnePeer({ settings, origins }: GivenSettings): readonly string[] {
  return OF_ONE_PEER.filter((name) => settings[name] !== undefined).map(
    (name) =>
      `${nameInSource(name, origins)} is set for one peer, and up starts several; leave it out, or use: toposphere serve`,
  );
}

/** The ids to start, and what clients are asked for, after every check that a child would make: one report instead of one a child. */
async function checkAll(
  given: GivenSettings,
): Promise<{ readonly ids: readonly string[]; readonly password: string | undefined }> {
  const { settings } = given;
  const origins = { ...given.origins, faults: [...given.origins.faults, ...findOfOnePeer(given)] };
  const report = createFaultReport(origins);
  reportValues(settings, report);
  const file = await gather(report, () => readServersFile(settings.servers ?? TUNABLES.servers.default));
  const local = file?.servers.filter(({ host }) => isLoopback(host)) ?? [];
  if (local.length === 0) {
    if (file !== undefined)
      report.push(
        `${file.name} has no line on 127.0.0.1 or ::1; start this machine's peer with: toposphere serve`,
      );
    report.refuse();
  }
  const resolving = local.map(({ id }) => resolveServeOptions({ ...settings, id }, silentLogger, origins));
  await gatherFaults(resolving);
  const resolved = await Promise.all(resolving);
  const servers = resolved.flatMap(({ clients, http }) => (http === undefined ? [clients] : [clients, http]));
  await gatherFaults([...local, ...servers].map(refuseTakenPort));
  return { ids: local.map(({ id }) => id), password: resolved[0]?.clients.password };
}

/** Resolves once all are ready; rejects when one ends before. */
async function waitUntilReady(children: readonly ChildPeer[]): Promise<readonly ServedAddress[]> {
  const endings = children.map(async (child): Promise<never> => {
    const how = await child.ended;
    throw new CommandFailure(`${child.id} ended before it was ready (${how}); stopped all others`);
  });
  const allReady = Promise.all(children.map((child) => child.ready));
  return Promise.race([allReady, ...endings]);
}

/** True once every peer says that it is in touch with every other; false when time is up. */
async function waitUntilHeard(ids: readonly string[], addresses: readonly Address[]): Promise<boolean> {
  const deadlineMs = performance.now() + HEAR_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    const answers = await Promise.allSettled(addresses.map(askStatus));
    if (
      answers.every((answer) => answer.status === 'fulfilled' && hearsAll(parseStatus(answer.value), ids))
    ) {
      return true;
    }
    await delay(HEAR_POLL_MS);
  }
  return false;
}

function printWelcome(
  ids: readonly string[],
  addresses: readonly ServedAddress[],
  passwordFile: string | undefined,
): void {
  const rows = addresses.map(({ host, port, http }, index) => [
    ids[index] ?? '',
    formatAddress(host, port),
    http === undefined ? '-' : `http://${formatAddress(http.host, http.port)}/`,
  ]);
  printLine('');
  for (const line of renderTable(['peer', 'Redis clients', 'probes and metrics'], rows)) printLine(line);
  const first = addresses[0]?.port ?? 0;
  const last = addresses.at(-1)?.port ?? 0;
  printLine('');
  if (passwordFile !== undefined) {
    printLine(`Clients give the password in ${passwordFile}; for redis-cli:`);
    printLine(`      export REDISCLI_AUTH="$(cat ${passwordFile})"`);
  }
  printLine(`Try:  redis-cli -p ${first} set greeting hello`);
  printLine(`      redis-cli -p ${last} get greeting`);
  printLine('Stop with Ctrl-C.');
}

/** Reports each death and how to mend it; rejects when nobody is left. */
async function watchOver(
  children: readonly ChildPeer[],
  flags: Flags,
  isStopping: () => boolean,
): Promise<void> {
  await Promise.all(
    children.map(async ({ id, ended }) => {
      const how = await ended;
      if (isStopping()) return;
      const again = `toposphere serve ${buildArguments({ ...flags.settings, id }, flags.config).join(' ')}`;
      printWarning(`${id} ended (${how}); the others go on. Start it again with: ${again}`);
    }),
  );
  if (!isStopping()) throw new CommandFailure('no peer is left');
}

/** Stops those that still run, all at once; says which did not end cleanly. */
async function stopAll(children: readonly ChildPeer[]): Promise<void> {
  const running = children.filter((child) => !child.hasEnded);
  const endings = await Promise.all(
    running.map(async (child) => ({ id: child.id, how: await child.stop() })),
  );
  // SIGTERM itself: it came before the child listened for it, so nothing was open yet.
  const unclean = endings.filter(({ how }) => how !== 'exit code 0' && how !== 'SIGTERM');
  for (const { id, how } of unclean) printWarning(`${id} did not stop cleanly (${how})`);
  if (unclean.length === 0) printLine('all peers stopped');
}

async function up(flags: Flags): Promise<void> {
  goOnWhenUnread();
  const stop = listenForStop();
  let isStopping = false;
  const stopped = stop.requested.then(() => {
    isStopping = true;
  });
  const given = await gatherSettings(flags, process.env);
  const { ids, password } = await checkAll(given);
  const children = ids.map((id) => new ChildPeer(id, flags));
  const run = async (): Promise<void> => {
    const addresses = (await waitUntilReady(children)).map((address) => ({ ...address, password }));
    const overseer = watchOver(children, flags, () => isStopping);
    overseer.catch(() => undefined); // awaited below
    const isWhole = await waitUntilHeard(ids, addresses);
    printWelcome(ids, addresses, given.settings.clientPasswordFile);
    if (!isWhole) printWarning('not every peer hears every other yet; see: toposphere status');
    await overseer;
  };
  try {
    await Promise.race([run(), stopped]);
  } finally {
    isStopping = true;
    await stopAll(children);
  }
}

export function addUp(yargs: Argv): Argv {
  return yargs.command(
    'up',
    'run every peer of servers.txt whose host is 127.0.0.1 or ::1, on this machine',
    (options) => withSettings(options, OF_ONE_PEER),
    async (argv) => up(readFlags(argv)),
  );
}
