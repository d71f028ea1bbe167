/**
 * Part: every level that a write or a read can be asked for, side by side, and redis-server with fsync always, every second, and WAIT.
 *
 * Owns the levels, which of redis's is held against which, and the rest between two runs. Leaves the load to closedLoop.ts, the same for both systems. Invariant: a level and what
 * it is held against run next to each other in time, each when all that was written before is at rest everywhere.
 */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from './budget.ts';
import { hasTimeFor } from './budget.ts';
import { runEachOnce, runLoop } from './closedLoop.ts';
import type { Child } from './children.ts';
import type { Loop, LoopFigures, LoopReply, Words } from './closedLoop.ts';
import { startPeers, timeToConverge, waitForRest } from './peers.ts';
import type { ServedPeer } from './peers.ts';
import { readProcessorTime } from './processorTime.ts';
import { startRedisAlone, startReplicatedRedis, timeToFollow } from './redisServers.ts';
import type { RedisServer } from './redisServers.ts';
import type { PartResult, Section } from './report.ts';
import { formatCount, formatDecimal, formatRatio, formatSpread, median } from './statistics.ts';

const CLIENTS = 16;
const VALUE = 'v'.repeat(100);
/** Milliseconds that a majority, or redis's replicas, are waited for: what a peer waits where nothing is said. */
const WITHIN_MS = 1000;
const STALE_MS = 1000;
/** Milliseconds the others are given to get what was written before the next run. */
const REST_TIMEOUT_MS = 10_000;
/** Writes of the probe of the bare disk. */
const SYNCS = 50;
const COLUMNS = ['operation', '/s', '±', 'p50 ms', 'p99 ms', 'cpu µs', 'peers/redis'];
const TITLE = 'Levels of writes and reads at one of four peers, and redis-server';

/** One run's figures, and what it cost the servers. */
export interface Run extends LoopFigures {
  /** Processor time an operation, all processes of the system, microseconds; NaN where it cannot be told. */
  readonly processorUs: number;
}

/** One row of the table: something a client can ask of one of the systems. */
export interface Case {
  readonly title: string;
  /** The title of what it is held against. */
  readonly against: string | undefined;
  readonly loop: Loop;
  /** The servers that it keeps at work. */
  readonly servers: readonly Child[];
  readonly runs: Run[];
}

interface Place {
  readonly system: 'peers' | 'redis';
  readonly port: number;
  readonly servers: readonly Child[];
  readonly keys: number;
}

const isOk = (reply: LoopReply | undefined): boolean =>
  Buffer.isBuffer(reply) && reply.equals(Buffer.from('OK'));
const isPong = (reply: LoopReply | undefined): boolean =>
  Buffer.isBuffer(reply) && reply.equals(Buffer.from('PONG'));
const isValue = (reply: LoopReply | undefined): boolean =>
  Buffer.isBuffer(reply) && reply.length === VALUE.length;

/** Why SET and WAIT together are not what was asked for; an OK alone is not. */
export function findWaitFault([set, count]: readonly LoopReply[], replicas: number): string | undefined {
  if (!isOk(set)) return describeReply(set);
  return typeof count === 'number' && count >= replicas ? undefined : `WAIT ${describeReply(count)}`;
}

function describeReply(reply: LoopReply | undefined): string {
  if (reply instanceof Error) return reply.message;
  return Buffer.isBuffer(reply) ? reply.toString('latin1') : String(reply);
}

function expect(isRight: (reply: LoopReply | undefined) => boolean): Loop['findFault'] {
  return ([reply]) => (isRight(reply) ? undefined : describeReply(reply));
}

function buildCase(
  { system, port, servers, keys }: Place,
  what: string,
  against: string | undefined,
  asks: (key: string) => readonly Words[],
  findFault: Loop['findFault'],
  { prefix = 'plain', opening = [] }: { readonly prefix?: string; readonly opening?: readonly Words[] } = {},
): Case {
  const operations = Array.from({ length: keys }, (_, index) => asks(`${prefix}:${index}`));
  const loop = { port, clients: CLIENTS, opening, operations, findFault };
  return { title: `${system}: ${what}`, against: against && `redis: ${against}`, loop, servers, runs: [] };
}

const set = (key: string): Words => ['SET', key, VALUE];
const get = (key: string): Words => ['GET', key];
const choose = (choice: string, words: Words): Words => [
  'TOPOSPHERE',
  'DO',
  ...choice.split(' '),
  'RUN',
  ...words,
];

/** Writes at the level, by the words of TOPOSPHERE DO. */
function peerWrite(place: Place, choice: string, against?: string): Case {
  return buildCase(place, `SET, ${choice}`, against, (key) => [choose(choice, set(key))], expect(isOk));
}

function peerRead(place: Place, choice: string, options = {}, against?: string): Case {
  return buildCase(
    place,
    `GET, ${choice}`,
    against,
    (key) => [choose(choice, get(key))],
    expect(isValue),
    options,
  );
}

const REGISTERS = { prefix: 'register' };
const IN_SESSION = { opening: [['TOPOSPHERE', 'SESSION', 'BEGIN']] };
const LINEARIZABLE = 'READ LINEARIZABLE';

function linearizableWrite(place: Place): Case {
  const asks = (key: string): readonly Words[] => [choose(LINEARIZABLE, set(key))];
  return buildCase(place, `SET, ${LINEARIZABLE}`, undefined, asks, expect(isOk), REGISTERS);
}

const ping = (place: Place, against?: string): Case =>
  buildCase(place, 'PING', against, () => [['PING']], expect(isPong));

const redisWrite = (place: Place, title: string): Case =>
  buildCase(place, title, undefined, (key) => [set(key)], expect(isOk));

function redisWait(place: Place, title: string, replicas: number): Case {
  const wait = ['WAIT', `${replicas}`, `${WITHIN_MS}`];
  return buildCase(
    place,
    title,
    undefined,
    (key) => [set(key), wait],
    (replies) => findWaitFault(replies, replicas),
  );
}

const ALWAYS = 'SET, appendfsync always';
const EVERY_SECOND = 'SET, everysec';
const waitTitle = (count: number, replicas: number): string =>
  `SET, everysec, WAIT ${count} of ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`;

/** The first takes the writes, the others follow it. */
type Servers = readonly [RedisServer, ...RedisServer[]];

/** redis-server in each of its shapes. */
interface RedisSide {
  readonly always: Servers;
  readonly everySecond: Servers;
  readonly withOne: Servers;
  readonly withThree: Servers;
}

async function startRedisSide(bench: Bench): Promise<RedisSide | undefined> {
  if (bench.redisMissing !== undefined) return undefined;
  return {
    always: [await startRedisAlone(bench, 'redis with fsync always', ['--appendfsync', 'always'])],
    everySecond: [await startRedisAlone(bench)],
    withOne: await startReplicatedRedis(bench, 1),
    withThree: await startReplicatedRedis(bench, 3),
  };
}

/** In the order of the table and of each round: what is held against a level comes right behind it. */
function buildCases(
  peers: readonly ServedPeer[],
  keys: number,
  redis: RedisSide | undefined,
): readonly Case[] {
  const port = peers[0]?.clientPort ?? 0;
  const place: Place = { system: 'peers', port, servers: peers.map(({ child }) => child), keys };
  const ofRedis = (build: (place: Place) => Case, servers: Servers | undefined): readonly Case[] => {
    if (servers === undefined) return [];
    const children = servers.map(({ child }) => child);
    return [build({ system: 'redis', port: servers[0].port, servers: children, keys })];
  };
  const ofWait = (count: number, replicas: number, servers: Servers | undefined): readonly Case[] =>
    ofRedis((of) => redisWait(of, waitTitle(count, replicas), count), servers);
  return [
    ping(place, 'PING'),
    ...ofRedis(ping, redis?.everySecond),
    peerWrite(place, 'ACK fast'),
    peerWrite(place, 'ACK committed', EVERY_SECOND),
    ...ofRedis((of) => redisWrite(of, EVERY_SECOND), redis?.everySecond),
    peerWrite(place, 'ACK durable', ALWAYS),
    ...ofRedis((of) => redisWrite(of, ALWAYS), redis?.always),
    peerWrite(place, 'ACK REPLICATED 2', waitTitle(1, 3)),
    ...ofWait(1, 3, redis?.withThree),
    ...ofWait(1, 1, redis?.withOne),
    peerWrite(place, 'ACK REPLICATED MAJORITY', waitTitle(2, 3)),
    ...ofWait(2, 3, redis?.withThree),
    peerWrite(place, 'ACK REPLICATED ALL', waitTitle(3, 3)),
    ...ofWait(3, 3, redis?.withThree),
    linearizableWrite(place),
    peerRead(place, 'READ LOCAL', {}, 'GET'),
    ...ofRedis(
      (of) => buildCase(of, 'GET', undefined, (key) => [get(key)], expect(isValue)),
      redis?.everySecond,
    ),
    peerRead(place, 'READ SESSION', IN_SESSION),
    peerRead(place, `READ STALE ${STALE_MS}`),
    peerRead(place, 'READ MAJORITY'),
    peerRead(place, LINEARIZABLE, REGISTERS),
  ];
}

/** False when what was written is not everywhere in time. */
async function waitUntilAllRest(
  peers: readonly ServedPeer[],
  redis: RedisSide | undefined,
): Promise<boolean> {
  const followed = redis === undefined ? [] : [redis.withOne, redis.withThree];
  const waits = [
    timeToConverge(peers, REST_TIMEOUT_MS),
    ...followed.map((servers) => timeToFollow(servers, REST_TIMEOUT_MS)),
  ];
  const isEverywhere = !(await Promise.all(waits)).includes(undefined);
  await waitForRest(peers);
  return isEverywhere;
}

/** What writing this value at the end of a file and syncing it takes with nothing around it, milliseconds. */
async function probeDisk(bench: Bench): Promise<number> {
  const path = join(await bench.workspace.folder('bare-sync'), 'file');
  const file = await open(path, 'a');
  const tookMs: number[] = [];
  try {
    for (let turn = 0; turn < SYNCS; turn += 1) {
      const startedMs = performance.now();
      await file.write(VALUE);
      await file.datasync();
      tookMs.push(performance.now() - startedMs);
    }
  } finally {
    await file.close();
    await rm(path);
  }
  return median(tookMs);
}

const medianOf = ({ runs }: Case, name: 'perSecond' | 'p50Ms' | 'p99Ms' | 'processorUs'): number =>
  median(runs.map((one) => one[name]));

/** A row of figures a case; a ratio where the other side was measured. */
export function buildRows(cases: readonly Case[]): readonly (readonly string[])[] {
  return cases.map((one) => {
    const against = cases.find(({ title }) => title === one.against);
    const ratio = against === undefined ? NaN : medianOf(one, 'perSecond') / medianOf(against, 'perSecond');
    return [
      one.title,
      formatCount(medianOf(one, 'perSecond')),
      formatSpread(one.runs.map(({ perSecond }) => perSecond)),
      formatDecimal(medianOf(one, 'p50Ms')),
      formatDecimal(medianOf(one, 'p99Ms')),
      formatDecimal(medianOf(one, 'processorUs')),
      formatRatio(ratio),
    ];
  });
}

/** Levels that were not kept are said, one note each. */
export function describeFaults(cases: readonly Case[]): readonly string[] {
  return cases.flatMap(({ title, runs }) => {
    const count = runs.reduce((sum, { faults }) => sum + faults, 0);
    const first = runs.find(({ fault }) => fault !== undefined)?.fault;
    return count === 0
      ? []
      : [`${title}: ${count} operations were not answered as asked, the first: ${first ?? ''}`];
  });
}

/** Keys that are read are there before, and code that is measured is compiled. */
async function prepare(cases: readonly Case[], warmUpMs: number, rest: () => Promise<void>): Promise<void> {
  for (const { loop } of cases.filter(({ title }) => title.includes('SET'))) await runEachOnce(loop);
  await rest();
  for (const { title, loop } of cases) {
    const { perSecond, fault } = await runLoop(loop, warmUpMs);
    // A level that cannot be had at all is a fault of this part, not a slow one.
    if (!(perSecond > 0)) throw new Error(`${title}: nothing was answered as asked: ${fault ?? 'no answer'}`);
  }
}

async function usedUs({ servers }: Case): Promise<number> {
  const times = await Promise.all(servers.map(({ processId }) => readProcessorTime(processId)));
  return times.reduce((sum, { allUs }) => sum + allUs, 0);
}

/** What the others do with the writes, and folding, is part of what they cost: the time is read when all are at rest. */
async function measure(one: Case, durationMs: number, rest: () => Promise<void>): Promise<Run> {
  const beforeUs = await usedUs(one);
  const figures = await runLoop(one.loop, durationMs);
  await rest();
  return { ...figures, processorUs: ((await usedUs(one)) - beforeUs) / figures.operations };
}

async function runRounds(bench: Bench, cases: readonly Case[], rest: () => Promise<void>): Promise<number> {
  const { levelRounds, levelMs } = bench.sizes;
  let rounds = 0;
  for (; rounds < levelRounds && hasTimeFor(bench, rounds); rounds += 1) {
    for (const one of cases) one.runs.push(await measure(one, levelMs, rest));
  }
  return rounds;
}

function describeRun(bench: Bench, rounds: number): readonly string[] {
  const { levelKeys, levelMs } = bench.sizes;
  return [
    `one driver for all, a Node process: ${CLIENTS} connections to one server, each one operation at a time (PING: what the driver can do); ${formatCount(levelKeys)} random keys, ${VALUE.length}-byte values; medians of ${rounds} rounds of all, ${levelMs} ms each`,
    `levels are asked for by TOPOSPHERE DO before each command; SET and WAIT n ${WITHIN_MS} leave in one write and are one operation, done when n replicas have answered`,
    "REPLICATED n counts the disk of the peer that is asked, WAIT does not: 2, MAJORITY (3) and ALL of four are held against WAIT 1, 2 and 3. redis's WAIT does not mean that replicas have fsynced, ours does",
    'all processes of both systems share this machine and its disk: what the others sync, a level waits for',
  ];
}

export async function runLevels(bench: Bench): Promise<PartResult> {
  const { redisMissing, sizes } = bench;
  const syncMs = await probeDisk(bench);
  const peers = await startPeers(bench, 4);
  const redis = await startRedisSide(bench);
  const cases = buildCases(peers, sizes.levelKeys, redis);
  let restless = 0;
  const rest = async (): Promise<void> => {
    if (!(await waitUntilAllRest(peers, redis))) restless += 1;
  };
  await prepare(cases, sizes.levelWarmUpMs, rest);
  await rest();
  const rounds = await runRounds(bench, cases, rest);
  const notes = [
    ...describeRun(bench, rounds),
    `a bare write of ${VALUE.length} bytes with fdatasync took ${formatDecimal(syncMs)} ms (median of ${SYNCS})`,
    ...describeFaults(cases),
    ...(redisMissing === undefined ? [] : [`redis skipped: ${redisMissing}`]),
  ];
  if (restless > 0) notes.push(`${restless} runs were not everywhere within ${REST_TIMEOUT_MS} ms`);
  const section: Section = { title: TITLE, columns: COLUMNS, rows: buildRows(cases), notes };
  return { sections: [section], gates: [] };
}
