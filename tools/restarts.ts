/**
 * `npm run restarts [-- --restarts n] [--short]`: one of three simulated peers starts again and again, and writes a little each time.
 *
 * What the others remember must not grow with the starts: their incarnations are closed and folded by rounds (R6, section 8). Prints a table of what a
 * peer holds on average and at most, up to each power of ten of starts. Exit code 1 when the second half holds more than the first.
 */
import { parseArgs } from 'node:util';
import type * as hashModule from '../src/wire/hash.ts';
import type * as worldModule from '../src/simulator/world.ts';
import type { VirtualPeer } from '../src/simulator/virtualPeer.ts';
import { loadBuilt } from './bench/shipped.ts';

const { loadHashing } = (await loadBuilt('wire/hash.js')) as typeof hashModule;
const { World } = (await loadBuilt('simulator/world.js')) as typeof worldModule;

const PEERS = ['alpha', 'beta', 'gamma'];
const RESTARTED = 'gamma';
const MEET_MS = 1_000;
/** Virtual time that the process is down, and up, each time, milliseconds. */
const DOWN_MS = 50;
const UP_MS = 250;
/** Rounds are due so often, milliseconds: seldom enough that many starts lie between two. */
const GC_INTERVAL_MS = 5_000;
const SHORT_RESTARTS = 2000;

const { values } = parseArgs({
  options: { restarts: { type: 'string', default: '10000' }, short: { type: 'boolean', default: false } },
});
const restarts = values.short ? SHORT_RESTARTS : Number(values.restarts);
if (!Number.isSafeInteger(restarts) || restarts < 10)
  throw new Error(`--restarts ${values.restarts}: a whole number from 10 up is wanted`);

/**
 * How much later starts may hold of what earlier ones did. When a round comes is chance, which by the number of starts makes 0.99 to 1.14 of it; what grew with
 * the starts would make 3.
 */
const FLAT = 1.25;

/** What a peer held at each look: a sum, and the most. */
class Held {
  #looks = 0;
  #sum = 0;
  highest = 0;

  note(count: number): void {
    this.#looks += 1;
    this.#sum += count;
    this.highest = Math.max(this.highest, count);
  }

  get mean(): number {
    return this.#sum / this.#looks;
  }

  get text(): string {
    return `${this.mean.toFixed(1)} (at most ${this.highest})`;
  }
}

class Look {
  readonly origins = new Held();
  readonly kept = new Held();
  readonly stateNames = new Held();

  note({ state, disk }: VirtualPeer): void {
    let kept = 0;
    for (const closure of state.closures.values()) kept += closure.kept.size;
    this.origins.note(state.origins.size);
    this.kept.note(kept);
    this.stateNames.note([...disk.store.states('')].length);
  }
}

const world = new World({
  seed: 1,
  peers: PEERS,
  hashing: await loadHashing(),
  settings: { gcIntervalMs: GC_INTERVAL_MS },
});
world.run(MEET_MS);
const halves = [new Look(), new Look()] as const;
let sinceRow = new Look();
process.stdout.write(
  '| starts | origins in a vector | closed incarnations not folded | state names on a disk |\n| --- | --- | --- | --- |\n',
);
for (let start = 1; start <= restarts; start += 1) {
  world.crash(RESTARTED, start % 2 === 0);
  world.run(DOWN_MS);
  world.start(RESTARTED);
  world.run(UP_MS);
  world.write(RESTARTED, `k${start % 10}`, start % 7 === 0 ? undefined : `${start}`);
  world.write('alpha', `k${start % 10}`, `${start}`);
  for (const peer of world.peers)
    for (const look of [sinceRow, halves[start <= restarts / 2 ? 0 : 1]]) look.note(peer);
  if (start !== restarts && !Number.isInteger(Math.log10(start))) continue;
  process.stdout.write(
    `| ${start} | ${sinceRow.origins.text} | ${sinceRow.kept.text} | ${sinceRow.stateNames.text} |\n`,
  );
  sinceRow = new Look();
}
const [first, second] = halves;
const ratio = Math.max(
  second.origins.mean / first.origins.mean,
  second.stateNames.mean / first.stateNames.mean,
);
const isFlat = ratio <= FLAT && second.kept.mean <= Math.max(1, FLAT * first.kept.mean);
process.stdout.write(
  `the second half of the starts holds ${ratio.toFixed(2)} of what the first held on average (flat: at most ${FLAT})\n`,
);
if (!isFlat) process.exitCode = 1;
