/**
 * The one way from settings to checked options of a peer.
 *
 * Owns the checks of what tunables have to do with each other, and the rule that nothing talks beyond loopback without
 * a cluster key. The tunables are tunables.ts's, the range of one tunableValue.ts's, servers.txt is serversFile.ts's.
 * Invariant: options that were yielded hold every range and relation; all faults of a configuration are reported
 * together, and checking writes nothing.
 */
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { PeerId } from '../core/types.ts';
import { familyOf } from '../network/family.ts';
import type { Family } from '../network/family.ts';
import { readClusterKeys } from './clusterKeyFile.ts';
import type { ClusterKeys } from './clusterKeyFile.ts';
import { checkClients, checkHttp } from './clientSettings.ts';
import type { ClientOptions, HttpOptions } from './clientSettings.ts';
import { createFaultReport, gather, readSecret, reportValues } from './faultReport.ts';
import type { FaultReport } from './faultReport.ts';
import { buildOwnServers, checkDiscovery, isWithoutServers } from './discoverySettings.ts';
import type { DiscoverySettings } from './discoverySettings.ts';
import { readKnownPeers } from './knownPeers.ts';
import { createLog } from './logger.ts';
import type { Logger } from './logger.ts';
import {
  canonicalHost,
  canonicalIpv6,
  findOwnLine,
  findServersFaults,
  isLoopback,
  isPeerId,
  readServersFile,
  resolveHosts,
} from './serversFile.ts';
import type { ServerLine, ServersFile } from './serversFile.ts';
import { NO_ORIGINS } from './settingSources.ts';
import type { Origins } from './settingSources.ts';
import { TUNABLES } from './tunables.ts';
import type { NameOfKind, Settings } from './tunables.ts';
import { numberOf } from './tunableValue.ts';
import { OWN_VERSIONS } from '../wire/versions.ts';
import type { VersionRange } from '../wire/versions.ts';

/** A dead verdict needs this many KEEPALIVEs in a row to be lost: fewer, and plain packet loss looks like death. */
const KEEPALIVES_BEFORE_DEAD = 3;
/**
 * Of each family the group that is used unless another one is set. The IPv6 one has link-local scope, for datagrams stay on their segment anyway, is marked as assigned by
 * nobody (RFC 4291), and has the IPv4 one as its group id, which lies in the range for such groups (RFC 3307).
 */
const DEFAULT_GROUPS: Readonly<Record<Family, string>> = { 4: '239.195.74.1', 6: 'ff12::efc3:4a01' };

/** Checked options of a peer; the meaning of each field is the tunable's of the same name. */
export interface PeerOptions {
  readonly id: PeerId;
  /** Without a servers.txt: the own line alone. */
  readonly servers: ServersFile;
  /** Members that `servers` does not list, where discovery last found them. */
  readonly known: readonly ServerLine[];
  /** Undefined: neither announced nor looked for. */
  readonly discovery: DiscoverySettings | undefined;
  /** The peer's own folder, its id included. */
  readonly dataDirectory: string;
  readonly clusterId: string;
  /** Left out: loopback only. */
  readonly clusterKeys?: ClusterKeys;
  readonly multicast: { readonly group: string; readonly port: number; readonly interface: string };
  readonly keepaliveMs: number;
  readonly heartbeatMs: number;
  readonly deadAfterMs: number;
  readonly maxDriftMs: number;
  readonly maxValueBytes: number;
  readonly gcUpdateCount: number;
  readonly gcIntervalMs: number;
  readonly maxTableRows: number;
  readonly requestsKeptMs: number;
  readonly maxRequests: number;
  readonly maxCounterCells: number;
  readonly maxTransactionBytes: number;
  readonly maxCheckpointBytes: number;
  readonly transferBytesPerSecond: number;
  readonly maxPublishBytes: number;
  readonly publishKeptMs: number;
  readonly publishKeptBytes: number;
  readonly minFreeBytes: number;
  readonly checkpointDirectory: string;
  readonly checkpointIntervalMs: number;
  readonly checkpointsKept: number;
  readonly bootstrap: boolean;
  readonly receiveBufferBytes: number;
  readonly allowFaults: boolean;
  readonly clockOffsetMs: number;
  /** Of the protocol; no setting: what the code reads it reads. */
  readonly versions: VersionRange;
  readonly logger: Logger;
}

/** All together, as `serve` needs them. */
export interface ServeOptions {
  readonly peer: PeerOptions;
  readonly clients: ClientOptions;
  /** Undefined: no HTTP is served. */
  readonly http: HttpOptions | undefined;
}

/** Addresses of this machine's interfaces, loopback included. */
export function listOwnAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.map(({ address }) => address),
  );
}

/** Whether peers may use the group: it leaves the machine, and is nobody else's by a standard. */
function isUsableGroup(group: string): boolean {
  if (familyOf(group) === 4) {
    const [first = 0, second, third] = group.split('.').map(Number);
    return first >= 224 && first <= 239 && !(first === 224 && second === 0 && third === 0); // never forwarded, and used by routers
  }
  // ff, then flags, then the scope: 1 stays within the machine, 0 and f are reserved; of ff02::/16 every group is assigned to some protocol.
  const [, scope] = /^ff[0-9a-f]([0-9a-f]):[^%]*$/.exec(group) ?? [];
  return scope !== undefined && !'01f'.includes(scope) && !group.startsWith('ff02:');
}

function checkMulticast(
  settings: Settings,
  own: ServerLine | undefined,
  faults: FaultReport,
): PeerOptions['multicast'] {
  const ownFamily = familyOf(own?.address ?? '');
  const given = settings.multicastGroup;
  const group = given === undefined ? DEFAULT_GROUPS[ownFamily ?? 4] : (canonicalIpv6(given) ?? given);
  const family = familyOf(group);
  if (family === undefined || !isUsableGroup(group)) {
    faults.push(
      `${faults.called('multicastGroup')} is '${group}'; use an IPv4 group, best of 239.0.0.0/8, or an IPv6 group, best of ff12::/16`,
    );
  } else if (ownFamily !== undefined && family !== ownFamily) {
    faults.push(
      `${faults.called('multicastGroup')} is ${group}, and the peers have IPv${ownFamily} addresses; use an IPv${ownFamily} group, or leave it out`,
    );
  }
  const chosen = settings.multicastInterface ?? own?.address;
  const address = chosen === undefined ? '' : (canonicalHost(chosen) ?? chosen);
  // Where it stands for the peer's own address as well, that check has said it.
  const isSaid = isWithoutServers(settings) && settings.host === undefined;
  if (!isSaid && chosen !== undefined && familyOf(address) !== (ownFamily ?? familyOf(address) ?? 4)) {
    faults.push(
      `${faults.called('multicastInterface')} is '${chosen}'; give an IPv${ownFamily ?? 4} address of this machine`,
    );
  }
  return { group, port: numberOf('multicastPort', settings) ?? 0, interface: address };
}

/** Relations between tunables that are each within range. */
function checkRelations(
  options: Pick<PeerOptions, 'deadAfterMs' | 'keepaliveMs' | 'clockOffsetMs' | 'allowFaults'>,
  faults: FaultReport,
): void {
  const deadMinimumMs = KEEPALIVES_BEFORE_DEAD * options.keepaliveMs;
  if (options.deadAfterMs < deadMinimumMs) {
    faults.push(
      `${faults.called('deadAfterMs')} is ${options.deadAfterMs}, less than ${KEEPALIVES_BEFORE_DEAD} times ` +
        `${faults.mentioned('keepaliveMs')} (${options.keepaliveMs}); use at least ${deadMinimumMs}`,
    );
  }
  if (options.clockOffsetMs !== 0 && !options.allowFaults) {
    faults.push(
      `${faults.called('clockOffsetMs')} is ${options.clockOffsetMs}, a rehearsed fault; add --allow-faults or leave it out`,
    );
  }
}

async function resolvePeer(
  settings: Settings,
  logger: Logger,
  faults: FaultReport,
): Promise<readonly [PeerOptions, ServerLine | undefined]> {
  reportValues(settings, faults);
  const isUnlisted = isWithoutServers(settings);
  const path = settings.servers ?? TUNABLES.servers.default;
  const servers = isUnlisted
    ? buildOwnServers(settings, numberOf('port', settings), listOwnAddresses(), faults)
    : await gather(faults, async () => resolveHosts(await readServersFile(path)));
  const own = servers && (await gather(faults, () => findOwnLine(servers, listOwnAddresses(), settings.id)));
  const clusterKeys = await readSecret(settings.clusterKeyFile, faults, readClusterKeys);
  const multicast = checkMulticast(settings, own, faults);
  const clusterId = settings.clusterId ?? TUNABLES.clusterId.default;
  if (!isPeerId(clusterId)) {
    faults.push(
      `${faults.called('clusterId')} is '${clusterId}'; use 1 to 32 characters of A-Z a-z 0-9 _ . -`,
    );
  }
  const number = (name: NameOfKind<'number'>): number => numberOf(name, settings) ?? 0;
  const id = own?.id ?? ('' as PeerId);
  const dataDirectory = settings.dataDirectory ?? TUNABLES.dataDirectory.default;
  const discoveryPort = numberOf('discoveryPort', settings) ?? 0;
  const discovery = checkDiscovery(settings, join(dataDirectory, id), discoveryPort, own, faults);
  const hasKey = settings.clusterKeyFile !== undefined;
  const known =
    discovery === undefined
      ? []
      : await readKnownPeers(
          discovery.knownPeersPath,
          { ownId: id, listed: servers?.servers ?? [], multicastPort: multicast.port, hasKey },
          createLog(logger, () => ({ peer: id })),
        );
  const options = {
    known,
    discovery,
    dataDirectory: join(dataDirectory, id),
    clusterId,
    ...(clusterKeys === undefined ? {} : { clusterKeys }),
    multicast,
    keepaliveMs: number('keepaliveMs'),
    heartbeatMs: number('heartbeatMs'),
    deadAfterMs: number('deadAfterMs'),
    maxDriftMs: number('maxDriftMs'),
    maxValueBytes: number('maxValueBytes'),
    gcUpdateCount: number('gcUpdateCount'),
    gcIntervalMs: number('gcIntervalMs'),
    maxTableRows: number('maxTableRows'),
    requestsKeptMs: number('requestsKeptMs'),
    maxRequests: number('maxRequests'),
    maxCounterCells: number('maxCounterCells'),
    maxTransactionBytes: number('maxTransactionBytes'),
    maxCheckpointBytes: number('maxCheckpointBytes'),
    transferBytesPerSecond: number('transferBytesPerSecond'),
    maxPublishBytes: number('maxPublishBytes'),
    publishKeptMs: number('publishKeptMs'),
    publishKeptBytes: number('publishKeptBytes'),
    minFreeBytes: number('minFreeBytes'),
    checkpointDirectory: settings.checkpointDirectory ?? dataDirectory,
    checkpointIntervalMs: number('checkpointIntervalMs'),
    checkpointsKept: number('checkpointsKept'),
    bootstrap: settings.bootstrap ?? false,
    receiveBufferBytes: number('receiveBufferBytes'),
    allowFaults: settings.allowFaults ?? false,
    clockOffsetMs: number('clockOffsetMs'),
    versions: OWN_VERSIONS,
  };
  checkRelations(options, faults);
  if (servers) faults.push(...findServersFaults(servers, multicast.port, hasKey));
  if (
    !hasKey &&
    familyOf(multicast.interface) !== undefined &&
    !isLoopback(multicast.interface) &&
    own?.address !== multicast.interface
  ) {
    faults.push(
      `${faults.called('multicastInterface')} is ${multicast.interface}: beyond loopback peers talk only with a cluster key; give one with --cluster-key-file`,
    );
  }
  return [{ id, servers: servers ?? { name: path, servers: [] }, ...options, logger }, own];
}

/**
 * Options for an embedded peer. Throws BAD_CONFIGURATION with one line a fault, each naming the source of the setting
 * as `origins` have it; reads files, writes nothing.
 */
export async function resolvePeerOptions(
  settings: Settings,
  logger: Logger,
  origins: Origins = NO_ORIGINS,
): Promise<PeerOptions> {
  const faults = createFaultReport(origins);
  const [peer] = await resolvePeer(settings, logger, faults);
  faults.refuse();
  return peer;
}

/** Options for a peer and the servers in front of it, checked as one. Throws like resolvePeerOptions. */
export async function resolveServeOptions(
  settings: Settings,
  logger: Logger,
  origins: Origins = NO_ORIGINS,
): Promise<ServeOptions> {
  const faults = createFaultReport(origins);
  const [peer, own] = await resolvePeer(settings, logger, faults);
  const clients = await checkClients(settings, own, faults);
  const http = checkHttp(settings, own, clients, faults);
  faults.refuse();
  return { peer, clients, http };
}
