/**
 * Sets of sequences as flat ascending lists [from, to, from, to, …] of inclusive intervals that do not touch.
 *
 * Pure. haveSet.ts keeps the one that grows by single sequences; these are what rounds compare: unions, intersections,
 * what lies between.
 */
import type { SequenceRange } from './types.ts';

export type Ranges = readonly number[];

export function rangesFrom(ranges: readonly SequenceRange[]): number[] {
  return ranges.flatMap(([from, to]) => [from, to]);
}

export function rangesTo(ranges: Ranges): SequenceRange[] {
  const list: SequenceRange[] = [];
  for (let at = 0; at < ranges.length; at += 2) list.push([ranges[at] ?? 0, ranges[at + 1] ?? 0]);
  return list;
}

/** Last member; 0 for the empty set. */
export function lastOf(ranges: Ranges): number {
  return ranges[ranges.length - 1] ?? 0;
}

export function containsSequence(ranges: Ranges, sequence: number): boolean {
  let low = 0;
  let high = ranges.length >> 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[2 * middle + 1] ?? 0) < sequence) low = middle + 1;
    else high = middle;
  }
  const from = ranges[2 * low];
  return from !== undefined && from <= sequence;
}

export function intersect(a: Ranges, b: Ranges): number[] {
  const both: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [aTo = 0, bTo = 0] = [a[i + 1], b[j + 1]];
    const from = Math.max(a[i] ?? 0, b[j] ?? 0);
    const to = Math.min(aTo, bTo);
    if (from <= to) both.push(from, to);
    if (aTo < bTo) i += 2;
    else j += 2;
  }
  return both;
}

export function unite(a: Ranges, b: Ranges): number[] {
  const sorted = [...rangesTo(a), ...rangesTo(b)].sort(([x], [y]) => x - y);
  const all: number[] = [];
  for (const [from, to] of sorted) {
    const end = all[all.length - 1];
    if (end !== undefined && from <= end + 1) all[all.length - 1] = Math.max(end, to);
    else all.push(from, to);
  }
  return all;
}

/** What of 1 to the last member is not in the set. */
export function holesOf(ranges: Ranges): number[] {
  const holes: number[] = [];
  let next = 1;
  for (let at = 0; at < ranges.length; at += 2) {
    const from = ranges[at] ?? 0;
    if (from > next) holes.push(next, from - 1);
    next = (ranges[at + 1] ?? 0) + 1;
  }
  return holes;
}

/** Whether all of `part` is in `whole`. */
export function includesAll(whole: Ranges, part: Ranges): boolean {
  let at = 0;
  for (let index = 0; index < part.length; index += 2) {
    const from = part[index] ?? 0;
    while ((whole[at + 1] ?? Infinity) < from) at += 2;
    if ((whole[at] ?? Infinity) > from || (whole[at + 1] ?? 0) < (part[index + 1] ?? 0)) return false;
  }
  return true;
}
