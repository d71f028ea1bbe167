/**
 * The runs of `toposphere simulate`: progress, the verdict, and the line that replays a failure.
 *
 * What happens in a run is src/simulator's. Fails when a run broke an invariant, so that a script can look for one all night.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { errorCode } from '../network/tcp.ts';
import { FAULT_KINDS, generateSchedule } from '../simulator/generate.ts';
import type { FaultKind } from '../simulator/generate.ts';
import { addLosses, type LossRow } from '../simulator/lossTally.ts';
import { createPlotRecorder } from '../simulator/plot.ts';
import { runSchedule } from '../simulator/run.ts';
import type { RunOptions, RunResult } from '../simulator/run.ts';
import { runScenario } from '../simulator/scenario.ts';
import { parseScenario } from '../simulator/scenarioParser.ts';
import { parseSchedule } from '../simulator/schedule.ts';
import type { Schedule } from '../simulator/schedule.ts';
import { shrinkSchedule } from '../simulator/shrink.ts';
import { createTranscript } from '../simulator/transcript.ts';
import { loadHashing } from '../wire/hash.ts';
import type { Hashing } from '../wire/hash.ts';
import { CommandFailure } from './failure.ts';
import { formatLosses } from './lossTable.ts';
import { printLine, printWarning } from './print.ts';

/** Lines before a failure that are shown when no transcript was asked for. */
const LINES_BEFORE_FAILURE = 30;
/** Progress is told so often, milliseconds. */
const PROGRESS_EVERY_MS = 5_000;

/** What was asked for on the command line; `faults` and the three numbers hold for seeds alone. */
export interface Arguments {
  readonly seed: number;
  readonly servers: number;
  readonly minutes: number;
  readonly faults: readonly FaultKind[];
  readonly sessions: number;
  readonly replicas: number;
  readonly requests: number;
  readonly counters: number;
  readonly groups: number;
  readonly publishers: number;
  readonly runs: number;
  readonly untilFailure: boolean;
  readonly shrink: boolean;
  readonly scenario: string | undefined;
  readonly schedule: string | undefined;
  readonly save: string | undefined;
  readonly plot: string | undefined;
  readonly key: string | undefined;
  readonly transcript: boolean;
  readonly messages: boolean;
  readonly json: boolean;
}

/** One run and how to have it again. */
interface Report {
  readonly title: string;
  readonly replay: string;
  readonly result: RunResult;
  readonly schedule: Schedule | undefined;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CommandFailure(`${path} cannot be read (${errorCode(error)})`);
  }
}

async function writeText(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    throw new CommandFailure(`${path} cannot be written (${errorCode(error)})`);
  }
}

function describeResult({ title, result }: Report): string {
  const seconds = (result.virtualMs / 1000).toFixed(1);
  const counts = `${result.written} writes (${result.refused} refused, ${result.unreachable} found nobody), ${result.datagrams} datagrams, ${result.steps} steps in ${seconds} virtual s`;
  const verdict =
    result.failure === undefined
      ? `passed; equal ${Math.round(result.convergedMs ?? 0)} ms after healing`
      : `FAILED at ${(result.failure.atMs / 1000).toFixed(3)} s: ${result.failure.detail}`;
  return `${title}: ${verdict}\n  ${counts}; trace ${result.traceHash}`;
}

/** Runs once, with the looks that were asked for. */
async function runOnce(
  title: string,
  replay: string,
  peers: readonly string[],
  schedule: Schedule | undefined,
  options: Arguments,
  run: (runOptions: RunOptions) => RunResult,
  hashing: Hashing,
): Promise<Report> {
  const isShown = (options.transcript || options.messages || options.scenario !== undefined) && !options.json;
  const transcript = createTranscript({
    hasMessages: options.messages,
    limit: LINES_BEFORE_FAILURE,
    ...(isShown ? { onLine: printLine } : {}),
  });
  const recorder =
    options.plot === undefined
      ? undefined
      : createPlotRecorder({ peers, ...(options.key === undefined ? {} : { key: options.key }) });
  const result = run({
    hashing,
    observers: [transcript.observer, ...(recorder === undefined ? [] : [recorder.observer])],
    ...(recorder === undefined
      ? {}
      : {
          workload: (world) => {
            recorder.attach(world);
          },
        }),
  });
  if (recorder !== undefined && options.plot !== undefined)
    await writeText(
      options.plot,
      recorder.finish(result, { title, replay, ...(schedule === undefined ? {} : { seed: schedule.seed }) }),
    );
  if (result.failure !== undefined && !isShown && !options.json)
    for (const line of transcript.lines()) printLine(line);
  return { title, replay, result, schedule };
}

function report(one: Report, isJson: boolean): void {
  if (isJson) {
    const { title, replay, result } = one;
    printLine(JSON.stringify({ title, replay, ...result }));
    return;
  }
  printLine(describeResult(one));
  for (const line of formatLosses(one.result.losses ?? [])) printLine(line);
  if (one.result.failure?.stack !== undefined) printLine(one.result.failure.stack);
  if (one.result.failure !== undefined) printLine(`  again: ${one.replay}`);
}

async function shrink(failed: Report, options: Arguments, hashing: Hashing): Promise<void> {
  const { schedule, result } = failed;
  if (schedule === undefined || result.failure === undefined) return;
  let told = performance.now();
  const shrunk = shrinkSchedule(schedule, result.failure, {
    run: (candidate) => runSchedule(candidate, { hashing }),
    onProgress: (runs, { events }) => {
      if (performance.now() - told < PROGRESS_EVERY_MS) return;
      told = performance.now();
      printWarning(`shrinking: ${events.length} events after ${runs} runs`);
    },
  });
  const path = options.save ?? `failed-${schedule.seed}.json`;
  await writeText(path, `${JSON.stringify(shrunk.schedule, undefined, 1)}\n`);
  const { events, peers } = shrunk.schedule;
  printLine(
    `shrunk to ${events.length} events on ${peers.length} peers in ${shrunk.runs} runs: ${shrunk.failure.detail}\n  again: toposphere simulate --schedule ${path} --messages`,
  );
}

/** Does what was asked for. Rejects with a CommandFailure if a run broke an invariant, or a file cannot be read or written. */
export async function simulate(options: Arguments): Promise<void> {
  const hashing = await loadHashing();
  const { scenario, schedule: path } = options;
  if (scenario !== undefined) {
    const text = await readText(scenario);
    const replay = `toposphere simulate --scenario ${scenario}`;
    const { peers } = parseScenario(text, (count) => Array.from({ length: count }, (_, at) => `p${at}`));
    const one = await runOnce(
      scenario,
      replay,
      peers,
      undefined,
      options,
      (run) => runScenario(text, run),
      hashing,
    );
    report(one, options.json);
    if (one.result.failure !== undefined) throw new CommandFailure(`${scenario} failed`);
    return;
  }
  if (path !== undefined) {
    const schedule = parseSchedule(await readText(path));
    await runAll(
      [{ title: path, replay: `toposphere simulate --schedule ${path} --messages`, schedule }],
      options,
      hashing,
    );
    return;
  }
  await runAll(seeds(options), options, hashing);
}

interface Planned {
  readonly title: string;
  readonly replay: string;
  readonly schedule: Schedule;
}

function* seeds({
  seed: first,
  servers,
  minutes,
  faults,
  sessions,
  replicas,
  requests,
  counters,
  groups,
  publishers,
  runs,
  untilFailure,
}: Arguments): Generator<Planned> {
  const kinds = faults.length === FAULT_KINDS.length ? '' : ` --faults ${faults.join(',') || 'none'}`;
  const clients = Object.entries({ sessions, replicas, requests, counters, groups, publishers })
    .map(([name, count]) => (count === 0 ? '' : ` --${name} ${count}`))
    .join('');
  for (let seed = first; seed < first + runs || untilFailure; seed += 1) {
    const replay = `toposphere simulate --seed ${seed} --servers ${servers} --minutes ${minutes}${kinds}${clients}`;
    const schedule = generateSchedule({
      seed,
      servers,
      minutes,
      faults,
      sessions,
      replicas,
      requests,
      counters,
      groups,
      publishers,
    });
    yield { title: `seed ${seed}`, replay, schedule };
  }
}

async function runAll(plans: Iterable<Planned>, options: Arguments, hashing: Hashing): Promise<void> {
  const isSeries = options.runs > 1 || options.untilFailure;
  const startedMs = performance.now();
  let toldMs = startedMs;
  let count = 0;
  let virtualMinutes = 0;
  const failed: Report[] = [];
  let losses: readonly LossRow[] = [];
  for (const { title, replay, schedule } of plans) {
    const one = await runOnce(
      title,
      replay,
      schedule.peers,
      schedule,
      options,
      (run) => runSchedule(schedule, run),
      hashing,
    );
    count += 1;
    losses = addLosses([...losses, ...(one.result.losses ?? [])]);
    virtualMinutes += (one.result.virtualMs / 60_000) * schedule.peers.length;
    const hasFailed = one.result.failure !== undefined;
    if (hasFailed || options.json || !isSeries) report(one, options.json);
    if (hasFailed) {
      failed.push(one);
      if (options.shrink) await shrink(one, options, hashing);
      else if (options.save !== undefined)
        await writeText(options.save, `${JSON.stringify(schedule, undefined, 1)}\n`);
      if (options.untilFailure) break;
    } else if (options.save !== undefined && !isSeries) {
      await writeText(options.save, `${JSON.stringify(schedule, undefined, 1)}\n`);
    }
    if (performance.now() - toldMs > PROGRESS_EVERY_MS) {
      toldMs = performance.now();
      printWarning(`${title}: ${describePace(count, failed.length, virtualMinutes, startedMs)}`);
    }
    await new Promise((resolve) => setImmediate(resolve)); // signals are heard between two runs
  }
  if (isSeries && !options.json) {
    printLine(describePace(count, failed.length, virtualMinutes, startedMs));
    for (const line of formatLosses(losses)) printLine(line);
  }
  if (failed.length > 0) throw new CommandFailure(`${failed.length} of ${count} runs broke an invariant`);
}

function describePace(count: number, failed: number, virtualMinutes: number, startedMs: number): string {
  const seconds = (performance.now() - startedMs) / 1000;
  return `${count} runs, ${failed} failed; ${(virtualMinutes / seconds).toFixed(1)} simulated peer-minutes a second`;
}
