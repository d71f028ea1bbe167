/**
 * `toposphere discover`: the peers that announce themselves on the LAN, and a servers.txt of them where that is asked for.
 *
 * Owns how long is listened, on which interfaces, and what is written. Only listens and asks: it announces nothing, and admits nobody. Invariant: a
 * file that is there is not written over unasked, and one that was written is a valid servers.txt of one cluster.
 */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Argv } from 'yargs';
import { openDiscovery } from '../network/discovery.ts';
import type { Discovery, Found } from '../network/discovery.ts';
import { formatAddress } from '../network/tcp.ts';
import { readClusterKeys } from '../peer/clusterKeyFile.ts';
import { listOwnAddresses } from '../peer/configuration.ts';
import { createFaultReport, reportValues } from '../peer/faultReport.ts';
import { buildServersText, writeServersText } from '../peer/knownPeers.ts';
import { isIpv4, parseServersFile } from '../peer/serversFile.ts';
import { TUNABLES } from '../peer/tunables.ts';
import type { Settings, TunableName } from '../peer/tunables.ts';
import { parseWhole } from '../peer/tunableValue.ts';
import { CommandFailure } from './failure.ts';
import { printLine, printWarning, renderTable } from './print.ts';
import { readSettings, withOptionsOf } from './settingsOptions.ts';

const DEFAULT_SECONDS = 3;
const MAXIMUM_SECONDS = 3600;
const HEADER = ['peer', 'address', 'cluster', 'version', 'state', 'members', 'cluster key'] as const;
const PROOFS: Readonly<Record<Found['trust'], string>> = {
  right: 'proved',
  stale: 'proved, by a clock far off or long ago',
  wrong: 'another',
  missing: 'none',
  unchecked: '-',
};

/** Settings of peers that say whom they announce themselves to, from the same sources. */
const SETTINGS: readonly TunableName[] = ['clusterId', 'clusterKeyFile', 'discoveryPort'];

interface DiscoverArguments {
  readonly seconds: number;
  readonly interface: string | undefined;
}

/** Throws BAD_CONFIGURATION with every fault of the sources. */
async function readDiscoverSettings(argv: DiscoverArguments): Promise<Settings> {
  const { settings, origins } = await readSettings(argv, SETTINGS);
  const report = createFaultReport(origins);
  reportValues(settings, report);
  report.refuse();
  return settings;
}

/** Everybody heard on any of the interfaces, each once. Rejects when none of them can be listened on. */
async function listen(
  argv: DiscoverArguments,
  port: number,
  secrets: readonly Uint8Array[],
): Promise<readonly Found[]> {
  const interfaces = argv.interface === undefined ? listOwnAddresses().filter(isIpv4) : [argv.interface];
  const open = (address: string): Discovery =>
    openDiscovery({
      interface: address,
      port,
      secrets,
      onFault: printWarning,
      wallMs: Date.now,
    });
  const discoveries = interfaces.map(open);
  try {
    await delay(1000 * argv.seconds);
    if (discoveries.every((one) => one.report().unavailable !== null))
      throw new CommandFailure('nothing could be listened on; see the lines above');
    const found = new Map<string, Found>();
    for (const one of discoveries.flatMap((discovery) => discovery.found()))
      found.set(`${one.clusterId} ${one.id} ${formatAddress(one.host, one.port)}`, one);
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
  } finally {
    await Promise.all(discoveries.map((one) => one.close()));
  }
}

function printTable(found: readonly Found[], seconds: number): void {
  if (found.length === 0) {
    printWarning(
      `no peer announced itself within ${seconds} s; they do with --discover, on the network of their own address`,
    );
    return;
  }
  const rows = found.map((one) => [
    one.id,
    formatAddress(one.host, one.port),
    one.clusterId,
    one.version,
    one.state,
    String(one.memberCount),
    PROOFS[one.trust],
  ]);
  for (const line of renderTable(HEADER, rows)) printLine(line);
}

function printJson(found: readonly Found[]): void {
  const peers = found.map((one) => ({
    id: one.id,
    host: one.host,
    port: one.port,
    clusterId: one.clusterId,
    version: one.version,
    state: one.state,
    incarnation: one.incarnation,
    members: one.memberCount,
    membershipHash: one.membershipHash,
    clusterKey: one.trust,
  }));
  printLine(JSON.stringify(peers, undefined, 2));
}

/** Writes the peers of one cluster; with a key those alone that proved it. */
async function writeServers(path: string, found: readonly Found[], clusterId: string): Promise<void> {
  const own = found.filter((one) => one.clusterId === clusterId);
  const trusted = own.filter(({ trust }) => trust === 'right' || trust === 'unchecked');
  if (trusted.length === 0) {
    const seen = own.length === 0 ? 'none was found' : 'none that was found proved the cluster key';
    throw new CommandFailure(
      `${path} was not written: of cluster ${clusterId} ${seen}; see --cluster-id, --cluster-key-file, --seconds`,
    );
  }
  const heading = `# Cluster ${clusterId}, as discovered at ${new Date().toISOString()}.\n`;
  const lines = trusted.map(({ id, host, port }) => ({ id, host, address: host, port, line: 0 }));
  const text = buildServersText(lines, heading);
  parseServersFile(text, path); // two peers with one id, or one address: refused, each with its line
  await writeServersText(path, text);
  printWarning(`${path} was written: ${trusted.map(({ id }) => id).join(', ')}`);
}

async function readSecrets(path: string | undefined): Promise<readonly Uint8Array[]> {
  return path === undefined ? [] : (await readClusterKeys(path)).keys.map(({ secret }) => secret);
}

function checkArguments({ seconds, interface: address }: DiscoverArguments): void {
  if (!(seconds > 0 && seconds <= MAXIMUM_SECONDS))
    throw new CommandFailure(`--seconds must be a number above 0, up to ${MAXIMUM_SECONDS}`);
  if (address === undefined || listOwnAddresses().filter(isIpv4).includes(address)) return;
  throw new CommandFailure(
    `--interface is '${address}'; give an IPv4 address of this machine: ${listOwnAddresses().filter(isIpv4).join(', ')}`,
  );
}

export function addDiscover(yargs: Argv): Argv {
  return yargs.command(
    'discover',
    'list the peers that announce themselves on the LAN (multicast DNS)',
    (options) =>
      withOptionsOf(
        options
          .option('seconds', {
            type: 'number',
            requiresArg: true,
            default: DEFAULT_SECONDS,
            describe: 'listen for so long',
          })
          .option('interface', {
            type: 'string',
            requiresArg: true,
            describe: 'IPv4 address of the interface to listen on; by default all of this machine',
          })
          .option('json', { type: 'boolean', default: false, describe: 'what was found, as JSON' })
          .option('write', {
            type: 'string',
            requiresArg: true,
            describe: 'write the peers of --cluster-id to this file, as a servers.txt',
          })
          .option('replace', {
            type: 'boolean',
            default: false,
            describe: 'write over a file that is there',
          }),
        SETTINGS,
      ),
    async (argv) => {
      checkArguments(argv);
      if (argv.write !== undefined && !argv.replace && existsSync(argv.write))
        throw new CommandFailure(
          `${argv.write} is there already, and was not changed; add --replace to write over it`,
        );
      const { clusterId, clusterKeyFile, discoveryPort } = await readDiscoverSettings(argv);
      const port = parseWhole(discoveryPort ?? TUNABLES.discoveryPort.default);
      const found = await listen(argv, port, await readSecrets(clusterKeyFile));
      if (argv.json) printJson(found);
      else printTable(found, argv.seconds);
      if (argv.write !== undefined)
        await writeServers(argv.write, found, clusterId ?? TUNABLES.clusterId.default);
    },
  );
}
