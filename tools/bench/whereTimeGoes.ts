/**
 * What a request costs a peer, and in which of its files: two tables behind the rates of a part that was run with `--profile`.
 *
 * Owns the tables. Leaves the profile to profileSummary.ts and processor times to processorTime.ts. The profile is of the thread that JavaScript runs on; LMDB's threads and
 * Node's are in the processor times alone. Invariant: what is below the least share printed is summed, not left out: each column is the whole.
 */
import type { ProcessorTime } from './processorTime.ts';
import { summarise } from './profileSummary.ts';
import type { CpuProfile, Span } from './profileSummary.ts';
import { describeLoad } from './redisBenchmark.ts';
import type { Load } from './redisBenchmark.ts';
import type { Section } from './report.ts';
import { formatDecimal, median } from './statistics.ts';

/** A name with less than this in every column is summed with the others of its kind. */
const LEAST_SHARE = 0.02;

/** What one run cost a server, all by request. */
export interface RunCost {
  readonly span: Span;
  readonly allThreads: ProcessorTime;
  readonly mainThread: ProcessorTime;
}

export interface MeasuredLoad {
  readonly load: Load;
  readonly costs: readonly RunCost[];
}

function shareRow(name: string, shares: readonly number[]): string[] {
  return [name, ...shares.map((share) => (share === 0 ? '' : `${(100 * share).toFixed(1)}%`))];
}

function buildShares(profile: CpuProfile, measured: readonly MeasuredLoad[]): Section {
  const columns = measured.map(({ costs }) =>
    summarise(
      profile,
      costs.map(({ span }) => span),
    ),
  );
  const names = [...new Set(columns.flatMap((shares) => [...shares.keys()]))];
  const sharesOf = (name: string): number[] => columns.map((shares) => shares.get(name) ?? 0);
  const sum = (shares: readonly number[]): number => shares.reduce((total, share) => total + share, 0);
  const shown = names.filter((name) => sharesOf(name).some((share) => share >= LEAST_SHARE));
  shown.sort((left, right) => sum(sharesOf(right)) - sum(sharesOf(left)));
  const rest = columns.map((shares) => 1 - sum(shown.map((name) => shares.get(name) ?? 0)));
  return {
    title: "Where the peer's main thread spends its working time",
    columns: ['in', ...measured.map(({ load }) => `${load.command} ${load.pipeline}`)],
    rows: [...shown.map((name) => shareRow(name, sharesOf(name))), shareRow('all others', rest)],
    notes: [
      `one key; command and pipeline above each column; samples of the whole run of redis-benchmark, time in which the thread waits left out`,
    ],
  };
}

function buildTimes(measured: readonly MeasuredLoad[]): Section {
  const cost = (costs: readonly RunCost[], figure: (cost: RunCost) => number): string =>
    formatDecimal(median(costs.map(figure)));
  return {
    title: 'What a request costs the peer, µs of processor time',
    columns: ['load', 'user', 'system', 'main thread user', 'main thread system', 'other threads'],
    rows: measured.map(({ load, costs }) => [
      describeLoad(load),
      cost(costs, ({ allThreads }) => allThreads.userUs),
      cost(costs, ({ allThreads }) => allThreads.systemUs),
      cost(costs, ({ mainThread }) => mainThread.userUs),
      cost(costs, ({ mainThread }) => mainThread.systemUs),
      cost(costs, ({ allThreads, mainThread }) => allThreads.allUs - mainThread.allUs),
    ]),
    notes: ['taking the profile is part of it'],
  };
}

/** The two tables, of loads on one key. */
export function describeCosts(profile: CpuProfile, measured: readonly MeasuredLoad[]): readonly Section[] {
  const onOneKey = measured.filter(({ load }) => load.keys === 'one');
  return [buildTimes(onOneKey), buildShares(profile, onOneKey)];
}
