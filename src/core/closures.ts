/**
 * What finished rounds said of dead incarnations (R6): which are closed, which of their dots are kept, which are folded.
 *
 * A dot of a closed incarnation that is not kept is *void*: nobody has it, and nobody will. A closed incarnation whose kept dots
 * everybody has is *folded*: a number and a hash per id stand for it and all below. Facts only grow (I4): closedBelow and foldedBelow rise,
 * kept shrinks, so merging what two peers know is taking the larger and the intersection, in any order.
 */
import type { ClosureReport } from './messages.ts';
import { containsSequence, intersect, rangesFrom, rangesTo, type Ranges } from './ranges.ts';
import type { Incarnation, PeerId } from './types.ts';

export interface Closure {
  closedBelow: Incarnation;
  foldedBelow: Incarnation;
  /** Of all that was kept of what is folded (safe integer). */
  foldedHash: number;
  /** Of closed incarnations that are not folded. */
  readonly kept: Map<Incarnation, Ranges>;
}

export type Closures = Map<PeerId, Closure>;

const NONE: Ranges = [];

export function createClosure(): Closure {
  return { closedBelow: 0 as Incarnation, foldedBelow: 0 as Incarnation, foldedHash: 0, kept: new Map() };
}

export function closureOf(closures: Closures, id: PeerId): Closure {
  const known = closures.get(id);
  if (known !== undefined) return known;
  const closure = createClosure();
  closures.set(id, closure);
  return closure;
}

export function isFolded(closures: Closures, id: PeerId, incarnation: Incarnation): boolean {
  return incarnation < (closures.get(id)?.foldedBelow ?? 0);
}

/** Kept dots of an incarnation: undefined while it is not closed. Not to be asked of a folded one. */
export function keptOf(closures: Closures, id: PeerId, incarnation: Incarnation): Ranges | undefined {
  const closure = closures.get(id);
  if (closure === undefined || incarnation >= closure.closedBelow) return undefined;
  return closure.kept.get(incarnation) ?? NONE;
}

/** Nobody has it and nobody will. A dot of a folded incarnation is not void: it is had, or was void before. */
export function isVoid(closures: Closures, id: PeerId, incarnation: Incarnation, sequence: number): boolean {
  if (isFolded(closures, id, incarnation)) return false;
  const kept = keptOf(closures, id, incarnation);
  return kept !== undefined && !containsSequence(kept, sequence);
}

/** What somebody else told, to be asked as one's own. */
export function closuresFrom(reports: readonly ClosureReport[]): Closures {
  const closures: Closures = new Map();
  for (const report of reports) mergeClosure(closureOf(closures, report.id), report);
  return closures;
}

export function buildClosureReports(closures: Closures): ClosureReport[] {
  return Array.from(closures, ([id, { kept, ...bounds }]) => ({
    id,
    ...bounds,
    kept: Array.from(kept, ([incarnation, ranges]) => ({ incarnation, ranges: rangesTo(ranges) })),
  }));
}

/** Takes in what somebody else knows. Answers whether anything was news. */
export function mergeClosure(mine: Closure, theirs: ClosureReport): boolean {
  let isNews = false;
  const theirKept = new Map(theirs.kept.map(({ incarnation, ranges }) => [incarnation, rangesFrom(ranges)]));
  for (const [incarnation, ranges] of mine.kept) {
    // Closed at both: a dot that either knows to be void is void. Folded there: nothing of it is listed any more.
    if (incarnation >= theirs.closedBelow || incarnation < theirs.foldedBelow) continue;
    const both = intersect(ranges, theirKept.get(incarnation) ?? NONE);
    if (both.length === ranges.length && both.every((bound, at) => bound === ranges[at])) continue;
    isNews = true;
    setKept(mine, incarnation, both);
  }
  for (const [incarnation, ranges] of theirKept) {
    if (incarnation < mine.closedBelow) continue; // judged above, or not kept here
    isNews = true;
    setKept(mine, incarnation, ranges);
  }
  if (theirs.closedBelow > mine.closedBelow) {
    mine.closedBelow = theirs.closedBelow;
    isNews = true;
  }
  if (isFoldedFurther(theirs, mine)) {
    mine.foldedBelow = theirs.foldedBelow;
    mine.foldedHash = theirs.foldedHash;
    isNews = true;
  }
  for (const incarnation of mine.kept.keys())
    if (incarnation < mine.foldedBelow) mine.kept.delete(incarnation);
  return isNews;
}

type Folded = Pick<ClosureReport, 'foldedBelow' | 'foldedHash'>;

/** Whether one is to stand in place of the other. As far as both have folded the same of one history their hashes are equal. */
export function isFoldedFurther(one: Folded, other: Folded): boolean {
  if (one.foldedBelow !== other.foldedBelow) return one.foldedBelow > other.foldedBelow;
  return one.foldedHash > other.foldedHash;
}

function setKept(closure: Closure, incarnation: Incarnation, ranges: Ranges): void {
  if (ranges.length === 0) closure.kept.delete(incarnation);
  else closure.kept.set(incarnation, ranges);
}

/** One line, equal for equal closures: part of the hash that peers compare. */
export function describeClosure(id: PeerId, { closedBelow, foldedBelow, foldedHash, kept }: Closure): string {
  const parts = Array.from(kept, ([incarnation, ranges]) => `${incarnation}:${ranges.join(',')}`).sort();
  return `${id}|${closedBelow}|${foldedBelow}|${foldedHash}|${parts.join(' ')}`;
}
