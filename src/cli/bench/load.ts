/**
 * The load itself: clients spread over the peers, sending at the plan's pace until its end, or until told to stop.
 *
 * Owns when it ends and who is given up: an operation without an answer for SILENCE_MS, a run without a connection for ALONE_MS. Invariant: it always ends, and what it answers
 * counts every operation that was sent.
 */
import { performance } from 'node:perf_hooks';
import type { Target } from '../target.ts';
import { LoadClient } from './loadClient.ts';
import { Measurement } from './measurement.ts';
import { paceClosed, paceOpen } from './pace.ts';
import type { Pace } from './pace.ts';
import type { Plan } from './plan.ts';
import { createRequests } from './requests.ts';

/** Milliseconds without a reply after which a connection is given up. */
const SILENCE_MS = 10_000;
/** Milliseconds without any connection after which the run ends. */
const ALONE_MS = 10_000;
/** Milliseconds that operations under way are given when the load ends. */
const GRACE_MS = 5_000;
/** Milliseconds between two looks at all that; also how often progress is told. */
const LOOK_MS = 100;

type Ending = 'done' | 'stopped' | 'nobody';

export interface LoadResult {
  readonly measurement: Measurement;
  /** From the start to the answer to the last operation, where the number of operations ended the run; else to the end of the time. */
  readonly elapsedMs: number;
  readonly ending: Ending;
  /** Share of the time in which this process was at work, 0 to 1. */
  readonly busyShare: number;
  /** Open loop: due and never sent. */
  readonly unsent: number;
  readonly connectionsRefused: number;
  readonly connectionsBroken: number;
}

interface LoadOptions {
  readonly plan: Plan;
  readonly targets: readonly Target[];
  /** Ends the load early. */
  readonly stopped: Promise<void>;
  readonly onProgress: (measurement: Measurement, elapsedMs: number) => void;
}

function openPace(plan: Plan, clients: readonly LoadClient[], measurement: Measurement): Pace {
  const options = {
    clients,
    nextRequest: createRequests(plan),
    startMs: measurement.startMs,
    operations: plan.operations ?? Infinity,
  };
  return plan.ratePerSecond === undefined
    ? paceClosed(options)
    : paceOpen(options, plan.ratePerSecond, measurement.sentLate);
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
  const clients = Array.from({ length: plan.clients }, (_, index) => {
    const peer = index % targets.length;
    const target = targets[peer];
    if (target === undefined) throw new Error('a load needs a peer');
    return new LoadClient({
      target,
      peer,
      pipeline: plan.pipeline,
      hasSession: plan.hasSessions,
      events: {
        onSettled: (settled) => begun.measurement?.record(settled),
        onRoom: (client) => begun.pace?.onRoom(client),
      },
    });
  });
  await awaitConnections(clients, LOOK_MS * 20);
  const startMs = performance.now();
  const measurement = new Measurement(plan.mix.length, targets.length, startMs);
  const before = performance.eventLoopUtilization();
  const pace = openPace(plan, clients, measurement);
  begun.measurement = measurement;
  begun.pace = pace;
  for (const client of clients) pace.onRoom(client);
  const ending = await awaitEnd(options, measurement, clients);
  const busyShare = performance.eventLoopUtilization(before).utilization;
  const unsent = pace.backlog();
  pace.stop();
  await settle(clients);
  const endMs = plan.operations !== undefined && ending === 'done' ? measurement.lastMs : performance.now();
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
  { plan, stopped, onProgress }: LoadOptions,
  measurement: Measurement,
  clients: readonly LoadClient[],
): Promise<Ending> {
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
      onProgress(measurement, nowMs - measurement.startMs);
      if (plan.operations !== undefined && measurement.settled >= plan.operations) end('done');
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
