/**
 * What a run was asked for: how long, how much, with what.
 *
 * Owns the two sizes of a run (full and short) and the clock that ends it. Invariant: a part that runs out of time
 * stops after the round it is in and says so; it never hangs and never fails the run.
 */
import type { Children } from './children.ts';
import type { Workspace } from './workspace.ts';

export interface Sizes {
  /** Time the parts may take together before they start to leave rounds out, milliseconds. */
  readonly totalMs: number;
  /** Keys of the embedded part. */
  readonly embeddedKeys: number;
  readonly embeddedRounds: number;
  /** Time of one embedded measurement of awaited writes, milliseconds. */
  readonly embeddedWriteMs: number;
  /** Requests of one run of redis-benchmark by pipeline length. */
  readonly requests: Readonly<Record<1 | 16, number>>;
  /** SETs that fill the random keys before anything is measured. */
  readonly fillRequests: number;
  readonly aloneRounds: number;
  readonly fourRounds: number;
  /** Paced writes of each system before the first visibility round, not counted: code that ran that often is compiled. */
  readonly visibilityWarmUp: number;
  /** Paced writes of one visibility round, and rounds. */
  readonly visibilityWrites: number;
  readonly visibilityRounds: number;
  /** Writes under each kind of loss. */
  readonly lossWrites: number;
  /** Keys that a peer misses ten updates of. */
  readonly missedKeys: number;
  /** Data of each shape that a peer joins, millions of bytes of values, how many shapes, and rounds. */
  readonly joinMegabytes: number;
  readonly joinShapes: number;
  readonly joinRounds: number;
  /** Data of a large store that a peer joins, millions of bytes of values. */
  readonly largeJoinMegabytes: number;
  /** Keys that a near cache is read with, time of one mix (milliseconds), writes that are followed one by one, and cuts of each kind. */
  readonly nearKeys: number;
  readonly nearMixMs: number;
  readonly nearProbes: number;
  readonly nearCuts: number;
  /** Keys that are written and read at every level, time of one run of one level and of its warming up (milliseconds), and rounds. */
  readonly levelKeys: number;
  readonly levelMs: number;
  readonly levelWarmUpMs: number;
  readonly levelRounds: number;
  /** GETs on the donor before it is joined, milliseconds. */
  readonly joinRestMs: number;
}

export const FULL: Sizes = {
  totalMs: 750_000,
  embeddedKeys: 100_000,
  embeddedRounds: 5,
  embeddedWriteMs: 500,
  requests: { 1: 120_000, 16: 600_000 },
  fillRequests: 300_000,
  aloneRounds: 3,
  fourRounds: 3,
  visibilityWarmUp: 1000,
  visibilityWrites: 500,
  visibilityRounds: 5,
  lossWrites: 100_000,
  missedKeys: 10_000,
  joinMegabytes: 100,
  joinShapes: 3,
  joinRounds: 2,
  largeJoinMegabytes: 2000,
  joinRestMs: 3000,
  nearKeys: 10_000,
  nearMixMs: 5000,
  nearProbes: 1000,
  nearCuts: 10,
  levelKeys: 2000,
  levelMs: 1500,
  levelWarmUpMs: 300,
  levelRounds: 3,
};

export const SHORT: Sizes = {
  totalMs: 35_000,
  embeddedKeys: 10_000,
  embeddedRounds: 2,
  embeddedWriteMs: 100,
  requests: { 1: 5000, 16: 25_000 },
  fillRequests: 10_000,
  aloneRounds: 1,
  fourRounds: 1,
  visibilityWarmUp: 100,
  visibilityWrites: 150,
  visibilityRounds: 1,
  lossWrites: 2000,
  missedKeys: 1000,
  joinMegabytes: 2,
  joinShapes: 1,
  joinRounds: 1,
  largeJoinMegabytes: 20,
  joinRestMs: 300,
  nearKeys: 1000,
  nearMixMs: 500,
  nearProbes: 50,
  nearCuts: 1,
  levelKeys: 100,
  levelMs: 60,
  levelWarmUpMs: 20,
  levelRounds: 1,
};

export interface Bench {
  readonly sizes: Sizes;
  readonly children: Children;
  readonly workspace: Workspace;
  /** Why there is no Redis to compare with; undefined when there is one. */
  readonly redisMissing: string | undefined;
  /** The command of another build, measured beside this one where a part can; undefined for none. */
  readonly besideCommand: string | undefined;
  /** Milliseconds since the run began. */
  readonly elapsedMs: () => number;
  /** Milliseconds since the run began at which the present part should be over. */
  readonly partEndsMs: number;
}

/** Measurements go on while the part has time; those of the first round always run. */
export function hasTimeFor({ partEndsMs, elapsedMs }: Bench, round: number): boolean {
  return round === 0 || elapsedMs() < partEndsMs;
}
