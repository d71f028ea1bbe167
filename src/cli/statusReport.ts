/**
 * What a peer says about itself, read from its STATUS and put into a table row.
 *
 * Owns the reading of the JSON: defensive, because peers of other versions answer too. A field that is
 * missing or of another type shows as `-`, never as an error. Invariant: a cell says only what the peer
 * said.
 */
import { CommandFailure } from './failure.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface MemberReport {
  readonly id: string;
  readonly alive: boolean;
  /** This peer hears the member. */
  readonly heard: boolean;
  /** The member says it hears this peer. */
  readonly hearsMe: boolean;
  readonly multicast: boolean;
  /** Its servers.txt says the same as this peer's. */
  readonly sameServers: boolean;
}

/** What a peer says of collection. */
export interface CollectionReport {
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
  readonly collection: CollectionReport;
}

function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function asCounts(value: unknown): ReadonlyMap<string, number> {
  const counts = Object.entries(asFields(value)).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  );
  return new Map(counts);
}

function asMember(value: unknown): MemberReport {
  const member = asFields(value);
  return {
    id: asText(member['id']) ?? '?',
    alive: member['alive'] === true,
    heard: member['heard'] === true,
    hearsMe: member['hearsMe'] === true,
    // Only a plain no is worth a remark in the table.
    multicast: member['multicast'] !== false,
    sameServers: member['sameServers'] !== false,
  };
}

function asCollection(fields: Fields): CollectionReport {
  const collection = asFields(fields['collection']);
  const tombstones = asFields(asFields(fields['memory'])['tombstones']);
  const waitingFor: unknown = collection['waitingFor'];
  const limit = asNumber(collection['tableLimitRows']) ?? Infinity;
  return {
    round: asText(collection['round']) ?? '?',
    waitingFor: Array.isArray(waitingFor) ? waitingFor.map(String) : [],
    waitingSinceMs: asNumber(collection['waitingSinceMs']),
    waitingWhy: asFields(collection['waitingWhy']),
    tombstones: asNumber(fields['tombstones']) ?? 0,
    tombstoneBytes: asNumber(tombstones['bytes']) ?? 0,
    tableShare: (asNumber(collection['longestTableRows']) ?? 0) / limit,
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
    members: (Array.isArray(fields['members']) ? fields['members'] : []).map(asMember),
    vector: asCounts(fields['vector']),
    drops: asCounts(fields['drops']),
    clockRefusal: asClockRefusal(fields['writesRefused']),
    phase: asText(fields['phase']),
    collection: asCollection(fields),
  };
}

/** Whom the peer hears, with a remark where hearing is not mutual or not by multicast; then who is silent. */
function describeMembers(report: StatusReport): string {
  const others = report.members.filter(({ id }) => id !== report.id);
  const heard = others
    .filter(({ alive, heard }) => alive && heard)
    .map(({ id, hearsMe, multicast }) => `${id}${hearsMe ? '' : '(one way)'}${multicast ? '' : '(unicast)'}`);
  const silent = others.filter(({ alive, heard }) => !alive || !heard).map(({ id }) => `!${id}`);
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

/** What an operator should act on, one sentence each. */
export function listRemarks(name: string, report: StatusReport): readonly string[] {
  const differing = report.members
    .filter(({ alive, sameServers }) => alive && !sameServers)
    .map(({ id }) => id);
  return [
    ...describePhase(name, report),
    ...describeCollection(name, report.collection),
    ...(report.clockRefusal === undefined ? [] : [`${name} refuses writes: ${report.clockRefusal}`]),
    ...(differing.length > 0
      ? [`the servers.txt of ${name} and of ${differing.join(', ')} differ; make them the same`]
      : []),
  ];
}

function describePhase(name: string, { phase }: StatusReport): readonly string[] {
  switch (phase) {
    case 'fresh':
      return [
        `${name} has no data and takes no writes yet: it joins from a peer that has, or begins when all of servers.txt are up`,
      ];
    case 'joining':
      return [
        `${name} takes no writes until it has caught up from another peer; if none is left that takes part: \`toposphere bootstrap --id ${name}\``,
      ];
    case 'forgotten':
      return [`${name} was forgotten: give it a new id in servers.txt and an empty data directory`];
    default:
      return [];
  }
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
function describeWaiting(id: string, why: unknown): string {
  switch (why) {
    case 'deaf':
      return `${id} does not hear this peer`;
    case 'joining':
      return `${id} is joining`;
    case 'members':
      return `${id} has another list of members`;
    case 'unanswered':
      return `${id} has not answered yet`;
    case 'silent':
      return `${id} is not heard: \`toposphere forget ${id}\` if it will not return`;
    default:
      return `${id} keeps it waiting`;
  }
}

/** Local time, with the date when it is not today's. */
function formatClock(wallMs: number): string {
  const then = new Date(wallMs);
  const [hours, minutes] = [then.getHours(), then.getMinutes()].map((part) => String(part).padStart(2, '0'));
  const day = then.toDateString() === new Date().toDateString() ? '' : `${then.toISOString().slice(0, 10)} `;
  return `${day}${hours ?? ''}:${minutes ?? ''}`;
}

function formatBytes(bytes: number): string {
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
