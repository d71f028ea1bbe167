/**
 * KEEPALIVE: says that this peer lives, whom it hears and how far it is; and hears the same of others.
 *
 * Reveals a lost tail (last sequence), a lost link (whom it hears), a wrong clock and a differing
 * servers.txt. Liveness itself is liveness.ts's.
 */
import { timestampOf, type Now } from './clock.ts';
import { becomeMember } from './facts.ts';
import { noteAnnounced } from './gaps.ts';
import { askForCheckpoint } from './join.ts';
import { markSettled, sendHeartbeat } from './onHeartbeat.ts';
import {
  isCatchingUp,
  isHeard,
  judgeClockAgain,
  judgePeer,
  multicastHeardSinceMs,
  notice,
} from './liveness.ts';
import { foundLineage } from './lineage.ts';
import type { Hearing, KeepaliveMessage, Listed } from './messages.ts';
import { addWallSample, type PeerView } from './peerView.ts';
import { isAheadOfClock } from './apply.ts';
import { sendKeepalive } from './send.ts';
import { stopExpecting } from './spool.ts';
import { sendFenced } from './fence.ts';
import { noteMoment } from './staleness.ts';
import { originOf, type PeerState } from './state.ts';
import { hashVector } from './vectorHash.ts';
import { meetLineage } from './strangers.ts';
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
  const message: KeepaliveMessage = {
    kind: 'keepalive',
    lastSequence: state.own.have.contiguous,
    wallMs: now.wallMs,
    timestamp: Math.max(state.clock, timestampOf(now.wallMs)) as Timestamp,
    membershipHash: state.membershipHash,
    ...buildHearing(state, now, sinceMs),
    vectorHash: hashVector(state),
    serversHash: state.serversHash,
    phase: state.phase,
    promised: state.promised,
    lineage: state.lineage,
  };
  sendKeepalive(state, message, sinceMs);
  state.counters.keepalivesSent += 1;
}

/** Bytes that one listed peer takes in a KEEPALIVE beside its id, more if its clock is told of, and that the rest of the message takes, at most. */
const LISTED_BYTES = 2;
const AHEAD_BYTES = 9;
const KEEPALIVE_BYTES = 90;
/** Clocks ahead by less than this part of `maxDriftMs` are not told of. */
const TOLD_DRIFT = 0.1;

/**
 * Whom this peer hears, as short as may be: where most are heard by multicast, and everyone heard knows the same members, only
 * the exceptions are listed, and whose clock is ahead. Exceptions that a datagram cannot hold take turns.
 */
function buildHearing(
  state: PeerState,
  now: Now,
  sinceMs: number,
): Pick<KeepaliveMessage, 'others' | 'listed'> {
  const all: Listed[] = [];
  let byMulticast = 0;
  let isOneMembership = true;
  for (const view of state.peers.values()) {
    const how = hearingOf(state, view, now, sinceMs);
    all.push({ id: view.id, how, aheadMs: how === 'unheard' ? 0 : toldAheadMs(state, view) });
    if (how === 'multicast') byMulticast += 1;
    if (how !== 'unheard' && view.membershipHash !== state.membershipHash) isOneMembership = false;
  }
  const others = isOneMembership && 2 * byMulticast > all.length ? 'multicast' : 'unheard';
  const exceptions = all.filter(({ how, aheadMs }) => how !== others || aheadMs > 0);
  const first = Math.floor(state.random() * exceptions.length);
  const listed: typeof all = [];
  let room = state.settings.limits.datagramBudgetBytes - KEEPALIVE_BYTES;
  for (const exception of [...exceptions.slice(first), ...exceptions.slice(0, first)]) {
    room -= exception.id.length + LISTED_BYTES + (exception.aheadMs > 0 ? AHEAD_BYTES : 0);
    if (room < 0) break;
    listed.push(exception);
  }
  return { others, listed };
}

function hearingOf(state: PeerState, view: PeerView, now: Now, sinceMs: number): Hearing {
  if (!isHeard(state, view, now)) return 'unheard';
  return view.lastMulticastMs >= sinceMs ? 'multicast' : 'unicast';
}

function toldAheadMs({ settings }: PeerState, { wallOffsetMs }: PeerView): number {
  return wallOffsetMs >= TOLD_DRIFT * settings.maxDriftMs ? Math.round(wallOffsetMs) : 0;
}

/** How the sender hears this peer. What it says of `others` holds for this peer only if it counts it among its members. */
function heardAs(state: PeerState, message: KeepaliveMessage, listed: Listed | undefined): Hearing {
  if (listed !== undefined) return listed.how;
  return message.membershipHash === state.membershipHash ? message.others : 'unheard';
}

/** Brings the next KEEPALIVE forward: a peer just heard should learn at once that it is. */
export function greet(state: PeerState, now: Now): void {
  const sinceLastMs = now.monotonicMs - state.lastKeepaliveMs;
  scheduleBy(state, now, 'keepalive', Math.max(0, GREETING_INTERVAL_MS - sinceLastMs));
}

export function onKeepalive(state: PeerState, now: Now, view: PeerView, message: KeepaliveMessage): void {
  const listed = message.listed.find(({ id }) => id === state.self.id);
  const hearing = heardAs(state, message, listed);
  const didHearUs = view.hearsUs;
  view.hearsUs = hearing !== 'unheard';
  view.hearsOurMulticast = hearing === 'multicast';
  view.hearing = { others: message.others, listed: message.listed };
  view.membershipHash = message.membershipHash;
  const aheadOfItMs = now.monotonicMs < view.wallClaimsHeldUntilMs ? undefined : (listed?.aheadMs ?? 0);
  if (!isCatchingUp(state, now)) addWallSample(view, message.wallMs - now.wallMs, aheadOfItMs);
  view.vectorHash = message.vectorHash;
  noteMoment(state, now, view, message.lastSequence);
  view.serversHash = message.serversHash;
  view.lastSequence = message.lastSequence;
  view.phase = message.phase;
  view.promised = message.promised;
  meetLineage(state, view, message);
  // R10: it promised more than it remembers, so its disk was rolled back, and it cannot know.
  if (message.phase === 'member' && message.promised < (state.promises.get(view.id) ?? 0))
    sendFenced(state, now, view.id);
  if (!view.hearsUs || !didHearUs) greet(state, now);
  judgeClockAgain(state, now);
  // R3: a clock that runs slow follows the others', so that its next stamp is not buried under theirs.
  if (!isAheadOfClock(state, now, message.timestamp) && message.timestamp > state.clock)
    state.clock = message.timestamp;
  if (state.phase === 'member' && message.phase === 'member')
    noteAnnounced(state, now, originOf(state, view.id, view.incarnation), message.lastSequence);
  beginIfNobodyHasAnything(state, now);
  if (judgePeer(state, now, view)) onAlive(state, now, view);
  if (!isSameServers(message.serversHash, state.serversHash)) {
    if (!view.isDifferenceTold) notice(state, 'serversDiffer', { peer: view.id });
    view.isDifferenceTold = true;
  } else view.isDifferenceTold = false;
}

/** By hash: who has no servers.txt differs from nobody. */
export function isSameServers(one: number, other: number): boolean {
  return one === other || one === 0 || other === 0;
}

/** Section 5: a HEARTBEAT at once on hearing a peer again. R10: who must join, for it cannot begin by itself any more, asks the first that can give. */
function onAlive(state: PeerState, now: Now, view: PeerView): void {
  sendHeartbeat(state, view.id);
  const mustJoin = state.phase === 'joining' || (state.phase === 'fresh' && view.promised > 0);
  if (mustJoin && view.phase === 'member') askForCheckpoint(state, now);
}

/**
 * R10, first start: a peer without state begins on its own iff all members answered, with one membership hash, and no round can
 * ever have ended: each is without state too, or takes part and has promised nothing yet. Then nothing was ever dropped, and what others
 * have by now comes by itself.
 */
function beginIfNobodyHasAnything(state: PeerState, now: Now): void {
  // R10 asks for all that are listed: where no file lists them two that have found each other are perhaps not all: others would begin likewise, apart from these.
  if (state.phase !== 'fresh' || state.settings.isUnlisted) return;
  for (const view of state.peers.values()) {
    const hasAnswered =
      view.hearsUs && isHeard(state, view, now) && view.membershipHash === state.membershipHash;
    const isNew = view.phase === 'fresh' || (view.phase === 'member' && view.promised === 0);
    if (!hasAnswered || !isNew) return;
  }
  stopExpecting(state.joining, -Infinity); // of a checkpoint that was on its way the facts had come, and nothing else
  if (state.lineage.present === 0) foundLineage(state);
  becomeMember(state);
  notice(state, 'began', {});
  greet(state, now);
}
