/**
 * Multicast DNS: announces this peer on one interface, and hears the others (RFC 6762, RFC 6763).
 *
 * Owns the socket (the only importer of multicast-dns) and the rhythm: three announcements at the start, two at each change, answers to questions,
 * no more than one response a second, a goodbye at the end. What is announced is announcement.ts's, what is remembered foundPeers.ts's. Keeps:
 * only the named interface is heard and spoken on; everything goes to the group, nothing to a single address; what arrives never throws, it is
 * dropped and counted by reason. Where the port cannot be had the rest of the peer works on.
 */
import { createSocket } from 'node:dgram';
import type { RemoteInfo } from 'node:dgram';
import openMulticastDns from 'multicast-dns';
import {
  ALL_SERVICES,
  buildRecords,
  isName,
  namesOf,
  parseRecords,
  SERVICE,
  TTL_SECONDS,
} from './announcement.ts';
import type { Announced, Announcement, DnsRecord } from './announcement.ts';
import { checkProof, deriveProofKeys, prove } from './announcementProof.ts';
import { createArrivalGate } from './arrivalGate.ts';
import type { GateRefusal } from './arrivalGate.ts';
import { buildFound, FoundPeers } from './foundPeers.ts';
import type { Found, Taken } from './foundPeers.ts';
import { createFaultCounts } from './faultCounts.ts';
import type { FaultListener } from './faultCounts.ts';
import { errorCode } from './tcp.ts';

export type { Announcement } from './announcement.ts';
export type { Found } from './foundPeers.ts';
export type { Proof } from './announcementProof.ts';

export interface DiscoveryOptions {
  /** IPv4 address of this machine. */
  readonly interface: string;
  /** UDP port of the group; another than 5353 is heard by nobody but who has the same. */
  readonly port: number;
  /** Cluster keys: the first proves what this peer announces, each is believed of others. */
  readonly secrets: readonly Uint8Array[];
  /** What this peer says of itself, asked at each announcement; left out, it only listens. */
  readonly describe?: () => Announcement;
  /** A peer that was not known, or says something new of itself. */
  readonly onFound?: (found: Found) => void;
  /** One line for the log. */
  readonly onFault: FaultListener;
  /** This machine's clock, milliseconds since 1970. */
  readonly wallMs: () => number;
}

/** Why something that arrived counts for nothing; `failed`: a defect of our own, or of the decoder. */
type DiscoveryDrop =
  | GateRefusal
  | 'undecodable'
  | 'malformed'
  | 'wrongProof'
  | 'missingProof'
  | 'staleProof'
  | 'failed'
  | Extract<Taken, 'older' | 'lessProved' | 'tooManyPeers'>;

export interface DiscoveryReport {
  /** Why the last attempt to speak, or to hear, failed; null while all is well. */
  readonly unavailable: string | null;
  readonly announced: number;
  readonly asked: number;
  readonly drops: Readonly<Partial<Record<DiscoveryDrop, number>>>;
}

export interface Discovery {
  found(): readonly Found[];
  /** Proves and believes by these cluster keys from now on. */
  setSecrets(secrets: readonly Uint8Array[]): void;
  /** What `describe` says has changed. */
  announce(): void;
  report(): DiscoveryReport;
  /** Says goodbye, then frees the port. */
  close(): Promise<void>;
}

const GROUP = '224.0.0.251';
/** Nothing off the link has such a packet (RFC 6762, section 11). */
const HOPS = 255;
/** Answers wait so long, at random between the two, so that many do not come at once (RFC 6762, section 6), milliseconds. */
const ANSWER_LEAST_MS = 20;
const ANSWER_MOST_MS = 120;
/** No record is multicast again sooner (RFC 6762, section 6), milliseconds. */
const RESPONSE_INTERVAL_MS = 1_000;
/** Announcements at the start and at a change, a second and then two apart (RFC 6762, section 8.3). */
const FIRST_ANNOUNCEMENTS = 3;
const CHANGE_ANNOUNCEMENTS = 2;
/** Questions: the first a second after the start, then at intervals that double up to this, milliseconds: half of what an answer lives. */
const QUESTION_INTERVAL_MOST_MS = 500 * TTL_SECONDS;
/** Peers that a question names as known: more would outgrow a packet, and cost no more than their answer. */
const MAX_KNOWN_ANSWERS = 8;
/** Milliseconds that a goodbye may take. */
const GOODBYE_MS = 200;

export function openDiscovery(options: DiscoveryOptions): Discovery {
  const { describe, port, wallMs } = options;
  const faults = createFaultCounts(options.onFault);
  let proofKeys = deriveProofKeys(options.secrets);
  const peers = new FoundPeers();
  const drops: Partial<Record<DiscoveryDrop, number>> = {};
  let unavailable: string | undefined;
  let isJoined = false;
  let announced = 0;
  let asked = 0;
  let isClosed = false;
  let closing: Promise<void> | undefined;
  let lastResponseMs = -Infinity;
  let announcementsLeft = describe === undefined ? 0 : FIRST_ANNOUNCEMENTS;
  let responseTimer: NodeJS.Timeout | undefined;
  let responseDueMs = Infinity;
  let questionTimer: NodeJS.Timeout | undefined;

  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const mdns = openMulticastDns({
    socket,
    ip: GROUP,
    port,
    interface: options.interface,
    bind: '0.0.0.0', // bound to the interface's address it would not hear the group
    ttl: HOPS,
    loopback: true,
  });
  guardArrivals();
  mdns.on('networkInterface', onJoined);
  mdns.on('error', onUnavailable);
  mdns.on('warning', (warning) => {
    // Of the decoder, which says RangeError and the like, or of the system about the group.
    if ('syscall' in warning) onUnavailable(warning);
    else count('undecodable');
  });
  mdns.on('query', (query) => {
    guarded(() => {
      onQuestions(query.questions ?? [], query.answers ?? []);
    });
  });
  mdns.on('response', (response) => {
    guarded(() => {
      onResponse([...(response.answers ?? []), ...(response.additionals ?? [])]);
    });
  });

  return {
    found: () => peers.list(performance.now()),
    setSecrets(secrets) {
      proofKeys = deriveProofKeys(secrets);
    },
    announce() {
      if (describe === undefined || isClosed) return;
      announcementsLeft = Math.max(announcementsLeft, CHANGE_ANNOUNCEMENTS);
      respondIn(0);
    },
    report: () => ({ unavailable: unavailable ?? null, announced, asked, drops: { ...drops } }),
    close() {
      closing ??= close();
      return closing;
    },
  };

  async function close(): Promise<void> {
    isClosed = true;
    clearTimeout(responseTimer);
    clearTimeout(questionTimer);
    if (describe !== undefined && isJoined) await sayGoodbye(describe());
    await new Promise<void>((resolve) => {
      mdns.destroy(resolve);
    });
  }

  /** Puts the gate before the package's own listener: decoding is what a hostile packet would make dear. */
  function guardArrivals(): void {
    const gate = createArrivalGate(options.interface, port, () => performance.now());
    const decoders = socket.listeners('message');
    socket.removeAllListeners('message');
    socket.on('message', (packet: Buffer, source: RemoteInfo) => {
      if (isClosed) return;
      const refusal = gate.refuses(packet, source);
      if (refusal !== undefined) count(refusal);
      else for (const decode of decoders) Reflect.apply(decode, socket, [packet, source]);
    });
  }

  function guarded(handle: () => void): void {
    if (isClosed) return;
    try {
      handle();
    } catch {
      count('failed');
    }
  }

  function count(drop: DiscoveryDrop): void {
    drops[drop] = (drops[drop] ?? 0) + 1;
  }

  /** The group is joined on the interface. Before, nothing is sent: it would go wherever the system's routes lead. */
  function onJoined(): void {
    try {
      socket.setMulticastInterface(options.interface);
    } catch (cause) {
      onUnavailable(cause);
      return;
    }
    isJoined = true;
    unavailable = undefined;
    if (describe !== undefined) respondIn(answerDelayMs());
    clearTimeout(questionTimer);
    askIn(0, RESPONSE_INTERVAL_MS);
  }

  function onUnavailable(cause: unknown): void {
    unavailable = errorCode(cause);
    faults.count('discoveryUnavailable', () => {
      const where = `multicast DNS on ${options.interface}, UDP port ${port}`;
      return `${where}: ${errorCode(cause)}; going on with the addresses that are known`;
    });
  }

  function onQuestions(
    questions: readonly { readonly name: string; readonly type: string }[],
    known: readonly DnsRecord[],
  ): void {
    if (describe === undefined) return;
    const names = namesOf(describe());
    const isAsked = questions.some(
      ({ name, type }) =>
        (isName(name, SERVICE) && isOneOf(type, 'PTR')) ||
        (isName(name, names.instance) && isOneOf(type, 'SRV', 'TXT')) ||
        (isName(name, names.host) && isOneOf(type, 'A')) ||
        (isName(name, ALL_SERVICES) && isOneOf(type, 'PTR')),
    );
    if (isAsked && !isKnown(known, names.instance)) respondIn(answerDelayMs());
  }

  function onResponse(records: readonly DnsRecord[]): void {
    const parsed = parseRecords(records);
    for (let left = parsed.malformed; left > 0; left -= 1) count('malformed');
    for (const one of parsed.announced) onAnnounced(one);
  }

  function onAnnounced(one: Announced): void {
    const own = describe?.();
    if (own?.id === one.id && own.clusterId === one.clusterId && own.incarnation === one.incarnation) return; // a group's members hear themselves
    const trust = checkProof(proofKeys, one, Math.floor(wallMs() / 1000));
    if (own?.clusterId === one.clusterId && trust !== 'right' && trust !== 'unchecked')
      count(`${trust}Proof`);
    const nowMs = performance.now();
    const found = buildFound(one, trust, nowMs);
    const taken = peers.take(found, nowMs);
    if (taken === 'older' || taken === 'lessProved' || taken === 'tooManyPeers') count(taken);
    if (taken === 'new' || taken === 'changed') options.onFound?.(found);
  }

  /** One response for all that is due: whoever asked, and what is to be announced. */
  function respondIn(delayMs: number): void {
    const dueMs = Math.max(performance.now() + delayMs, lastResponseMs + RESPONSE_INTERVAL_MS);
    if (isClosed || !isJoined || dueMs >= responseDueMs) return;
    clearTimeout(responseTimer);
    responseDueMs = dueMs;
    responseTimer = setTimeout(respond, dueMs - performance.now());
    responseTimer.unref();
  }

  function respond(): void {
    responseDueMs = Infinity;
    if (describe === undefined || isClosed) return;
    lastResponseMs = performance.now();
    announced += 1;
    const announcement = describe();
    const answers = buildRecords(announcement, prove(proofKeys, announcement), TTL_SECONDS);
    mdns.respond({ answers: [...answers, SERVICE_RECORD] }, onSent);
    announcementsLeft -= 1;
    if (announcementsLeft <= 0) return;
    const isLast = announcementsLeft === 1;
    respondIn(isLast ? 2 * RESPONSE_INTERVAL_MS : RESPONSE_INTERVAL_MS);
  }

  function sayGoodbye(announcement: Announcement): Promise<void> {
    const leaving: Announcement = { ...announcement, state: 'leaving' };
    const answers = buildRecords(leaving, prove(proofKeys, leaving), 0);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, GOODBYE_MS);
      mdns.respond({ answers: [...answers] }, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  function askIn(delayMs: number, nextMs: number): void {
    if (isClosed) return;
    questionTimer = setTimeout(() => {
      ask();
      askIn(nextMs, Math.min(2 * nextMs, QUESTION_INTERVAL_MOST_MS));
    }, delayMs);
    questionTimer.unref();
  }

  /** Names those whose answer would be nothing new (RFC 6762, section 7.1). */
  function ask(): void {
    asked += 1;
    const nowMs = performance.now();
    const known = peers.list(nowMs).flatMap((found) => {
      const ttl = Math.floor((found.expiresMs - nowMs) / 1000);
      return ttl <= TTL_SECONDS / 2
        ? []
        : [{ name: SERVICE, type: 'PTR' as const, ttl, data: namesOf(found).instance }];
    });
    mdns.query(
      { questions: [{ name: SERVICE, type: 'PTR' }], answers: known.slice(0, MAX_KNOWN_ANSWERS) },
      onSent,
    );
  }

  function onSent(failure: Error | null | undefined): void {
    if (failure !== null && failure !== undefined) onUnavailable(failure);
    else unavailable = undefined;
  }
}

const SERVICE_RECORD = { name: ALL_SERVICES, type: 'PTR', ttl: TTL_SECONDS, data: SERVICE } as const;

function answerDelayMs(): number {
  return ANSWER_LEAST_MS + Math.random() * (ANSWER_MOST_MS - ANSWER_LEAST_MS);
}

function isOneOf(type: string, ...wanted: readonly string[]): boolean {
  return type === 'ANY' || wanted.includes(type);
}

/** Whoever asks knows this peer already, and for long enough (RFC 6762, section 7.1). */
function isKnown(known: readonly DnsRecord[], instance: string): boolean {
  return known.some(
    ({ name, type, ttl = 0, data }) =>
      type === 'PTR' && isName(name, SERVICE) && isName(data, instance) && ttl >= TTL_SECONDS / 2,
  );
}
