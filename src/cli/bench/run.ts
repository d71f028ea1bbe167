/**
 * One run of `toposphere bench` from its first look at the peers to its report.
 *
 * Owns the order: who can be reached, keys written, load, keys deleted, report. Invariant: whatever was measured is printed, also when the run was stopped or no peer was left; it fails only where nothing succeeded.
 */
import { writeFile } from 'node:fs/promises';
import { errorCode } from '../../network/tcp.ts';
import { withConnection } from '../connection.ts';
import { CommandFailure, PeerRefusal } from '../failure.ts';
import { printLine, printWarning } from '../print.ts';
import { listenForStop } from '../stopSignal.ts';
import type { Stop } from '../stopSignal.ts';
import type { Target } from '../target.ts';
import { fill, remove } from './dataSet.ts';
import type { LoadResult } from './load.ts';
import type { Plan } from './plan.ts';
import { startBar } from './progressBar.ts';
import { runThreads } from './threads.ts';
import { buildReport, formatCount, formatMs, reportLines } from './report.ts';
import type { Report } from './report.ts';

/** How often the bar's rate is counted anew, milliseconds. */
const RATE_EVERY_MS = 500;

export interface BenchFiles {
  readonly json: string | undefined;
  readonly html: string | undefined;
}

/** Those that answer. A refusal, of a password for instance, is everybody's; a peer that is away is said and left out. */
async function findReachable(targets: readonly Target[]): Promise<readonly Target[]> {
  const failures: string[] = [];
  const answers = await Promise.all(
    targets.map(async (target) => {
      try {
        await withConnection(target, (connection) => connection.request(['PING']));
        return [target];
      } catch (error) {
        if (!(error instanceof CommandFailure) || error instanceof PeerRefusal) throw error;
        failures.push(error.message);
        return [];
      }
    }),
  );
  const reachable = answers.flat();
  if (reachable.length === 0) throw new CommandFailure(failures.join('\n'));
  for (const failure of failures) printWarning(failure);
  return reachable;
}

/** One phase over the plan's keys, with a bar. */
async function overKeys<T>(
  phase: string,
  plan: Plan,
  run: (onDone: (keys: number) => void) => Promise<T>,
): Promise<T> {
  const bar = startBar(phase, plan.keys);
  try {
    return await run((keys) => {
      bar.show(keys, `${formatCount(keys)} keys`);
    });
  } finally {
    bar.end();
  }
}

async function loadWithBar(plan: Plan, targets: readonly Target[], stop: Stop): Promise<LoadResult> {
  const total = plan.operations ?? (plan.seconds ?? 0) * 1000;
  const bar = startBar('load', total);
  let [before, perSecond] = [{ settled: 0, elapsedMs: 0 }, NaN];
  try {
    return await runThreads({
      plan,
      targets,
      stopped: stop.requested,
      onProgress: ({ settled, elapsedMs, p99Ms }) => {
        if (elapsedMs - before.elapsedMs >= RATE_EVERY_MS) {
          perSecond = ((settled - before.settled) * 1000) / (elapsedMs - before.elapsedMs);
          before = { settled, elapsedMs };
        }
        const rate = Number.isNaN(perSecond) ? '' : `, ${formatCount(perSecond)} a second`;
        bar.show(
          plan.operations === undefined ? elapsedMs : settled,
          `${formatCount(settled)} operations${rate}, p99 ${formatMs(p99Ms)} ms`,
        );
      },
    });
  } finally {
    bar.end();
  }
}

async function writeText(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    throw new CommandFailure(`${path} cannot be written (${errorCode(error)})`);
  }
}

async function writeFiles(report: Report, { json, html }: BenchFiles): Promise<void> {
  if (json !== undefined) await writeText(json, `${JSON.stringify(report, undefined, 2)}\n`);
  if (html === undefined) return;
  const { renderPage } = await import('./page.ts');
  await writeText(html, renderPage(report));
}

export async function runBench(plan: Plan, listed: readonly Target[], files: BenchFiles): Promise<void> {
  const stop = listenForStop();
  let isStopped = false;
  void stop.requested.then(() => {
    isStopped = true;
  });
  const targets = await findReachable(listed);
  const isFilled = plan.mix.some(({ operation }) => operation === 'get');
  let load: LoadResult | undefined;
  const startedAt = new Date();
  try {
    if (isFilled) await overKeys('keys', plan, (onDone) => fill(plan, targets, () => isStopped, onDone));
    load = await loadWithBar(plan, targets, stop);
  } finally {
    if (plan.isKept) printWarning(`kept: the keys that begin with ${plan.prefix}`);
    else {
      const left = await overKeys('clean', plan, (onDone) => remove(plan, targets, onDone));
      for (const sentence of left) printWarning(sentence);
    }
  }
  const report = buildReport(plan, targets, startedAt, load);
  for (const line of reportLines(report)) printLine(line);
  await writeFiles(report, files);
  if (report.all.latency.count > 0) return;
  throw new CommandFailure(
    load.ending === 'stopped'
      ? 'stopped before any operation succeeded'
      : 'no operation succeeded; the codes above say why (toposphere doctor knows more)',
  );
}
