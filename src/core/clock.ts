/**
 * The hybrid logical clock (R3) as arithmetic on one safe integer.
 *
 * Owns the timestamp's layout and the stamping rule. Reading a real clock is the runtime's: a wall clock
 * reading comes in as an argument. I6: what `nextTimestamp` gives is above the clock, the horizon and the
 * promised bound, whatever the wall says.
 * Source: Kulkarni et al., "Logical Physical Clocks", 2014.
 */
import type { Incarnation, Timestamp } from './types.ts';

/** 2020-01-01T00:00:00Z in milliseconds since 1970. */
export const EPOCH_MS = 1_577_836_800_000;
/** Counter values within one millisecond; an overflow carries into the milliseconds. */
export const TICKS_PER_MS = 4096;

/** A reading of both clocks of the machine, handed in with every input. */
export interface Now {
  /** Milliseconds since an arbitrary start; never steps. */
  readonly monotonicMs: number;
  /** Milliseconds since 1970; may step either way. */
  readonly wallMs: number;
}

/** First timestamp of the millisecond `wallMs` (since 1970; readings before 2020 count as 2020). */
export function timestampOf(wallMs: number): Timestamp {
  return (Math.max(0, Math.floor(wallMs) - EPOCH_MS) * TICKS_PER_MS) as Timestamp;
}

/** Milliseconds since 1970 of a timestamp. */
export function wallMsOf(timestamp: number): number {
  return Math.floor(timestamp / TICKS_PER_MS) + EPOCH_MS;
}

/** R3: the next local stamp, given the clock, the wall and the two bounds never to stamp at or below. */
export function nextTimestamp(
  clock: Timestamp,
  wallMs: number,
  horizon: Timestamp,
  promised: Timestamp,
): Timestamp {
  return Math.max(clock + 1, timestampOf(wallMs), horizon + 1, promised + 1) as Timestamp;
}

/**
 * No incarnation above is believed of anybody, but of a forgotten id that none is: a million leaps below the last safe integer, so that there is always a
 * larger one to draw. In the year 2087.
 */
export const LARGEST_INCARNATION = (Number.MAX_SAFE_INTEGER - 2 ** 48) as Incarnation;

/** Whether anybody can have drawn it. */
export function isDrawable(incarnation: Incarnation): boolean {
  return incarnation <= LARGEST_INCARNATION;
}

/** Ticks that a new incarnation may leap above one that is known already, where the clock does not part them. */
const INCARNATION_LEAP = 2 ** 28;

/**
 * A new incarnation: the wall clock with random low bits, and in any case above all incarnations known so far. Where the wall does not decide
 * chance does, widely: two starts from one rolled-back disk, with the clock set back, must not draw the same (seed 1690).
 */
export function drawIncarnation(wallMs: number, highestKnown: number, random: () => number): Incarnation {
  const byWall = Math.min(timestampOf(wallMs), LARGEST_INCARNATION);
  const isWallAhead = byWall > highestKnown;
  const least = isWallAhead ? byWall : highestKnown + 1;
  return (least + Math.floor(random() * (isWallAhead ? TICKS_PER_MS : INCARNATION_LEAP))) as Incarnation;
}
