/**
 * `npm run registers [-- --seeds n] [--from n] [--histories n] [--short]`: are registers linearizable, simulated and over sockets, through crashes and cuts?
 *
 * Owns the command line, the report and the exit code: 1 when a history can have been no register's. The checker is tools/linearizability's; that it sees what it looks for
 * is shown by its tests, and by mutants Q1 to Q4.
 */
import { parseArgs } from 'node:util';
import { print } from '../bench/report.ts';
import { runTool } from '../runTool.ts';
import { runReal } from './real.ts';
import { trySeed } from './simulated.ts';
import { Tally } from './tally.ts';

/** A history over sockets for each thing that goes wrong. */
const SHORT = { seeds: 3, histories: 4 };
/** Seeds between two lines of progress. */
const TELL_EVERY = 100;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    histories: { type: 'string', default: '200' },
    short: { type: 'boolean', default: false },
  },
});

function count(name: 'seeds' | 'from' | 'histories', least: number): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new Error(`--${name} ${values[name]}: a whole number from ${least} up is wanted`);
}

function runSimulated(from: number, seeds: number): readonly string[] {
  const tally = new Tally();
  const faults: string[] = [];
  for (let seed = from; seed < from + seeds; seed += 1) {
    const fault = trySeed(seed, tally);
    if (fault !== undefined) faults.push(`seed ${seed}: ${fault}`);
    if ((seed - from + 1) % TELL_EVERY === 0) process.stderr.write(`${seed - from + 1} of ${seeds} seeds\n`);
  }
  print(`simulated: ${tally.text}`);
  return tally.isEmpty && seeds > 0 ? [...faults, 'nothing was done'] : faults;
}

await runTool('registers', async () => {
  const seeds = values.short ? SHORT.seeds : count('seeds', 0);
  const histories = values.short ? SHORT.histories : count('histories', 0);
  const faults = [...runSimulated(count('from', 1), seeds)];
  if (histories > 0) {
    const { tally, faults: found, incidents } = await runReal(histories);
    print(`over sockets: ${tally.text}; ${incidents}`);
    faults.push(...found);
    if (tally.isEmpty) faults.push('nothing was done over sockets');
  }
  print(faults.length === 0 ? 'every history is linearizable' : faults.join('\n'));
  if (faults.length > 0) process.exitCode = 1;
});
