/**
 * Checkpoint rounds (R6): two phases that collect facts and lock nothing.
 *
 * PREPARE asks every member to fence the incarnations it names, to promise a bound, and to say durably what it has; with answers from
 * **all** members the coordinator knows H, Q and C and tells them in COMMIT. Lost, repeated, reordered or concurrent messages are
 * harmless, and a dead coordinator leaves nothing in doubt. I10: C is at most what every member durably has.
 */
import { timestampOf, type Now } from './clock.ts';
import { dropRows, hasCollectableOrigin } from './dropping.ts';
import {
  addPendingHorizon,
  isBoundAhead,
  isAtOdds,
  learnClosures,
  learnFacts,
  learnPromises,
  raiseFence,
} from './facts.ts';
import { noteFound } from './everywhere.ts';
import { concludeRound } from './concludeRound.ts';
import { settleLineage } from './lineage.ts';
import { notice } from './liveness.ts';
import type {
  CommitMessage,
  PreparedMessage,
  PrepareMessage,
  PromiseReport,
  RefuseMessage,
} from './messages.ts';
import type { PeerView } from './peerView.ts';
import { notePromise } from './promisesMade.ts';
import { needsRound } from './quorum.ts';
import { waitFor, type OpenRound, type RoundAnswer } from './rounds.ts';
import { sendControl } from './send.ts';
import { buildHave, buildPromises, noteIncarnation, type PeerState } from './state.ts';
import { jittered, schedule } from './timers.ts';
import { learnRemembered, noteRemembered, rememberedOf } from './vouching.ts';
import { isStampAhead } from './write.ts';
import { originKey, toOrigins, type Incarnation, type Origin, type PeerId, type Timestamp } from './types.ts';

/** Whether a round is due is looked at so often, milliseconds. */
const LOOK_EVERY_MS = 100;
/** A round that is not answered by all within this time is given up; the next one has another number. */
const GIVE_UP_AFTER_MS = 10_000;
/** Who has not answered a round for so long is told of in status; most answer in a few milliseconds. */
const TELL_AFTER_MS = 1000;
/** After a refusal so long a pause, doubled with each one more, at most: every round begun is a durable promise of everybody. */
const REFUSED_PAUSE_MS = 200;
const REFUSED_PAUSE_MAX_MS = 30_000;
/** A round that a register waits for begins no sooner than this after the last one: it may have to be another one. */
const WANTED_PAUSE_MS = 250;
/** A refusal is told of no more often than this, milliseconds. */
const REFUSED_NOTICE_INTERVAL_MS = 10_000;

/** Timer: begins a round when one is due, asks again, gives up. */
export function onRoundTimer(state: PeerState, now: Now): void {
  schedule(state, now, 'round', jittered(state, LOOK_EVERY_MS));
  const { round, rounds } = state;
  if (round !== undefined && !isHopeless(state, now, round)) {
    pursueRound(state, now, round);
    return;
  }
  state.round = undefined;
  if (state.phase !== 'member' || !isDue(state, now) || isStampAhead(state, now)) {
    rounds.waitingFor.clear();
    return;
  }
  const absent = findAbsent(state);
  if (absent.length > 0) waitFor(rounds, now.wallMs, absent);
  else if (now.monotonicMs >= rounds.notBeforeMs) beginRound(state, now);
}

/** Whether a round cannot end any more, or has taken so long that another should be tried. */
function isHopeless(state: PeerState, now: Now, round: OpenRound): boolean {
  if (state.phase !== 'member' || round.membershipHash !== state.membershipHash) return true;
  if (now.monotonicMs - round.startedMs > GIVE_UP_AFTER_MS) return true;
  return findAbsent(state).some((id) => !round.answers.has(id));
}

/** Asks again, and remembers who keeps the round waiting once that is worth telling. */
function pursueRound(state: PeerState, now: Now, round: OpenRound): void {
  if (now.monotonicMs - round.startedMs > TELL_AFTER_MS) {
    const silent = [...state.peers.keys()].filter((id) => !round.answers.has(id));
    waitFor(state.rounds, round.startedWallMs, silent);
  }
  if (now.monotonicMs >= round.askAgainAtMs) ask(state, now, round);
}

/** Due after so many own updates, or after some time when there is anything to collect. */
function isDue(state: PeerState, now: Now): boolean {
  const { rounds, settings, own } = state;
  if (own.have.contiguous - rounds.updatesThen >= settings.gcUpdateCount) return true;
  if (isWanted(state, now) && now.monotonicMs - rounds.lastMs >= WANTED_PAUSE_MS) return true;
  if (now.monotonicMs - rounds.lastMs < settings.gcIntervalMs) return false;
  return hasCollectable(state);
}

/** By who asked a majority, or by a session that a disk which was put back does not serve (serveSession.ts). */
function isWanted(state: PeerState, now: Now): boolean {
  const { wantedThrough } = state.rounds;
  return needsRound(state, now) || (wantedThrough > state.horizon && timestampOf(now.wallMs) > wantedThrough);
}

/** Rows, tombstones, cells of counters that do not count, or dead incarnations that are not folded. */
function hasCollectable(state: PeerState): boolean {
  if (state.tombstones.count > 0 || state.cells.idle.size > 0) return true;
  state.isTidy ||= !hasCollectableOrigin(state);
  return !state.isTidy;
}

/** Members that are not there, whose incarnation is not known, or that are to join first: a round needs all. */
function findAbsent(state: PeerState): PeerId[] {
  const absent: PeerId[] = [];
  for (const view of state.peers.values()) {
    const isThere = view.isLive && view.phase === 'member' && view.membershipHash === state.membershipHash;
    const isOneHistory = view.lineage.present === state.lineage.present;
    if (!isThere || !isOneHistory || !state.incarnations.has(view.id)) absent.push(view.id);
  }
  return absent;
}

function beginRound(state: PeerState, now: Now): void {
  const { rounds, self } = state;
  rounds.lastNumber += 1;
  const incarnations = new Map<PeerId, Incarnation>([[self.id, self.incarnation]]);
  for (const id of state.peers.keys()) {
    const incarnation = state.incarnations.get(id);
    if (incarnation !== undefined) incarnations.set(id, incarnation);
  }
  const round: OpenRound = {
    number: rounds.lastNumber,
    membershipHash: state.membershipHash,
    incarnations,
    answers: new Map(),
    told: new Set(),
    remembered: new Map(),
    startedMs: now.monotonicMs,
    startedWallMs: now.wallMs,
    askAgainAtMs: 0,
  };
  state.round = round;
  state.counters.roundsBegun += 1;
  ask(state, now, round);
  if (state.isVouchedFor) answerOwn(state, now, round);
  tellIfAllKnown(state, now, round, self.id, buildPromises(state));
}

/** What a member remembers of all. When it was the last to tell, those that have not answered are told, the coordinator among them. */
function tellIfAllKnown(
  state: PeerState,
  now: Now,
  round: OpenRound,
  from: PeerId,
  promises: readonly PromiseReport[],
): void {
  if (!noteRemembered(round, from, promises)) return;
  ask(state, now, round);
  if (state.isVouchedFor) return;
  if (learnRemembered(state, rememberedOf(round, state.self.id))) answerOwn(state, now, round);
  else state.round = undefined; // it will be told, and join
}

/** The coordinator is a member like any other: it answers itself, once that is durable. */
function answerOwn(state: PeerState, now: Now, round: OpenRound): void {
  fenceAndPromise(state, now, toOrigins(round.incarnations));
  const { promised } = state;
  const have = buildHave(state, 'whole');
  state.effects.push({
    kind: 'remind',
    reminder: { kind: 'prepared', number: round.number, promised, have },
    after: 'durable',
  });
}

/** Asks those that have not answered. */
function ask(state: PeerState, now: Now, round: OpenRound): void {
  round.askAgainAtMs = now.monotonicMs + state.settings.limits.roundRetryMs;
  const message: PrepareMessage = {
    kind: 'prepare',
    number: round.number,
    membershipHash: round.membershipHash,
    incarnations: toOrigins(round.incarnations),
  };
  for (const id of state.peers.keys()) {
    if (round.answers.has(id)) continue;
    const remembered = rememberedOf(round, id);
    sendControl(state, id, remembered === undefined ? message : { ...message, remembered }, 'committed');
  }
}

/** R6.2, first half: what a member does before it answers. All of it is durable before the answer leaves. */
function fenceAndPromise(state: PeerState, now: Now, incarnations: readonly Origin[]): void {
  for (const { id, incarnation } of incarnations) raiseFence(state, id, incarnation);
  // Above the last one in any case: a disk from between two rounds shows itself by an older promise (R10).
  state.promised = Math.max(state.promised + 1, state.clock, timestampOf(now.wallMs)) as Timestamp;
  state.clock = state.promised;
  notePromise(state);
  state.store.writeState('promised', state.promised);
  state.store.writeState('clock', state.clock);
}

export function onPrepare(
  state: PeerState,
  now: Now,
  view: PeerView,
  from: Origin,
  message: PrepareMessage,
): void {
  const round = { ...from, number: message.number };
  const refuse = (reason: RefuseMessage['reason']): void => {
    const incarnations = toOrigins(state.incarnations);
    const promises = reason === 'unvouched' ? buildPromises(state) : [];
    sendControl(state, view.id, { kind: 'refuse', round, reason, incarnations, promises }, 'committed');
    if (reason !== 'unvouched') state.counters.roundsRefused += 1;
  };
  if (state.phase !== 'member') {
    refuse('joining');
    return;
  }
  if (message.membershipHash !== state.membershipHash) {
    refuse('members');
    return;
  }
  if (isStampAhead(state, now)) {
    refuse('clock'); // section 8: nobody would believe the promise, yet this peer and whoever joins it would be bound by it
    return;
  }
  const named = new Map(message.incarnations.map(({ id, incarnation }) => [id, incarnation]));
  // Of this id neither another incarnation may be meant than the one that answers, nor may anyone be fenced too low.
  const isOutdated = Array.from(state.incarnations).some(
    ([id, known]) => !state.forgotten.has(id) && known > (named.get(id) ?? 0) && state.admitted.has(id),
  );
  for (const { id, incarnation } of message.incarnations) noteIncarnation(state, id, incarnation);
  if (isOutdated || named.get(state.self.id) !== state.self.incarnation) {
    refuse('incarnations');
    return;
  }
  if (!learnRemembered(state, message.remembered)) {
    refuse('unvouched');
    return;
  }
  fenceAndPromise(state, now, message.incarnations);
  state.rounds.lastMs = now.monotonicMs;
  state.rounds.updatesThen = state.own.have.contiguous;
  sendControl(
    state,
    view.id,
    { kind: 'prepared', round, promised: state.promised, have: buildHave(state, 'whole') },
    'durable',
  );
}

export function onPrepared(state: PeerState, now: Now, from: Origin, message: PreparedMessage): void {
  const { round, promised, have } = message;
  if (round.incarnation !== state.self.incarnation) return;
  takeAnswer(state, now, from, { number: round.number, promised, have });
}

/** Takes a member's answer, the coordinator's own included, and ends the round when all are there. */
export function takeAnswer(
  state: PeerState,
  now: Now,
  from: Origin,
  { number, promised, have }: RoundAnswer & { readonly number: number },
): void {
  const { round } = state;
  if (round?.number !== number || state.phase !== 'member') return;
  if (round.membershipHash !== state.membershipHash) return; // R6.1: one list among all, to the end; the timer gives it up
  if (round.incarnations.get(from.id) !== from.incarnation) return;
  if (isBoundAhead(state, now, promised)) return; // section 8: asked again, until time has passed
  if (from.id !== state.self.id && !learnFacts(state, now, have)) return;
  round.answers.set(from.id, { promised, have });
  state.rounds.waitingFor.delete(from.id);
  tellIfAllKnown(state, now, round, from.id, have.promises);
  if (state.round !== round) return;
  for (const id of round.incarnations.keys()) if (!round.answers.has(id)) return;
  state.round = undefined;
  state.rounds.lastMs = now.monotonicMs;
  state.rounds.updatesThen = state.own.have.contiguous;
  state.rounds.finished += 1;
  state.rounds.refusals = 0;
  const commit = concludeRound(state, round);
  for (const id of state.peers.keys()) sendControl(state, id, commit, 'committed');
  onCommit(state, now, commit);
}

/** The round is over; the next one names what is known by then, after a pause that grows. Only who is unvouched does not end it. */
export function onRefuse(state: PeerState, now: Now, from: Origin, message: RefuseMessage): void {
  for (const { id, incarnation } of message.incarnations) noteIncarnation(state, id, incarnation);
  const { round, rounds, settings } = state;
  if (round?.number !== message.round.number || message.round.incarnation !== state.self.incarnation) return;
  if (message.reason === 'unvouched') {
    if (round.incarnations.get(from.id) !== from.incarnation) return;
    tellIfAllKnown(state, now, round, from.id, message.promises);
    return;
  }
  state.round = undefined;
  waitFor(rounds, round.startedWallMs, [from.id]);
  const longestMs = Math.min(settings.gcIntervalMs, REFUSED_PAUSE_MAX_MS);
  const pauseMs = Math.min(REFUSED_PAUSE_MS * 2 ** rounds.refusals, longestMs);
  rounds.refusals += 1;
  rounds.notBeforeMs = now.monotonicMs + jittered(state, pauseMs);
  if (now.monotonicMs - rounds.lastRefusedNoticeMs < REFUSED_NOTICE_INTERVAL_MS) return;
  rounds.lastRefusedNoticeMs = now.monotonicMs;
  notice(state, 'roundRefused', { reason: message.reason });
}

/** R6.4: the facts of a finished round, in whatever order rounds are heard of. */
export function onCommit(
  state: PeerState,
  now: Now,
  { horizon, known, closures, promises }: CommitMessage,
): void {
  if (!learnPromises(state, now, promises) || state.phase !== 'member') return;
  if (isAtOdds(state, closures)) return; // told again by HEARTBEAT
  learnClosures(state, now, closures);
  for (const { id, incarnation, trim } of known) {
    const origin = state.origins.get(originKey(id, incarnation));
    if (origin === undefined) continue;
    dropRows(state, origin, trim);
  }
  noteFound(state, now, { known, closures });
  addPendingHorizon(state, now, { horizon, known });
  settleLineage(state);
  state.counters.roundsLearned += 1;
}
