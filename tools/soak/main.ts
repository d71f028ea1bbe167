/**
 * `npm run soak -- --minutes 60 [--jobs 2] [--from seed] [--state file] [--failures folder]`, or `--short` for a build server.
 *
 * Owns the command line, when to stop (the time is over, SIGINT, SIGTERM), the line every ten seconds, the summary and the exit
 * code: 1 when any seed failed, now or before the soak was resumed. A second signal ends it at once.
 */
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Children } from '../bench/children.ts';
import { print } from '../bench/report.ts';
import { BuildCopy } from './buildCopy.ts';
import { Failures } from './failures.ts';
import { Progress } from './progress.ts';
import { soak } from './soak.ts';
import { describeTrial, soakedAs } from './trial.ts';

const DEFAULT_MINUTES = 10;
const SHORT_SEEDS = 14;
const PROGRESS_EVERY_MS = 10_000;
/** No seed takes nearly as long, even where many others want the processor. */
const HANG_MS = 120_000;
/** Characters of a failure on its line; the folder has all of it. */
const DETAIL_CHARACTERS = 200;

function readArguments() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string' },
      jobs: { type: 'string' },
      from: { type: 'string' },
      state: { type: 'string' },
      failures: { type: 'string', default: join(tmpdir(), 'soak') },
      short: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'minutes' | 'jobs' | 'from', otherwise: number, least: number): number => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    if (value >= least) return value;
    throw new Error(`--${name} ${values[name] ?? ''}: a number from ${least} up is wanted`);
  };
  return {
    seeds: values.short ? SHORT_SEEDS : Infinity,
    minutes: number('minutes', values.short ? Infinity : DEFAULT_MINUTES, 0),
    jobs: Math.floor(number('jobs', availableParallelism(), 1)),
    from: Math.floor(number('from', 1, 0)),
    state: values.state === undefined ? undefined : resolve(values.state),
    failures: new Failures(resolve(values.failures)),
  };
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

const { seeds, minutes, jobs, from, state, failures } = readArguments();
const progress = await Progress.open(state, from, seeds);
const { totals } = progress;
const before = { seeds: totals.seeds, peerMs: totals.peerMs };
const children = new Children(undefined);
const copy = await BuildCopy.create();
const startedMs = performance.now();
const endMs = startedMs + minutes * 60_000;

let isStopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (isStopping) process.exit(130);
    isStopping = true;
    process.stderr.write('stopping: the seeds that are running are ended first; once more to stop at once\n');
  });

function describeRates(): string {
  const ranMs = performance.now() - startedMs;
  const perSecond = (count: number): string => ((count / ranMs) * 1000).toFixed(1);
  const peerMinutes = (totals.peerMs - before.peerMs) / 60_000;
  return `${perSecond(totals.seeds - before.seeds)} seeds/s, ${perSecond(peerMinutes)} simulated peer-minutes/s`;
}

print(
  `seeds from ${totals.nextSeed}, ${jobs} at a time${totals.seeds > 0 ? `; ${totals.seeds} were run before` : ''}; failures go to ${failures.folder}`,
);
const reporting = setInterval(() => {
  print(
    `${clock(performance.now() - startedMs)}  seeds to ${totals.nextSeed - 1}  ${describeRates()}  ${totals.failures.length} failed`,
  );
  progress.save().catch((error: unknown) => {
    print(`the state was not written: ${String(error)}`);
  });
}, PROGRESS_EVERY_MS);
try {
  await soak({
    children,
    copy,
    progress,
    failures,
    jobs,
    hangMs: HANG_MS,
    isOver: () => isStopping || performance.now() >= endMs,
    onFailure: (seed, name, detail, path) => {
      const text = detail.replaceAll(/\s+/g, ' ').slice(0, DETAIL_CHARACTERS);
      print(
        `FAILED ${describeTrial({ kind: 'seed', seed, options: soakedAs(seed) })}: ${name}: ${text}\n  ${path}`,
      );
    },
  });
} finally {
  clearInterval(reporting);
  await progress.save();
  await children.stopAll();
  await copy.remove();
}

print(
  `\n${totals.seeds} seeds (${totals.firstSeed} to ${totals.nextSeed - 1}), ${(totals.peerMs / 3_600_000).toFixed(1)} simulated peer-hours, ` +
    `${totals.written} writes, ${totals.steps} steps; in ${clock(performance.now() - startedMs)}: ${describeRates()}`,
);
const byName = new Map<string, number[]>();
for (const { seed, failure } of totals.failures) byName.set(failure, [...(byName.get(failure) ?? []), seed]);
for (const [name, failed] of byName)
  print(`${name}: ${failed.length} seeds: ${failed.slice(0, 20).join(' ')}`);
print(`${totals.failures.length} failed`);
if (totals.failures.length > 0) process.exitCode = 1;
