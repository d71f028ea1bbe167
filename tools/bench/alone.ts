/**
 * Part: one peer alone against one redis-server, over the Redis protocol; with `--beside`, against a peer of another build too.
 *
 * Owns the cases, their alternation (peer, redis, peer, redis …) and the two gates at pipeline 1. Invariant: both
 * sides of a ratio come from runs next to each other in time, and a peer's folding of one run is over before the next begins.
 */
import type { Reply } from '../../src/cli/connection.ts';
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

const COMMANDS = ['SET', 'GET', 'INCR'] as const;
const LOADS: readonly Load[] = ([1, 16] as const).flatMap((pipeline) =>
  (['one', 'random'] as const).flatMap((keys) => COMMANDS.map((command) => ({ command, pipeline, keys }))),
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
const BESIDE_COLUMNS = ['load', 'this /s', '±', 'other /s', '±', 'this/other', 'this cpu µs', 'other cpu µs'];

/** A run's figures, and what it cost the server. */
interface Run extends LoadFigures, RunCost {}

interface Pair {
  readonly load: Load;
  readonly peer: Run[];
  readonly redis: Run[];
  /** Of a peer of another build; none where there is no such, or it does not know the command. */
  readonly beside: Run[];
}

interface Side {
  readonly name: 'peer' | 'redis' | 'beside';
  readonly child: Child;
  readonly port: number;
  /** Of which it is to be known that they are at rest; none for redis. */
  readonly peers: readonly ServedPeer[];
  readonly commands: ReadonlySet<Load['command']>;
}

const rates = (figures: readonly Run[]): number[] => figures.map(({ perSecond }) => perSecond);
const p99 = (figures: readonly Run[]): string => formatDecimal(median(figures.map(({ p99Ms }) => p99Ms)));
const cost = (figures: readonly Run[]): string =>
  formatDecimal(median(figures.map(({ allThreads }) => allThreads.allUs)));

function compareRates(one: readonly Run[], other: readonly Run[]): string[] {
  const [ours, theirs] = [median(rates(one)), median(rates(other))];
  return [
    formatCount(ours),
    formatSpread(rates(one)),
    formatCount(theirs),
    formatSpread(rates(other)),
    formatRatio(ours / theirs),
  ];
}

function buildRow(pair: Pair): string[] {
  const { load, peer, redis } = pair;
  return [describeLoad(load), ...compareRates(peer, redis), p99(peer), p99(redis), cost(peer), cost(redis)];
}

function buildBeside(pairs: readonly Pair[]): Section {
  const compared = pairs.filter(({ beside }) => beside.length > 0);
  return {
    title: 'One peer alone against one of another build',
    columns: BESIDE_COLUMNS,
    rows: compared.map(({ load, peer, beside }) => [
      describeLoad(load),
      ...compareRates(peer, beside),
      cost(peer),
      cost(beside),
    ]),
    notes: ['the runs of the table above, and of the other build between them'],
  };
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
  { child: { processId }, port }: Side,
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

/** All sides by turns, round after round; answers how many rounds there was time for. */
async function measureRounds(
  bench: Bench,
  sides: readonly Side[],
  pairs: readonly Pair[],
  rest: () => Promise<unknown>,
): Promise<number> {
  let rounds = 0;
  for (; rounds < bench.sizes.aloneRounds && hasTimeFor(bench, rounds); rounds++)
    for (const pair of pairs) {
      if (!hasTimeFor(bench, rounds)) break;
      for (const side of sides)
        if (side.commands.has(pair.load.command))
          pair[side.name].push(await measure(bench, side, pair.load, rest));
    }
  return rounds;
}

/** The peer of the other build, alone in a cluster of its own. */
async function startBeside(bench: Bench, command: string): Promise<Side> {
  const peers = await startPeers(bench, 1, [], command);
  const side = sideOf('beside', peers);
  const commands = new Set<Load['command']>();
  for (const name of COMMANDS) {
    const [known] = (await peers[0]?.connection.request(['COMMAND', 'INFO', name])) as readonly Reply[];
    if (known !== null) commands.add(name);
  }
  return { ...side, commands };
}

function sideOf(name: Side['name'], peers: readonly ServedPeer[]): Side {
  const [peer] = peers;
  if (peer === undefined) throw new Error('no peer was started');
  return { name, child: peer.child, port: peer.clientPort, peers, commands: new Set(COMMANDS) };
}

/** With `--profile`: the peer has to end for it. */
async function describeTime({ child }: Side, pairs: readonly Pair[]): Promise<readonly Section[]> {
  if (child.profilePath === undefined) return [];
  await child.stop();
  const measured = pairs.map(({ load, peer }) => ({ load, costs: peer }));
  return describeCosts(await readProfile(child.profilePath), measured);
}

export async function runAlone(bench: Bench): Promise<PartResult> {
  const { redisMissing, besideCommand } = bench;
  if (redisMissing !== undefined) {
    const gates = (['GET', 'SET'] as const).map((command) =>
      buildGate([], command === 'GET' ? 0.85 : 0.5, { command, pipeline: 1, keys: 'one' }, redisMissing),
    );
    const section = { title: 'One peer alone against one redis-server', columns: [], rows: [] };
    return { sections: [{ ...section, notes: [`skipped: ${redisMissing}`] }], gates };
  }
  const peer = sideOf('peer', await startPeers(bench, 1));
  const { child, port } = await startRedisAlone(bench);
  const redis: Side = {
    name: 'redis',
    child,
    port,
    peers: [],
    commands: new Set(COMMANDS),
  };
  const sides = [
    peer,
    redis,
    ...(besideCommand === undefined ? [] : [await startBeside(bench, besideCommand)]),
  ];
  for (const side of sides) await fillKeys(bench, side.port);
  const rest = (): Promise<unknown> => waitForRest(sides.flatMap(({ peers }) => peers));
  const pairs: Pair[] = LOADS.map((load) => ({ load, peer: [], redis: [], beside: [] }));
  const isCounting = ({ load }: Pair): boolean => load.command === 'INCR';
  const measureAll = (some: readonly Pair[]): Promise<number> => measureRounds(bench, sides, some, rest);
  const rounds = await measureAll(pairs.filter((pair) => !isCounting(pair)));
  const countingRounds = await measureAll(pairs.filter(isCounting));
  return {
    sections: [
      {
        title: 'One peer alone against one redis-server (append-only file, fsync every second)',
        columns: COLUMNS,
        rows: pairs.map(buildRow),
        notes: [
          `redis-benchmark, 50 connections, 3-byte values, medians of ${rounds} alternating rounds, of INCR ${countingRounds}`,
          'INCR comes last: what it leaves is in the stores of no other load',
          'a SET is answered when it is committed (survives the death of the process); redis has written to its file, which survives as much, and syncs it once a second',
        ],
      },
      ...(besideCommand === undefined ? [] : [buildBeside(pairs)]),
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
