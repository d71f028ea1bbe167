/**
 * The laboratory itself: the first process inside the namespaces that main.ts made.
 *
 * Owns the order of the parts and the exit code: 1 when a promise is missed or something broke. A part that breaks ends the run, with what was found so far.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { peerNames } from '../../src/simulator/generate.ts';
import { watchOthers } from '../bench/processorTime.ts';
import { judgeGate, print, printPart, type Gate, type PartResult } from '../bench/report.ts';
import { runTool } from '../runTool.ts';
import { readArguments, type Arguments, type PartName } from './arguments.ts';
import { runChaosPart, type ChaosResult } from './chaosPart.ts';
import { Laboratory } from './laboratory.ts';
import { Load } from './load.ts';
import { prepareMachine } from './namespaces.ts';
import { perform } from './perform.ts';
import { drawPage, type PlotSeries } from './plot.ts';
import { readScript } from './script.ts';
import { runStrangerPart } from './strangerPart.ts';
import { runWirePart } from './wirePart.ts';

const FIRST = new URL('scenarios/three-hosts.txt', import.meta.url);
/** Of the minutes of a run, the share without multicast. */
const UNICAST_SHARE = 0.25;

type Note = (text: string) => void;

/** Lines of a part's course, each with the seconds since it began. */
function createNote(): Note {
  const startedMs = performance.now();
  return (text) => {
    print(`${((performance.now() - startedMs) / 1000).toFixed(2).padStart(8)}  ${text}`);
  };
}

/** Carries out one script; rejects at the first expectation that does not come true. */
async function runScript(path: string | URL, directory: string, writesPerSecond: number): Promise<void> {
  const { ids, seed, settings, lines, smallDisks } = readScript(await readFile(path, 'utf8'));
  const laboratory = await Laboratory.open({
    directory: join(directory, 'script'),
    ids,
    seed,
    settings,
    smallDisks,
  });
  const load =
    writesPerSecond === 0 ? undefined : Load.start({ hosts: laboratory.hosts, writesPerSecond, seed });
  try {
    await perform({ laboratory, lines, isLoaded: () => load !== undefined, note: createNote() });
  } finally {
    await load?.stop();
    await laboratory.close();
  }
}

const NOTHING: PartResult = { sections: [], gates: [] };

function runPart(part: PartName, given: Arguments, directory: string): Promise<PartResult | ChaosResult> {
  const { seed, writesPerSecond } = given;
  const ids = peerNames(given.hosts);
  const runMs = given.minutes * 60_000;
  const chaos = { directory, ids, seed, writesPerSecond, note: createNote() };
  switch (part) {
    case 'first':
      return runScript(FIRST, directory, 0).then(() => NOTHING);
    case 'chaos':
      return runChaosPart({ ...chaos, durationMs: runMs, withoutMulticast: false });
    case 'unicast':
      return runChaosPart({ ...chaos, durationMs: runMs * UNICAST_SHARE, withoutMulticast: true });
    case 'wire':
      return runWirePart({ directory, ids, seed, note: createNote() });
    case 'stranger':
      return runStrangerPart({ directory, seed, isShort: given.isShort, note: createNote() });
  }
}

async function main(): Promise<void> {
  const [directory = '', ...words] = process.argv.slice(2);
  const given = readArguments(words);
  await prepareMachine();
  print(
    `toposphere lan, node ${process.version}, ${availableParallelism()} cores; ${given.hosts} hosts, seed ${given.seed}`,
  );
  if (given.scenario !== undefined) {
    await runScript(given.scenario, directory, given.writesPerSecond);
    return;
  }
  const othersShare = await watchOthers();
  const gates: Gate[] = [];
  const series: PlotSeries[] = [];
  for (const part of given.parts) {
    print(`\n# ${part}`);
    const result = await runPart(part, given, directory);
    printPart(result);
    gates.push(...result.gates);
    if ('healings' in result) series.push(result);
  }
  // Six hosts that compete with others for two cores are slow for reasons that are not theirs.
  const load = `other processes used ${Math.round((await othersShare()) * 100)}% of the machine`;
  print(`\n${load}`);
  if (given.plot !== undefined) {
    await writeFile(given.plot, drawPage(series, gates, [words.join(' '), load]));
    print(`plot: ${given.plot}`);
  }
  if (gates.some((gate) => judgeGate(gate) === 'missed')) process.exitCode = 1;
}

await runTool('lan', main);
