/**
 * Which of the dots that a peer lacks, by its claims, this one can serve, and in which order.
 *
 * Only reads. What is likely on its way to the peer already is left out, and so is what only a checkpoint can serve.
 */
import { latestForMost } from './apply.ts';
import { timestampOf, type AddedDot } from './buildSync.ts';
import type { Now } from './clock.ts';
import { rangesLacked, type HaveClaim } from './haveSet.ts';
import type { OriginState } from './originState.ts';
import { doesHear, type PeerView } from './peerView.ts';
import type { PeerState } from './state.ts';
import type { SequenceRange } from './types.ts';

/** Dots that would be refused are passed over at most. */
const MAX_PASSED_OVER = 65_536;
/** As many of them are given all the same: the receiver's clock may be another than most. */
const MAX_EARLY = 1024;

/** All that is to be served, what is early last. */
export function* dotsToGive(state: PeerState, now: Now, view: PeerView): IterableIterator<AddedDot> {
  const early: AddedDot[] = [];
  yield* dotsToServe(state, now, view, early);
  yield* early.slice(0, MAX_EARLY);
}

/**
 * Lowest first within an origin. What the receiver must refuse, for its time has not come by the clocks of most, is put into `early` instead: it would be
 * sent again and again in place of all behind it.
 */
export function* dotsToServe(
  state: PeerState,
  now: Now,
  view: PeerView,
  early: AddedDot[],
): IterableIterator<AddedDot> {
  const latest = latestForMost(state, now);
  const isAnyEarly = Math.max(state.clock, state.aheadThrough) > latest;
  for (const dot of lackedDots(state, view)) {
    if (!isAnyEarly || timestampOf(state, dot) <= latest) yield dot;
    else if (early.push(dot) >= MAX_PASSED_OVER) return;
  }
}

/** Every answer begins with another origin: what the receiver must refuse of one holds up nobody else's. */
function* lackedDots(state: PeerState, view: PeerView): IterableIterator<AddedDot> {
  const { claims } = view;
  const origins = [...state.origins.values()];
  const begin = Math.floor(state.random() * origins.length);
  for (const origin of [...origins.slice(begin), ...origins.slice(0, begin)]) {
    const { key, have, trim } = origin;
    const through = dueThrough(state, view, origin);
    const lacked: SequenceRange[] = [];
    for (const [first, to] of rangesLacked(have, claims.get(key))) {
      const from = Math.max(first, trim + 1); // below, only a checkpoint can serve
      const last = Math.min(to, through);
      if (from <= last) lacked.push([from, last]);
    }
    for (const [from, to] of unclaimedAtRandom(state, lacked, claims.get(key)))
      for (let sequence = from; sequence <= to; sequence += 1) yield { origin: key, sequence };
  }
}

/**
 * What is younger is likely on its way to `view` already. Of an origin that it hears it also asks by NAK: a peer that is only behind, with all of it in
 * its receive buffer, would be sent everything twice, and fall further behind.
 */
function dueThrough(state: PeerState, view: PeerView, origin: OriginState): number {
  const { id, incarnation, agedThrough, settledThrough } = origin;
  const isPresent = origin === state.own || state.peers.get(id)?.incarnation === incarnation;
  return isPresent && doesHear(view, id) ? agedThrough : settledThrough;
}

/**
 * A claim with as many intervals as one may have says nothing of what lies above them: it may all be had already. Answers begin anywhere up there, or
 * what is had would be sent for ever in place of what is lacking.
 */
function unclaimedAtRandom(
  { settings, random }: PeerState,
  lacked: readonly SequenceRange[],
  claim: HaveClaim | undefined,
): readonly SequenceRange[] {
  const claimedThrough = claim?.gaps.at(-1)?.[1];
  if (claim === undefined || claimedThrough === undefined) return lacked;
  if (claim.gaps.length < settings.limits.maxVectorGaps) return lacked;
  const known = lacked.filter(([from]) => from <= claimedThrough);
  const unclaimed = lacked.slice(known.length);
  const at = Math.floor(random() * unclaimed.length);
  const middle = unclaimed[at];
  if (middle === undefined) return lacked;
  const [from, to] = middle;
  const pivot = from + Math.floor(random() * (to - from + 1));
  const below: SequenceRange[] = pivot > from ? [[from, pivot - 1]] : [];
  return [...known, [pivot, to], ...unclaimed.slice(at + 1), ...unclaimed.slice(0, at), ...below];
}
