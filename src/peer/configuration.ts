/**
 * Every tunable of a peer, declared once, and the one way from settings to checked options.
 *
 * Owns the table (meaning, unit, default, range, what raising a value does), the relations between
 * tunables, and the rule that nothing talks beyond loopback without a cluster key. The command line
 * derives its flags from the table; servers.txt is serversFile.ts's. Invariant: options that were
 * yielded hold every range and relation; all faults of a configuration are reported together, and
 * checking writes nothing.
 */
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { ToposphereError } from '../core/errors.ts';
import type { PeerId } from '../core/types.ts';
import { errorCode } from '../network/tcp.ts';
import type { AcknowledgementLevel } from './backend.ts';
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

interface Described {
  readonly meaning: string;
}
/** A whole number within `minimum`..`maximum`, both inclusive, in `unit`. */
export interface NumberTunable extends Described {
  readonly kind: 'number';
  readonly unit: 'ms' | 'bytes' | 'port' | 'updates' | 'rows' | 'files';
  /** Undefined: follows from another setting, as `meaning` says. */
  readonly default: number | undefined;
  readonly minimum: number;
  readonly maximum: number;
  /** What a larger value does; for a port, what it has to do with the others. */
  readonly raising: string;
}
export interface TextTunable extends Described {
  readonly kind: 'text';
  readonly default: string | undefined;
  readonly choices?: readonly string[];
}
/** Off unless given. */
export interface FlagTunable extends Described {
  readonly kind: 'flag';
}
export type Tunable = NumberTunable | TextTunable | FlagTunable;

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const HOUR_MS = 3_600_000;
/** A timer of Node.js holds less than 2^31 ms: 24 days. */
const LONGEST_TIMER_MS = 14 * 24 * HOUR_MS;
/** A dead verdict needs this many KEEPALIVEs in a row to be lost: fewer, and plain packet loss looks like death. */
const KEEPALIVES_BEFORE_DEAD = 3;
/** Bytes of an AES-256 key. */
const CLUSTER_KEY_BYTES = 32;
export const ACKNOWLEDGEMENT_LEVELS: readonly AcknowledgementLevel[] = ['fast', 'committed', 'durable'];

// prettier-ignore
export const TUNABLES = {
  id: { kind: 'text', default: undefined, meaning: 'which line of servers.txt this peer is; by default the one with an address of this machine' },
  servers: { kind: 'text', default: 'config/servers.txt', meaning: 'path of servers.txt' },
  dataDirectory: { kind: 'text', default: 'checkpoints', meaning: 'folder that holds one folder a peer, named by its id' },
  clusterId: { kind: 'text', default: 'toposphere', meaning: 'clusters of different ids never merge; the same on every peer' },
  clusterKeyFile: { kind: 'text', default: undefined, meaning: 'path of a file with the cluster key, 64 hexadecimal digits; the same on every peer; needed beyond loopback' },
  multicastGroup: { kind: 'text', default: '239.195.74.1', meaning: 'IPv4 group of the cluster; the same on every peer' },
  multicastPort: { kind: 'number', unit: 'port', default: 7400, minimum: 1024, maximum: 65_535, meaning: 'UDP port of the group; the same on every peer', raising: "must differ from every peer's own port" },
  multicastInterface: { kind: 'text', default: undefined, meaning: "IPv4 address of the interface that joins the group; by default the peer's own address" },
  keepaliveMs: { kind: 'number', unit: 'ms', default: 250, minimum: 10, maximum: 60_000, meaning: 'time between two KEEPALIVE messages', raising: 'less idle traffic; a lost last update is noticed later' },
  heartbeatMs: { kind: 'number', unit: 'ms', default: 500, minimum: 10, maximum: 60_000, meaning: 'time between two HEARTBEAT messages', raising: 'less idle traffic; peers that NAKs cannot help converge later' },
  deadAfterMs: { kind: 'number', unit: 'ms', default: 2000, minimum: 30, maximum: HOUR_MS, meaning: 'silence after which a member is presumed dead', raising: 'fewer false verdicts; the ring closes later behind a dead peer' },
  maxDriftMs: { kind: 'number', unit: 'ms', default: 500, minimum: 10, maximum: HOUR_MS, meaning: 'how far ahead of the other clocks a timestamp may be; the same on every peer', raising: 'tolerates worse clocks; a fast clock wins over later writes for longer' },
  maxValueBytes: { kind: 'number', unit: 'bytes', default: 16 * MEBIBYTE, minimum: 1, maximum: 16 * MEBIBYTE, meaning: 'longest value; the same on every peer', raising: 'more memory for each transfer under way' },
  gcUpdateCount: { kind: 'number', unit: 'updates', default: 20_000, minimum: 1, maximum: 1_000_000_000, meaning: 'own updates after which a checkpoint round begins', raising: 'rounds come less often; update tables grow longer' },
  gcIntervalMs: { kind: 'number', unit: 'ms', default: 30_000, minimum: 100, maximum: 24 * HOUR_MS, meaning: 'time after which a checkpoint round begins when there is anything to collect', raising: 'tombstones are kept longer' },
  maxTableRows: { kind: 'number', unit: 'rows', default: 1_000_000, minimum: 100, maximum: 1_000_000_000, meaning: 'length of one update table at which its older half is let go while a round waits for a member', raising: 'more disk; a peer that was away for long is caught up record by record, not by checkpoint' },
  maxCheckpointBytes: { kind: 'number', unit: 'bytes', default: 512 * MEBIBYTE, minimum: 64 * MEBIBYTE, maximum: 16 * 1024 * MEBIBYTE, meaning: 'largest checkpoint that this peer takes in while it takes part: kept in memory until all of it is there', raising: 'more that it missed can be taken in, with as much memory for a while' },
  transferBytesPerSecond: { kind: 'number', unit: 'bytes', default: 0, minimum: 0, maximum: 1024 * 1024 * MEBIBYTE, meaning: 'what this peer sends in a second, at most, to all that join; less than 4 MiB counts as 4 MiB; 0: as much as the link takes', raising: 'they are ready sooner; less of a slow link is left to everything else' },
  minFreeBytes: { kind: 'number', unit: 'bytes', default: 256 * MEBIBYTE, minimum: 0, maximum: 1024 * 1024 * MEBIBYTE, meaning: 'free space on the disk of the store below which nothing more is written, until there is more again; 0: not watched', raising: 'less of the disk is used; more room for what is under way' },
  checkpointDirectory: { kind: 'text', default: undefined, meaning: 'folder for checkpoint files, best on another disk; by default the one of --data-directory' },
  checkpointIntervalMs: { kind: 'number', unit: 'ms', default: HOUR_MS, minimum: 0, maximum: LONGEST_TIMER_MS, meaning: 'least time between two checkpoint files that are written unasked, when anything changed; one is also written at a clean stop; 0: none unasked', raising: 'less disk traffic; a restored file is older' },
  checkpointsKept: { kind: 'number', unit: 'files', default: 2, minimum: 1, maximum: 1000, meaning: 'checkpoint files of this peer that are kept, the newest first', raising: 'more disk; one can go back further' },
  bootstrap: { kind: 'flag', meaning: 'on an empty disk, begin at once: for one peer, on the very first start of a cluster without the others' },
  receiveBufferBytes: { kind: 'number', unit: 'bytes', default: 8 * MEBIBYTE, minimum: 64 * KIBIBYTE, maximum: 256 * MEBIBYTE, meaning: 'UDP receive buffer asked of the kernel for each socket', raising: 'bursts lose fewer datagrams, if the kernel grants it (status says what was granted)' },
  allowFaults: { kind: 'flag', meaning: 'obey `toposphere faults` (rehearsed cuts and losses)' },
  clockOffsetMs: { kind: 'number', unit: 'ms', default: 0, minimum: -24 * HOUR_MS, maximum: 24 * HOUR_MS, meaning: 'rehearsed clock error; needs --allow-faults', raising: 'runs the clock further ahead; negative runs it behind' },
  clientHost: { kind: 'text', default: undefined, meaning: "address that serves Redis clients; by default the peer's own" },
  clientPort: { kind: 'number', unit: 'port', default: undefined, minimum: 1, maximum: 65_535, meaning: "TCP port that serves Redis clients; by default the peer's port less 1000", raising: "must differ from the peer's own port" },
  openClients: { kind: 'flag', meaning: 'serve Redis clients without a password beyond loopback too' },
  acknowledge: { kind: 'text', default: 'committed', choices: ACKNOWLEDGEMENT_LEVELS, meaning: "what a client's OK survives: nothing, the death of the process, a power cut" },
} as const satisfies Record<string, Tunable>;

export type TunableName = keyof typeof TUNABLES;
type NameOfKind<Kind extends Tunable['kind']> = {
  [Name in TunableName]: (typeof TUNABLES)[Name]['kind'] extends Kind ? Name : never;
}[TunableName];

/** What was set; the rest takes its default. A number may come as text, as a command line has it: it is checked here. */
export type Settings = {
  readonly [Name in TunableName]?:
    | (Name extends NameOfKind<'number'>
        ? number | string
        : Name extends NameOfKind<'flag'>
          ? boolean
          : string)
    | undefined;
};

/** Where a peer says what happened, one plain sentence a call. */
export interface Logger {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
}

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

/** `keepaliveMs` is `--keepalive-ms` on the command line. */
export function optionName(name: TunableName): string {
  return name.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
}

/** Addresses of this machine's interfaces, loopback included. */
export function listOwnAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.map(({ address }) => address),
  );
}

function checkNumber(name: NameOfKind<'number'>, settings: Settings, faults: string[]): number | undefined {
  const tunable: NumberTunable = TUNABLES[name];
  const given = settings[name];
  if (given === undefined) return tunable.default;
  const value = typeof given === 'number' ? given : /^-?[0-9]+$/.test(given) ? Number(given) : NaN;
  if (Number.isSafeInteger(value) && value >= tunable.minimum && value <= tunable.maximum) return value;
  const seen = Number.isSafeInteger(value) ? `${value}` : `'${given}', not a whole number`;
  faults.push(
    `--${optionName(name)} is ${seen}; use ${tunable.minimum} to ${tunable.maximum} (${tunable.unit})`,
  );
  return undefined;
}

async function readClusterKey(path: string | undefined, faults: string[]): Promise<Uint8Array | undefined> {
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

/** Runs one check; what it refuses joins the other faults instead of hiding them. */
async function gather<T>(faults: string[], check: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof ToposphereError)) throw error;
    faults.push(...error.message.split('\n'));
    return undefined;
  }
}

function checkMulticast(
  settings: Settings,
  own: ServerLine | undefined,
  faults: string[],
): PeerOptions['multicast'] {
  const group = settings.multicastGroup ?? TUNABLES.multicastGroup.default;
  const [first, second, third] = group.split('.').map(Number);
  const isControlBlock = first === 224 && second === 0 && third === 0; // never forwarded, and used by routers
  if (!isIpv4(group) || first === undefined || first < 224 || first > 239 || isControlBlock) {
    faults.push(`--multicast-group is '${group}'; use an IPv4 group, best of 239.0.0.0/8`);
  }
  const chosen = settings.multicastInterface ?? own?.address;
  if (chosen !== undefined && !isIpv4(chosen)) {
    faults.push(
      `the multicast interface is '${chosen}'; give an IPv4 address of this machine with --multicast-interface`,
    );
  }
  return { group, port: checkNumber('multicastPort', settings, faults) ?? 0, interface: chosen ?? '' };
}

/** Relations between tunables that are each within range. */
function checkRelations(options: Omit<PeerOptions, 'id' | 'servers' | 'logger'>, faults: string[]): void {
  const deadMinimumMs = KEEPALIVES_BEFORE_DEAD * options.keepaliveMs;
  if (options.deadAfterMs < deadMinimumMs) {
    faults.push(
      `--dead-after-ms is ${options.deadAfterMs}, less than ${KEEPALIVES_BEFORE_DEAD} times --keepalive-ms ` +
        `(${options.keepaliveMs}); use at least ${deadMinimumMs}`,
    );
  }
  if (options.clockOffsetMs !== 0 && !options.allowFaults) {
    faults.push(
      `--clock-offset-ms is ${options.clockOffsetMs}, a rehearsed fault; add --allow-faults or leave it out`,
    );
  }
}

function checkServers(servers: ServersFile, multicastPort: number, hasKey: boolean, faults: string[]): void {
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
  faults: string[],
): Promise<readonly [PeerOptions, ServerLine | undefined]> {
  const path = settings.servers ?? TUNABLES.servers.default;
  const servers = await gather(faults, async () => resolveHosts(await readServersFile(path)));
  const own = servers && (await gather(faults, () => findOwnLine(servers, listOwnAddresses(), settings.id)));
  const clusterKey = await readClusterKey(settings.clusterKeyFile, faults);
  const multicast = checkMulticast(settings, own, faults);
  const clusterId = settings.clusterId ?? TUNABLES.clusterId.default;
  if (!isPeerId(clusterId)) {
    faults.push(`--cluster-id is '${clusterId}'; use 1 to 32 characters of A-Z a-z 0-9 _ . -`);
  }
  // A number out of range has been reported; its default stands in, so that relations are judged once it is mended.
  const number = (name: NameOfKind<'number'>): number =>
    checkNumber(name, settings, faults) ?? TUNABLES[name].default ?? 0;
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

function checkClients(settings: Settings, own: ServerLine | undefined, faults: string[]): ClientOptions {
  const given = settings.clientHost ?? own?.address ?? '127.0.0.1';
  const host = canonicalHost(given);
  if (host === undefined) faults.push(`--client-host is '${given}'; give an address of this machine`);
  else if (!isLoopback(host) && settings.openClients !== true) {
    faults.push(
      `Redis clients at ${host} would need no password; add --open-clients to allow that, or --client-host 127.0.0.1`,
    );
  }
  const port = checkNumber('clientPort', settings, faults) ?? (own ? clientPortOf(own) : 0);
  if (own && port === own.port)
    faults.push(`--client-port is ${port}, the port of '${own.id}' itself; choose another`);
  const level = settings.acknowledge ?? TUNABLES.acknowledge.default;
  const acknowledge = ACKNOWLEDGEMENT_LEVELS.find((known) => known === level);
  if (!acknowledge) faults.push(`--acknowledge is '${level}'; use ${ACKNOWLEDGEMENT_LEVELS.join(', ')}`);
  return { host: host ?? given, port, acknowledge: acknowledge ?? 'committed' };
}

function refuseFaults(faults: readonly string[]): void {
  if (faults.length > 0) throw new ToposphereError('BAD_CONFIGURATION', faults.join('\n'));
}

/** Options for an embedded peer. Throws BAD_CONFIGURATION with one line a fault; reads files, writes nothing. */
export async function resolvePeerOptions(settings: Settings, logger: Logger): Promise<PeerOptions> {
  const faults: string[] = [];
  const [peer] = await resolvePeer(settings, logger, faults);
  refuseFaults(faults);
  return peer;
}

/** Options for a peer and the Redis server in front of it, checked as one. Throws like resolvePeerOptions. */
export async function resolveServeOptions(
  settings: Settings,
  logger: Logger,
): Promise<{ readonly peer: PeerOptions; readonly clients: ClientOptions }> {
  const faults: string[] = [];
  const [peer, own] = await resolvePeer(settings, logger, faults);
  const clients = checkClients(settings, own, faults);
  refuseFaults(faults);
  return { peer, clients };
}
