/**
 * The one way from settings to checked options of a peer.
 *
 * Owns the checks of what tunables have to do with each other, and the rule that nothing talks beyond loopback without
 * a cluster key. The tunables are tunables.ts's, the range of one tunableValue.ts's, servers.txt is serversFile.ts's.
 * Invariant: options that were yielded hold every range and relation; all faults of a configuration are reported
 * together, and checking writes nothing.
 */
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { PeerId } from '../core/types.ts';
import { errorCode } from '../network/tcp.ts';
import type { AcknowledgementLevel } from './backend.ts';
import { createFaultReport, gather, reportValues } from './faultReport.ts';
import type { FaultReport } from './faultReport.ts';
import type { Logger } from './logger.ts';
import {
  canonicalHost,
  clientPortOf,
  findOwnLine,
  isIpv4,
  isLoopback,
  isPeerId,
  readServersFile,
  resolveHosts,
} from './serversFile.ts';
import type { ServerLine, ServersFile } from './serversFile.ts';
import { NO_ORIGINS } from './settingSources.ts';
import type { Origins } from './settingSources.ts';
import { ACKNOWLEDGEMENT_LEVELS, TUNABLES } from './tunables.ts';
import type { NameOfKind, Settings } from './tunables.ts';
import { findValueFault, parseWhole } from './tunableValue.ts';

/** A dead verdict needs this many KEEPALIVEs in a row to be lost: fewer, and plain packet loss looks like death. */
const KEEPALIVES_BEFORE_DEAD = 3;
/** Bytes of an AES-256 key. */
const CLUSTER_KEY_BYTES = 32;

/** Checked options of a peer; the meaning of each field is the tunable's of the same name. */
export interface PeerOptions {
  readonly id: PeerId;
  readonly servers: ServersFile;
  /** The peer's own folder, its id included. */
  readonly dataDirectory: string;
  readonly clusterId: string;
  /** 32 bytes; left out: loopback only. */
  readonly clusterKey?: Uint8Array;
  readonly multicast: { readonly group: string; readonly port: number; readonly interface: string };
  readonly keepaliveMs: number;
  readonly heartbeatMs: number;
  readonly deadAfterMs: number;
  readonly maxDriftMs: number;
  readonly maxValueBytes: number;
  readonly gcUpdateCount: number;
  readonly gcIntervalMs: number;
  readonly maxTableRows: number;
  readonly maxCheckpointBytes: number;
  readonly transferBytesPerSecond: number;
  readonly minFreeBytes: number;
  readonly checkpointDirectory: string;
  readonly checkpointIntervalMs: number;
  readonly checkpointsKept: number;
  readonly bootstrap: boolean;
  readonly receiveBufferBytes: number;
  readonly allowFaults: boolean;
  readonly clockOffsetMs: number;
  readonly logger: Logger;
}

/** Checked options of the Redis server in front of a peer. */
export interface ClientOptions {
  readonly host: string;
  readonly port: number;
  readonly acknowledge: AcknowledgementLevel;
}

/** Both together, as `serve` needs them. */
export interface ServeOptions {
  readonly peer: PeerOptions;
  readonly clients: ClientOptions;
}

/** Addresses of this machine's interfaces, loopback included. */
export function listOwnAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.map(({ address }) => address),
  );
}

/** A number as it was given, else its default; also for one that reportValues has refused, so that relations are judged once it is mended. */
function numberOf(name: NameOfKind<'number'>, settings: Settings): number | undefined {
  const given = settings[name];
  const isGood = given !== undefined && findValueFault(TUNABLES[name], given) === undefined;
  return isGood ? parseWhole(given) : TUNABLES[name].default;
}

async function readClusterKey(
  path: string | undefined,
  faults: FaultReport,
): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  try {
    const text = (await readFile(path, 'utf8')).trim();
    if (/^[0-9a-fA-F]+$/.test(text) && text.length === CLUSTER_KEY_BYTES * 2) return Buffer.from(text, 'hex');
    // The text itself stays out of the message: it may be most of a real key.
    faults.push(`${path}: is not a cluster key; make one with: openssl rand -hex ${CLUSTER_KEY_BYTES}`);
  } catch (error) {
    faults.push(`${path}: cluster key cannot be read (${errorCode(error)}); correct --cluster-key-file`);
  }
  return undefined;
}

function checkMulticast(
  settings: Settings,
  own: ServerLine | undefined,
  faults: FaultReport,
): PeerOptions['multicast'] {
  const group = settings.multicastGroup ?? TUNABLES.multicastGroup.default;
  const [first, second, third] = group.split('.').map(Number);
  const isControlBlock = first === 224 && second === 0 && third === 0; // never forwarded, and used by routers
  if (!isIpv4(group) || first === undefined || first < 224 || first > 239 || isControlBlock) {
    faults.push(`${faults.called('multicastGroup')} is '${group}'; use an IPv4 group, best of 239.0.0.0/8`);
  }
  const chosen = settings.multicastInterface ?? own?.address;
  if (chosen !== undefined && !isIpv4(chosen)) {
    faults.push(
      `the multicast interface is '${chosen}'; give an IPv4 address of this machine with --multicast-interface`,
    );
  }
  return { group, port: numberOf('multicastPort', settings) ?? 0, interface: chosen ?? '' };
}

/** Relations between tunables that are each within range. */
function checkRelations(options: Omit<PeerOptions, 'id' | 'servers' | 'logger'>, faults: FaultReport): void {
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

function checkServers(
  servers: ServersFile,
  multicastPort: number,
  hasKey: boolean,
  faults: FaultReport,
): void {
  const exposed = servers.servers.filter((server) => !isLoopback(server.address));
  if (!hasKey && exposed.length > 0) {
    const names = exposed.map((server) => `${server.id} ${server.host}`).join(', ');
    faults.push(
      `${servers.name}: beyond loopback (${names}) peers talk only with a cluster key; give one with --cluster-key-file`,
    );
  }
  for (const server of servers.servers.filter(({ port }) => port === multicastPort)) {
    faults.push(
      `${servers.name}:${server.line}: port ${server.port} of '${server.id}' is the multicast port; change one of them`,
    );
  }
}

async function resolvePeer(
  settings: Settings,
  logger: Logger,
  faults: FaultReport,
): Promise<readonly [PeerOptions, ServerLine | undefined]> {
  reportValues(settings, faults);
  const path = settings.servers ?? TUNABLES.servers.default;
  const servers = await gather(faults, async () => resolveHosts(await readServersFile(path)));
  const own = servers && (await gather(faults, () => findOwnLine(servers, listOwnAddresses(), settings.id)));
  const clusterKey = await readClusterKey(settings.clusterKeyFile, faults);
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
  const options = {
    dataDirectory: join(dataDirectory, id),
    clusterId,
    ...(clusterKey === undefined ? {} : { clusterKey }),
    multicast,
    keepaliveMs: number('keepaliveMs'),
    heartbeatMs: number('heartbeatMs'),
    deadAfterMs: number('deadAfterMs'),
    maxDriftMs: number('maxDriftMs'),
    maxValueBytes: number('maxValueBytes'),
    gcUpdateCount: number('gcUpdateCount'),
    gcIntervalMs: number('gcIntervalMs'),
    maxTableRows: number('maxTableRows'),
    maxCheckpointBytes: number('maxCheckpointBytes'),
    transferBytesPerSecond: number('transferBytesPerSecond'),
    minFreeBytes: number('minFreeBytes'),
    checkpointDirectory: settings.checkpointDirectory ?? dataDirectory,
    checkpointIntervalMs: number('checkpointIntervalMs'),
    checkpointsKept: number('checkpointsKept'),
    bootstrap: settings.bootstrap ?? false,
    receiveBufferBytes: number('receiveBufferBytes'),
    allowFaults: settings.allowFaults ?? false,
    clockOffsetMs: number('clockOffsetMs'),
  };
  checkRelations(options, faults);
  if (servers) checkServers(servers, multicast.port, settings.clusterKeyFile !== undefined, faults);
  return [{ id, servers: servers ?? { name: path, servers: [] }, ...options, logger }, own];
}

function checkClients(settings: Settings, own: ServerLine | undefined, faults: FaultReport): ClientOptions {
  const given = settings.clientHost ?? own?.address ?? '127.0.0.1';
  const host = canonicalHost(given);
  if (host === undefined)
    faults.push(`${faults.called('clientHost')} is '${given}'; give an address of this machine`);
  else if (!isLoopback(host) && settings.openClients !== true) {
    faults.push(
      `Redis clients at ${host} would need no password; add --open-clients to allow that, or --client-host 127.0.0.1`,
    );
  }
  const port = numberOf('clientPort', settings) ?? (own ? clientPortOf(own) : 0);
  if (own && port === own.port)
    faults.push(`${faults.called('clientPort')} is ${port}, the port of '${own.id}' itself; choose another`);
  const level = settings.acknowledge ?? TUNABLES.acknowledge.default;
  const acknowledge = ACKNOWLEDGEMENT_LEVELS.find((known) => known === level);
  return { host: host ?? given, port, acknowledge: acknowledge ?? TUNABLES.acknowledge.default };
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

/** Options for a peer and the Redis server in front of it, checked as one. Throws like resolvePeerOptions. */
export async function resolveServeOptions(
  settings: Settings,
  logger: Logger,
  origins: Origins = NO_ORIGINS,
): Promise<ServeOptions> {
  const faults = createFaultReport(origins);
  const [peer, own] = await resolvePeer(settings, logger, faults);
  const clients = checkClients(settings, own, faults);
  faults.refuse();
  return { peer, clients };
}
