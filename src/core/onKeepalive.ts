/**
 * KEEPALIVE: says that this peer lives, whom it hears and how far it is; and hears the same of others.
 *
 * Reveals a lost tail (last sequence), a lost link (whom it hears), a wrong clock and a differing
 * servers.txt. Liveness itself is liveness.ts's.
 */
import { timestampOf, type Now } from './clock.ts';
import { noteAnnounced } from './gaps.ts';
import { markSettled, sendHeartbeat } from './onHeartbeat.ts';
import { isCatchingUp, isHeard, judgeClock, judgePeer, multicastHeardSinceMs, notice } from './liveness.ts';
import type { Hearing, KeepaliveMessage } from './messages.ts';
import { addWallSample, type PeerView } from './peerView.ts';
import { isAheadOfClock } from './apply.ts';
import { sendKeepalive } from './send.ts';
import { hashVector, originOf, type PeerState } from './state.ts';
import { jittered, schedule, scheduleBy } from './timers.ts';
import type { PeerId, Timestamp } from './types.ts';

/** A KEEPALIVE out of turn, to greet a peer just heard, comes no sooner than this after the last one. */
const GREETING_INTERVAL_MS = 20;

/** Timer: one KEEPALIVE, and the next in `keepaliveMs`. */
export function onKeepaliveTimer(state: PeerState, now: Now): void {
  schedule(state, now, 'keepalive', jittered(state, state.settings.keepaliveMs));
  state.lastKeepaliveMs = now.monotonicMs;
  markSettled(state, now);
  const sinceMs = multicastHeardSinceMs(state, now);
  const message: KeepaliveMessage = {
    kind: 'keepalive',
    lastSequence: state.own.have.contiguous,
    wallMs: now.wallMs,
    timestamp: Math.max(state.clock, timestampOf(now.wallMs)) as Timestamp,
    membershipHash: state.membershipHash,
    ...buildHearing(state, now, sinceMs),
    vectorHash: hashVector(state),
    serversHash: state.settings.serversHash,
  };
  sendKeepalive(state, message, sinceMs);
  state.counters.keepalivesSent += 1;
}

/** Bytes that one listed peer takes in a KEEPALIVE beside its id, and that the rest of the message takes, at most. */
const LISTED_BYTES = 2;
const KEEPALIVE_BYTES = 80;

/**
 * Whom this peer hears, as short as may be: where most are heard by multicast, and everyone heard knows the same members, only
 * the exceptions are listed. Exceptions that a datagram cannot hold take turns.
 */
function buildHearing(
  state: PeerState,
  now: Now,
  sinceMs: number,
): Pick<KeepaliveMessage, 'others' | 'listed'> {
  const all: { readonly id: PeerId; readonly how: Hearing }[] = [];
  let byMulticast = 0;
  let isOneMembership = true;
  for (const view of state.peers.values()) {
    const how = hearingOf(state, view, now, sinceMs);
    all.push({ id: view.id, how });
    if (how === 'multicast') byMulticast += 1;
    if (how !== 'unheard' && view.membershipHash !== state.membershipHash) isOneMembership = false;
  }
  const others = isOneMembership && 2 * byMulticast > all.length ? 'multicast' : 'unheard';
  const exceptions = all.filter(({ how }) => how !== others);
  const first = Math.floor(state.random() * exceptions.length);
  const listed: typeof all = [];
  let room = state.settings.limits.datagramBudgetBytes - KEEPALIVE_BYTES;
  for (const exception of [...exceptions.slice(first), ...exceptions.slice(0, first)]) {
    room -= exception.id.length + LISTED_BYTES;
    if (room < 0) break;
    listed.push(exception);
  }
  return { others, listed };
}

function hearingOf(state: PeerState, view: PeerView, now: Now, sinceMs: number): Hearing {
  if (!isHeard(state, view, now)) return 'unheard';
  return view.lastMulticastMs >= sinceMs ? 'multicast' : 'unicast';
}

/** How the sender hears this peer. What it says of `others` holds for this peer only if it counts it among its members. */
function heardAs(state: PeerState, message: KeepaliveMessage): Hearing {
  const listed = message.listed.find(({ id }) => id === state.self.id);
  if (listed !== undefined) return listed.how;
  return message.membershipHash === state.membershipHash ? message.others : 'unheard';
}

/** Brings the next KEEPALIVE forward: a peer just heard should learn at once that it is. */
export function greet(state: PeerState, now: Now): void {
  const sinceLastMs = now.monotonicMs - state.lastKeepaliveMs;
  scheduleBy(state, now, 'keepalive', Math.max(0, GREETING_INTERVAL_MS - sinceLastMs));
}

export function onKeepalive(state: PeerState, now: Now, view: PeerView, message: KeepaliveMessage): void {
  const hearing = heardAs(state, message);
  const didHearUs = view.hearsUs;
  view.hearsUs = hearing !== 'unheard';
  view.hearsOurMulticast = hearing === 'multicast';
  view.membershipHash = message.membershipHash;
  if (!isCatchingUp(state, now)) addWallSample(view, message.wallMs - now.wallMs);
  view.vectorHash = message.vectorHash;
  view.serversHash = message.serversHash;
  view.lastSequence = message.lastSequence;
  if (!view.hearsUs || !didHearUs) greet(state, now);
  judgeClock(state, now);
  // R3: a clock that runs slow follows the others', so that its next stamp is not buried under theirs.
  if (!isAheadOfClock(state, now, message.timestamp) && message.timestamp > state.clock)
    state.clock = message.timestamp;
  noteAnnounced(state, now, originOf(state, view.id, view.incarnation), message.lastSequence);
  if (judgePeer(state, now, view)) sendHeartbeat(state, view.id); // section 5: at once on hearing a peer again
  if (message.serversHash !== state.settings.serversHash) {
    if (!view.isDifferenceTold) notice(state, 'serversDiffer', { peer: view.id });
    view.isDifferenceTold = true;
  } else view.isDifferenceTold = false;
}
