/**
 * `npm run bench [-- --short] [--only name,name] [--json file] [--profile folder] [--beside clone]`: all parts, one report.
 *
 * Owns the command line, the order of the parts, the facts of the machine and the clean end. Invariant: exit code 1 only
 * when something broke, never for a missed gate (a busy machine must not fail a build), and nothing is left behind: no process, no file but what was asked for.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runAlone } from './alone.ts';
import { FULL, SHORT } from './budget.ts';
import type { Bench } from './budget.ts';
import { runCatchUp } from './catchUp.ts';
import { Children } from './children.ts';
import { runEmbedded } from './embedded.ts';
import { runFour } from './four.ts';
import { runJoin } from './join.ts';
import { watchOthers } from './processorTime.ts';
import { runLargeJoin } from './largeJoin.ts';
import { runLevels } from './levels.ts';
import { runLoss } from './loss.ts';
import { runNearCache } from './nearCache.ts';
import { findRedis } from './redisServers.ts';
import { formatGate, judgeGate, print, printPart } from './report.ts';
import type { PartResult } from './report.ts';
import { commandOf } from './shipped.ts';
import { runVisibility } from './visibility.ts';
import { runTool } from '../runTool.ts';
import { Workspace } from './workspace.ts';

interface Part {
  readonly run: (bench: Bench) => Promise<PartResult>;
  /** Its part of the run's time, next to the shares of the others that were chosen. */
  readonly share: number;
}

const PARTS: Readonly<Record<string, Part>> = {
  embedded: { run: runEmbedded, share: 12 },
  alone: { run: runAlone, share: 42 },
  four: { run: runFour, share: 26 },
  visibility: { run: runVisibility, share: 20 },
  loss: { run: runLoss, share: 24 },
  catchUp: { run: runCatchUp, share: 8 },
  join: { run: runJoin, share: 50 },
  nearCache: { run: runNearCache, share: 8 },
  levels: { run: runLevels, share: 36 },
  largeJoin: { run: runLargeJoin, share: 20 },
};
/** A run that hangs is broken: it is ended after so many times the time it was given. */
const HANG_FACTOR = 5;

/** Share of the machine that others may use before the figures are called disturbed. */
const DISTURBED_SHARE = 0.05;

function readArguments() {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' },
      beside: { type: 'string' },
    },
  });
  const names = values.only?.split(',') ?? Object.keys(PARTS);
  const unknown = names.filter((name) => !Object.hasOwn(PARTS, name));
  if (unknown.length > 0) {
    throw new Error(`--only ${unknown.join(',')}: the parts are ${Object.keys(PARTS).join(', ')}`);
  }
  return { ...values, names };
}

function describeMachine(redis: ReturnType<typeof findRedis>): Readonly<Record<string, string | number>> {
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    redis: 'version' in redis ? redis.version : `skipped: ${redis.missing}`,
    loadBefore: (loadavg()[0] ?? 0).toFixed(2),
  };
}

/** A part that others disturbed says so: its ratios are worth less. */
function printOthers(share: number): void {
  if (!Number.isFinite(share)) return;
  const warning =
    share > DISTURBED_SHARE ? '; the figures above are disturbed: run again on a quiet machine' : '';
  print(`other processes used ${Math.round(share * 100)}% of the machine during this part${warning}`);
}

async function runParts(
  bench: Bench,
  names: readonly string[],
): Promise<Readonly<Record<string, PartResult>>> {
  const results: Record<string, PartResult> = {};
  const shares = names.reduce((sum, name) => sum + (PARTS[name]?.share ?? 0), 0);
  let sharesBegun = 0;
  for (const name of names) {
    const part = PARTS[name];
    if (part === undefined) continue;
    sharesBegun += part.share;
    const othersShare = await watchOthers();
    const result = await part.run({ ...bench, partEndsMs: (bench.sizes.totalMs * sharesBegun) / shares });
    // A part's processes would slow the next one down.
    await bench.children.stopAll();
    printPart(result);
    printOthers(await othersShare());
    results[name] = result;
  }
  return results;
}

async function main(): Promise<void> {
  const { short: isShort, names, json, profile, beside } = readArguments();
  const redis = findRedis();
  const machine = describeMachine(redis);
  print(`toposphere bench${isShort ? ', short form' : ''}`);
  for (const [name, value] of Object.entries(machine)) print(`${name}: ${value}`);
  if (profile !== undefined) await mkdir(profile, { recursive: true });
  const children = new Children(profile === undefined ? undefined : resolve(profile));
  const workspace = await Workspace.create();
  const startedMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedMs;
  const sizes = isShort ? SHORT : FULL;
  const redisMissing = 'missing' in redis ? redis.missing : undefined;
  if (beside !== undefined && !names.includes('alone'))
    throw new Error('--beside: only the part alone measures another build');
  const besideCommand = beside === undefined ? undefined : commandOf(resolve(beside));
  const bench = {
    sizes,
    children,
    workspace,
    redisMissing,
    besideCommand,
    elapsedMs,
    partEndsMs: sizes.totalMs,
  };
  let interrupt: (reason: Error) => void = () => undefined;
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = reject;
  });
  const watchdog = setTimeout(() => {
    interrupt(new Error(`not done after ${HANG_FACTOR} times the time it was given`));
  }, sizes.totalMs * HANG_FACTOR);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupt(new Error(`stopped by ${signal}`));
    });
  }
  try {
    const running = runParts(bench, names);
    const results = await Promise.race([running, interrupted]);
    print('\n## Gates');
    const gates = Object.values(results).flatMap((result) => result.gates);
    for (const gate of gates) print(formatGate(gate));
    const loadAfter = (loadavg()[0] ?? 0).toFixed(2);
    print(`\ndone in ${Math.round(elapsedMs() / 1000)} s; load average ${loadAfter} at the end`);
    if (json !== undefined) {
      const verdicts = gates.map((gate) => ({ ...gate, verdict: judgeGate(gate) }));
      const report = { machine: { ...machine, loadAfter }, isShort, results, gates: verdicts };
      await writeFile(json, `${JSON.stringify(report, undefined, 2)}\n`);
    }
  } finally {
    clearTimeout(watchdog);
    await children.stopAll();
    await workspace.remove();
  }
}

await runTool('bench', main);
