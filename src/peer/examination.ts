/**
 * What a peer finds out about its own machine and its surroundings when `toposphere doctor` asks.
 *
 * Owns the measuring and its bounds; what a figure means is the command's to say (src/cli). Only what cannot be read from STATUS is here. No secret
 * is in it. Invariant: however often it is asked for, one examination is under way and one a second is made; the event loop waits for none of it.
 */
import { readFile, statfs } from 'node:fs/promises';
import { networkInterfaces, release } from 'node:os';
import type { Now } from '../core/clock.ts';
import { isHeard, multicastHeardSinceMs } from '../core/liveness.ts';
import type { PeerState } from '../core/state.ts';
import type { Network } from '../network/network.ts';
import { probeTcp, type Reach } from '../network/probe.ts';
import { formatAddress } from '../network/tcp.ts';
import { DATAGRAM_OVERHEAD_BYTES } from '../wire/limits.ts';
import type { AddressBook } from './addressBook.ts';
import type { PeerOptions } from './configuration.ts';
import type { DiskSpace } from './diskSpace.ts';
import { measureFlushes, type FlushTimes } from './flushTimes.ts';
import type { ClusterKeyRing, KeyFileExamination } from './reloading.ts';
import { canonicalServersText, isLoopback, readServersFile } from './serversFile.ts';
import { packageVersion } from './version.ts';

/** One other member, as it reaches this peer and this peer it. */
interface MemberExamination {
  readonly id: string;
  /** Where this peer sends for it, `host:port`; null when its address is not known here. */
  readonly address: string | null;
  readonly heard: boolean;
  readonly hearsMe: boolean;
  /** Its multicast arrives here, by itself: `multicast` of STATUS is both ways. */
  readonly multicastHeard: boolean;
  /** Whether its TCP port answers from here; null when it was not asked (no address, or too many members). */
  readonly stream: Reach | null;
}

export interface Examination {
  readonly id: string;
  readonly version: string;
  readonly node: string;
  readonly system: string;
  /** Null: it has no servers.txt. `text` as it was last read, `fileText` as the file says now; null, and why, when it cannot be read. */
  readonly servers: {
    readonly path: string;
    readonly text: string;
    readonly fileText: string | null;
    readonly fault: string | null;
  } | null;
  /** Settings that are the same on every peer. */
  readonly shared: Readonly<Record<string, string | number>>;
  /** Null without a cluster key. */
  readonly clusterKeyFile: KeyFileExamination | null;
  readonly multicast: { readonly interface: string; readonly joined: boolean };
  readonly members: readonly MemberExamination[];
  /** The interface with the peer's own address; nulls where the system does not say. */
  readonly link: {
    readonly address: string;
    readonly name: string | null;
    readonly mtuBytes: number | null;
    /** Longest datagram, its IP and UDP headers included. */
    readonly packetBytes: number;
  };
  readonly receiveBuffer: {
    readonly askedBytes: number;
    readonly grantedBytes: number;
    /** net.core.rmem_max; null where there is no such thing. */
    readonly systemLimitBytes: number | null;
  };
  readonly disk: {
    readonly directory: string;
    readonly freeBytes: number | null;
    readonly minFreeBytes: number;
    readonly lastsMs: number | null;
    readonly flush: FlushTimes;
  };
  /** A Timestamp: what it allows to be gone may be gone here. */
  readonly horizon: number;
}

interface ExaminedParts {
  readonly options: PeerOptions;
  readonly addresses: AddressBook;
  readonly state: PeerState;
  readonly keys: Pick<ClusterKeyRing, 'examine'> | undefined;
  readonly network: Pick<Network, 'report'>;
  readonly space: DiskSpace;
  readonly now: () => Now;
}

/** An examination is given out again for so long, milliseconds. */
const GOOD_FOR_MS = 1000;
/** Members whose TCP port is asked, at most. */
const MAX_PROBED = 64;
const UDP_HEADER_BYTES = 8;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;

/** The function that examines; it never rejects for what it finds. */
export function createExaminer(parts: ExaminedParts): () => Promise<Examination> {
  let latest: Promise<Examination> | undefined;
  let endedMs = Infinity;
  return () => {
    if (latest !== undefined && performance.now() - endedMs < GOOD_FOR_MS) return latest;
    if (latest !== undefined && endedMs === Infinity) return latest;
    endedMs = Infinity;
    latest = examine(parts).finally(() => {
      endedMs = performance.now();
    });
    return latest;
  };
}

async function examine(parts: ExaminedParts): Promise<Examination> {
  const { options, state, network, addresses, keys } = parts;
  const [members, link, disk, servers, clusterKeyFile, systemLimitBytes] = await Promise.all([
    examineMembers(parts),
    examineLink(parts),
    examineDisk(parts),
    state.settings.isUnlisted ? null : examineServers(addresses),
    keys === undefined ? null : keys.examine(),
    readNumber('/proc/sys/net/core/rmem_max'),
  ]);
  const { datagrams } = network.report();
  return {
    id: options.id,
    version: packageVersion(),
    node: process.version,
    system: `${process.platform} ${release()}`,
    servers,
    shared: {
      clusterId: options.clusterId,
      multicastGroup: options.multicast.group,
      multicastPort: options.multicast.port,
      maxDriftMs: options.maxDriftMs,
      maxValueBytes: options.maxValueBytes,
    },
    clusterKeyFile,
    multicast: { interface: options.multicast.interface, joined: datagrams.multicastJoined },
    members,
    link,
    receiveBuffer: { ...datagrams.receiveBuffer, systemLimitBytes },
    disk,
    horizon: state.horizon,
  };
}

async function examineMembers({ state, addresses, now }: ExaminedParts): Promise<MemberExamination[]> {
  const ids = [...state.peers.keys()];
  const streams = await Promise.all(
    ids.map(async (id, index) => {
      const address = addresses.peers.get(id);
      return address === undefined || index >= MAX_PROBED ? null : probeTcp(address);
    }),
  );
  const at = now(); // after the probes: they take a while
  const sinceMs = multicastHeardSinceMs(state, at);
  return ids.flatMap((id, index) => {
    const view = state.peers.get(id);
    if (view === undefined) return []; // forgotten meanwhile
    const address = addresses.peers.get(id);
    return {
      id,
      address: address === undefined ? null : formatAddress(address.host, address.port),
      heard: isHeard(state, view, at),
      hearsMe: view.hearsUs,
      multicastHeard: view.lastMulticastMs >= sinceMs,
      stream: streams[index] ?? null,
    };
  });
}

async function examineLink({ options, addresses, state }: ExaminedParts): Promise<Examination['link']> {
  const address = addresses.hostOf(options.id) ?? '';
  const isIpv6 = address.includes(':');
  const headerBytes = UDP_HEADER_BYTES + (isIpv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES);
  const name = interfaceOf(address);
  const mtuBytes = name === null ? null : await readNumber(`/sys/class/net/${name}/mtu`);
  const packetBytes = state.settings.limits.datagramBudgetBytes + DATAGRAM_OVERHEAD_BYTES + headerBytes;
  return { address, name, mtuBytes, packetBytes };
}

function interfaceOf(address: string): string | null {
  for (const [name, bound = []] of Object.entries(networkInterfaces()))
    if (bound.some((one) => one.address === address || (one.internal && isLoopback(address)))) return name;
  return null;
}

async function examineDisk({ options, space }: ExaminedParts): Promise<Examination['disk']> {
  const { dataDirectory: directory, minFreeBytes } = options;
  const [flush, freeBytes] = await Promise.all([measureFlushes(directory), readFreeBytes(directory)]);
  return { directory, freeBytes, minFreeBytes, lastsMs: space.report().lastsMs, flush };
}

async function readFreeBytes(directory: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch {
    return null;
  }
}

async function examineServers({ path, text }: AddressBook): Promise<Examination['servers']> {
  try {
    return { path, text, fileText: canonicalServersText(await readServersFile(path)), fault: null };
  } catch (error) {
    return { path, text, fileText: null, fault: error instanceof Error ? error.message : String(error) };
  }
}

/** The number that a file of the system holds; null where there is no such file. */
async function readNumber(path: string): Promise<number | null> {
  try {
    const value = Number((await readFile(path, 'utf8')).trim());
    return Number.isSafeInteger(value) ? value : null;
  } catch {
    return null;
  }
}
