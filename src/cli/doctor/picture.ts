/**
 * Everything that `toposphere doctor` has seen, as data: what each peer said, and how it could be reached from here.
 *
 * Owns the shape and the reading of the peers' JSON: defensive, because peers of other versions answer too. What it means is findings.ts's.
 * Invariant: a figure that is here was said by a peer or measured from here; whatever was not is undefined.
 */
import type { Reach } from '../../network/probe.ts';
import type { Address } from '../connection.ts';
import { asCounts, asFields, asList, asNumber, asText } from '../fields.ts';
import type { Fields } from '../fields.ts';
import { parseStatus } from '../statusReport.ts';
import type { StatusReport } from '../statusReport.ts';

/** One member as another peer sees it. */
interface MemberView {
  readonly id: string;
  /** `host:port` where that peer sends for it. */
  readonly address: string | undefined;
  readonly heard: boolean;
  readonly hearsMe: boolean;
  /** Its multicast arrives there. */
  readonly multicastHeard: boolean;
  /** Whether its TCP port answers from there. */
  readonly stream: Reach | undefined;
}

/** What a peer measured (TOPOSPHERE DOCTOR). */
interface ExaminationReport {
  readonly version: string | undefined;
  readonly node: string | undefined;
  readonly serversPath: string | undefined;
  /** Canonical servers.txt as the peer last read it, as its file says now, and why that cannot be read. */
  readonly serversText: string | undefined;
  readonly serversFileText: string | undefined;
  readonly serversFault: string | undefined;
  /** Settings that are the same on every peer. */
  readonly shared: ReadonlyMap<string, string>;
  /** The key ids in the cluster key file as it is now, the sealing one first, or why it could not be taken; undefined without a key. */
  readonly clusterKeyFile:
    | {
        readonly path: string | undefined;
        readonly keyIds: readonly number[] | undefined;
        readonly fault: string | undefined;
      }
    | undefined;
  readonly multicastInterface: string | undefined;
  readonly multicastJoined: boolean | undefined;
  readonly members: readonly MemberView[];
  readonly link: {
    readonly address: string | undefined;
    readonly name: string | undefined;
    readonly mtuBytes: number | undefined;
    readonly packetBytes: number | undefined;
  };
  readonly buffer: {
    readonly askedBytes: number | undefined;
    readonly grantedBytes: number | undefined;
    readonly systemLimitBytes: number | undefined;
  };
  readonly disk: {
    readonly directory: string | undefined;
    readonly freeBytes: number | undefined;
    readonly minFreeBytes: number | undefined;
    readonly lastsMs: number | undefined;
    readonly flushMedianMs: number | undefined;
    readonly flushWorstMs: number | undefined;
    readonly flushFault: string | undefined;
  };
  /** A Timestamp. */
  readonly horizon: number;
}

/** What a peer said of itself, STATUS and examination together. */
export interface Answer {
  readonly status: StatusReport;
  /** Where the last refused packet of each reason came from, `address:port`. */
  readonly dropSources: ReadonlyMap<string, string>;
  /** Members it was told to cut off, and shares it was told to lose. */
  readonly rehearsedCuts: readonly string[];
  readonly rehearsedDrops: ReadonlyMap<string, number>;
  /** Its wall clock less the one here, milliseconds, and by how much that may be wrong. */
  readonly wallOffsetMs: number | undefined;
  readonly wallUncertainMs: number;
  /** Undefined, and why, when it did not answer that. */
  readonly examination: ExaminationReport | undefined;
  readonly examinationFault: string | undefined;
}

export interface PeerPicture {
  readonly name: string;
  /** Where it serves clients, and where other peers reach it; the latter undefined when only an address was given. */
  readonly clients: Address;
  readonly peers: Address | undefined;
  readonly answer: Answer | undefined;
  /** Why there is no answer. */
  readonly silence: string | undefined;
  /** It asked for a password, and was given none or another one. */
  readonly passwordRefused: 'missing' | 'wrong' | undefined;
  /** Both as seen from here; undefined when not asked. */
  readonly clientReach: Reach | undefined;
  readonly streamReach: Reach | undefined;
}

/** One peer's entry of a key, without its value. */
export interface Mark {
  readonly kind: string;
  readonly timestamp: number;
  readonly id: string;
  readonly incarnation: number;
  readonly sequence: number;
  readonly expiresAt: number;
  readonly digest: string;
}

/** A key that is not the same everywhere; undefined: that peer has no entry. By name of peer. */
export interface DifferingKey {
  /** Binary string. */
  readonly key: string;
  readonly held: ReadonlyMap<string, Mark | undefined>;
}

export interface Comparison {
  /** Names of those that were compared. */
  readonly compared: readonly string[];
  /** Keys that differ although nothing is on its way. */
  readonly differing: readonly DifferingKey[];
  /** Keys that differ and may yet become equal: not everything has arrived everywhere. */
  readonly unsettled: readonly DifferingKey[];
  /** Keys in further parts that differ somewhere, at most: they were not looked at. */
  readonly unseenKeys: number;
  /** Why the comparison broke off. */
  readonly fault: string | undefined;
}

export interface Picture {
  /** servers.txt here: its path and its canonical text; undefined when only an address was given. */
  readonly local: { readonly name: string; readonly text: string } | undefined;
  /** Milliseconds since 1970, by the clock here. */
  readonly nowMs: number;
  readonly peers: readonly PeerPicture[];
  readonly comparison: Comparison | undefined;
}

/** Of the peers that answered, with what they said. */
export interface AnsweredPeer extends PeerPicture {
  readonly answer: Answer;
}
export interface ExaminedPeer extends PeerPicture {
  readonly answer: Answer & { readonly examination: ExaminationReport };
}

export function answeredPeers({ peers }: Picture): readonly AnsweredPeer[] {
  return peers.filter((peer): peer is AnsweredPeer => peer.answer !== undefined);
}

export function examinedPeers({ peers }: Picture): readonly ExaminedPeer[] {
  return peers.filter((peer): peer is ExaminedPeer => peer.answer?.examination !== undefined);
}

/** Parses the JSON of STATUS. `askedMs` and `answeredMs`: the wall here. Throws CommandFailure when it is no JSON object. */
export function parseAnswer(
  json: string,
  askedMs: number,
  answeredMs: number,
): Omit<Answer, 'examination' | 'examinationFault'> {
  const status = parseStatus(json);
  const fields = asFields(JSON.parse(json));
  const faults = asFields(fields['faults']);
  const wallMs = asNumber(fields['wallMs']);
  return {
    status,
    dropSources: asTexts(fields['dropSources']),
    rehearsedCuts: asList(faults['cut']).map(String),
    rehearsedDrops: asCounts(faults['dropped']),
    wallOffsetMs: wallMs === undefined ? undefined : wallMs - (askedMs + answeredMs) / 2,
    wallUncertainMs: (answeredMs - askedMs) / 2,
  };
}

/** Reads what TOPOSPHERE DOCTOR answered. Throws SyntaxError when it is no JSON. */
export function parseExamination(json: string): ExaminationReport {
  const fields = asFields(JSON.parse(json));
  const [servers, multicast, link, buffer, disk] = [
    'servers',
    'multicast',
    'link',
    'receiveBuffer',
    'disk',
  ].map((name) => asFields(fields[name]));
  const joined = multicast?.['joined'];
  return {
    version: asText(fields['version']),
    node: asText(fields['node']),
    serversPath: asText(servers?.['path']),
    serversText: asText(servers?.['text']),
    serversFileText: asText(servers?.['fileText']),
    serversFault: asText(servers?.['fault']),
    shared: new Map(Object.entries(asFields(fields['shared'])).map(([name, value]) => [name, String(value)])),
    clusterKeyFile: asKeyFile(fields['clusterKeyFile']),
    multicastInterface: asText(multicast?.['interface']),
    multicastJoined: typeof joined === 'boolean' ? joined : undefined,
    members: asList(fields['members']).map(asMember),
    link: {
      address: asText(link?.['address']),
      name: asText(link?.['name']),
      mtuBytes: asNumber(link?.['mtuBytes']),
      packetBytes: asNumber(link?.['packetBytes']),
    },
    buffer: {
      askedBytes: asNumber(buffer?.['askedBytes']),
      grantedBytes: asNumber(buffer?.['grantedBytes']),
      systemLimitBytes: asNumber(buffer?.['systemLimitBytes']),
    },
    disk: asDisk(disk ?? {}),
    horizon: asNumber(fields['horizon']) ?? 0,
  };
}

function asKeyFile(value: unknown): ExaminationReport['clusterKeyFile'] {
  const { path, keyIds, fault } = asFields(value);
  if (path === undefined) return undefined;
  return {
    path: asText(path),
    keyIds: Array.isArray(keyIds) ? asList(keyIds).filter((id) => typeof id === 'number') : undefined,
    fault: asText(fault),
  };
}

function asDisk(disk: Fields): ExaminationReport['disk'] {
  const flush = asFields(disk['flush']);
  const count = asNumber(flush['count']) ?? 0;
  return {
    directory: asText(disk['directory']),
    freeBytes: asNumber(disk['freeBytes']),
    minFreeBytes: asNumber(disk['minFreeBytes']),
    lastsMs: asNumber(disk['lastsMs']),
    flushMedianMs: count > 0 ? asNumber(flush['medianMs']) : undefined,
    flushWorstMs: count > 0 ? asNumber(flush['worstMs']) : undefined,
    flushFault: asText(flush['fault']),
  };
}

function asMember(value: unknown): MemberView {
  const member = asFields(value);
  return {
    id: asText(member['id']) ?? '?',
    address: asText(member['address']),
    heard: member['heard'] === true,
    hearsMe: member['hearsMe'] === true,
    multicastHeard: member['multicastHeard'] === true,
    stream: asText(member['stream']),
  };
}

function asTexts(value: unknown): ReadonlyMap<string, string> {
  return new Map(Object.entries(asFields(value)).map(([name, text]) => [name, String(text)]));
}
