/**
 * Hosts under load and random faults, then at rest: is anything lost, does anything fail that nothing explains, how soon do all agree?
 *
 * Owns the course of the two parts of issue 6 that are driven by chance, with multicast and without, and their verdicts. Invariant: the last healing
 * happens while clients still write; then they stop, and what is judged is what every single host holds.
 */
import type { Gate, PartResult, Section } from '../bench/report.ts';
import { formatCount, formatDecimal, percentile } from '../bench/statistics.ts';
import { generateChaos } from './chaos.ts';
import { awaitEqualDigests, type Equality } from './equality.ts';
import type { Host, Status } from './host.ts';
import type { Laboratory } from './laboratory.ts';
import { Load } from './load.ts';
import { perform, type Healing } from './perform.ts';
import { readScript } from './script.ts';
import { countsSince, type SwitchCounts } from './switchControl.ts';

/** Milliseconds from the last healing until all digests are equal (issue 6), and until they are given up. */
const REST_BOUND_MS = 5_000;
const REST_LIMIT_MS = 60_000;
/** Of the writes that were asked for, so many must have been taken: fewer, and the hosts were not under that load. */
const LOAD_SHARE = 0.5;
/** Keys of one MGET. */
const BATCH = 500;
/** Lines in which errors are told. */
const SAID_MOST = 12;
/** Counters that only a broken rule raises, and drops that nobody's fault here explains: no forger is on this LAN. */
const NEVER = ['joinDisagreements', 'droppedContradiction'] as const;
const NEVER_DROPPED = ['badSeal', 'unknownKey', 'notSealed', 'otherCluster', 'version', 'badHeader'] as const;

export interface ChaosPartOptions {
  /** At rest, with a small disk for the last of its hosts. */
  readonly laboratory: Laboratory;
  readonly seed: number;
  readonly durationMs: number;
  readonly writesPerSecond: number;
  /** Multicast is switched off under load, and stays so; nobody is restarted. */
  readonly withoutMulticast: boolean;
  readonly note: (text: string) => void;
}

export interface ChaosResult extends PartResult {
  readonly title: string;
  readonly healings: readonly Healing[];
}

/** What was found when all was over. */
interface Findings {
  readonly healings: readonly Healing[];
  /** Since the last healing. */
  readonly rest: Equality;
  readonly lost: readonly string[];
  readonly restarted: readonly string[];
  readonly counts: SwitchCounts;
  readonly tookMs: number;
}

export async function runChaosPart(options: ChaosPartOptions): Promise<ChaosResult> {
  const { laboratory, seed, durationMs, writesPerSecond, withoutMulticast, note } = options;
  const { hosts } = laboratory;
  const ids = hosts.map(({ id }) => id);
  const { course, finale } = generateChaos({ ids, seed, durationMs, keepsProcesses: withoutMulticast });
  const head = `peers ${ids.join(' ')}\n`;
  const begin = withoutMulticast ? 'wait 2s\nlose 100% of multicast\n' : '';
  const script = readScript(`${head}${begin}${course}`);
  const title = withoutMulticast ? 'Multicast switched off under load' : 'Random faults under load';
  const before = hosts.map(({ processId }) => processId);
  const countsBefore = await laboratory.switch.count();
  const load = Load.start({ name: withoutMulticast ? 'unicast' : 'chaos', hosts, writesPerSecond, seed });
  try {
    const isLoaded = (): boolean => load.isRunning;
    const { healings } = await perform({ laboratory, lines: script.lines, isLoaded, note, goesOn: true });
    note('the last healing');
    await perform({ laboratory, lines: readScript(`${head}${finale}`).lines, isLoaded, note });
    const rest = await comeToRest(hosts, load);
    note(rest.isEqual ? `  equal digests ${Math.round(rest.tookMs)} ms later` : `  not equal: ${rest.seen}`);
    const found: Findings = {
      healings,
      rest,
      lost: await findLost(hosts, load),
      restarted: hosts.filter(({ processId }, at) => processId !== before[at]).map(({ id }) => id),
      counts: countsSince(countsBefore, await laboratory.switch.count()),
      tookMs: load.tookMs,
    };
    const statuses = await Promise.all(hosts.map((host) => host.status()));
    const gates = buildGates(title, options, load, found, listErrors(hosts, load, statuses));
    return { title, healings, gates, sections: [buildTable(title, found, load)] };
  } finally {
    await load.stop();
  }
}

/** The clients stop, and the digests are asked for until they are equal; timed from the call. */
async function comeToRest(hosts: readonly Host[], load: Load): Promise<Equality> {
  const healedMs = performance.now();
  await load.stop();
  const rest = await awaitEqualDigests(hosts, REST_LIMIT_MS);
  return { ...rest, tookMs: performance.now() - healedMs };
}

async function findLost(hosts: readonly Host[], { ledger }: Load): Promise<readonly string[]> {
  const lost: string[] = [];
  const { keys } = ledger;
  for (const host of hosts) {
    for (let from = 0; from < keys.length; from += BATCH) {
      const part = keys.slice(from, from + BATCH);
      const held = await host.values(part);
      for (const [at, key] of part.entries()) {
        const fault = ledger.findFault(key, held[at]?.toString() ?? null);
        if (fault !== undefined) lost.push(`at ${host.id} ${fault}`);
      }
    }
  }
  return lost;
}

/** What went wrong that no fault of the script explains. */
function listErrors(hosts: readonly Host[], load: Load, statuses: readonly Status[]): readonly string[] {
  const seen = statuses.flatMap(({ id, counters, drops }) => [
    ...NEVER.flatMap((name) => ((counters[name] ?? 0) > 0 ? [`${id}: ${name} ${counters[name] ?? 0}`] : [])),
    ...NEVER_DROPPED.flatMap((name) =>
      (drops[name] ?? 0) > 0 ? [`${id}: dropped ${name} ${drops[name] ?? 0}`] : [],
    ),
  ]);
  const said = Array.from(load.unexplained, ([text, times]) => `${times} times ${text}`);
  return [...hosts.flatMap(({ unexpectedEnds }) => unexpectedEnds), ...said, ...seen];
}

function buildGates(
  title: string,
  { writesPerSecond, withoutMulticast }: ChaosPartOptions,
  { ledger }: Load,
  { healings, rest, lost, restarted, tookMs }: Findings,
  errors: readonly string[],
): readonly Gate[] {
  const share = ledger.acknowledged / (tookMs / 1000) / writesPerSecond;
  const late = healings.filter((one) => one.tookMs === Infinity);
  const atMost = (value: number) => ({ kind: 'atMost', value }) as const;
  const told = (list: readonly string[]): string => list.slice(0, SAID_MOST).join('; ');
  return [
    {
      name: `${title}: writes acknowledged as durable and lost`,
      value: lost.length,
      bound: atMost(0),
      sides:
        lost.length === 0
          ? `${formatCount(ledger.acknowledged)} acknowledged, ${ledger.keys.length} keys looked up at every host`
          : told(lost),
    },
    {
      name: `${title}: seconds from the last healing to equal digests`,
      value: rest.isEqual ? rest.tookMs / 1000 : Number.MAX_VALUE,
      bound: atMost(REST_BOUND_MS / 1000),
      sides: rest.seen,
    },
    {
      name: `${title}: healings after which hosts did not come together under load`,
      value: healings.length === 0 ? NaN : late.length,
      bound: atMost(0),
      sides: `of ${healings.length}${late.length > 0 ? `: after ${told(late.map(({ after }) => after))}` : ''}`,
      why: 'no fault was taken back',
    },
    {
      name: `${title}: errors that nothing explains`,
      value: errors.length,
      bound: atMost(0),
      sides:
        errors.length === 0
          ? 'answers to clients, ends of processes, counters of broken rules'
          : told(errors),
    },
    {
      name: `${title}: writes taken, of those asked for`,
      value: writesPerSecond === 0 ? NaN : share,
      bound: { kind: 'atLeast', value: LOAD_SHARE },
      sides: `${formatCount(share * writesPerSecond)} a second of ${formatCount(writesPerSecond)}, down times included`,
      why: 'none were asked for',
    },
    ...(withoutMulticast
      ? [
          {
            name: `${title}: hosts restarted`,
            value: restarted.length,
            bound: atMost(0),
            sides: told(restarted) || 'every process is the one that was started',
          },
        ]
      : []),
  ];
}

function buildTable(title: string, { healings, rest, counts, tookMs }: Findings, load: Load): Section {
  const kinds = ['any', ...new Set(healings.flatMap(({ after }) => after.split(' + ')).sort())];
  const rows = kinds.map((kind) => {
    const took = healings
      .filter(({ after }) => kind === 'any' || after.split(' + ').includes(kind))
      .map((one) => one.tookMs / 1000);
    return [
      kind,
      formatCount(took.length),
      ...[0.5, 0.9, 1].map((share) => formatDecimal(percentile(took, share))),
    ];
  });
  const ports = Object.values(counts.ports);
  const sum = (of: (port: (typeof ports)[number]) => number): number =>
    ports.reduce((total, port) => total + of(port), 0);
  const explained = Array.from(load.explained, ([text, times]) => `${times} times ${text}`);
  return {
    title: `${title}: seconds until all hosts held what any held, after what was taken back (under load)`,
    columns: ['taken back', 'times', 'p50', 'p90', 'longest'],
    rows,
    notes: [
      `at rest ${rest.seen}`,
      `the switch: ${formatCount(sum(({ taken }) => taken) / (tookMs / 1000))} frames in and ${formatCount(sum(({ sent }) => sent) / (tookMs / 1000))} out a second, ` +
        `${formatCount(sum(({ cut }) => cut))} cut, ${formatCount(sum(({ lost }) => lost))} lost, ${formatCount(sum(({ late }) => late))} beyond the rate, ` +
        `${formatCount(sum(({ overrun }) => overrun))} overrun; ${Math.round((counts.cpuSeconds / tookMs) * 100_000)}% of a processor`,
      ...(explained.length === 0
        ? []
        : [`errors that a fault explains: ${explained.slice(0, SAID_MOST).join('; ')}`]),
    ],
  };
}
