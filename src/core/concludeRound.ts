/**
 * What a round found out, once all members have answered (R6.3): H, Q, C, which dots are void, which incarnations fold.
 *
 * Pure but for reading the closures that the answers brought. A dot is void iff its incarnation is below *this* round's incarnation of its
 * id and it is in nobody's have; a closed incarnation folds when everybody has all that is kept of it and of those before it. I10: C is at most
 * the contiguous part of every member's durable have. A forgotten id is closed for good.
 */
import { createClosure, isFolded, keptOf, type Closure } from './closures.ts';
import { allRanges } from './haveSet.ts';
import type { ClosureReport, CommitMessage, HaveReport } from './messages.ts';
import { intersect, lastOf, rangesTo, unite, type Ranges } from './ranges.ts';
import type { OpenRound } from './rounds.ts';
import type { PeerState } from './state.ts';
import { addHashes, hashFolded } from './vectorHash.ts';
import {
  originKey,
  type Incarnation,
  type Origin,
  type OriginKey,
  type PeerId,
  type Timestamp,
  type VectorEntry,
} from './types.ts';

/** An origin as the answers together tell it. */
interface Known extends Origin {
  readonly key: OriginKey;
  /** Q: had by someone and not void. */
  ranges: Ranges;
}

const ABOVE_ALL = Number.MAX_SAFE_INTEGER as Incarnation;

export function concludeRound(state: PeerState, round: OpenRound): CommitMessage {
  const answers = [...round.answers.values()];
  const bounds = new Map<PeerId, Incarnation>(round.incarnations);
  for (const id of state.forgotten) bounds.set(id, ABOVE_ALL);
  const known = uniteHaves(
    state,
    answers.map(({ have }) => have),
  );
  const closures = new Map<PeerId, ClosureReport>();
  const commons = new Map<OriginKey, number>();
  for (const origin of known.values()) {
    const isClosed =
      origin.incarnation <
      Math.max(bounds.get(origin.id) ?? 0, state.closures.get(origin.id)?.closedBelow ?? 0);
    commons.set(
      origin.key,
      commonOf(
        origin,
        isClosed,
        answers.map(({ have }) => have),
      ),
    );
  }
  for (const id of new Set([...bounds.keys(), ...state.closures.keys()]))
    closures.set(
      id,
      closeAndFold(id, state.closures.get(id) ?? createClosure(), bounds.get(id), known, commons),
    );
  const open: VectorEntry[] = [];
  for (const { key, id, incarnation, ranges } of known.values()) {
    if (incarnation < (closures.get(id)?.foldedBelow ?? 0)) continue;
    // Of a closed one the void counts as present, as it does in C: the closures say what it is.
    const isClosed = incarnation < (closures.get(id)?.closedBelow ?? 0);
    const had = isClosed ? [1, lastOf(ranges)] : ranges;
    if (ranges.length > 0) open.push(toEntry(id, incarnation, had, commons.get(key) ?? 0));
  }
  return {
    kind: 'commit',
    number: round.number,
    horizon: Math.min(...answers.map(({ promised }) => promised)) as Timestamp,
    known: open,
    closures: [...closures.values()],
    promises: Array.from(round.answers, ([id, { promised }]) => ({ id, promised })),
  };
}

/** Q: the union of what all have, less what any of them knows to be void. */
function uniteHaves(state: PeerState, haves: readonly HaveReport[]): Map<OriginKey, Known> {
  const known = new Map<OriginKey, Known>();
  for (const { vector } of haves) {
    for (const { id, incarnation, contiguous, gaps } of vector) {
      if (isFolded(state.closures, id, incarnation)) continue;
      const key = originKey(id, incarnation);
      const origin = known.get(key) ?? { key, id, incarnation, ranges: [] };
      origin.ranges = unite(origin.ranges, allRanges({ contiguous, gaps }));
      known.set(key, origin);
    }
  }
  for (const origin of known.values()) {
    const kept = keptOf(state.closures, origin.id, origin.incarnation);
    if (kept !== undefined) origin.ranges = intersect(origin.ranges, kept);
  }
  return known;
}

/** C of one origin: how far everybody has it without a gap, void dots counted as present. */
function commonOf({ key, ranges }: Known, isClosed: boolean, haves: readonly HaveReport[]): number {
  let common = Infinity;
  for (const { vector } of haves) {
    const entry = vector.find(({ id, incarnation }) => originKey(id, incarnation) === key);
    const had = entry === undefined ? [] : allRanges(entry);
    common = Math.min(common, isClosed ? throughOf(ranges, had) : (entry?.contiguous ?? 0));
  }
  return common;
}

/** How far `kept` is in `had` without a gap: to just below the first that is missing, or to the last. */
function throughOf(kept: Ranges, had: Ranges): number {
  const both = intersect(kept, had);
  for (let at = 0; at < kept.length; at += 2) {
    if (both[at] !== kept[at]) return (kept[at] ?? 1) - 1;
    if (both[at + 1] !== kept[at + 1]) return both[at + 1] ?? 0;
  }
  return lastOf(kept);
}

function closeAndFold(
  id: PeerId,
  before: Closure,
  bound: Incarnation | undefined,
  known: ReadonlyMap<OriginKey, Known>,
  commons: ReadonlyMap<OriginKey, number>,
): ClosureReport {
  const closedBelow = Math.max(before.closedBelow, bound ?? 0) as Incarnation;
  const closed = [...known.values()]
    .filter((origin) => origin.id === id && origin.incarnation < closedBelow && origin.ranges.length > 0)
    .sort((a, b) => a.incarnation - b.incarnation);
  const unfolded = closed.find(({ key, ranges }) => (commons.get(key) ?? 0) < lastOf(ranges));
  const foldedBelow = Math.max(before.foldedBelow, unfolded?.incarnation ?? closedBelow) as Incarnation;
  const { foldedHash } = before;
  const kept = closed.filter(({ incarnation }) => incarnation >= foldedBelow);
  const folded = closed.filter(({ incarnation }) => incarnation < foldedBelow);
  return {
    id,
    closedBelow,
    foldedBelow,
    foldedHash: folded.reduce((sum, { key, ranges }) => addHashes(sum, hashFolded(key, ranges)), foldedHash),
    kept: kept.map(({ incarnation, ranges }) => ({ incarnation, ranges: rangesTo(ranges) })),
  };
}

function toEntry(id: PeerId, incarnation: Incarnation, ranges: Ranges, trim: number): VectorEntry {
  const startsAtOne = ranges[0] === 1;
  const contiguous = startsAtOne ? (ranges[1] ?? 0) : 0;
  return { id, incarnation, contiguous, gaps: rangesTo(startsAtOne ? ranges.slice(2) : ranges), trim };
}
