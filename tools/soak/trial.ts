/**
 * What a child that runs simulations is asked, and what it answers: plain data, for both sides.
 *
 * A trial is one run: a seed, or the text of a scenario. Its report says what came of it. Neither side's code is here.
 */
import type { GenerateOptions } from '../../src/simulator/generate.ts';
import type { RegisterOperation } from '../../src/simulator/registerClients.ts';
import type { Failure } from '../../src/simulator/run.ts';

/** How a seed becomes a schedule, besides the seed. */
export type SeedOptions = Omit<GenerateOptions, 'seed'>;

/** Peers of one seed after the other: what goes wrong in pairs shows in no larger cluster, and the other way round. */
const SOAKED_SERVERS = [5, 3, 2, 7, 4] as const;
/** Minutes likewise: in short runs faults meet a young cluster, whose rounds are its first. */
const SOAKED_MINUTES = [2, 0.5, 1] as const;

/** Clients with sessions likewise: fewer than so many. */
const SOAKED_SESSIONS = 4;
/** And with request ids. */
const SOAKED_REQUESTS = 3;
/** And such that count. */
const SOAKED_COUNTERS = 4;
/** And that write groups. */
const SOAKED_GROUPS = 3;

/** And those that publish. */
const SOAKED_PUBLISHERS = 2;

/** And those whose writes wait for other disks. */
const SOAKED_REPLICAS = 3;

/** The shape in which the soak runs a seed. */
export function soakedAs(seed: number): SeedOptions {
  return {
    servers: SOAKED_SERVERS[seed % SOAKED_SERVERS.length] ?? 5,
    minutes: SOAKED_MINUTES[seed % SOAKED_MINUTES.length] ?? 2,
    sessions: seed % SOAKED_SESSIONS,
    replicas: seed % SOAKED_REPLICAS,
    requests: seed % SOAKED_REQUESTS,
    counters: Math.floor(seed / SOAKED_SESSIONS) % SOAKED_COUNTERS,
    groups: seed % SOAKED_GROUPS,
    publishers: seed % SOAKED_PUBLISHERS,
  };
}

export type Trial =
  | {
      readonly kind: 'seed';
      readonly seed: number;
      readonly options?: SeedOptions;
      /** Runs it a second time: another trace is a failure named `determinism`. */
      readonly isRepeated?: boolean;
    }
  | { readonly kind: 'scenario'; readonly text: string };

/** Parent to child. */
export interface TrialRequest {
  readonly kind: 'trial';
  readonly trial: Trial;
}

/** Child to parent: the build is loaded. */
export interface TrialReady {
  readonly kind: 'ready';
}

/** Child to parent. */
export interface TrialReport {
  readonly kind: 'report';
  readonly outcome: Ran | Refused;
}

/** The run came to its end, or to a failure. */
export interface Ran {
  readonly kind: 'ran';
  readonly failure?: Failure;
  readonly traceHash: string;
  readonly steps: number;
  /** Virtual time of the run times its peers, milliseconds. */
  readonly peerMs: number;
  readonly written: number;
  /** What clients of registers did, of a run that came to its end: judged by the parent (trialProcess.ts). */
  readonly registers?: readonly RegisterOperation[];
  /** From healing to equality, milliseconds; left out when it never came to that. */
  readonly convergedMs?: number;
}

/** The trial is no run: a scenario that cannot be read, for instance. */
export interface Refused {
  readonly kind: 'refused';
  readonly reason: string;
}

export function describeTrial(trial: Trial): string {
  if (trial.kind === 'scenario') return 'scenario';
  const {
    servers,
    minutes,
    faults,
    sessions = 0,
    registers = 0,
    replicas = 0,
    requests = 0,
    counters = 0,
    groups = 0,
    publishers = 0,
  } = trial.options ?? {};
  const words = [
    ...(servers === undefined ? [] : [`${servers} peers`]),
    ...(minutes === undefined ? [] : [`${minutes} min`]),
    ...(faults === undefined ? [] : [faults.join(' and ')]),
    ...(sessions === 0 ? [] : [`${sessions} sessions`]),
    ...(registers === 0 ? [] : [`${registers} clients of registers`]),
    ...(replicas === 0 ? [] : [`${replicas} replicated clients`]),
    ...(requests === 0 ? [] : [`${requests} with request ids`]),
    ...(counters === 0 ? [] : [`${counters} that count`]),
    ...(groups === 0 ? [] : [`${groups} that write groups`]),
    ...(publishers === 0 ? [] : [`${publishers} that publish`]),
  ];
  return words.length === 0 ? `seed ${trial.seed}` : `seed ${trial.seed} (${words.join(', ')})`;
}
