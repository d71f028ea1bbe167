/**
 * Takes in the facts of finished rounds, whoever tells them (R6): promises, closures, folded incarnations, horizons.
 *
 * Facts are true for all, so taking them in twice, late or in any order is harmless. The promises come first: one of our own that we do not
 * remember shows that this disk was rolled back (R10), and then nothing else may be concluded from what we have. I4: all of it
 * only grows. I7: no dot that is durable somewhere is void, for every member's durable have is in Q.
 */
import { isAheadOfClock, latestConceivable } from './apply.ts';
import {
  closureOf,
  closuresFrom,
  createClosure,
  isFolded,
  isFoldedFurther,
  keptOf,
  mergeClosure,
} from './closures.ts';
import { settleKnown } from './everywhere.ts';
import { addRanges, allRanges } from './haveSet.ts';
import { beginLineage, settleLineage } from './lineage.ts';
import { notice } from './liveness.ts';
import type { ClosureReport, HaveReport, PendingHorizon, PromiseReport } from './messages.ts';
import type { OriginState } from './originState.ts';
import { holesOf, includesAll, intersect } from './ranges.ts';
import { isCredibleIncarnation, noteIncarnation, touchOrigin, type PeerState } from './state.ts';
import { scheduleSweep } from './dropping.ts';
import { isDrawable, type Now } from './clock.ts';
import { addHashes, forgetHashOf, hashFolded } from './vectorHash.ts';
import { originKey, type Incarnation, type PeerId, type Timestamp } from './types.ts';

/** Horizons that wait at once: a later one says all that an earlier one said. */
const MAX_PENDING_HORIZONS = 4;

/**
 * Takes in what `have` tells beside the vector. False when this peer must join first (R10): what it has then may be void without its knowing,
 * and that is settled by the join alone.
 */
export function learnFacts(state: PeerState, now: Now, have: HaveReport): boolean {
  if (!learnPromises(state, now, have.promises)) return false;
  if (isAtOdds(state, have.closures))
    enterJoining(state, 'rounds of the others settled what it lacks, or what it alone has');
  if (state.phase !== 'member') return false;
  learnClosures(state, now, have.closures);
  return true;
}

/**
 * Whether rounds hold for void what this peer has, or for had by all what it has not. Of no round that it took part in is that true (I7, R6): what it
 * has came by way of a forgotten peer, or from a donor whose disk was older than those rounds, or its own is.
 */
export function isAtOdds(state: PeerState, reports: readonly ClosureReport[]): boolean {
  const believed = reports.filter(
    ({ id, closedBelow }) => state.forgotten.has(id) || isDrawable(closedBelow),
  );
  const theirs = closuresFrom(believed);
  const folded = new Map<PeerId, number>();
  for (const { key, id, incarnation, have } of state.origins.values()) {
    if (incarnation >= (theirs.get(id)?.closedBelow ?? 0) || key === state.own.key) continue;
    const mine = keptOf(state.closures, id, incarnation);
    const had = mine === undefined ? allRanges(have) : intersect(allRanges(have), mine);
    if (isFolded(theirs, id, incarnation))
      folded.set(id, addHashes(folded.get(id) ?? 0, hashFolded(key, had)));
    else if (!includesAll(keptOf(theirs, id, incarnation) ?? [], had)) return true;
  }
  for (const [id, closure] of theirs) {
    const mine = state.closures.get(id) ?? createClosure();
    if (!isFoldedFurther(closure, mine)) continue;
    if (addHashes(mine.foldedHash, folded.get(id) ?? 0) !== closure.foldedHash) return true;
  }
  return false;
}

/** False when a promise of this peer's own is told that it does not remember: nothing else that came with it is concluded from. */
export function learnPromises(state: PeerState, now: Now, promises: readonly PromiseReport[]): boolean {
  for (const { id, promised } of promises) {
    if (id !== state.self.id) learnPromise(state, now, id, promised);
    else if (promised > state.promised) {
      onPromiseForgotten(state, now, promised);
      return false;
    }
  }
  return true;
}

/**
 * Others remember that this peer promised more than it knows of: its disk was rolled back (R10), or the teller is defective. Where no clock around is
 * anywhere near that far it is the teller. Where one is, this one's may be slow: it takes no writes, and joins when its clock has come so far.
 */
export function onPromiseForgotten(state: PeerState, now: Now, promised: Timestamp): void {
  if (promised > latestConceivable(state, now)) {
    state.counters.promisesAhead += 1;
    return;
  }
  owe(state, promised);
  enterJoining(state, 'its disk is older than what the others remember of it');
}

/** Once it has joined it is bound by it. */
export function owe({ joining }: PeerState, promised: Timestamp): void {
  joining.owedPromise = Math.max(joining.owedPromise, promised) as Timestamp;
}

/**
 * Section 8 for promises and horizons: one further ahead than a record may be is not taken in; told again when time has passed, it is.
 * No round can have ended with it, for its coordinator refused it as well.
 */
export function isBoundAhead(state: PeerState, now: Now, bound: Timestamp): boolean {
  if (!isAheadOfClock(state, now, bound)) return false;
  state.counters.promisesAhead += 1;
  return true;
}

export function learnPromise(state: PeerState, now: Now, id: PeerId, promised: Timestamp): void {
  if (promised <= (state.promises.get(id) ?? 0) || isBoundAhead(state, now, promised)) return;
  state.promises.set(id, promised);
  state.store.writeState(`promise/${id}`, promised);
}

/** R10: takes no writes and no part in rounds until a checkpoint is joined. */
export function enterJoining(state: PeerState, why: string): void {
  if (state.phase !== 'member') return;
  state.phase = 'joining';
  state.isVouchedFor = false;
  state.store.writeState('phase', 'joining');
  state.round = undefined;
  notice(state, 'mustJoin', { why });
}

/** R10: this peer takes part: it begins, has joined, or was told to. */
export function becomeMember(state: PeerState): void {
  if (state.lineage.present === 0) beginLineage(state, false);
  state.phase = 'member';
  state.store.writeState('phase', 'member');
}

export function learnClosures(state: PeerState, now: Now, closures: readonly ClosureReport[]): void {
  let isNews = false;
  for (const theirs of closures) {
    // Of a forgotten id no incarnation is believed; whoever does not know yet that it is forgotten hears of it again.
    if (!state.forgotten.has(theirs.id) && !isCredibleIncarnation(state, theirs.closedBelow)) continue;
    if (!mergeClosure(closureOf(state.closures, theirs.id), theirs)) continue;
    isNews = true;
    onClosureChanged(state, theirs.id);
    if (theirs.id === state.self.id && theirs.closedBelow > state.self.incarnation) endIncarnation(state);
  }
  if (!isNews) return;
  settleLineage(state);
  adoptHorizons(state, now);
}

function onClosureChanged(state: PeerState, id: PeerId): void {
  const closure = closureOf(state.closures, id);
  state.staleClosures.add(id);
  raiseFence(state, id, closure.closedBelow);
  for (const origin of [...state.origins.values()]) {
    if (origin.id !== id || origin === state.own) continue;
    if (isFolded(state.closures, id, origin.incarnation)) fold(state, origin);
    else fillVoid(state, origin);
  }
  state.store.writeState(`closure/${id}`, [
    closure.closedBelow,
    closure.foldedBelow,
    Array.from(closure.kept, ([incarnation, ranges]) => [incarnation, [...ranges]]),
    closure.foldedHash,
  ]);
}

/** A higher incarnation of this peer is known to the others: this one must not go on (R10). */
export function endIncarnation(state: PeerState): void {
  state.effects.push({ kind: 'end', reason: 'fenced' });
}

/** Void dots count as present: nothing waits for them any more. */
function fillVoid(state: PeerState, origin: OriginState): void {
  const kept = keptOf(state.closures, origin.id, origin.incarnation);
  if (kept === undefined) return;
  addRanges(origin.have, holesOf(kept));
  touchOrigin(state, origin);
}

/** Everybody has all of it: one number stands for the origin, its rows and its part of the vector. */
function fold(state: PeerState, origin: OriginState): void {
  state.store.dropRows(origin.key, Number.MAX_SAFE_INTEGER);
  state.store.removeState(`vector/${origin.key}`);
  state.origins.delete(origin.key);
  state.unsaved.delete(origin);
  state.young.delete(origin);
  state.repairs.delete(origin.key);
  forgetHashOf(state, origin);
}

/** R7: nothing below is believed any more. */
export function raiseFence(state: PeerState, id: PeerId, incarnation: Incarnation): void {
  if (incarnation <= (state.fences.get(id) ?? 0)) return;
  if (!state.forgotten.has(id) && !isCredibleIncarnation(state, incarnation)) return;
  state.fences.set(id, incarnation);
  state.store.writeState(`fence/${id}`, incarnation);
  if (!state.forgotten.has(id)) noteIncarnation(state, id, incarnation);
}

/** A round ended with this horizon; it counts here as soon as all that was known then has arrived. */
export function addPendingHorizon(state: PeerState, now: Now, pending: PendingHorizon): void {
  if (pending.horizon <= state.horizon || isBoundAhead(state, now, pending.horizon)) return;
  const all = [...state.pending, pending].sort((a, b) => b.horizon - a.horizon);
  setPending(state, all.slice(0, MAX_PENDING_HORIZONS));
  adoptHorizons(state, now);
}

function setPending(state: PeerState, pending: readonly PendingHorizon[]): void {
  state.pending = pending;
  state.store.writeState(
    'pending',
    pending.map(({ horizon, known }) => ({ horizon, known: known.map((entry) => ({ ...entry })) })),
  );
}

/** R6.4: adopts H only once have ⊇ Q less the void. */
export function adoptHorizons(state: PeerState, now: Now): void {
  if (state.pending.length === 0) return;
  const adoptable = state.pending.find(({ known }) => hasAllOf(state, known));
  if (adoptable === undefined) return;
  settleKnown(state, adoptable.known);
  if (adoptable.horizon > state.horizon) {
    state.horizon = adoptable.horizon;
    state.store.writeState('horizon', state.horizon);
    scheduleSweep(state, now);
  }
  setPending(
    state,
    state.pending.filter(({ horizon }) => horizon > state.horizon),
  );
}

/** Whether this peer has all that a round found with anybody. */
export function hasAllOf(state: PeerState, known: PendingHorizon['known']): boolean {
  return known.every(({ id, incarnation, contiguous, gaps }) => {
    if (isFolded(state.closures, id, incarnation)) return true;
    const known = allRanges({ contiguous, gaps });
    const kept = keptOf(state.closures, id, incarnation);
    const wanted = kept === undefined ? known : intersect(known, kept);
    const origin = state.origins.get(originKey(id, incarnation));
    return includesAll(origin === undefined ? [] : allRanges(origin.have), wanted);
  });
}
