/**
 * The laboratory itself: the first process inside the namespaces that main.ts made.
 *
 * Owns the order of the parts and the exit code: 1 when a promise is missed or something broke.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { print } from '../bench/report.ts';
import { runTool } from '../runTool.ts';
import { readArguments } from './arguments.ts';
import { Laboratory } from './laboratory.ts';
import { prepareMachine } from './namespaces.ts';
import { perform } from './perform.ts';
import { readScript } from './script.ts';

const FIRST = new URL('scenarios/three-hosts.txt', import.meta.url);

async function main(): Promise<void> {
  const [directory = '', ...words] = process.argv.slice(2);
  const { scenario } = readArguments(words);
  await prepareMachine();
  const { ids, seed, settings, lines, smallDisks } = readScript(await readFile(scenario ?? FIRST, 'utf8'));
  const laboratory = await Laboratory.open({
    directory: join(directory, 'scenario'),
    ids,
    seed,
    settings,
    smallDisks,
  });
  const startedMs = performance.now();
  const note = (text: string): void => {
    print(`${((performance.now() - startedMs) / 1000).toFixed(2).padStart(8)}  ${text}`);
  };
  try {
    await perform({ laboratory, lines, isLoaded: () => false, note });
  } finally {
    await laboratory.close();
  }
}

await runTool('lan', main);
