/**
 * `npm run mutants [-- --short] [--only 5,13] [--json file]`: plants every mutant and shows that the simulator finds it out.
 *
 * Owns the command line, the table and the exit code: 0 only when every mutant was killed. What a mutant is stands in
 * mutant.ts, which there are in list/, when one is killed in judge.ts. Nothing is left behind but the file asked for.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { print } from '../bench/report.ts';
import { Judge } from './judge.ts';
import type { Judgement, Planted } from './judge.ts';
import { MUTANTS } from './list/all.ts';
import type { Mutant } from './mutant.ts';

/** Seeds a mutant is put through at most with --short: for a build server; most die by the first they are tried on. */
const SHORT_SEEDS = 40;
/** No run of the simulator takes nearly as long, even where many others want the processor. */
const HANG_MS = 60_000;
/** More share the processors to nobody's gain. */
const JUDGES = Math.min(4, availableParallelism());
/** Characters of what was seen in the table; the file has all of it. */
const SEEN_CHARACTERS = 90;

function readArguments() {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean', default: false },
      only: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const wanted = values.only?.split(',');
  const unknown = (wanted ?? []).filter((number) => !MUTANTS.some((mutant) => mutant.number === number));
  if (unknown.length > 0)
    throw new Error(
      `--only ${unknown.join(',')}: the mutants are ${MUTANTS.map(({ number }) => number).join(',')}`,
    );
  return { ...values, mutants: MUTANTS.filter(({ number }) => wanted?.includes(number) ?? true) };
}

/** Before anything is run: all that do not fit are reported together. */
async function plantAll(judge: Judge, mutants: readonly Mutant[]): Promise<readonly Planted[]> {
  const planted: Planted[] = [];
  const faults: string[] = [];
  for (const mutant of mutants) {
    try {
      planted.push(await judge.plant(mutant));
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return planted;
}

const COLUMNS = ['mutant', 'name', 'killed by', 'runs', 's', 'seen'];

function rowOf({ number, name, verdict, by, runs, invariant, detail, tookMs }: Judgement): readonly string[] {
  const how = verdict === 'killed' ? `${by}: ${invariant ?? ''}` : `${verdict.toUpperCase()} ${by}`;
  const seen = (detail ?? '').replaceAll(/\s+/g, ' ').slice(0, SEEN_CHARACTERS);
  return [number, name, how.trimEnd(), String(runs), (tookMs / 1000).toFixed(1), seen];
}

function formatTable(rows: readonly (readonly string[])[]): string {
  const all = [COLUMNS, ...rows];
  const widths = COLUMNS.map((_, at) => Math.max(...all.map((row) => (row[at] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Several judges at once, each with every so manieth mutant and a child of its own. Answers in the order of the mutants. */
async function judgeAll(seeds: number, mutants: readonly Mutant[]): Promise<readonly Judgement[]> {
  const judgements: Judgement[] = [];
  let done = 0;
  const judges = await Promise.all(
    Array.from({ length: JUDGES }, () => Judge.create({ seeds, hangMs: HANG_MS })),
  );
  const judgeShare = async (judge: Judge, planted: readonly Planted[], first: number): Promise<void> => {
    for (let at = first; at < planted.length; at += JUDGES) {
      const one = planted[at];
      if (one === undefined) return;
      const judgement = await judge.judge(one);
      judgements[at] = judgement;
      done += 1;
      process.stderr.write(`${done}/${mutants.length} ${rowOf(judgement).slice(0, 3).join(' | ')}\n`);
    }
  };
  try {
    const [first] = judges;
    const planted = first === undefined ? [] : await plantAll(first, mutants);
    await Promise.all(judges.map((judge, at) => judgeShare(judge, planted, at)));
  } finally {
    await Promise.all(judges.map((judge) => judge.close()));
  }
  return judgements;
}

// What there is to clean up is cleaned up by the handlers of `exit`.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const { short, json, mutants } = readArguments();
const startedMs = performance.now();
const judgements = await judgeAll(short ? SHORT_SEEDS : Infinity, mutants);
print(formatTable(judgements.map(rowOf)));
if (json !== undefined) await writeFile(json, `${JSON.stringify(judgements, undefined, 2)}\n`);
const missed = judgements.filter(({ verdict }) => verdict !== 'killed');
const tookSeconds = Math.round((performance.now() - startedMs) / 1000);
print(`\n${judgements.length - missed.length} of ${judgements.length} killed, in ${tookSeconds} s`);
for (const { number, name, verdict, detail } of missed)
  print(`mutant ${number} (${name}) ${verdict}${detail === undefined ? '' : `: ${detail}`}`);
if (missed.length > 0) process.exitCode = 1;
