/**
 * What is had of one origin: a version vector entry and its gap set.
 *
 * `contiguous` is the last sequence with nothing missing below it; `gaps` holds what arrived above, as a
 * flat ascending list [from, to, from, to, …] of intervals that neither touch each other nor `contiguous`.
 * Sequences are only ever added (I4). Limits are asked for before adding, not enforced here.
 */
import { unite, type Ranges } from './ranges.ts';
import type { SequenceRange } from './types.ts';

export interface HaveSet {
  contiguous: number;
  readonly gaps: number[];
}

/** What another peer says it has of an origin; also what this peer says. */
export interface HaveClaim {
  readonly contiguous: number;
  readonly gaps: readonly SequenceRange[];
  /** What cannot be served one by one any more; 0 when nothing is said of it. */
  readonly trim?: number;
}

export function createHaveSet(contiguous = 0, gaps: readonly number[] = []): HaveSet {
  return { contiguous, gaps: [...gaps] };
}

/** Index (even) of the first interval whose end is at or above `sequence`; gaps.length if there is none. */
function intervalAt(gaps: readonly number[], sequence: number): number {
  let low = 0;
  let high = gaps.length >> 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((gaps[middle * 2 + 1] ?? 0) < sequence) low = middle + 1;
    else high = middle;
  }
  return low * 2;
}

export function hasSequence(have: HaveSet, sequence: number): boolean {
  if (sequence <= have.contiguous) return true;
  const at = intervalAt(have.gaps, sequence);
  const from = have.gaps[at];
  return from !== undefined && from <= sequence;
}

/** Last sequence had at all. */
export function lastSequenceOf(have: HaveSet): number {
  return have.gaps[have.gaps.length - 1] ?? have.contiguous;
}

/** Sequences had above `contiguous`. */
export function dotsAboveVector(have: HaveSet): number {
  let count = 0;
  for (let at = 0; at < have.gaps.length; at += 2)
    count += (have.gaps[at + 1] ?? 0) - (have.gaps[at] ?? 0) + 1;
  return count;
}

/** Whether adding `sequence` would open an interval of its own (rather than lengthen one, or the vector). */
export function opensInterval(have: HaveSet, sequence: number): boolean {
  if (sequence === have.contiguous + 1) return false;
  const at = intervalAt(have.gaps, sequence - 1);
  const from = have.gaps[at];
  return from === undefined || from > sequence + 1;
}

/** Adds one sequence; false if it was there. */
export function addSequence(have: HaveSet, sequence: number): boolean {
  const { gaps } = have;
  if (sequence === have.contiguous + 1) {
    have.contiguous = sequence;
    if (gaps[0] === sequence + 1) {
      have.contiguous = gaps[1] ?? sequence;
      gaps.splice(0, 2);
    }
    return true;
  }
  if (hasSequence(have, sequence)) return false;
  const at = intervalAt(gaps, sequence);
  const touchesBelow = at > 0 && gaps[at - 1] === sequence - 1;
  const touchesAbove = gaps[at] === sequence + 1;
  if (touchesBelow && touchesAbove) gaps.splice(at - 1, 2);
  else if (touchesBelow) gaps[at - 1] = sequence;
  else if (touchesAbove) gaps[at] = sequence;
  else gaps.splice(at, 0, sequence, sequence);
  return true;
}

/** The intervals above the vector as ranges, at most `limit` of them (the lowest). */
export function gapRanges(have: HaveSet, limit = Infinity): SequenceRange[] {
  const ranges: SequenceRange[] = [];
  for (let at = 0; at < have.gaps.length && ranges.length < limit; at += 2) {
    ranges.push([have.gaps[at] ?? 0, have.gaps[at + 1] ?? 0]);
  }
  return ranges;
}

/** Ranges missing between `above` (exclusive) and `through` (inclusive), at most `limit` ranges, lowest first. */
export function missingRanges(
  have: HaveSet,
  above: number,
  through: number,
  limit = Infinity,
): SequenceRange[] {
  const missing: SequenceRange[] = [];
  let next = Math.max(have.contiguous, above) + 1;
  for (let at = intervalAt(have.gaps, next); next <= through && missing.length < limit; at += 2) {
    const from = have.gaps[at] ?? Infinity;
    if (next < from) missing.push([next, Math.min(from - 1, through)]);
    next = (have.gaps[at + 1] ?? Infinity) + 1;
  }
  return missing;
}

/** How many sequences are missing up to `through`. */
export function missingCount(have: HaveSet, through: number): number {
  if (through <= have.contiguous) return 0;
  let count = through - have.contiguous;
  for (let at = 0; at < have.gaps.length; at += 2) {
    const from = have.gaps[at] ?? 0;
    if (from > through) break;
    count -= Math.min(have.gaps[at + 1] ?? 0, through) - from + 1;
  }
  return count;
}

/** Ranges of `mine` that a peer with `theirs` lacks, lowest first. */
export function rangesLacked(mine: HaveSet, theirs: HaveClaim | undefined): SequenceRange[] {
  const claim = theirs ?? { contiguous: 0, gaps: [] };
  const had = createHaveSet(claim.contiguous, claim.gaps.flat());
  const lacked: SequenceRange[] = [];
  for (const range of missingRanges(had, 0, mine.contiguous)) lacked.push(range);
  for (let at = 0; at < mine.gaps.length; at += 2) {
    const from = mine.gaps[at] ?? 0;
    const to = mine.gaps[at + 1] ?? 0;
    for (const range of missingRanges(had, from - 1, to)) lacked.push(range);
  }
  return lacked;
}

/** Whether `theirs` claims anything that `mine` has not. */
export function claimsMore(mine: HaveSet | undefined, theirs: HaveClaim): boolean {
  const have = mine ?? createHaveSet();
  if (missingCount(have, theirs.contiguous) > 0) return true;
  return theirs.gaps.some(([from, to]) => missingRanges(have, from - 1, to, 1).length > 0);
}

/** All that is had as a flat list of intervals. */
export function allRanges({ contiguous, gaps }: HaveSet | HaveClaim): number[] {
  const flat: number[] = [];
  for (const bound of gaps) {
    if (typeof bound === 'number') flat.push(bound);
    else flat.push(...bound);
  }
  return contiguous === 0 ? flat : [1, contiguous, ...flat];
}

/** Adds whole intervals at once, as void dots are (R6): as many as a message may hold, which is more than a call takes as arguments. */
export function addRanges(have: HaveSet, ranges: Ranges): void {
  const united = unite(allRanges(have), ranges);
  const startsAtOne = united[0] === 1;
  if (startsAtOne) have.contiguous = united[1] ?? 0;
  have.gaps.length = 0;
  for (const bound of startsAtOne ? united.slice(2) : united) have.gaps.push(bound);
}
