/**
 * What `import … from 'toposphere/simulator'` gives: simulated clusters for a user's own workloads and checkers.
 *
 * `simulate` runs one seed, schedule or scenario; `itSimulates` makes a mocha test of each seed. A workload is a function of the
 * world, called before time starts: it writes and reads through `world.write` and `world.read`, now or at `world.at(ms, …)`. A checker
 * throws BrokenInvariant. The built-in invariants are checked as well.
 */
import { loadHashing } from '../wire/hash.ts';
import type { Checker, Observer } from './checker.ts';
import { generateSchedule } from './generate.ts';
import type { FaultKind } from './generate.ts';
import { runSchedule } from './run.ts';
import type { RunResult } from './run.ts';
import { runScenario } from './scenario.ts';
import type { Schedule } from './schedule.ts';
import { shrinkSchedule } from './shrink.ts';
import type { World } from './world.ts';

export { BrokenInvariant } from './brokenInvariant.ts';
export type { Checker, Observer } from './checker.ts';
export type { WriteOutcome } from './clientWrite.ts';
export { FAULT_KINDS, generateSchedule } from './generate.ts';
export type { FaultKind, GenerateOptions } from './generate.ts';
export type { RegisterOperation } from './registerClients.ts';
export type { Failure, RunResult } from './run.ts';
export { parseSchedule } from './schedule.ts';
export type { Schedule, ScheduleEvent } from './schedule.ts';
export { createTranscript } from './transcript.ts';
export type { Written } from './truth.ts';
export type { VirtualPeer } from './virtualPeer.ts';
export type { World } from './world.ts';

/** Give one of `seed`, `schedule` and `scenario`. */
export interface SimulateOptions {
  readonly seed?: number;
  /** With a seed: number of peers (5), virtual minutes with faults (2), kinds of faults (all). */
  readonly servers?: number;
  readonly minutes?: number;
  readonly faults?: readonly FaultKind[];
  /** With a seed: clients that carry sessions from peer to peer, and are checked (none). */
  readonly sessions?: number;
  /** With a seed: clients of linearizable registers; what they did is in the result (none). */
  readonly registers?: number;
  /** With a seed: clients whose writes wait for other peers' disks, and are checked (none). */
  readonly replicas?: number;
  /** Likewise clients whose requests have ids and are asked again. */
  readonly requests?: number;
  /** Likewise clients that count. */
  readonly counters?: number;
  /** Likewise clients that write groups, as transactions do. */
  readonly groups?: number;
  /** Likewise clients that publish, with a listener at each peer. */
  readonly publishers?: number;
  /** With a seed: leaves the generated clients out, so that only the workload writes. */
  readonly hasOwnClientsOnly?: boolean;
  readonly schedule?: Schedule;
  /** Text of a scenario: `toposphere simulate --help` has its grammar. */
  readonly scenario?: string;
  readonly workload?: (world: World) => void;
  /** Called for each run: a checker keeps the state of one run. */
  readonly checkers?: () => readonly Checker[];
  readonly observers?: readonly Observer[];
  /** With a seed or a schedule: makes a failure small. */
  readonly shrink?: boolean;
}

export interface Simulated extends RunResult {
  /** What was run, when it was a seed or a schedule. */
  readonly schedule: Schedule | undefined;
  /** The smallest schedule found that breaks the same invariant, when that was asked for. */
  readonly shrunk: Schedule | undefined;
}

/** Runs a simulated cluster to rest. Throws BAD_ARGUMENT when the scenario or schedule cannot be read. */
export async function simulate(options: SimulateOptions): Promise<Simulated> {
  const hashing = await loadHashing();
  const openOptions = () => ({
    hashing,
    ...(options.workload === undefined ? {} : { workload: options.workload }),
    checkers: options.checkers?.() ?? [],
    observers: options.observers ?? [],
  });
  if (options.scenario !== undefined)
    return { ...runScenario(options.scenario, openOptions()), schedule: undefined, shrunk: undefined };
  const schedule = options.schedule ?? generate(options);
  const result = runSchedule(schedule, openOptions());
  if (result.failure === undefined || options.shrink !== true)
    return { ...result, schedule, shrunk: undefined };
  const shrunk = shrinkSchedule(schedule, result.failure, {
    run: (candidate) => runSchedule(candidate, openOptions()),
  });
  return { ...result, schedule, shrunk: shrunk.schedule };
}

function generate({
  seed = 1,
  servers,
  minutes,
  faults,
  sessions,
  registers,
  replicas,
  requests,
  counters,
  groups,
  publishers,
  hasOwnClientsOnly,
}: SimulateOptions): Schedule {
  const schedule = generateSchedule({
    seed,
    ...(servers === undefined ? {} : { servers }),
    ...(minutes === undefined ? {} : { minutes }),
    ...(faults === undefined ? {} : { faults }),
    ...(sessions === undefined ? {} : { sessions }),
    ...(registers === undefined ? {} : { registers }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(requests === undefined ? {} : { requests }),
    ...(counters === undefined ? {} : { counters }),
    ...(groups === undefined ? {} : { groups }),
    ...(publishers === undefined ? {} : { publishers }),
  });
  if (hasOwnClientsOnly !== true) return schedule;
  return {
    ...schedule,
    events: schedule.events.filter((event) => event.do !== 'set' && event.do !== 'delete'),
  };
}

/** mocha's `it`, or one like it. */
export type TestFunction = (title: string, run: () => Promise<void>) => unknown;

/**
 * A test for each seed from 1 to `seeds`, its seed in the title; a failing one says what broke and how to shrink it.
 *
 *     itSimulates(it, 'never loses an order', { seeds: 100, servers: 3, workload, checkers });
 */
export function itSimulates(
  it: TestFunction,
  title: string,
  options: Omit<SimulateOptions, 'seed' | 'schedule' | 'scenario'> & { readonly seeds: number },
): void {
  for (let seed = 1; seed <= options.seeds; seed += 1) {
    it(`${title} (seed ${seed})`, async () => {
      const { failure, traceHash, shrunk } = await simulate({ ...options, seed });
      if (failure === undefined) return;
      const small = shrunk === undefined ? '' : `\nshrunk to: ${JSON.stringify(shrunk)}`;
      throw new Error(
        `seed ${seed}, ${(failure.atMs / 1000).toFixed(3)} s, trace ${traceHash}: ${failure.stack ?? failure.detail}${small}`,
      );
    });
  }
}
