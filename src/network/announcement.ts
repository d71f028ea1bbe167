/**
 * What a peer announces of itself by multicast DNS, and what is believed of an announcement that arrives.
 *
 * Owns the records of the service `_toposphere._udp` (DNS-SD, RFC 6763: PTR, SRV, TXT, A) both ways, and their bounds. The proof that a member
 * wrote them is announcementProof.ts's, sockets and rhythm are discovery.ts's. Invariant: what was parsed is whole and within its bounds, whoever
 * sent it; nothing here throws on it, and nothing about keys or values is announced.
 */
import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { PHASES } from '../core/messages.ts';
import type { Incarnation, PeerId } from '../core/types.ts';
import { isPeerId } from '../wire/limits.ts';
import { LAST_PORT } from './tcp.ts';

export const SERVICE = '_toposphere._udp.local';
/** Asked by those who list all kinds of services (RFC 6763, section 9). */
export const ALL_SERVICES = '_services._dns-sd._udp.local';

/** Version of the texts below (RFC 6763, section 6.7). */
const TEXT_VERSION = '1';
/**
 * How long an announcement is remembered without being heard again, seconds: what RFC 6762 says of records with a host in them. What arrives lives as long, whatever
 * its records say: no proof covers that, and with 0 anybody could send a member away.
 */
export const TTL_SECONDS = 120;
/** Longest version of the software that is taken, characters. */
const MAX_VERSION_LENGTH = 32;
/** Base64 digits of an HMAC-SHA256. */
const PROOF_DIGITS = 43;
/** Announcements of one packet that are looked at: ours hold one. */
const MAX_ANNOUNCEMENTS_PER_PACKET = 8;
/** Digits of the hash that makes a name one process's own. */
const NAME_HASH_DIGITS = 12;
const MAX_32_BITS = 0xffff_ffff;

const ANNOUNCED_STATES = [...PHASES, 'leaving'] as const;
/** Its phase (R10), or that it stops. */
type AnnouncedState = (typeof ANNOUNCED_STATES)[number];

export interface Announcement {
  readonly id: PeerId;
  readonly clusterId: string;
  /** IPv4 address. */
  readonly host: string;
  readonly port: number;
  readonly incarnation: Incarnation;
  /** Of the software. */
  readonly version: string;
  readonly state: AnnouncedState;
  /** Of the members that it knows, unsigned 32 bits. */
  readonly membershipHash: number;
  /** How many those are, itself included. */
  readonly memberCount: number;
  /** When it was written, by its own clock, seconds since 1970: an old one may be played back by anybody. */
  readonly writtenAtSeconds: number;
}

/** An announcement as it arrived. */
export interface Announced extends Announcement {
  /** Empty: it has none. */
  readonly proof: string;
}

/** The part of a DNS record that matters here; `data` is checked where it is read. */
export interface DnsRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl?: number | undefined;
  readonly data?: unknown;
}

/** The records of one peer. */
type AnnouncedRecords = readonly (
  | {
      readonly name: string;
      readonly type: 'PTR' | 'A';
      readonly ttl: number;
      readonly data: string;
      readonly flush?: boolean;
    }
  | {
      readonly name: string;
      readonly type: 'SRV';
      readonly ttl: number;
      readonly flush: boolean;
      readonly data: {
        readonly port: number;
        readonly target: string;
        readonly priority: number;
        readonly weight: number;
      };
    }
  | {
      readonly name: string;
      readonly type: 'TXT';
      readonly ttl: number;
      readonly flush: boolean;
      readonly data: string[];
    }
)[];

interface Names {
  readonly instance: string;
  readonly host: string;
}

/** The incarnation makes them this process's alone, so that no other need be asked whether they are taken (RFC 6762, section 8.1). */
export function namesOf({ id, clusterId, incarnation }: Announcement): Names {
  const hash = createHash('sha256').update(`${clusterId}\n${id}\n${incarnation}`).digest('hex');
  const own = `${id.replaceAll('.', '-')}-${hash.slice(0, NAME_HASH_DIGITS)}`.toLowerCase(); // a dot would end the label
  return { instance: `${own}.${SERVICE}`, host: `toposphere-${hash.slice(0, NAME_HASH_DIGITS)}.local` };
}

/** The records of one peer, in one response. `ttlSeconds` 0 takes them back (RFC 6762, section 10.1). */
export function buildRecords(
  announcement: Announcement,
  proof: string,
  ttlSeconds: number,
): AnnouncedRecords {
  const { instance, host } = namesOf(announcement);
  const own = { ttl: ttlSeconds, flush: true }; // whoever caches forgets what it had under this name
  return [
    { name: SERVICE, type: 'PTR', ttl: ttlSeconds, data: instance },
    {
      name: instance,
      type: 'SRV',
      ...own,
      data: { port: announcement.port, target: host, priority: 0, weight: 0 },
    },
    { name: instance, type: 'TXT', ...own, data: buildTexts(announcement, proof) },
    { name: host, type: 'A', ...own, data: announcement.host },
  ];
}

function buildTexts(announcement: Announcement, proof: string): string[] {
  return [
    `txtvers=${TEXT_VERSION}`,
    `id=${announcement.id}`,
    `cluster=${announcement.clusterId}`,
    `incarnation=${announcement.incarnation}`,
    `version=${announcement.version}`,
    `state=${announcement.state}`,
    `members=${announcement.memberCount}`,
    `membership=${announcement.membershipHash}`,
    `written=${announcement.writtenAtSeconds}`,
    ...(proof === '' ? [] : [`proof=${proof}`]),
  ];
}

interface Parsed {
  readonly announced: readonly Announced[];
  /** Instances of our service that were not whole, or said what cannot be. */
  readonly malformed: number;
}

/** Whatever announcements the records of one response hold; of other services nothing is said. */
export function parseRecords(records: readonly DnsRecord[]): Parsed {
  const instances = new Set<string>();
  for (const record of records) {
    if (record.type !== 'PTR' || !isName(record.name, SERVICE) || typeof record.data !== 'string') continue;
    if (instances.size < MAX_ANNOUNCEMENTS_PER_PACKET) instances.add(record.data.toLowerCase());
  }
  const announced = Array.from(instances, (instance) => parseInstance(instance, records));
  const whole = announced.filter((one) => one !== undefined);
  return { announced: whole, malformed: announced.length - whole.length };
}

function parseInstance(instance: string, records: readonly DnsRecord[]): Announced | undefined {
  const service = parseService(find(records, 'SRV', instance)?.data);
  const texts = parseTexts(find(records, 'TXT', instance)?.data);
  const host = service && find(records, 'A', service.target)?.data;
  if (service === undefined || texts?.get('txtvers') !== TEXT_VERSION) return undefined;
  const id = texts.get('id') ?? '';
  const clusterId = texts.get('cluster') ?? '';
  const version = texts.get('version') ?? '';
  const state = ANNOUNCED_STATES.find((known) => known === texts.get('state'));
  const incarnation = parseInteger(texts.get('incarnation'), Number.MAX_SAFE_INTEGER);
  const memberCount = parseInteger(texts.get('members'), MAX_32_BITS);
  const membershipHash = parseInteger(texts.get('membership'), MAX_32_BITS);
  const writtenAtSeconds = parseInteger(texts.get('written'), MAX_32_BITS);
  const proof = texts.get('proof') ?? '';
  const areTextsFit = isPeerId(id) && isPeerId(clusterId) && isVersion(version) && isProof(proof);
  if (!areTextsFit || state === undefined || typeof host !== 'string' || !isHost(host)) return undefined;
  if (incarnation === undefined || memberCount === undefined) return undefined;
  if (membershipHash === undefined || writtenAtSeconds === undefined) return undefined;
  return {
    id: id as PeerId,
    clusterId,
    host,
    port: service.port,
    incarnation: incarnation as Incarnation,
    version,
    state,
    membershipHash,
    memberCount,
    writtenAtSeconds,
    proof,
  };
}

function find(records: readonly DnsRecord[], type: string, name: string): DnsRecord | undefined {
  return records.find((record) => record.type === type && isName(record.name, name));
}

/** Names of DNS are the same in capitals and small letters. */
export function isName(name: unknown, wanted: string): boolean {
  return typeof name === 'string' && name.toLowerCase() === wanted.toLowerCase();
}

function parseService(data: unknown): { readonly port: number; readonly target: string } | undefined {
  if (typeof data !== 'object' || data === null || !('port' in data) || !('target' in data)) return undefined;
  const { port, target } = data;
  if (typeof port !== 'number' || typeof target !== 'string') return undefined;
  return Number.isInteger(port) && port >= 1 && port <= LAST_PORT ? { port, target } : undefined;
}

/** `key=value` each; the first of two with one key counts (RFC 6763, section 6.4). */
function parseTexts(data: unknown): ReadonlyMap<string, string> | undefined {
  if (!Array.isArray(data)) return undefined;
  const texts = new Map<string, string>();
  for (const one of data as readonly unknown[]) {
    const text = one instanceof Uint8Array ? Buffer.from(one).toString('latin1') : one;
    if (typeof text !== 'string') return undefined;
    const at = text.indexOf('=');
    const key = text.slice(0, Math.max(at, 0)).toLowerCase();
    if (at > 0 && !texts.has(key)) texts.set(key, text.slice(at + 1));
  }
  return texts;
}

function parseInteger(text: string | undefined, maximum: number): number | undefined {
  if (text === undefined || !/^(?:0|[1-9][0-9]{0,15})$/.test(text)) return undefined;
  const value = Number(text);
  return value <= maximum ? value : undefined;
}

function isVersion(text: string): boolean {
  return text.length <= MAX_VERSION_LENGTH && /^[A-Za-z0-9.+-]+$/.test(text);
}

function isProof(text: string): boolean {
  return text.length <= PROOF_DIGITS && /^[A-Za-z0-9_-]*$/.test(text);
}

/** From here on an address is a group's, or reserved (RFC 5771). */
const FIRST_GROUP_OCTET = 224;

/** An address that a peer can have: neither a group nor 0.x, which names no machine. */
function isHost(host: string): boolean {
  const first = Number(host.split('.')[0]);
  return isIPv4(host) && first > 0 && first < FIRST_GROUP_OCTET;
}
