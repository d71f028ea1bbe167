/**
 * Runs seeds and scenarios and nothing else, for `npm run coverage:simulator`: which branches of the core the simulator reaches by itself.
 *
 * Owns the choice of seeds; c8 counts. Prints what failed and ends with 1 then, for a failing run covers less.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { generateSchedule } from '../src/simulator/generate.ts';
import { runSchedule } from '../src/simulator/run.ts';
import { runScenario } from '../src/simulator/scenario.ts';
import { loadHashing } from '../src/wire/hash.ts';

const SEEDS = Number(process.argv[2] ?? 150);
const SCENARIOS = new URL('../test/simulator/scenarios/', import.meta.url);

const hashing = await loadHashing();
let failed = 0;
function judge(title: string, detail: string | undefined): void {
  if (detail === undefined) return;
  failed += 1;
  process.stdout.write(`${title}: ${detail}\n`);
}
for (let seed = 1; seed <= SEEDS; seed += 1) {
  const servers = [5, 3, 2, 7, 4][seed % 5] ?? 5;
  const { failure } = runSchedule(generateSchedule({ seed, servers, minutes: 1 }), { hashing });
  judge(`seed ${seed}`, failure?.detail);
}
for (const name of readdirSync(SCENARIOS)) {
  const { failure } = runScenario(readFileSync(new URL(name, SCENARIOS), 'utf8'), { hashing });
  judge(name, failure?.detail);
}
process.exitCode = failed > 0 ? 1 : 0;
