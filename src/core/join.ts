/**
 * Checkpoints between peers: asked for and joined (R9, R10). How one is given is giveCheckpoint.ts's.
 *
 * A checkpoint is joined, never installed over: entry by entry (joinParts.ts), then have, rows and waiting horizons are united, horizon, clock, promised
 * bound, fences and incarnations rise to the larger (joinFacts.ts). It takes effect at once: who takes part joins all of it in one turn; who does not is
 * not seen before the turn that ends it. A process that ends before joins anew, from whomever: what it took and dropped until then stays true.
 */
import { isAheadNoticeDue, latestConceivable, latestCredible } from './apply.ts';
import { TICKS_PER_MS, type Now } from './clock.ts';
import { scheduleSweep } from './dropping.ts';
import {
  addPendingHorizon,
  becomeMember,
  isBoundAhead,
  learnClosures,
  learnPromise,
  owe,
  raiseFence,
} from './facts.ts';
import { joinRows, joinVector, raiseBounds, raiseClock } from './joinFacts.ts';
import { createJoin, joinCovers, joinPart, recordUnclaimed, type Join } from './joinParts.ts';
import { isThere, liveIds, notice } from './liveness.ts';
import { beginLineage, setLineage } from './lineage.ts';
import { learnMembers } from './members.ts';
import type { CheckpointMessage } from './messages.ts';
import { notePromise } from './promisesMade.ts';
import { becomeUnsure } from './quorum.ts';
import { addPart, expectFrom, hasAllOfIt, isAskedOf, stopExpecting, takePart } from './spool.ts';
import { noteIncarnation, type PeerState } from './state.ts';
import { scheduleBy } from './timers.ts';
import { stampAnew } from './write.ts';
import type { Origin, PeerId, Timestamp } from './types.ts';

/** A donor that gives to others is asked again after so long; one that has more than can be kept here after so long, milliseconds. */
const REFUSED_PAUSE_MS = 2_000;
const TOO_LARGE_PAUSE_MS = 60_000;
/** The rest of a checkpoint is asked for so often before another donor is asked for all of one. */
const RESUMES = 3;
/** While the disk does not keep up nothing more is joined; it is looked at as often as this, milliseconds. */
const BUSY_PAUSE_MS = 10;
/** After one has come the next is asked for no sooner, milliseconds. */
const JOINED_PAUSE_MS = 1_000;

/**
 * Asks a live member for a checkpoint, another one each time. Not while the one that was asked still lives and something of its answer
 * comes: a transfer may be slow, and another donor's would begin from nothing.
 */
export function askForCheckpoint(
  state: PeerState,
  now: Now,
  among: readonly PeerId[] = findDonors(state),
): void {
  const { joining } = state;
  if (isAwaited(state, now) || askForTheRest(state, now)) return;
  const able = among.filter((id) => now.monotonicMs >= (joining.notBeforeMs.get(id) ?? -Infinity));
  const others = able.filter((id) => id !== joining.askedOf?.id);
  const pool = others.length > 0 ? others : able;
  const donor = pool[Math.floor(state.random() * pool.length)];
  const view = donor === undefined ? undefined : state.peers.get(donor);
  if (view === undefined) return;
  const waitUntilMs = now.monotonicMs + state.settings.limits.joinRetryMs;
  expectFrom(joining, { id: view.id, incarnation: view.incarnation }, waitUntilMs);
  state.counters.checkpointsAsked += 1;
  sendJoin(state, view.id, 0, 0);
}

/** A transfer that has stopped goes on where it did, if who gives it is there. */
function askForTheRest(state: PeerState, now: Now): boolean {
  const { joining, settings } = state;
  const { askedOf, snapshot, arrived } = joining;
  if (askedOf === undefined || arrived === 0 || joining.resumed >= RESUMES) return false;
  if (!isThere(state, askedOf)) return false;
  joining.resumed += 1;
  joining.waitUntilMs = now.monotonicMs + settings.limits.joinRetryMs;
  sendJoin(state, askedOf.id, snapshot, arrived);
  return true;
}

/** The first one durable: the incarnation it is to record must be ours for good. By stream: a lost datagram would cost a retry. */
function sendJoin(state: PeerState, to: PeerId, snapshot: number, part: number): void {
  const message = { kind: 'join', snapshot, part } as const;
  state.effects.push({ kind: 'send', to, by: 'stream', message, after: part === 0 ? 'durable' : 'nothing' });
}

/** R9: one transfer at a time, which resumes its own snapshot. Whether an answer may still come; after one that was joined or refused, whether it is too soon for another. */
function isAwaited(state: PeerState, now: Now): boolean {
  const { askedOf, waitUntilMs } = state.joining;
  if (now.monotonicMs >= waitUntilMs) return false;
  return askedOf === undefined || isThere(state, askedOf) || hasAllOfIt(state.joining);
}

/** The donor has left, and its checkpoint is here: nothing of it is awaited any more, unless its last part has come and is being joined (R9: a broken transfer starts again, elsewhere). */
export function onDonorLeft(state: PeerState, now: Now, donor: Origin): void {
  if (!isAskedOf(state.joining, donor) || hasAllOfIt(state.joining)) return;
  stopExpecting(state.joining, -Infinity);
  if (state.phase === 'fresh' || state.phase === 'joining') askForCheckpoint(state, now);
}

/** Live members: of the history that is wanted, if any is. */
function findDonors(state: PeerState): PeerId[] {
  const { peers, joining } = state;
  const members = liveIds(state).filter((id) => peers.get(id)?.phase === 'member');
  const wanted = members.filter((id) => peers.get(id)?.lineage.present === joining.lineage);
  return wanted.length > 0 ? wanted : members;
}

/** A part of a checkpoint, from a process that is not fenced (R7): as all parts are of one process, the last one speaks for the first. */
export function onCheckpoint(state: PeerState, now: Now, from: Origin, message: CheckpointMessage): void {
  const { joining, counters, settings } = state;
  // R10: it must name the present incarnation.
  if (message.joiner !== state.self.incarnation || !isAskedOf(joining, from)) {
    counters.droppedMisdirected += 1;
    return;
  }
  if (message.isRefused === true) {
    if (message.snapshot !== 0 && message.snapshot !== joining.snapshot) {
      counters.droppedMisdirected += 1; // of one before
      return;
    }
    joining.notBeforeMs.set(from.id, now.monotonicMs + REFUSED_PAUSE_MS);
    stopExpecting(joining, -Infinity); // somebody else may be able
    return;
  }
  const fate = addPart(joining, settings.limits, message, now.monotonicMs);
  if (fate === 'stray') counters.droppedMisdirected += 1;
  if (fate === 'tooLarge') {
    joining.notBeforeMs.set(from.id, now.monotonicMs + TOO_LARGE_PAUSE_MS);
    stopExpecting(joining, -Infinity);
    notice(state, 'checkpointTooLarge', { peer: from.id, limitBytes: settings.limits.maxCheckpointBytes });
  }
  if (fate !== 'kept') return;
  if (state.phase !== 'member') {
    joinSlice(state, now);
    return;
  }
  tellDonor(state, from.id);
  // R9: were it joined range by range, a delayed older update could come in behind one that is joined already.
  if (message.isLast === true) while (joining.parts.length > 0) joinNext(state, now, Infinity);
}

/** Timer: the next slice of what has come. */
export function onJoinTimer(state: PeerState, now: Now): void {
  if (state.phase !== 'member') joinSlice(state, now);
}

/**
 * A slice of the join of a peer that takes no part: writes are refused, and no update is taken, so nothing can come in behind (R9). It is whole for all others in
 * the turn in which this peer takes part again. The donor is told of a part when it is joined: so few are here at a time, however long the whole is.
 */
function joinSlice(state: PeerState, now: Now): void {
  const { joining, settings, store } = state;
  const isBusy = store.isBusy();
  if (isBusy) joining.waitUntilMs = now.monotonicMs + settings.limits.joinRetryMs;
  else joinNext(state, now, settings.limits.sweepEntries);
  if (joining.parts.length > 0) scheduleBy(state, now, 'join', isBusy ? BUSY_PAUSE_MS : 0);
}

/** Joins the first of the parts that are kept, of own entries `atMost` so many a call. */
function joinNext(state: PeerState, now: Now, atMost: number): void {
  const { joining, settings } = state;
  const [part] = joining.parts;
  if (part === undefined) return;
  const join = state.phase === 'forgotten' ? undefined : (joining.join ?? beginJoin(state, now, part));
  if (join === undefined) {
    stopExpecting(joining, now.monotonicMs + JOINED_PAUSE_MS);
    return;
  }
  joining.join = join;
  joining.waitUntilMs = now.monotonicMs + settings.limits.joinRetryMs;
  if (part.entries.length > 0) leaveFresh(state);
  const isJoined = joinPart(state, now, join, part, atMost);
  state.store.writeState('clock', state.clock); // what was taken is not above it
  if (!isJoined) return;
  takePart(joining);
  if (joining.askedOf !== undefined && state.phase !== 'member') tellDonor(state, joining.askedOf.id);
  if (part.isLast === true) endJoin(state, now, join);
}

/** The next parts may come: of those that have, who takes no part keeps only what it has not joined. */
function tellDonor(state: PeerState, donor: PeerId): void {
  const { arrived, parts, snapshot } = state.joining;
  sendJoin(state, donor, snapshot, state.phase === 'member' ? arrived : arrived - parts.length);
}

/** Undefined if the checkpoint cannot be joined now. */
function beginJoin(state: PeerState, now: Now, { facts }: CheckpointMessage): Join | undefined {
  if (facts === undefined) return undefined;
  const promised = facts.have.promises.find(({ id }) => id === state.self.id)?.promised ?? 0;
  if (promised <= latestConceivable(state, now)) owe(state, promised as Timestamp);
  const bound = Math.max(facts.horizon, state.joining.owedPromise) as Timestamp;
  if (isBoundAhead(state, now, bound)) {
    // Asked for again. Clocks were set back; or, if it is a horizon, the donor is defective.
    const waitMs = Math.ceil((bound - latestCredible(state, now)) / TICKS_PER_MS);
    if (isAheadNoticeDue(state, now)) notice(state, 'joinWaits', { waitMs });
    return undefined;
  }
  learnMembers(state, facts.members); // first: of a forgotten id no incarnation is noted, whatever closed it
  return state.phase === 'forgotten' ? undefined : createJoin(state, facts);
}

/** It holds something from now on: what, a join alone can say, whatever becomes of this process. */
function leaveFresh(state: PeerState): void {
  if (state.phase !== 'fresh') return;
  state.phase = 'joining';
  state.store.writeState('phase', 'joining');
}

/** Everything is there that the vector will claim. */
function endJoin(state: PeerState, now: Now, join: Join): void {
  const { facts } = join;
  stopExpecting(state.joining, now.monotonicMs + JOINED_PAUSE_MS);
  joinCovers(state, now, join);
  learnClosures(state, now, facts.have.closures);
  for (const { id, promised } of facts.have.promises)
    if (id !== state.self.id) learnPromise(state, now, id, promised);
  joinRows(state, join.rows);
  joinVector(state, facts);
  recordUnclaimed(state, join.unclaimed);
  for (const { id, incarnation } of facts.fences) raiseFence(state, id, incarnation);
  for (const { id, incarnation } of facts.incarnations) noteIncarnation(state, id, incarnation);
  raiseBounds(state, now, facts);
  scheduleSweep(state, now);
  for (const pending of facts.pending) addPendingHorizon(state, now, pending);
  state.counters.checkpointsJoined += 1;
  if (state.phase !== 'member') notice(state, 'joined', { entries: join.entries, kept: join.unknown.length });
  setLineage(state, facts.lineage);
  state.joining.lineage = 0;
  if (state.phase !== 'member') becomeUnsure(state, latestPromise(state, now));
  becomeMember(state);
  for (const [key, entry] of join.unknown) stampAnew(state, now, key, entry);
}

/** No promise that anybody has made by now is larger: a round with a larger horizon asked everybody after this. */
function latestPromise(state: PeerState, now: Now): Timestamp {
  return (latestCredible(state, now) + state.settings.maxDriftMs * TICKS_PER_MS) as Timestamp;
}

/** R10: an operator says that this peer takes part with what its disk holds, for nobody is left to join from. */
export function bootstrap(state: PeerState): void {
  if (state.phase !== 'fresh' && state.phase !== 'joining') return;
  stopExpecting(state.joining, -Infinity);
  recordUnclaimed(state, state.store.entries({}));
  const bound = Math.max(state.clock, state.promised, state.joining.owedPromise) as Timestamp;
  raiseClock(state, bound);
  notePromise(state);
  notice(state, 'bootstrapped', {});
  beginLineage(state, true);
  becomeMember(state);
}
