/**
 * The load of one thread: its clients spread over the peers, sending at the plan's pace until its end, or until told to stop.
 *
 * Owns when it ends and who is given up: an operation without an answer for SILENCE_MS, a run without a connection for ALONE_MS. Invariant: it always ends, and what it answers
 * counts every operation that was sent.
 */
import { performance } from 'node:perf_hooks';
import type { Target } from '../target.ts';
import { LoadClient } from './loadClient.ts';
import type { LoadEvents } from './loadClient.ts';
import { Measurement } from './measurement.ts';
import { openMetronome } from './metronome.ts';
import type { Metronome } from './metronome.ts';
import { paceClosed, paceOpen } from './pace.ts';
import type { Pace } from './pace.ts';
import type { Plan } from './plan.ts';
import { createRequests } from './requests.ts';

/** Milliseconds that connections are waited for before the start. */
const CONNECTING_MS = 2_000;
/** Milliseconds without a reply after which a connection is given up. */
const SILENCE_MS = 10_000;
/** Milliseconds without any connection after which the run ends. */
const ALONE_MS = 10_000;
/** Milliseconds that operations under way are given when the load ends. */
const GRACE_MS = 5_000;
/** Milliseconds between two looks at all that; also how often progress is told. */
const LOOK_MS = 100;

export type Ending = 'done' | 'stopped' | 'nobody';

/** What one thread measured; `Measured` is how it has it: whole, or as parts that another thread sent. */
export interface LoadResult<Measured = Measurement> {
  readonly measurement: Measured;
  /** From the start to the answer to the last operation, where the number of operations ended the run; else to the end of the time. */
  readonly elapsedMs: number;
  readonly ending: Ending;
  /** Share of the time in which this thread was at work, 0 to 1. */
  readonly busyShare: number;
  /** Open loop: due and never sent. */
  readonly unsent: number;
  readonly connectionsRefused: number;
  readonly connectionsBroken: number;
}

export interface LoadProgress {
  readonly settled: number;
  readonly elapsedMs: number;
  /** Of the last stretch of time. */
  readonly p99Ms: number;
}

export interface LoadOptions {
  readonly plan: Plan;
  readonly targets: readonly Target[];
  /** Which of the plan's threads this is, from 0. */
  readonly thread: number;
  /** Ends the load early. */
  readonly stopped: Promise<void>;
  readonly onProgress: (progress: LoadProgress) => void;
}

/** So many of `count` are this thread's. */
function shareOf(count: number, { plan, thread }: LoadOptions): number {
  return Math.floor(count / plan.threads) + (thread < count % plan.threads ? 1 : 0);
}

function openPace(
  options: LoadOptions,
  clients: readonly LoadClient[],
  measurement: Measurement,
  metronome: Metronome | undefined,
): Pace {
  const { plan, thread } = options;
  const { ratePerSecond, threads } = plan;
  const pace = {
    clients,
    nextRequest: createRequests(plan, thread),
    operations: plan.operations === undefined ? Infinity : shareOf(plan.operations, options),
  };
  if (ratePerSecond === undefined || metronome === undefined) return paceClosed(pace);
  return paceOpen({
    ...pace,
    ratePerSecond: ratePerSecond / threads,
    firstMs: measurement.startMs + (thread * 1000) / ratePerSecond, // the threads take turns
    sentLate: measurement.sentLate,
    metronome,
  });
}

function openClients(options: LoadOptions, events: LoadEvents): readonly LoadClient[] {
  const { plan, targets, thread } = options;
  return Array.from({ length: shareOf(plan.clients, options) }, (_, index) => {
    const peer = (thread + index * plan.threads) % targets.length;
    const target = targets[peer];
    if (target === undefined) throw new Error('a load needs a peer');
    return new LoadClient({ target, peer, pipeline: plan.pipeline, hasSession: plan.hasSessions, events });
  });
}

/** Resolves when all are connected, or `limitMs` have passed. */
async function awaitConnections(clients: readonly LoadClient[], limitMs: number): Promise<void> {
  const deadlineMs = performance.now() + limitMs;
  while (clients.some((client) => !client.isReady) && performance.now() < deadlineMs)
    await new Promise((resolve) => setTimeout(resolve, 5));
}

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { plan, targets } = options;
  const begun: { pace?: Pace; measurement?: Measurement } = {};
  const clients = openClients(options, {
    onSettled: (settled) => begun.measurement?.record(settled),
    onRoom: (client) => begun.pace?.onRoom(client),
  });
  await awaitConnections(clients, CONNECTING_MS);
  const metronome = plan.ratePerSecond === undefined ? undefined : await openMetronome();
  const startMs = performance.now();
  const measurement = new Measurement(plan.mix.length, targets.length, startMs);
  const before = performance.eventLoopUtilization();
  const pace = openPace(options, clients, measurement, metronome);
  begun.measurement = measurement;
  begun.pace = pace;
  for (const client of clients) pace.onRoom(client);
  const ending = await awaitEnd(options, measurement, clients);
  const loadedMs = performance.now();
  const busyShare = performance.eventLoopUtilization(before).utilization;
  const unsent = pace.backlog();
  pace.stop();
  await settle(clients);
  const isCounted = plan.operations !== undefined && ending === 'done';
  const endMs = isCounted ? measurement.lastMs : Math.max(loadedMs, measurement.lastMs);
  for (const client of clients) client.close();
  const sum = (count: (client: LoadClient) => number): number =>
    clients.reduce((total, client) => total + count(client), 0);
  return {
    measurement,
    elapsedMs: endMs - startMs,
    ending,
    busyShare,
    unsent,
    connectionsRefused: sum((client) => client.refused),
    connectionsBroken: sum((client) => client.broken),
  };
}

function awaitEnd(
  options: LoadOptions,
  measurement: Measurement,
  clients: readonly LoadClient[],
): Promise<Ending> {
  const { plan, stopped, onProgress } = options;
  const operations = plan.operations === undefined ? Infinity : shareOf(plan.operations, options);
  const limitMs = (plan.seconds ?? Infinity) * 1000;
  let heardMs = measurement.startMs;
  return new Promise((resolve) => {
    const end = (ending: Ending): void => {
      clearInterval(looking);
      clearTimeout(timer);
      resolve(ending);
    };
    const look = (): void => {
      const nowMs = performance.now();
      if (clients.some((client) => client.isReady)) heardMs = nowMs;
      for (const client of clients) if (nowMs - client.oldestMs > SILENCE_MS) client.breakOff();
      onProgress({
        settled: measurement.settled,
        elapsedMs: nowMs - measurement.startMs,
        p99Ms: measurement.stretches.at(-1)?.latency.p99Ms ?? NaN,
      });
      if (measurement.settled >= operations) end('done');
      else if (nowMs - heardMs > ALONE_MS) end('nobody');
    };
    const looking = setInterval(look, LOOK_MS);
    const timer = limitMs === Infinity ? undefined : setTimeout(end, limitMs, 'done');
    void stopped.then(() => {
      end('stopped');
    });
  });
}

/** Waits for what is under way, and not for ever. */
async function settle(clients: readonly LoadClient[]): Promise<void> {
  const deadlineMs = performance.now() + GRACE_MS;
  while (clients.some((client) => client.underWay > 0) && performance.now() < deadlineMs)
    await new Promise((resolve) => setTimeout(resolve, 1));
}
