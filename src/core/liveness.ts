/**
 * Section 6: who is alive, by which way it hears us, and whether our clock is to be believed.
 *
 * Any authentic message proves its sender heard; live it is only if it also says that it hears us (a one-way
 * link is not live). A peer whose own loop stalled judges nobody until it has drained its sockets.
 */
import type { Now } from './clock.ts';
import type { NoticeName } from './effects.ts';
import type { Channel } from './messages.ts';
import type { PeerView } from './peerView.ts';
import type { PeerState } from './state.ts';
import { schedule } from './timers.ts';
import type { Incarnation, PeerId } from './types.ts';

/** Liveness is judged so many times per `deadAfterMs`. */
const JUDGEMENTS_PER_DEATH = 4;
/** A judgement this many periods late means that this process stalled. */
const STALL_PERIODS = 2;
/** Multicast is taken to fail after so many silent keepalive periods: well before death, so that unicast takes over in time. */
const MULTICAST_PERIODS = 4;

/** Monotonic time since which a multicast must have been heard for multicast to count as working. */
export function multicastHeardSinceMs(state: PeerState, now: Now): number {
  return now.monotonicMs - MULTICAST_PERIODS * state.settings.keepaliveMs;
}

export function isHeard(state: PeerState, view: PeerView, now: Now): boolean {
  return now.monotonicMs - view.lastHeardMs <= state.settings.deadAfterMs;
}

/** The live members but this one, in order of id. */
export function liveIds(state: PeerState): PeerId[] {
  const live: PeerId[] = [];
  for (const view of state.peers.values()) if (view.isLive) live.push(view.id);
  return live;
}

/** Notes that a member's message arrived. Returns its view and whether it had been silent. */
export function noteHeard(
  state: PeerState,
  now: Now,
  view: PeerView,
  incarnation: Incarnation,
  channel: Channel,
): { readonly wasSilent: boolean } {
  const wasSilent = !isHeard(state, view, now);
  view.lastHeardMs = now.monotonicMs;
  if (channel === 'multicast') view.lastMulticastMs = now.monotonicMs;
  if (incarnation > view.incarnation) {
    view.incarnation = incarnation;
    view.hearsUs = false; // the new process says for itself whom it hears
    view.hearsOurMulticast = false;
  }
  return { wasSilent };
}

/** Judges one peer; tells of a change. Returns true when it has just become live. */
export function judgePeer(state: PeerState, now: Now, view: PeerView): boolean {
  const isLive = view.hearsUs && isHeard(state, view, now);
  if (isLive === view.isLive) return false;
  view.isLive = isLive;
  notice(state, isLive ? 'peerAlive' : 'peerDead', { peer: view.id });
  return isLive;
}

/** Timer: judges everyone, unless this process was away itself. */
export function onLivenessTimer(state: PeerState, now: Now): void {
  const periodMs = state.settings.deadAfterMs / JUDGEMENTS_PER_DEATH;
  const lateMs = now.monotonicMs - state.lastLivenessMs - periodMs;
  state.lastLivenessMs = now.monotonicMs;
  schedule(state, now, 'liveness', periodMs);
  if (lateMs > STALL_PERIODS * periodMs) return; // stalled: drain the sockets before judging anyone
  for (const view of state.peers.values()) judgePeer(state, now, view);
  judgeClock(state, now);
}

/**
 * Section 8: compares the wall with the lower median of all walls heard lately, this one included (so that of
 * two peers that disagree the one ahead gives way).
 */
export function judgeClock(state: PeerState, now: Now): void {
  const offsets = [0];
  for (const view of state.peers.values())
    if (isHeard(state, view, now) && view.hearsUs) offsets.push(view.wallOffsetMs);
  offsets.sort((a, b) => a - b);
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
