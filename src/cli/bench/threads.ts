/**
 * The threads of a generator: one in this process's own loop, or several, each with a loop of its own.
 *
 * Owns starting them and making one result of theirs. What a thread does is load.ts's; loadThread.ts is what runs in it. Invariant: all threads end, also when one of them fails, which fails the run.
 */
import { Worker } from 'node:worker_threads';
import { Measurement } from './measurement.ts';
import type { MeasurementParts } from './measurement.ts';
import { runLoad } from './load.ts';
import type { Ending, LoadOptions, LoadProgress, LoadResult } from './load.ts';
import type { Plan } from './plan.ts';
import type { Target } from '../target.ts';

/** What a thread is given at its start. */
export interface ThreadWork {
  readonly plan: Plan;
  readonly targets: readonly Target[];
  readonly thread: number;
}

/** What it says. To stop it, it is sent any message. */
export type ThreadMessage =
  | { readonly kind: 'progress'; readonly progress: LoadProgress }
  | { readonly kind: 'result'; readonly result: LoadResult<MeasurementParts> };

type Run = Omit<LoadOptions, 'thread'>;

/** Beside this file when built; the command line always is. */
const PROGRAM = new URL('./loadThread.js', import.meta.url);

/** Of several threads: their operations together, the longest of the rest. */
function joinProgress(all: readonly LoadProgress[]): LoadProgress {
  return {
    settled: all.reduce((sum, { settled }) => sum + settled, 0),
    elapsedMs: Math.max(...all.map(({ elapsedMs }) => elapsedMs)),
    p99Ms: Math.max(...all.map(({ p99Ms }) => p99Ms).filter(Number.isFinite)),
  };
}

function joinEndings(endings: readonly Ending[]): Ending {
  return endings.find((ending) => ending !== 'done') ?? 'done';
}

function joinResults({ plan, targets }: Run, results: readonly LoadResult<MeasurementParts>[]): LoadResult {
  const measurement = new Measurement(plan.mix.length, targets.length, 0);
  for (const result of results) measurement.mergeParts(result.measurement);
  const sum = (count: (result: LoadResult<MeasurementParts>) => number): number =>
    results.reduce((total, result) => total + count(result), 0);
  return {
    measurement,
    elapsedMs: Math.max(...results.map(({ elapsedMs }) => elapsedMs)),
    ending: joinEndings(results.map(({ ending }) => ending)),
    busyShare: Math.max(...results.map(({ busyShare }) => busyShare)),
    unsent: sum(({ unsent }) => unsent),
    connectionsRefused: sum(({ connectionsRefused }) => connectionsRefused),
    connectionsBroken: sum(({ connectionsBroken }) => connectionsBroken),
  };
}

function runThread(
  work: ThreadWork,
  stopped: Promise<void>,
  onProgress: (progress: LoadProgress) => void,
): { readonly worker: Worker; readonly result: Promise<LoadResult<MeasurementParts>> } {
  const worker = new Worker(PROGRAM, { workerData: work });
  void stopped.then(() => {
    worker.postMessage('stop');
  });
  const result = new Promise<LoadResult<MeasurementParts>>((resolve, reject) => {
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'progress') onProgress(message.progress);
      else resolve(message.result);
    });
    worker.once('error', reject);
    worker.once('exit', () => {
      reject(new Error('a thread of the load ended without a result'));
    });
  });
  return { worker, result };
}

export async function runThreads(run: Run): Promise<LoadResult> {
  const { plan, targets, stopped, onProgress } = run;
  if (plan.threads === 1) return runLoad({ ...run, thread: 0 });
  const progresses = new Map<number, LoadProgress>();
  const threads = Array.from({ length: plan.threads }, (_, thread) =>
    runThread({ plan, targets, thread }, stopped, (progress) => {
      progresses.set(thread, progress);
      if (thread === 0) onProgress(joinProgress([...progresses.values()]));
    }),
  );
  try {
    return joinResults(run, await Promise.all(threads.map(({ result }) => result)));
  } finally {
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }
}
