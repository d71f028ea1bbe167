/**
 * Part: four peers (writes to one) against one redis primary with three replicas, over the Redis protocol.
 *
 * Owns the cases and the time until the last of the four has everything: a write rate that the others cannot follow is
 * no rate. Leaves the load to redisBenchmark.ts. Invariant: a run begins when all four hold the same.
 */
import type { Bench } from './budget.ts';
import { hasTimeFor } from './budget.ts';
import { startPeers, timeToConverge, waitForRest } from './peers.ts';
import type { ServedPeer } from './peers.ts';
import { describeLoad, fillKeys, runLoad } from './redisBenchmark.ts';
import type { Load } from './redisBenchmark.ts';
import { startReplicatedRedis, timeToFollow } from './redisServers.ts';
import type { PartResult } from './report.ts';
import { formatCount, formatRatio, median } from './statistics.ts';

/** Milliseconds the others are given to catch up after a run. */
const CATCH_UP_TIMEOUT_MS = 10_000;
const LOADS: readonly Load[] = ([1, 16] as const).flatMap((pipeline) =>
  (['SET', 'GET'] as const).map((command) => ({ command, pipeline, keys: 'random' as const })),
);
const COLUMNS = [
  'load',
  'peers /s',
  'redis /s',
  'peers/redis',
  'peers /s to the last',
  'redis /s to the last',
  'peers/redis to the last',
];

interface Run {
  /** As the clients of the one peer saw it. */
  readonly perSecond: number;
  /** Counting the time until the last of the four had everything; NaN when it did not in time. */
  readonly replicatedPerSecond: number;
}

interface Pair {
  readonly load: Load;
  readonly peers: Run[];
  readonly redis: Run[];
}

async function measure(
  bench: Bench,
  port: number,
  load: Load,
  catchUp: () => Promise<number | undefined>,
): Promise<Run> {
  const { perSecond } = await runLoad(bench, port, load);
  if (load.command === 'GET') return { perSecond, replicatedPerSecond: NaN };
  const requests = bench.sizes.requests[load.pipeline];
  const caughtUpMs = await catchUp();
  const totalSeconds = requests / perSecond + (caughtUpMs ?? NaN) / 1000;
  return { perSecond, replicatedPerSecond: requests / totalSeconds };
}

function buildRow({ load, peers, redis }: Pair): string[] {
  const rate = (runs: readonly Run[]): number => median(runs.map(({ perSecond }) => perSecond));
  const replicated = (runs: readonly Run[]): number => {
    // One run that did not converge spoils the figure: a median over the others would hide it.
    const all = runs.map(({ replicatedPerSecond }) => replicatedPerSecond);
    return all.includes(NaN) ? NaN : median(all);
  };
  return [
    describeLoad(load),
    formatCount(rate(peers)),
    formatCount(rate(redis)),
    formatRatio(rate(peers) / rate(redis)),
    formatCount(replicated(peers)),
    formatCount(replicated(redis)),
    formatRatio(replicated(peers) / replicated(redis)),
  ];
}

function countUnconverged(pairs: readonly Pair[]): number {
  const runs = pairs.filter(({ load }) => load.command === 'SET').flatMap(({ peers }) => peers);
  return runs.filter(({ replicatedPerSecond }) => Number.isNaN(replicatedPerSecond)).length;
}

async function describeDrops(peers: readonly ServedPeer[]): Promise<string> {
  const totals = new Map<string, number>();
  for (const { drops } of await Promise.all(peers.map(({ status }) => status()))) {
    for (const [reason, count] of Object.entries(drops))
      totals.set(reason, (totals.get(reason) ?? 0) + count);
  }
  const words = [...totals].map(([reason, count]) => `${reason} ${count}`);
  return words.length === 0
    ? 'the four peers dropped nothing'
    : `the four peers dropped: ${words.join(', ')}`;
}

export async function runFour(bench: Bench): Promise<PartResult> {
  const title = 'Four peers (writes to one) against one redis and three replicas';
  const { redisMissing, sizes } = bench;
  if (redisMissing !== undefined) {
    return { sections: [{ title, columns: [], rows: [], notes: [`skipped: ${redisMissing}`] }], gates: [] };
  }
  const peers = await startPeers(bench, 4);
  const redis = await startReplicatedRedis(bench, 3);
  const catchUp = {
    peers: () => timeToConverge(peers, CATCH_UP_TIMEOUT_MS),
    redis: () => timeToFollow(redis, CATCH_UP_TIMEOUT_MS),
  };
  const ports = { peers: peers[0]?.clientPort ?? 0, redis: redis[0].port };
  for (const side of ['peers', 'redis'] as const) {
    await fillKeys(bench, ports[side]);
    await catchUp[side]();
  }
  const pairs: Pair[] = LOADS.map((load) => ({ load, peers: [], redis: [] }));
  let rounds = 0;
  for (; rounds < sizes.fourRounds && hasTimeFor(bench, rounds); rounds++) {
    for (const pair of pairs) {
      if (!hasTimeFor(bench, rounds)) break;
      for (const side of ['peers', 'redis'] as const) {
        await waitForRest(peers);
        pair[side].push(await measure(bench, ports[side], pair.load, catchUp[side]));
      }
    }
  }
  const unconverged = countUnconverged(pairs);
  const notes = [
    `redis-benchmark on one of the four, 50 connections, 3-byte values, medians of ${rounds} alternating rounds`,
    '"to the last": the same writes over the time until the last of the four has them all',
    await describeDrops(peers),
  ];
  if (unconverged > 0) notes.push(`${unconverged} runs did not converge within ${CATCH_UP_TIMEOUT_MS} ms`);
  return { sections: [{ title, columns: COLUMNS, rows: pairs.map(buildRow), notes }], gates: [] };
}
