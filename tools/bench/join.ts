/**
 * Part: a peer with an empty disk joins a donor: how long until it has everything, against a bare pipeline and against redis' resync.
 *
 * Owns the shapes of the data, the order of the three and the gates. Leaves the join to coldJoin.ts, the pipeline to pipeline.ts. Every run has
 * fresh processes and disks; all stand by idle while one is measured. Invariant: the three move the same keys and values, and each
 * time ends when the receiver has all of them.
 */
import { rm } from 'node:fs/promises';
import type { Bench } from './budget.ts';
import { hasTimeFor } from './budget.ts';
import {
  JOIN_POLL_MS,
  JOIN_TIMEOUT_MS,
  measureJoin,
  removeDonor,
  startDonor,
  stopDonor,
} from './coldJoin.ts';
import type { JoinFigures } from './coldJoin.ts';
import { fillStore } from './fillStore.ts';
import type { Filling } from './fillStore.ts';
import { GETS_PER_SECOND, startPacedGets } from './pacedGets.ts';
import type { PacedGets } from './pacedGets.ts';
import { startPipeline } from './pipeline.ts';
import { FEEDS_AT_ONCE, startRedisAlone, timeToResync } from './redisServers.ts';
import type { Gate, PartResult } from './report.ts';
import { formatCount, formatDecimal, formatRatio, median, percentile } from './statistics.ts';

const MEGABYTE = 1_000_000;
const VALUES = [
  { title: '5 KB', valueBytes: 5000 },
  { title: '100 B', valueBytes: 100 },
  { title: '1 MB', valueBytes: MEGABYTE },
];
/** What the donor's client reads, beside the data and alike for every shape: what it waits for is the donor, not the length of its values. */
export const READ: Filling = { prefix: 'get:', keys: 100, valueBytes: 100 };
/** A join may take so many times the bare pipeline's time, and a GET meanwhile so many times that at rest. */
const JOIN_BOUND = 1.5;
const GET_BOUND = 3;
const TIME_COLUMNS = [
  'data',
  'join s',
  'from start s',
  'folded s',
  'pipeline s',
  'join/pipeline',
  'redis s',
  'join/redis',
];
const COST_COLUMNS = [
  'data',
  'joiner peak MiB',
  'donor before MiB',
  'donor peak MiB',
  'GET p99 ms at rest',
  'meanwhile',
  'meanwhile/at rest',
];

interface Shape {
  /** `20,000 x 5 KB`. */
  readonly title: string;
  readonly data: Filling;
}

interface Run {
  readonly join: JoinFigures;
  readonly pipelineMs: number;
  /** NaN when it did not do in time; undefined without redis. */
  readonly redisMs: number | undefined;
}

interface Row {
  readonly name: string;
  readonly run: Run;
}

const p99 = (values: readonly number[]): number => percentile(values, 0.99);
const seconds = (valueMs: number): string => formatDecimal(valueMs / 1000);
const getRatioOf = ({ join }: Run): number => p99(join.meanwhileMs) / p99(join.atRestMs);

/** One run that did not come to its end spoils the figure: a median over the others would hide it. */
function strictMedian(values: readonly number[]): number {
  return values.some(Number.isNaN) ? NaN : median(values);
}

function buildShapes(megabytes: number): readonly Shape[] {
  return VALUES.map(({ title, valueBytes }) => {
    const keys = (megabytes * MEGABYTE) / valueBytes;
    return { title: `${formatCount(keys)} x ${title}`, data: { prefix: 'key:', keys, valueBytes } };
  });
}

/** A primary with the same data, and an empty server that will be told to follow it; undefined without redis. */
async function startRedisPair(bench: Bench, fillings: readonly Filling[]) {
  if (bench.redisMissing !== undefined) return undefined;
  const primary = await startRedisAlone(bench, 'redis primary', FEEDS_AT_ONCE);
  const replica = await startRedisAlone(bench, 'redis replica to be');
  for (const filling of fillings) await fillStore(primary.port, filling);
  return {
    resync: () => timeToResync(primary, replica, JOIN_TIMEOUT_MS, JOIN_POLL_MS),
    async stop() {
      for (const { connection } of [primary, replica]) connection.close();
      // While a replica writes its first append-only file it refuses to stop, and forgets that it was asked.
      for (const { child } of [primary, replica]) child.kill();
      await bench.children.stop([primary.child, replica.child]);
      for (const { directory } of [primary, replica]) await rm(directory, { recursive: true, force: true });
    },
  };
}

async function measure(bench: Bench, { data }: Shape, gets: PacedGets): Promise<Run> {
  const fillings = [data, READ];
  const [donor, redis, pipeline] = await Promise.all([
    startDonor(bench, fillings),
    startRedisPair(bench, fillings),
    startPipeline(bench),
  ]);
  const join = await measureJoin(bench, donor, gets, READ);
  // Its store is not shared while it is read by another process.
  await stopDonor(bench, donor);
  const pipelineMs = await pipeline.send(donor.directory, donor.keys);
  await pipeline.stop();
  await removeDonor(donor);
  const redisMs = redis === undefined ? undefined : ((await redis.resync()) ?? NaN);
  await redis?.stop();
  return { join, pipelineMs, redisMs };
}

function buildTimes({ name, run: { join, pipelineMs, redisMs } }: Row): string[] {
  const redisCells =
    redisMs === undefined ? ['skipped', 'skipped'] : [seconds(redisMs), formatRatio(join.joinedMs / redisMs)];
  return [
    name,
    seconds(join.joinedMs),
    seconds(join.fromStartMs),
    seconds(join.foldedMs),
    seconds(pipelineMs),
    formatRatio(join.joinedMs / pipelineMs),
    ...redisCells,
  ];
}

function buildCosts({ name, run }: Row): string[] {
  const { joiner, donor, donorBefore, atRestMs, meanwhileMs } = run.join;
  return [
    name,
    formatCount(joiner.peakMiB),
    formatCount(donorBefore.nowMiB),
    formatCount(donor.peakMiB),
    formatDecimal(p99(atRestMs)),
    formatDecimal(p99(meanwhileMs)),
    formatRatio(getRatioOf(run)),
  ];
}

/** Where the time went, as far as it shows from outside. */
function describeProgress({ name, run: { join } }: Row): string {
  const { askedMs, receivedMs, joinedMs, foldedMs, checkpoints, meanwhileMs } = join;
  const moments: readonly (readonly [what: string, sinceReadyMs: number])[] = [
    ['asked for a checkpoint', askedMs],
    ['more of one was last seen to come', receivedMs],
    ['had everything', joinedMs],
    ['folded', foldedMs],
  ];
  const steps = moments
    .filter(([, sinceReadyMs]) => Number.isFinite(sinceReadyMs))
    .map(([what, sinceReadyMs]) => `${what} after ${seconds(sinceReadyMs)} s`);
  const how = checkpoints > 0 ? '' : '; not by a checkpoint, but update by update';
  return `${name}: ${steps.join(', ')}${how}; ${formatCount(meanwhileMs.length)} GETs meanwhile`;
}

function buildGates({ title }: Shape, runs: readonly Run[]): readonly Gate[] {
  const joinMs = strictMedian(runs.map(({ join }) => join.joinedMs));
  const pipelineMs = median(runs.map((run) => run.pipelineMs));
  const [meanwhileMs, atRestMs] = [
    median(runs.map(({ join }) => p99(join.meanwhileMs))),
    median(runs.map(({ join }) => p99(join.atRestMs))),
  ];
  return [
    {
      name: `join of ${title} / bare pipeline`,
      value: joinMs / pipelineMs,
      bound: { kind: 'atMost', value: JOIN_BOUND },
      sides: `${seconds(joinMs)} / ${seconds(pipelineMs)} s`,
      why: `not joined within ${JOIN_TIMEOUT_MS / 1000} s`,
    },
    {
      name: `GET p99 on the donor of ${title}, while it is joined / at rest`,
      value: meanwhileMs / atRestMs,
      bound: { kind: 'atMost', value: GET_BOUND },
      sides: `${formatDecimal(meanwhileMs)} / ${formatDecimal(atRestMs)} ms`,
    },
  ];
}

export async function runJoin(bench: Bench): Promise<PartResult> {
  const { sizes, redisMissing } = bench;
  const shapes = buildShapes(sizes.joinMegabytes)
    .slice(0, sizes.joinShapes)
    .map((shape) => ({ shape, runs: [] as Run[] }));
  const gets = await startPacedGets(bench);
  for (let round = 0; round < sizes.joinRounds; round++) {
    for (const { shape, runs } of shapes) {
      if (hasTimeFor(bench, round)) runs.push(await measure(bench, shape, gets));
    }
  }
  const rows = shapes.flatMap(({ shape, runs }) =>
    runs.map((run, index) => ({ name: shape.title + (runs.length > 1 ? `, run ${index + 1}` : ''), run })),
  );
  const notes = [
    'join, folded: from the `ready` of a peer with an empty disk until it takes part with all keys, and until all of it is in its trees; from start: the same join from the start of its process',
    'pipeline: from the word to go until the last flush; redis: from REPLICAOF until linked with all keys',
    `times are looked for every ${JOIN_POLL_MS} ms; the gates take medians over the runs`,
    ...rows.map(describeProgress),
  ];
  if (sizes.joinRounds === 1)
    notes.push('so little data is sent sooner than two peers meet: the ratios of the short form say little');
  if (redisMissing !== undefined) notes.push(`redis skipped: ${redisMissing}`);
  return {
    sections: [
      {
        title: `A peer with an empty disk joins ${sizes.joinMegabytes} MB`,
        columns: TIME_COLUMNS,
        rows: rows.map(buildTimes),
        notes,
      },
      {
        title: 'What a join costs',
        columns: COST_COLUMNS,
        rows: rows.map(buildCosts),
        notes: [
          'resident memory, mapped pages of LMDB included; the donor: before the joiner was started, and at most from then on',
          `GETs of ${READ.valueBytes}-byte values on the donor, one client, ${GETS_PER_SECOND}/s; one that waits longer than the pace counts also for those that were due meanwhile`,
        ],
      },
    ],
    gates: shapes.flatMap(({ shape, runs }) => buildGates(shape, runs)),
  };
}
