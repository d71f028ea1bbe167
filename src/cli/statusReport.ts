/**
 * What a peer says about itself, read from its STATUS and put into a table row.
 *
 * Owns the reading of the JSON: defensive, because peers of other versions answer too. A field that is
 * missing or of another type shows as `-`, never as an error. Invariant: a cell says only what the peer
 * said.
 */
import { asDiscovery, describeDiscovery, describeUnlistedStart } from './discoveryReport.ts';
import type { DiscoveryReport } from './discoveryReport.ts';
import { CommandFailure } from './failure.ts';
import { asCounts, asFields, asList, asNumber, asText } from './fields.ts';
import type { Fields } from './fields.ts';
import { asKeysReport } from './keysReport.ts';
import type { KeysReport } from './keysReport.ts';
import { asProtocol, listApart } from './protocolReport.ts';
import type { ProtocolReport } from './protocolReport.ts';

interface MemberReport {
  readonly id: string;
  readonly alive: boolean;
  /** This peer hears the member. */
  readonly heard: boolean;
  /** It has stopped, and said so. */
  readonly left: boolean;
  /** The member says it hears this peer. */
  readonly hearsMe: boolean;
  readonly multicast: boolean;
  /** As the peer last heard of it. */
  readonly phase: string | undefined;
  /** It was started apart from this peer: nothing passes between the two. */
  readonly apart: boolean;
  /** Its servers.txt says the same as this peer's. */
  readonly sameServers: boolean;
}

/** What a peer says of collection. */
interface CollectionReport {
  readonly round: string;
  readonly waitingFor: readonly string[];
  readonly waitingSinceMs: number | undefined;
  /** What those waited for are doing, by id. */
  readonly waitingWhy: Fields;
  readonly tombstones: number;
  readonly tombstoneBytes: number;
  /** How full the longest update table is, 0 to 1. */
  readonly tableShare: number;
}

/** What a peer says of its requests for a checkpoint. */
interface JoiningReport {
  readonly asked: number;
  readonly askedOf: string | undefined;
  readonly joined: number;
  /** Of the checkpoint that is coming in. */
  readonly bytes: number;
}

/** Undefined: the peer did not say. */
export interface StatusReport {
  readonly id: string | undefined;
  readonly keys: number | undefined;
  readonly lagUpdates: number | undefined;
  readonly members: readonly MemberReport[];
  /** Last sequence without a gap of each origin, `id/incarnation`. */
  readonly vector: ReadonlyMap<string, number>;
  /** Dropped datagrams and frames by reason. */
  readonly drops: ReadonlyMap<string, number>;
  /** Why its clock or its last timestamps make it refuse writes (section 8); undefined while they do not. */
  readonly clockRefusal: string | undefined;
  /** fresh, joining, forgotten or member. */
  readonly phase: string | undefined;
  /** It takes part and lacks nothing that it knows of. */
  readonly isCaughtUp: boolean;
  /** Its disk is nearly full: it writes nothing more. */
  readonly isDiskLow: boolean;
  readonly joining: JoiningReport;
  /** Every update up to this wall time is known to all members. */
  readonly horizonMs: number | undefined;
  readonly collection: CollectionReport;
  /** Undefined without a cluster key. */
  readonly clusterKeys: KeysReport | undefined;
  readonly discovery: DiscoveryReport | undefined;
  readonly protocol: ProtocolReport | undefined;
}

function asMember(value: unknown): MemberReport {
  const member = asFields(value);
  return {
    id: asText(member['id']) ?? '?',
    alive: member['alive'] === true,
    heard: member['heard'] === true,
    left: member['left'] === true,
    hearsMe: member['hearsMe'] === true,
    // Only a plain no is worth a remark in the table.
    multicast: member['multicast'] !== false,
    phase: asText(member['phase']),
    apart: member['apart'] === true,
    sameServers: member['sameServers'] !== false,
  };
}

function asCollection(fields: Fields): CollectionReport {
  const collection = asFields(fields['collection']);
  const tombstones = asFields(asFields(fields['memory'])['tombstones']);
  const limit = asNumber(collection['tableLimitRows']) ?? Infinity;
  return {
    round: asText(collection['round']) ?? '?',
    waitingFor: asList(collection['waitingFor']).map(String),
    waitingSinceMs: asNumber(collection['waitingSinceMs']),
    waitingWhy: asFields(collection['waitingWhy']),
    tombstones: asNumber(fields['tombstones']) ?? 0,
    tombstoneBytes: asNumber(tombstones['bytes']) ?? 0,
    tableShare: (asNumber(collection['longestTableRows']) ?? 0) / limit,
  };
}

function asJoining(value: unknown): JoiningReport {
  const joining = asFields(value);
  return {
    asked: asNumber(joining['asked']) ?? 0,
    askedOf: asText(joining['askedOf']),
    joined: asNumber(joining['joined']) ?? 0,
    bytes: asNumber(joining['bytes']) ?? 0,
  };
}

/** What the phase says already is not said again. */
function asClockRefusal(value: unknown): string | undefined {
  const { code, message } = asFields(value);
  return code === 'CLOCK_AHEAD' ? asText(message)?.replace(/^write refused: /, '') : undefined;
}

/** Parses the JSON text of TOPOSPHERE STATUS. Throws CommandFailure when it is no JSON object. */
export function parseStatus(json: string): StatusReport {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    parsed = undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) {
    throw new CommandFailure('the peer answered STATUS in an unexpected shape; is it of the same version?');
  }
  const fields = asFields(parsed);
  return {
    id: asText(fields['id']),
    keys: asNumber(fields['keys']),
    lagUpdates: asNumber(fields['lagUpdates']),
    members: asList(fields['members']).map(asMember),
    vector: asCounts(fields['vector']),
    drops: asCounts(fields['drops']),
    clockRefusal: asClockRefusal(fields['writesRefused']),
    phase: asText(fields['phase']),
    isCaughtUp: fields['caughtUp'] === true,
    isDiskLow: asFields(fields['disk'])['isLow'] === true,
    joining: asJoining(fields['joining']),
    horizonMs: asNumber(asFields(fields['collection'])['horizonMs']),
    collection: asCollection(fields),
    clusterKeys: asKeysReport(fields['clusterKeys']),
    discovery: asDiscovery(fields['discovery']),
    protocol: asProtocol(fields['protocol']),
  };
}

/** Whom the peer hears, with a remark where hearing is not mutual or not by multicast, or where it does not take part; then who is not heard: has left, or is silent. */
function describeMembers(report: StatusReport): string {
  const others = report.members.filter(({ id }) => id !== report.id);
  const heard = others
    .filter(({ alive, heard }) => alive && heard)
    .map(({ id, hearsMe, multicast, phase }) => {
      const apart = phase === undefined || phase === 'member' ? '' : `(${phase})`;
      return `${id}${hearsMe ? '' : '(one way)'}${multicast ? '' : '(unicast)'}${apart}`;
    });
  const silent = others
    .filter(({ alive, heard }) => !alive || !heard)
    .map(({ id, left }) => `!${id}${left ? '(left)' : ''}`);
  return [...heard, ...silent].join(' ') || '-';
}

/** Sequences by id, its incarnations summed as `12+5` in order of incarnation: the whole names fit no terminal. */
function describeVector(vector: ReadonlyMap<string, number>): string {
  const byId = new Map<string, [incarnation: number, sequence: number][]>();
  for (const [origin, sequence] of vector) {
    const [id = '', incarnation = '0'] = origin.split('/');
    byId.set(id, [...(byId.get(id) ?? []), [Number(incarnation), sequence]]);
  }
  const cells = Array.from(byId, ([id, sequences]) => {
    const inOrder = sequences.sort(([a], [b]) => a - b).map(([, sequence]) => sequence);
    return `${id}:${inOrder.join('+')}`;
  });
  return cells.sort().join(' ') || '-';
}

export const STATUS_HEADER = ['peer', 'state', 'keys', 'lag', 'hears (! not)', 'vector', 'drops'] as const;

function describeState({ clockRefusal, phase }: StatusReport): string {
  if (phase === 'fresh') return 'waits to begin';
  if (phase === 'joining' || phase === 'forgotten') return phase;
  return clockRefusal === undefined ? 'alive' : 'refuses writes';
}

/** The cells of one reachable peer, in the order of STATUS_HEADER. */
export function statusRow(name: string, report: StatusReport): readonly string[] {
  const drops = Array.from(report.drops)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason}:${count}`);
  return [
    report.id ?? name,
    describeState(report),
    String(report.keys ?? '-'),
    String(report.lagUpdates ?? '-'),
    describeMembers(report),
    describeVector(report.vector),
    drops.join(' ') || '-',
  ];
}

/** What an operator should act on, one sentence each. `called` is how the peer was asked for. */
export function listRemarks(called: string, report: StatusReport): readonly string[] {
  const name = report.id ?? called; // what they advise to type needs the id
  const option = called === name ? `--id ${name}` : `--peer ${called}`;
  const differing = report.members
    .filter(({ alive, sameServers }) => alive && !sameServers)
    .map(({ id }) => id);
  return [
    ...describePhase(name, option, report),
    ...listApart(name, report.protocol),
    ...describeDiscovery(name, option, report.phase === 'fresh', report.discovery),
    ...describeCollection(name, report.collection),
    ...(report.isDiskLow
      ? [`${name} refuses writes: its disk is nearly full; free some space, and it goes on by itself`]
      : []),
    ...(report.clockRefusal === undefined ? [] : [`${name} refuses writes: ${report.clockRefusal}`]),
    ...report.members
      .filter(({ alive, apart }) => alive && apart)
      .map(
        ({ id }) =>
          `${name} and ${id} were started apart, and both hold data: nothing passes between them; decide whose data is to stay, and start the other one again with an empty data directory`,
      ),
    ...(differing.length > 0
      ? [`the servers.txt of ${name} and of ${differing.join(', ')} differ; make them the same`]
      : []),
  ];
}

export function describePhase(name: string, option: string, report: StatusReport): readonly string[] {
  switch (report.phase) {
    case 'fresh':
      if (report.discovery?.isUnlisted === true) return [describeUnlistedStart(name, option)];
      return [
        `${name} has no data and takes no writes yet: it joins from a peer that takes part, or begins when all members are up${describeSilent(report)}${describeArrived(report)}${describeVain(report)}`,
      ];
    case 'joining':
      return [
        `${name} takes no writes until it has caught up from another peer${describeDonors(name, report)}${describeArrived(report)}${describeVain(report)}`,
      ];
    case 'forgotten':
      return [`${name} was forgotten: give it a new id in servers.txt and an empty data directory`];
    default:
      return [];
  }
}

function describeSilent({ members }: StatusReport): string {
  const silent = members.filter(({ alive }) => !alive).map(({ id }) => id);
  return silent.length === 0 ? '' : `; not in touch with ${silent.join(', ')}`;
}

/** Nothing while somebody is there to join from; a peer that does not say whether it takes part may be. */
function describeDonors(name: string, { members }: StatusReport): string {
  const isDonor = ({ alive, phase }: MemberReport): boolean =>
    alive && (phase === undefined || phase === 'member');
  if (members.some(isDonor)) return '';
  return `; none that takes part is heard: start one; if none is left, \`toposphere bootstrap --id ${name}\` says what it means to go on without`;
}

function describeArrived({ joining: { askedOf, bytes } }: StatusReport): string {
  return bytes === 0 || askedOf === undefined
    ? ''
    : `; ${formatBytes(bytes)} have come from ${askedOf} so far`;
}

/** A request is answered at once, so many show that something is wrong with the answers. */
const REQUESTS_IN_VAIN = 10;

function describeVain({ joining: { asked, askedOf, joined } }: StatusReport): string {
  if (joined > 0 || askedOf === undefined || asked < REQUESTS_IN_VAIN) return '';
  return `; it has asked for a checkpoint ${asked.toLocaleString('en')} times in vain, last ${askedOf}: see the log of this peer and of ${askedOf}`;
}

/** Who holds up collection, since when, at what cost, and what to do about it. */
function describeCollection(name: string, collection: CollectionReport): readonly string[] {
  const { waitingFor, waitingSinceMs, waitingWhy, round, tombstones, tombstoneBytes, tableShare } =
    collection;
  if (waitingFor.length === 0) return [];
  const whom = waitingFor.join(', ');
  const since = waitingSinceMs === undefined ? '' : ` since ${formatClock(waitingSinceMs)}`;
  const cost = `${tombstones.toLocaleString('en')} tombstones, ${formatBytes(tombstoneBytes)}; tables ${Math.round(tableShare * 100)}% of their limit`;
  const why = waitingFor.map((id) => describeWaiting(id, waitingWhy[id])).join('; ');
  return [`${name}: round ${round} waits for ${whom}${since}; ${cost}; ${why}`];
}

/** To forget is for who will not return: never advised of one that is heard. */
export function describeWaiting(id: string, why: unknown): string {
  switch (why) {
    case 'deaf':
      return `${id} does not hear this peer`;
    case 'joining':
      return `${id} is joining`;
    case 'members':
      return `${id} has another list of members`;
    case 'apart':
      return `${id} was started apart from this peer`;
    case 'unanswered':
      return `${id} has not answered yet`;
    case 'left':
      return `${id} was stopped: start it again, or \`toposphere forget ${id}\` if it will not return`;
    case 'silent':
      return `${id} is not heard: \`toposphere forget ${id}\` if it will not return`;
    default:
      return `${id} keeps it waiting`;
  }
}

/** Local time, with the date when it is not today's. */
export function formatClock(wallMs: number): string {
  const then = new Date(wallMs);
  const [hours, minutes] = [then.getHours(), then.getMinutes()].map((part) => String(part).padStart(2, '0'));
  const day = then.toDateString() === new Date().toDateString() ? '' : `${then.toISOString().slice(0, 10)} `;
  return `${day}${hours ?? ''}:${minutes ?? ''}`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** True when the peer takes writes and is in touch with every one of `ids`, both ways. */
export function hearsAll(report: StatusReport, ids: readonly string[]): boolean {
  if (report.phase !== undefined && report.phase !== 'member') return false;
  return ids.every(
    (id) =>
      id === report.id ||
      report.members.some((member) => member.id === id && member.alive && member.heard && member.hearsMe),
  );
}
