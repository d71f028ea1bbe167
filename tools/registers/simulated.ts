/**
 * Simulated histories of registers: clients of a seed through its faults, judged.
 *
 * Owns under what a seed is run here. Keeps: wiped and put back disks, second processes and changes of members are left out, under which nothing is promised.
 */
import type * as generateModule from '../../src/simulator/generate.ts';
import type * as runModule from '../../src/simulator/run.ts';
import type * as hashModule from '../../src/wire/hash.ts';
import { loadBuilt } from '../bench/shipped.ts';
import { findViolation } from '../linearizability/register.ts';
import type { Tally } from './tally.ts';

const { generateSchedule } = (await loadBuilt('simulator/generate.js')) as typeof generateModule;
const { runSchedule } = (await loadBuilt('simulator/run.js')) as typeof runModule;
const { loadHashing } = (await loadBuilt('wire/hash.js')) as typeof hashModule;
const hashing = await loadHashing();

const FAULTS: readonly generateModule.FaultKind[] = [
  'partitions',
  'crashes',
  'pauses',
  'clocks',
  'disks',
  'strays',
  'multicast',
  'stops',
];
const SERVERS = [3, 5, 4] as const;
const MINUTES = 0.2;
const CLIENTS = 5;

/** Why the seed is no good, if it is not; what was called is added to the tally. */
export function trySeed(seed: number, tally: Tally): string | undefined {
  const schedule = generateSchedule({
    seed,
    servers: SERVERS[seed % SERVERS.length] ?? 3,
    minutes: MINUTES,
    registers: CLIENTS,
    faults: FAULTS,
  });
  // Other clients would only take time: of five seeds one has them, and what they leave behind.
  const events = schedule.events.filter(
    ({ do: what }) => seed % 5 === 0 || (what !== 'set' && what !== 'delete'),
  );
  const { failure, registers = [] } = runSchedule({ ...schedule, events }, { hashing });
  if (failure !== undefined) return `${failure.invariant}: ${failure.detail}`;
  tally.add(registers);
  const violation = findViolation(registers);
  return violation === undefined ? undefined : `${violation.key}: ${violation.why}`;
}
