/**
 * Part: one peer alone against one redis-server, over the Redis protocol.
 *
 * Owns the cases, their alternation (peer, redis, peer, redis …) and the two gates at pipeline 1. Invariant: both
 * sides of a ratio come from runs next to each other in time, and a peer's folding of one run is over before the next begins.
 */
import type { Bench } from './budget.ts';
import type { Child } from './children.ts';
import { hasTimeFor } from './budget.ts';
import { startPeers, waitForRest } from './peers.ts';
import type { ServedPeer } from './peers.ts';
import { readMainThreadTime, readProcessorTime, timeBetween } from './processorTime.ts';
import type { ProcessorTime } from './processorTime.ts';
import { nowUs, readProfile } from './profileSummary.ts';
import { describeLoad, fillKeys, runLoad } from './redisBenchmark.ts';
import type { Load, LoadFigures } from './redisBenchmark.ts';
import { startRedisAlone } from './redisServers.ts';
import type { Gate, PartResult, Section } from './report.ts';
import { formatCount, formatDecimal, formatRatio, formatSpread, median } from './statistics.ts';
import { describeCosts } from './whereTimeGoes.ts';
import type { RunCost } from './whereTimeGoes.ts';

const LOADS: readonly Load[] = ([1, 16] as const).flatMap((pipeline) =>
  (['one', 'random'] as const).flatMap((keys) =>
    (['SET', 'GET', 'INCR'] as const).map((command) => ({ command, pipeline, keys })),
  ),
);
const COLUMNS = [
  'load',
  'peer /s',
  '±',
  'redis /s',
  '±',
  'peer/redis',
  'peer p99 ms',
  'redis p99 ms',
  'peer cpu µs',
  'redis cpu µs',
];

/** A run's figures, and what it cost the server. */
interface Run extends LoadFigures, RunCost {}

interface Pair {
  readonly load: Load;
  readonly peer: Run[];
  readonly redis: Run[];
}

const rates = (figures: readonly Run[]): number[] => figures.map(({ perSecond }) => perSecond);
const p99 = (figures: readonly Run[]): string => formatDecimal(median(figures.map(({ p99Ms }) => p99Ms)));
const cost = (figures: readonly Run[]): string =>
  formatDecimal(median(figures.map(({ allThreads }) => allThreads.allUs)));
const ratioOf = ({ peer, redis }: Pair): number => median(rates(peer)) / median(rates(redis));

function buildRow(pair: Pair): string[] {
  const { load, peer, redis } = pair;
  return [
    describeLoad(load),
    formatCount(median(rates(peer))),
    formatSpread(rates(peer)),
    formatCount(median(rates(redis))),
    formatSpread(rates(redis)),
    formatRatio(ratioOf(pair)),
    p99(peer),
    p99(redis),
    cost(peer),
    cost(redis),
  ];
}

function buildGate(pairs: readonly Pair[], bound: number, wanted: Load, why: string | undefined): Gate {
  const pair = pairs.find(({ load }) => describeLoad(load) === describeLoad(wanted));
  const [peer, redis] = [median(rates(pair?.peer ?? [])), median(rates(pair?.redis ?? []))];
  return {
    name: `one peer alone / redis, ${describeLoad(wanted)}${wanted.command === 'SET' ? ', committed' : ''}`,
    value: peer / redis,
    bound: { kind: 'atLeast', value: bound },
    sides: `${formatCount(peer)} / ${formatCount(redis)} per second`,
    ...(why === undefined ? {} : { why }),
  };
}

/** Folding that follows a peer's writes is part of what they cost: the time is read when the store is at rest. */
async function measure(
  bench: Bench,
  { processId }: Child,
  port: number,
  load: Load,
  rest: () => Promise<unknown>,
): Promise<Run> {
  await rest();
  const read = async (): Promise<readonly [ProcessorTime, ProcessorTime]> =>
    Promise.all([readProcessorTime(processId), readMainThreadTime(processId)]);
  const [allBefore, mainBefore] = await read();
  const startUs = nowUs();
  const figures = await runLoad(bench, port, load);
  const endUs = nowUs();
  await rest();
  const [all, main] = await read();
  const requests = bench.sizes.requests[load.pipeline];
  return {
    ...figures,
    span: { startUs, endUs },
    allThreads: timeBetween(allBefore, all, requests),
    mainThread: timeBetween(mainBefore, main, requests),
  };
}

/** With `--profile`: the peer has to end for it. */
async function describeTime({ child }: ServedPeer, pairs: readonly Pair[]): Promise<readonly Section[]> {
  if (child.profilePath === undefined) return [];
  await child.stop();
  const measured = pairs.map(({ load, peer }) => ({ load, costs: peer }));
  return describeCosts(await readProfile(child.profilePath), measured);
}

export async function runAlone(bench: Bench): Promise<PartResult> {
  const { redisMissing, sizes } = bench;
  if (redisMissing !== undefined) {
    const gates = (['GET', 'SET'] as const).map((command) =>
      buildGate([], command === 'GET' ? 0.85 : 0.5, { command, pipeline: 1, keys: 'one' }, redisMissing),
    );
    const section = { title: 'One peer alone against one redis-server', columns: [], rows: [] };
    return { sections: [{ ...section, notes: [`skipped: ${redisMissing}`] }], gates };
  }
  const peers = await startPeers(bench, 1);
  const [peer] = peers;
  if (peer === undefined) throw new Error('no peer was started');
  const redis = await startRedisAlone(bench);
  const sides = {
    peer: { child: peer.child, port: peer.clientPort },
    redis: { child: redis.child, port: redis.port },
  };
  for (const { port } of Object.values(sides)) await fillKeys(bench, port);
  const rest = (): Promise<unknown> => waitForRest(peers);
  const pairs: Pair[] = LOADS.map((load) => ({ load, peer: [], redis: [] }));
  let rounds = 0;
  for (; rounds < sizes.aloneRounds && hasTimeFor(bench, rounds); rounds++) {
    for (const pair of pairs) {
      if (!hasTimeFor(bench, rounds)) break;
      for (const side of ['peer', 'redis'] as const) {
        const { child, port } = sides[side];
        pair[side].push(await measure(bench, child, port, pair.load, rest));
      }
    }
  }
  return {
    sections: [
      {
        title: 'One peer alone against one redis-server (append-only file, fsync every second)',
        columns: COLUMNS,
        rows: pairs.map(buildRow),
        notes: [
          `redis-benchmark, 50 connections, 3-byte values, medians of ${rounds} alternating rounds`,
          'a SET is answered when it is committed (survives the death of the process); redis has written to its file, which survives as much, and syncs it once a second',
        ],
      },
      ...(await describeTime(peer, pairs)),
    ],
    gates: [
      buildGate(pairs, 0.85, { command: 'GET', pipeline: 1, keys: 'one' }, undefined),
      buildGate(pairs, 0.5, { command: 'SET', pipeline: 1, keys: 'one' }, undefined),
      buildGate(pairs, 0.85, { command: 'GET', pipeline: 1, keys: 'random' }, undefined),
      buildGate(pairs, 0.5, { command: 'SET', pipeline: 1, keys: 'random' }, undefined),
    ],
  };
}
