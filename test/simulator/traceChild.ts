/** Child process: runs the seeds it is given and prints the trace hash of each, one a line. */
import { generateSchedule } from '../../src/simulator/generate.ts';
import { runSchedule } from '../../src/simulator/run.ts';
import { loadHashing } from '../../src/wire/hash.ts';

const hashing = await loadHashing();
for (const seed of process.argv.slice(2).map(Number)) {
  const { traceHash } = runSchedule(generateSchedule({ seed, servers: 4, minutes: 0.5 }), { hashing });
  process.stdout.write(`${traceHash}\n`);
}
