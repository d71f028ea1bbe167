/**
 * What a peer says about itself, read from its STATUS and put into a table row.
 *
 * Owns the reading of the JSON: defensive, because peers of other versions answer too. A field that is
 * missing or of another type shows as `-`, never as an error. Invariant: a cell says only what the peer
 * said.
 */
import { CommandFailure } from './failure.ts';

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
  /** Its clock is so far ahead of the others' that it refuses writes (protocol.md, section 8). */
  readonly isClockAhead: boolean;
  /** Median of the others' clocks less its own, milliseconds. */
  readonly medianOffsetMs: number | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

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
  const clock = asFields(fields['clock']);
  return {
    id: asText(fields['id']),
    keys: asNumber(fields['keys']),
    lagUpdates: asNumber(fields['lagUpdates']),
    members: (Array.isArray(fields['members']) ? fields['members'] : []).map(asMember),
    vector: asCounts(fields['vector']),
    drops: asCounts(fields['drops']),
    isClockAhead: clock['verdict'] === 'ahead',
    medianOffsetMs: asNumber(clock['medianOffsetMs']),
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

/** The cells of one reachable peer, in the order of STATUS_HEADER. */
export function statusRow(name: string, report: StatusReport): readonly string[] {
  const drops = Array.from(report.drops)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason}:${count}`);
  return [
    report.id ?? name,
    report.isClockAhead ? 'refuses writes' : 'alive',
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
    ...(report.isClockAhead
      ? [
          `${name} refuses writes: its clock is ahead of the others' by ${-(report.medianOffsetMs ?? 0)} ms; set it right`,
        ]
      : []),
    ...(differing.length > 0
      ? [`the servers.txt of ${name} and of ${differing.join(', ')} differ; make them the same`]
      : []),
  ];
}

/** True when the peer is in touch with every one of `ids`, both ways. */
export function hearsAll(report: StatusReport, ids: readonly string[]): boolean {
  return ids.every(
    (id) =>
      id === report.id ||
      report.members.some((member) => member.id === id && member.alive && member.heard && member.hearsMe),
  );
}
