/**
 * What a peer knows of one origin: its have-set, its table's trim, and how far the repair of its gaps has got.
 */
import { createHaveSet, lastSequenceOf, type HaveSet } from './haveSet.ts';
import { originKey, type Origin, type OriginKey } from './types.ts';

interface TimedDot {
  readonly sequence: number;
  readonly askedAtMs: number;
  readonly isAskedAgain: boolean;
}

export interface OriginState extends Origin {
  readonly key: OriginKey;
  /** Void dots count as present (R6). */
  readonly have: HaveSet;
  /** Dots at or below have no table row any more; at most `have.contiguous` (I15). */
  trim: number;
  /** Dots at or below are on the disk of every member, as a round that was learned of since this process began has found (C of R6). */
  everywhere: number;
  /** The same, as far as this peer has all that anybody had when that was found (everywhere.ts). */
  settledEverywhere: number;
  /** Highest sequence that the origin itself said it issued; what is missing below is asked for by NAK. */
  announced: number;
  /** Dots at or below were asked for already; above are fresh gaps. */
  askedThrough: number;
  /** Monotonic milliseconds at which fresh gaps are asked for; Infinity when there are none. */
  askFreshAtMs: number;
  /** Monotonic milliseconds at which what is still missing of what was asked for is asked for again. */
  askAgainAtMs: number;
  /** Dots above were asked for later than this wait began: they get the next one. */
  askAgainThrough: number;
  /** NAKs since anything missing arrived. */
  silentTries: number;
  /** One dot that was asked for, and when last, monotonic milliseconds: its arrival tells how long answers take. */
  timed: TimedDot | undefined;
  /** How long answers to NAKs take of late, milliseconds. */
  repairDelayMs: number;
  /** Its part of the have-set's hash when that was last taken. */
  hash: number;
  /** Last sequence had a while ago, and since when: what came later may still be on its way to others. */
  settledThrough: number;
  markedThrough: number;
  markedAtMs: number;
  /** Last sequence had a whole HEARTBEAT period ago, and had when the present one began. */
  agedThrough: number;
  youngThrough: number;
}

export function createOriginState(origin: Origin, have: HaveSet = createHaveSet(), trim = 0): OriginState {
  return {
    id: origin.id,
    incarnation: origin.incarnation,
    key: originKey(origin.id, origin.incarnation),
    have,
    trim,
    everywhere: 0,
    settledEverywhere: 0,
    announced: 0,
    askedThrough: 0,
    askFreshAtMs: Infinity,
    askAgainAtMs: Infinity,
    askAgainThrough: 0,
    silentTries: 0,
    timed: undefined,
    repairDelayMs: 0,
    hash: 0,
    settledThrough: lastSequenceOf(have),
    markedThrough: lastSequenceOf(have),
    markedAtMs: -Infinity,
    agedThrough: lastSequenceOf(have),
    youngThrough: lastSequenceOf(have),
  };
}
