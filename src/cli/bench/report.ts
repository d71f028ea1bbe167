/**
 * What a run measured, as rows for a terminal and as an object for `--json`.
 *
 * Owns the figures' form and the sentences about how far to trust them. The picture is page.ts's, which draws from the same report. Invariant: whatever limited the run is said:
 * the generator's own load, operations that were never sent, errors by their code.
 */
import type { LatencyHistogram, LatencySummary } from '../../client/latency.ts';
import { renderTable } from '../print.ts';
import { nameOf } from '../target.ts';
import type { Target } from '../target.ts';
import type { LoadResult } from './load.ts';
import { failuresOf } from './measurement.ts';
import type { Failures, Tally } from './measurement.ts';
import type { Plan } from './plan.ts';

/** Share of its time from which the generator may be what limits a run. */
const BUSY_SHARE = 0.9;
/** Characters of an error's text that are shown. */
const EXAMPLE_CHARACTERS = 200;
/** Points of a percentile curve to each factor of ten of what lies above. */
const POINTS_A_DECADE = 10;

interface CurvePoint {
  readonly share: number;
  readonly ms: number;
}

/** One row: of an operation, a peer, or all. */
export interface ReportRow {
  readonly name: string;
  readonly failed: number;
  /** By code, with the text of one of each. */
  readonly failures: Readonly<Record<string, Failures>>;
  readonly misses: number;
  readonly perSecond: number;
  readonly latency: LatencySummary & { readonly p999Ms: number };
  readonly curve: readonly CurvePoint[];
}

export interface SeriesPoint {
  readonly fromMs: number;
  readonly toMs: number;
  readonly perSecond: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Report {
  readonly plan: Plan;
  readonly peers: readonly string[];
  readonly startedAt: string;
  readonly elapsedMs: number;
  readonly ending: LoadResult['ending'];
  readonly all: ReportRow;
  readonly operations: readonly ReportRow[];
  readonly byPeer: readonly ReportRow[];
  readonly series: readonly SeriesPoint[];
  readonly generator: {
    readonly busyShare: number;
    readonly sentLate: LatencySummary;
    readonly unsent: number;
    readonly connectionsRefused: number;
    readonly connectionsBroken: number;
  };
}

/** Shares 0, 0.206, … 0.9, … 0.99, … up to where one of the values lies above. */
function curveOf(latency: LatencyHistogram): readonly CurvePoint[] {
  if (latency.count === 0) return [];
  const decades = Math.log10(latency.count);
  const points = Array.from({ length: Math.floor(decades * POINTS_A_DECADE) }, (_, index) => {
    const share = 1 - 10 ** (-(index + 1) / POINTS_A_DECADE);
    return { share, ms: latency.percentileMs(share) };
  });
  return [...points, { share: 1, ms: latency.maxMs }];
}

function rowOf(name: string, tally: Tally, elapsedMs: number): ReportRow {
  const { latency, failures, misses } = tally;
  return {
    name,
    failed: failuresOf(tally),
    failures: Object.fromEntries([...failures].sort()),
    misses,
    perSecond: elapsedMs > 0 ? (latency.count * 1000) / elapsedMs : 0,
    latency: { ...latency.toJSON(), p999Ms: latency.percentileMs(0.999) },
    curve: curveOf(latency),
  };
}

function seriesOf({ measurement, elapsedMs }: LoadResult): readonly SeriesPoint[] {
  const { stretches, stretchMs } = measurement;
  return stretches.map(({ latency, failed }, index) => {
    const fromMs = index * stretchMs;
    const toMs = Math.max(fromMs + 1, Math.min(fromMs + stretchMs, elapsedMs)); // the last one was cut short
    return {
      fromMs,
      toMs,
      perSecond: (latency.count * 1000) / (toMs - fromMs),
      failed,
      p50Ms: latency.p50Ms,
      p99Ms: latency.p99Ms,
      maxMs: latency.maxMs,
    };
  });
}

export function buildReport(
  plan: Plan,
  targets: readonly Target[],
  startedAt: Date,
  load: LoadResult,
): Report {
  const { measurement, elapsedMs, ending, busyShare, unsent, connectionsRefused, connectionsBroken } = load;
  const rowsOf = (tallies: readonly Tally[], nameAt: (index: number) => string): readonly ReportRow[] =>
    tallies.map((tally, index) => rowOf(nameAt(index), tally, elapsedMs));
  const peers = targets.map(nameOf);
  return {
    plan,
    peers,
    startedAt: startedAt.toISOString(),
    elapsedMs,
    ending,
    all: rowOf('all', measurement.total(), elapsedMs),
    operations: rowsOf(measurement.byOperation, (index) => plan.mix[index]?.operation ?? ''),
    byPeer: rowsOf(measurement.byPeer, (index) => peers[index] ?? ''),
    series: seriesOf(load),
    generator: {
      busyShare,
      sentLate: measurement.sentLate.toJSON(),
      unsent,
      connectionsRefused,
      connectionsBroken,
    },
  };
}

export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Three figures: `0.0712`, `1.25`, `104`; a dash where nothing was measured. */
export function formatMs(ms: number): string {
  if (!Number.isFinite(ms)) return '-';
  return ms >= 100 ? formatCount(ms) : ms >= 10 ? ms.toFixed(1) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(3);
}

function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

export const COLUMNS = ['answered', 'a second', 'mean ms', 'p50', 'p95', 'p99', 'p99.9', 'max', 'failed'];

export function cellsOf({ latency, perSecond, failed }: ReportRow): readonly string[] {
  const { count, meanMs, p50Ms, p95Ms, p99Ms, p999Ms, maxMs } = latency;
  return [
    formatCount(count),
    formatCount(perSecond),
    ...[meanMs, p50Ms, p95Ms, p99Ms, p999Ms, maxMs].map(formatMs),
    formatCount(failed),
  ];
}

/** What was done, in one line. */
export function describeRun({ plan, peers, elapsedMs, ending }: Report): string {
  const { sizes, keys, zipf, clients, pipeline, ratePerSecond, seed } = plan;
  const bytes = sizes.least === sizes.most ? `${sizes.least}` : `${sizes.least} to ${sizes.most}`;
  const level = [plan.writeChoices, plan.readChoices]
    .filter((choices) => choices.length > 0)
    .map((choices) => `, ${choices.join(' ')}`);
  return [
    `${(elapsedMs / 1000).toFixed(1)} s${ending === 'done' ? '' : ` (${ending === 'stopped' ? 'stopped' : 'no peer was left'})`}`,
    `${peers.length === 1 ? '1 peer' : `${peers.length} peers`}, ${clients} clients, pipeline ${pipeline}`,
    ratePerSecond === undefined ? 'as fast as answered' : `${formatCount(ratePerSecond)} a second asked for`,
    `${plan.mix.map(({ operation, weight }) => `${operation}=${weight}`).join(',')}${level.join('')}`,
    `${formatCount(keys)} keys of ${bytes} bytes, ${zipf === undefined ? 'uniform' : `Zipf ${zipf}`}, seed ${seed}`,
  ].join('; ');
}

/** What has to be known to trust the figures. */
export function describeTrust({ plan, all, generator }: Report): readonly string[] {
  const { busyShare, sentLate, unsent, connectionsRefused, connectionsBroken } = generator;
  const lines: string[] = [];
  for (const [code, { count, example }] of Object.entries(all.failures))
    lines.push(`failed, ${code}: ${formatCount(count)} (${example.slice(0, EXAMPLE_CHARACTERS)})`);
  if (connectionsRefused + connectionsBroken > 0)
    lines.push(
      `connections that broke: ${connectionsBroken}; attempts that reached nobody: ${connectionsRefused}`,
    );
  if (all.misses > 0) lines.push(`reads that found no value: ${formatCount(all.misses)}`);
  if (plan.ratePerSecond !== undefined)
    lines.push(
      `latency counts from when an operation was due; it was sent later by ${formatMs(sentLate.p50Ms)} ms (p50), ${formatMs(sentLate.p99Ms)} ms (p99)`,
    );
  if (unsent > 0)
    lines.push(
      `operations that were due and never sent, for all clients were waiting: ${formatCount(unsent)}`,
    );
  const doubt = busyShare < BUSY_SHARE ? '' : ': it may be what limited this run, try --threads';
  lines.push(
    `${plan.threads === 1 ? 'the generator itself' : `the busiest of the generator's ${plan.threads} threads`} was at work ${percent(busyShare)} of the time${doubt}`,
  );
  return lines;
}

export function reportLines(report: Report): readonly string[] {
  const { operations, byPeer, all } = report;
  const rows = [...operations, ...(operations.length > 1 ? [all] : [])];
  const table = (title: string, shown: readonly ReportRow[]): readonly string[] =>
    renderTable(
      [title, ...COLUMNS],
      shown.map((row) => [row.name, ...cellsOf(row)]),
    );
  return [
    describeRun(report),
    ...table('operation', rows),
    ...(byPeer.length > 1 ? table('peer', byPeer) : []),
    ...describeTrust(report),
  ];
}
