/**
 * `npm run losses [-- --seeds n] [--from n] [--short]`: what power cuts and lost disks take of what was acknowledged, level by level, in simulated clusters.
 *
 * Owns the command line, the report and the exit code: 1 when a run broke an invariant. The runs are powerCuts.ts's.
 */
import { parseArgs } from 'node:util';
import { formatLosses } from '../../src/cli/lossTable.ts';
import { addLosses, type LossRow } from '../../src/simulator/lossTally.ts';
import { print } from '../bench/report.ts';
import { runTool } from '../runTool.ts';
import { cutPower } from './powerCuts.ts';

const SHORT_SEEDS = 3;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    short: { type: 'boolean', default: false },
  },
});

function count(name: 'seeds' | 'from'): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new Error(`--${name} ${values[name]}: a whole number from 1 up is wanted`);
}

await runTool('losses', async () => {
  const [from, seeds] = [count('from'), values.short ? SHORT_SEEDS : count('seeds')];
  let rows: readonly LossRow[] = [];
  let failed = 0;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const { failure, losses = [] } = await cutPower(seed);
    rows = addLosses([...rows, ...losses]);
    if (failure === undefined) continue;
    failed += 1;
    print(`seed ${seed}: ${failure.detail}`);
  }
  print(`${seeds} runs with power cuts, ${failed} broke an invariant`);
  for (const line of formatLosses(rows)) print(line);
  if (failed > 0) process.exitCode = 1;
});
