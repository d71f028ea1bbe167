/**
 * The laboratory itself: the first process inside the namespaces that main.ts made.
 *
 * Owns one laboratory, the order of the parts that take turns on it, and the exit code: 1 when a promise is missed or something broke. A part that breaks ends the run, with
 * what was found so far. Invariant: each part finds hosts that are at rest, every link as it was.
 */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { peerNames } from '../../src/simulator/generate.ts';
import { judgeGate, print, printPart, type Gate, type PartResult } from '../bench/report.ts';
import { runTool } from '../runTool.ts';
import { PARTS_OF, readArguments, type Arguments, type Half, type PartName } from './arguments.ts';
import { runChaosPart, type ChaosResult } from './chaosPart.ts';
import { Laboratory } from './laboratory.ts';
import { Load } from './load.ts';
import { prepareMachine } from './namespaces.ts';
import { perform } from './perform.ts';
import { drawPage, type PlotSeries } from './plot.ts';
import { readScript, type Script } from './script.ts';
import { runStrangerPart } from './strangerPart.ts';
import { runWirePart } from './wirePart.ts';

const FIRST = new URL('scenarios/three-hosts.txt', import.meta.url);
/** Of the minutes of a run, the share without multicast. */
const UNICAST_SHARE = { full: 0.25, short: 0.15 } as const;

type Note = (text: string) => void;

/** Lines of a part's course, each with the seconds since it began. */
function createNote(): Note {
  const startedMs = performance.now();
  return (text) => {
    print(`${((performance.now() - startedMs) / 1000).toFixed(2).padStart(8)}  ${text}`);
  };
}

async function readScriptFile(path: string | URL): Promise<Script> {
  return readScript(await readFile(path, 'utf8'));
}

/** Carries out one script; rejects at the first expectation that does not come true. */
async function runScript(laboratory: Laboratory, script: Script, writesPerSecond: number): Promise<void> {
  const { seed, lines } = script;
  const { hosts } = laboratory;
  const load =
    writesPerSecond === 0 ? undefined : Load.start({ name: 'script', hosts, writesPerSecond, seed });
  try {
    await perform({ laboratory, lines, isLoaded: () => load !== undefined, note: createNote() });
  } finally {
    await load?.stop();
  }
}

/** Resolves when main.ts says that nothing else of this run is at work. */
let isQuiet: Promise<unknown> | undefined;
async function awaitQuiet(): Promise<void> {
  await (isQuiet ??= once(process.stdin, 'data'));
}

async function openLaboratory(half: Half, given: Arguments, directory: string): Promise<Laboratory> {
  const folder = join(directory, half);
  if (half === 'many') {
    const ids = peerNames(given.hosts);
    return Laboratory.open({ directory: folder, ids, seed: given.seed, smallDisks: ids.slice(-1) });
  }
  const { ids, seed, settings, smallDisks } = await readScriptFile(given.scenario ?? FIRST);
  const strangers = half === 'three' ? ['stranger'] : [];
  return Laboratory.open({ directory: folder, ids, seed, settings, smallDisks, strangers });
}

type Results = Promise<PartResult | ChaosResult>;

/** The promise that is inside resolves with the result; the laboratory is free again before. */
async function runPart(
  part: PartName,
  given: Arguments,
  laboratory: Laboratory,
): Promise<{ readonly result: Results }> {
  const { seed, writesPerSecond, isShort } = given;
  const runMs = given.minutes * 60_000;
  const note = createNote();
  const chaos = { laboratory, seed, writesPerSecond, note };
  const done = (result: PartResult): { readonly result: Results } => ({ result: Promise.resolve(result) });
  switch (part) {
    case 'first':
      await runScript(laboratory, await readScriptFile(FIRST), 0);
      return done({ sections: [], gates: [] });
    case 'chaos':
      return done(await runChaosPart({ ...chaos, durationMs: runMs, withoutMulticast: false }));
    case 'unicast': {
      const durationMs = runMs * UNICAST_SHARE[isShort ? 'short' : 'full'];
      return done(await runChaosPart({ ...chaos, durationMs, withoutMulticast: true }));
    }
    case 'wire':
      return runWirePart({ laboratory, note });
    case 'stranger':
      return done(await runStrangerPart({ laboratory, seed, isShort, awaitQuiet, note }));
  }
}

async function main(): Promise<void> {
  const [directory = '', half = 'many', ...words] = process.argv.slice(2);
  const given = readArguments(words);
  await prepareMachine();
  const laboratory = await openLaboratory(half as Half, given, directory);
  const gates: Gate[] = [];
  const series: PlotSeries[] = [];
  try {
    if (half === 'script' && given.scenario !== undefined)
      await runScript(laboratory, await readScriptFile(given.scenario), given.writesPerSecond);
    const late: { readonly part: PartName; readonly result: Results }[] = [];
    for (const part of PARTS_OF[half as Half].filter((one) => given.parts.includes(one))) {
      print(`\n# ${part}, ${laboratory.hosts.length} hosts`);
      const { result } = await runPart(part, given, laboratory);
      if (part === 'wire') late.push({ part, result });
      else {
        const shown = await result;
        printPart(shown);
        gates.push(...shown.gates);
        if ('healings' in shown) series.push(shown);
      }
    }
    for (const { part, result } of late) {
      print(`\n# ${part}, ${laboratory.hosts.length} hosts`);
      const shown = await result;
      printPart(shown);
      gates.push(...shown.gates);
    }
  } finally {
    await laboratory.close();
  }
  if (given.plot !== undefined && series.length > 0) {
    await writeFile(given.plot, drawPage(series, gates, [words.join(' ')]));
    print(`plot: ${given.plot}`);
  }
  if (gates.some((gate) => judgeGate(gate) === 'missed')) process.exitCode = 1;
}

await runTool('lan', main);
