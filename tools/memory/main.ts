/**
 * `npm run memory [-- --short] [--updates n] [--keys n] [--seed n] [--plot file.html|file.svg] [--json file]`: are tables and tombstones flat?
 *
 * Three peers of the build on 127.0.0.1, over real multicast and real LMDB: so many updates with all up, then with gamma stopped, back,
 * stopped again, forgotten (issue 4). Owns the command line, the clean end and the exit code: 1 when a verdict is missed or something broke.
 * Invariant: nothing is left behind, no process and no file but what was asked for, and the whole run is bounded in updates and in time.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Children } from '../bench/children.ts';
import { watchOthers } from '../bench/processorTime.ts';
import { print } from '../bench/report.ts';
import { HOST, Workspace } from '../bench/workspace.ts';
import { runCourse } from './course.ts';
import { Drive } from './drive.ts';
import { Member } from './member.ts';
import { describeSettings, FULL, makePlan, SHORT, type Plan } from './plan.ts';
import { drawPage, drawSvg, type PlotFacts } from './plot.ts';
import { formatBars, formatCount, formatExtremes, formatSamples, formatVerdict } from './report.ts';
import type { Sample } from './samples.ts';
import { runTool } from '../runTool.ts';
import type { Verdict } from './verdicts.ts';

const SAMPLES = 100;
const MOST = 1_000_000_000;

function readArguments() {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean', default: false },
      updates: { type: 'string' },
      keys: { type: 'string' },
      seed: { type: 'string' },
      plot: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const number = (name: 'updates' | 'keys' | 'seed', otherwise: number, least: number): number => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    if (Number.isSafeInteger(value) && value >= least && value <= MOST) return value;
    throw new Error(`--${name} ${values[name] ?? ''}: a whole number from ${least} to ${MOST} is wanted`);
  };
  if (values.plot !== undefined && !/\.(?:html|svg)$/.test(values.plot))
    throw new Error(`--plot ${values.plot}: a name that ends in .html or .svg is wanted`);
  const usual = values.short ? SHORT : FULL;
  const plan = makePlan(
    number('updates', usual.updates, 1_000),
    number('keys', usual.keys, 100),
    number('seed', 1, 0),
  );
  return { plan, plot: values.plot, json: values.json };
}

async function createMembers(plan: Plan, children: Children, workspace: Workspace) {
  const cluster = await workspace.cluster(3);
  const { gcUpdateCount, maxTableRows } = plan;
  const member = (id: string): Member => {
    const settings = {
      id,
      servers: cluster.path,
      dataDirectory: cluster.dataDirectory,
      clusterId: cluster.clusterId,
      multicastGroup: cluster.multicast.group,
      multicastPort: cluster.multicast.port,
      multicastInterface: HOST,
      gcUpdateCount,
      maxTableRows,
    };
    return new Member(id, children, { ...plan, settings });
  };
  return { alpha: member('alpha'), beta: member('beta'), gamma: member('gamma') };
}

function describePlan(plan: Plan): readonly string[] {
  const phases = Object.entries(plan.updates).map(([phase, updates]) => `${phase} ${formatCount(updates)}`);
  const changed = describeSettings(plan);
  return [
    `${formatCount(plan.keys)} keys, ${plan.valueBytes}-byte values, ${plan.deletedShare * 100}% deletions, acknowledged committed; seed ${plan.seed}`,
    `updates: ${phases.join(', ')}`,
    changed.length === 0
      ? 'default settings'
      : `default settings but for ${changed.join(', ')}: shrunk with the run`,
  ];
}

function printResults(samples: readonly Sample[], verdicts: readonly Verdict[]): void {
  print('\n## Samples');
  print(formatSamples(samples));
  print('\n## Lowest and highest, all peers');
  print(formatExtremes(samples));
  print('');
  for (const line of formatBars(samples)) print(line);
  print('\n## Verdicts');
  for (const verdict of verdicts) print(formatVerdict(verdict));
}

async function writeFiles(
  samples: readonly Sample[],
  facts: PlotFacts,
  plot: string | undefined,
  json: string | undefined,
): Promise<void> {
  if (plot !== undefined) {
    await writeFile(plot, plot.endsWith('.svg') ? drawSvg(samples, facts) : drawPage(samples, facts));
    print(`plot: ${plot}`);
  }
  if (json === undefined) return;
  const rows = samples.map((sample) => ({ ...sample, peers: Object.fromEntries(sample.peers) }));
  await writeFile(json, `${JSON.stringify({ ...facts, samples: rows }, undefined, 1)}\n`);
}

async function main(): Promise<void> {
  const { plan, plot, json } = readArguments();
  const notes = describePlan(plan);
  print(`toposphere memory, node ${process.version}, ${availableParallelism()} cores`);
  for (const note of notes) print(note);
  const children = new Children(undefined);
  const workspace = await Workspace.create();
  let interrupt: (reason: Error) => void = () => undefined;
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = reject;
  });
  const watchdog = setTimeout(() => {
    interrupt(new Error(`not done after ${Math.round(plan.limitMs / 1000)} s`));
  }, plan.limitMs);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupt(new Error(`stopped by ${signal}`));
    });
  }
  try {
    const othersShare = await watchOthers();
    const trio = await createMembers(plan, children, workspace);
    const total = Object.values(plan.updates).reduce((sum, part) => sum + part, 0);
    const drive = new Drive([trio.alpha, trio.beta, trio.gamma], Math.ceil(total / SAMPLES));
    const verdicts: Verdict[] = [];
    try {
      await Promise.race([runCourse(plan, trio, drive, verdicts), interrupted]);
    } catch (error) {
      printResults(drive.samples, verdicts);
      throw error;
    }
    await children.stopAll();
    const share = await othersShare();
    printResults(drive.samples, verdicts);
    const title = `Tables and tombstones over ${formatCount(drive.updates)} updates on ${formatCount(plan.keys)} keys, three peers`;
    await writeFiles(drive.samples, { title, notes, verdicts }, plot, json);
    const others = Number.isFinite(share)
      ? `; other processes used ${Math.round(share * 100)}% of the machine`
      : '';
    print(`\ndone in ${Math.round(drive.elapsedMs / 1000)} s${others}`);
    if (verdicts.some(({ isMet }) => !isMet)) process.exitCode = 1;
  } finally {
    clearTimeout(watchdog);
    await children.stopAll();
    await workspace.remove();
  }
}

await runTool('memory', main);
