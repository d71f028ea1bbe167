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
import type { KeepaliveMessage } from './messages.ts';
import { addWallSample, type PeerView } from './peerView.ts';
import { isAheadOfClock } from './apply.ts';
import { sendKeepalive } from './send.ts';
import { hashVector, originOf, type PeerState } from './state.ts';
import { jittered, schedule, scheduleBy } from './timers.ts';
import type { Timestamp } from './types.ts';

/** A KEEPALIVE out of turn, to greet a peer just heard, comes no sooner than this after the last one. */
const GREETING_INTERVAL_MS = 20;

/** Timer: one KEEPALIVE, and the next in `keepaliveMs`. */
export function onKeepaliveTimer(state: PeerState, now: Now): void {
  schedule(state, now, 'keepalive', jittered(state, state.settings.keepaliveMs));
  state.lastKeepaliveMs = now.monotonicMs;
  markSettled(state, now);
  const sinceMs = multicastHeardSinceMs(state, now);
  const heard = [];
  for (const view of state.peers.values()) {
    if (isHeard(state, view, now)) heard.push({ id: view.id, byMulticast: view.lastMulticastMs >= sinceMs });
  }
  const message: KeepaliveMessage = {
    kind: 'keepalive',
    lastSequence: state.own.have.contiguous,
    wallMs: now.wallMs,
    timestamp: Math.max(state.clock, timestampOf(now.wallMs)) as Timestamp,
    heard,
    vectorHash: hashVector(state),
    serversHash: state.settings.serversHash,
  };
  sendKeepalive(state, message, sinceMs);
  state.counters.keepalivesSent += 1;
}

/** Brings the next KEEPALIVE forward: a peer just heard should learn at once that it is. */
export function greet(state: PeerState, now: Now): void {
  const sinceLastMs = now.monotonicMs - state.lastKeepaliveMs;
  scheduleBy(state, now, 'keepalive', Math.max(0, GREETING_INTERVAL_MS - sinceLastMs));
}

export function onKeepalive(state: PeerState, now: Now, view: PeerView, message: KeepaliveMessage): void {
  const ofUs = message.heard.find(({ id }) => id === state.self.id);
  const didHearUs = view.hearsUs;
  view.hearsUs = ofUs !== undefined;
  view.hearsOurMulticast = ofUs?.byMulticast ?? false;
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
