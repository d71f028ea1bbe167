/**
 * Section 6: who is alive, by which way it hears us, and whether our clock is to be believed.
 *
 * Any authentic message proves its sender heard; live it is only if it also says that it hears us (a one-way
 * link is not live). A peer whose own loop stalled judges nobody until it has drained its sockets.
 */
import type { Now } from './clock.ts';
import type { NoticeName } from './effects.ts';
import type { Channel } from './messages.ts';
import { clearWallSamples, shiftWallSamples, WALL_SAMPLES, type PeerView } from './peerView.ts';
import type { PeerState } from './state.ts';
import { schedule } from './timers.ts';
import type { Incarnation, Origin, PeerId } from './types.ts';

/** Liveness is judged so many times per `deadAfterMs`. */
const JUDGEMENTS_PER_DEATH = 4;
/** After a stall, so many keepalive periods go by before anyone is judged: the others need one to hear us again. */
const CATCH_UP_PERIODS = 3;
/** Multicast is taken to fail after so many silent keepalive periods: well before death, so that unicast takes over in time. */
const MULTICAST_PERIODS = 4;

/** From so many peers on clocks are compared at KEEPALIVEs no more often than so many times a period of theirs. */
const MANY_WALLS = 32;
const JUDGEMENTS_PER_KEEPALIVE = 5;

/** Monotonic time since which a multicast must have been heard for multicast to count as working. */
export function multicastHeardSinceMs(state: PeerState, now: Now): number {
  return now.monotonicMs - MULTICAST_PERIODS * state.settings.keepaliveMs;
}

/** Lately; who has left is not heard, whatever of it still arrives. */
export function isHeard(state: PeerState, view: PeerView, now: Now): boolean {
  return !view.hasLeft && now.monotonicMs - view.lastHeardMs <= state.settings.deadAfterMs;
}

/** The live members but this one, in order of id. */
export function liveIds(state: PeerState): PeerId[] {
  const live: PeerId[] = [];
  for (const view of state.peers.values()) if (view.isLive) live.push(view.id);
  return live;
}

/** Whether this very process lives and takes part. */
export function isThere({ peers }: PeerState, { id, incarnation }: Origin): boolean {
  const view = peers.get(id);
  return view?.isLive === true && view.phase === 'member' && view.incarnation === incarnation;
}

/** Notes that a member's message arrived. Returns its view and whether it had been silent. */
export function noteHeard(
  state: PeerState,
  now: Now,
  view: PeerView,
  incarnation: Incarnation,
  channel: Channel,
): { readonly wasSilent: boolean } {
  // LEAVING is a process's last word: what comes of it now was said before, and has been overtaken.
  if (view.hasLeft && incarnation <= view.incarnation) return { wasSilent: false };
  const wasSilent = !isHeard(state, view, now);
  if (wasSilent || incarnation > view.incarnation) forgetClock(state, now, view);
  view.lastHeardMs = now.monotonicMs;
  if (channel === 'multicast') view.lastMulticastMs = now.monotonicMs;
  if (incarnation > view.incarnation) {
    view.incarnation = incarnation;
    view.hasLeft = false;
    view.hearsUs = false; // the new process says for itself whom it hears
    view.hearsOurMulticast = false;
    view.hearing = { others: 'unheard', listed: [] };
    view.hasReported = false;
  }
  return { wasSilent };
}

/**
 * A clock may be set while its machine is cut off or starts anew: what was measured before says nothing of it. Who is heard for the first time
 * may still speak of the process that had this id before ours; a KEEPALIVE later it speaks of this one.
 */
function forgetClock(state: PeerState, now: Now, view: PeerView): void {
  const isFirstWord = view.lastHeardMs === -Infinity;
  clearWallSamples(view);
  view.wallClaimsHeldUntilMs = isFirstWord ? now.monotonicMs + state.settings.keepaliveMs : -Infinity;
}

/** Judges one peer; tells of a change. Returns true when it has just become live. */
export function judgePeer(state: PeerState, now: Now, view: PeerView): boolean {
  if (isCatchingUp(state, now)) return false;
  const isLive = view.hearsUs && isHeard(state, view, now);
  if (isLive === view.isLive) return false;
  view.isLive = isLive;
  notice(state, isLive ? 'peerAlive' : 'peerDead', { peer: view.id });
  return isLive;
}

/**
 * Notes the time of an input. Timers come every few hundred milliseconds, so a longer silence means that this
 * process stood still, and that what it reads next has waited in the socket. A wall clock that moved otherwise than
 * the monotonic one was set: the others' offsets move with it at once, or writes would be taken that nobody accepts.
 */
export function noteInput(state: PeerState, now: Now): void {
  const stepMs = now.wallMs - state.lastWallMs - (now.monotonicMs - state.lastInputMs);
  if (now.monotonicMs - state.lastInputMs > state.settings.deadAfterMs / 2)
    state.lastStallMs = now.monotonicMs;
  state.lastInputMs = now.monotonicMs;
  state.lastWallMs = now.wallMs;
  if (Math.abs(stepMs) < state.settings.maxDriftMs / 2) return;
  state.wallUnsureSinceMs = now.monotonicMs;
  for (const view of state.peers.values()) {
    shiftWallSamples(view, stepMs);
    // Until the others' samples are all of the clock as it is now, what they say of it is not.
    view.wallClaimsHeldUntilMs = now.monotonicMs + (WALL_SAMPLES + 1) * state.settings.keepaliveMs;
  }
  judgeClock(state, now);
}

/** Whether this process stood still a moment ago: until it has drained its sockets it judges neither peers nor clocks. */
export function isCatchingUp(state: PeerState, now: Now): boolean {
  return now.monotonicMs - state.lastStallMs < CATCH_UP_PERIODS * state.settings.keepaliveMs;
}

/** Whether the others have had the time to contradict this wall, as it is set now. */
export function isWallConfirmed(state: PeerState, now: Now): boolean {
  const { hasMedian, lastWallMs, lastInputMs, wallUnsureSinceMs, settings } = state;
  const stepMs = now.wallMs - lastWallMs - (now.monotonicMs - lastInputMs);
  const heldMs = (WALL_SAMPLES + 2) * settings.keepaliveMs;
  return (
    hasMedian &&
    !isCatchingUp(state, now) &&
    Math.abs(stepMs) < settings.maxDriftMs / 2 &&
    now.monotonicMs - wallUnsureSinceMs >= heldMs
  );
}

/** Timer: judges everyone, unless this process stood still itself. */
export function onLivenessTimer(state: PeerState, now: Now): void {
  schedule(state, now, 'liveness', state.settings.deadAfterMs / JUDGEMENTS_PER_DEATH);
  if (isCatchingUp(state, now)) return;
  for (const view of state.peers.values()) judgePeer(state, now, view);
  judgeClock(state, now);
}

/** After a KEEPALIVE. Of hundreds of walls one more sample changes little, and to sort them all each time would take a peer's whole time. */
export function judgeClockAgain(state: PeerState, now: Now): void {
  const leastMs = state.peers.size < MANY_WALLS ? 0 : state.settings.keepaliveMs / JUDGEMENTS_PER_KEEPALIVE;
  if (now.monotonicMs - state.lastClockJudgedMs < leastMs) return;
  judgeClock(state, now);
}

/**
 * Section 8: compares the wall with the lower median of all walls heard lately, this one included (so that of
 * two peers that disagree the one ahead gives way).
 */
function judgeClock(state: PeerState, now: Now): void {
  if (isCatchingUp(state, now)) return;
  state.lastClockJudgedMs = now.monotonicMs;
  const offsets = [0];
  for (const view of state.peers.values())
    if (isHeard(state, view, now) && view.hearsUs && view.wallSamplesMs.length > 0)
      offsets.push(view.wallOffsetMs);
  offsets.sort((a, b) => a - b);
  if (!state.hasMedian) state.wallUnsureSinceMs = now.monotonicMs;
  state.hasMedian = offsets.length > 1;
  state.medianOffsetMs = offsets[(offsets.length - 1) >> 1] ?? 0;
  const { maxDriftMs } = state.settings;
  const verdict =
    state.medianOffsetMs < -maxDriftMs ? 'ahead' : state.medianOffsetMs > maxDriftMs ? 'behind' : 'right';
  if (verdict === state.clockVerdict) return;
  state.clockVerdict = verdict;
  const name = verdict === 'ahead' ? 'clockAhead' : verdict === 'behind' ? 'clockBehind' : 'clockRight';
  notice(state, name, { byMs: Math.round(Math.abs(state.medianOffsetMs)) });
}

export function notice(
  state: PeerState,
  name: NoticeName,
  detail: Readonly<Record<string, string | number>>,
): void {
  state.effects.push({ kind: 'notice', name, detail });
}
