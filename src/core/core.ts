/**
 * The protocol's one door: a message, a timer or a turn's end goes in; effects come out in order.
 *
 * Deterministic: no clock, randomness, socket or disk but those handed in. A member's message never throws,
 * whatever it says; a broken invariant of our own always does.
 */
import { repeatAlarms } from './alarms.ts';
import { cleanOverdue } from './cellUpkeep.ts';
import type { Now } from './clock.ts';
import { onSweepTimer, scheduleSweep, trimTables } from './dropping.ts';
import type { Effect, EntryChange, Reminder, TimerName } from './effects.ts';
import { settleFound } from './everywhere.ts';
import { adoptHorizons } from './facts.ts';
import { endIfOutdated, isFenced, onFenced, onOwnId } from './fence.ts';
import { onNakTimer } from './gaps.ts';
import { onCheckpoint, onJoinTimer } from './join.ts';
import { onCatchUpTimer, onPull } from './giveCatchUp.ts';
import { onGiveTimer, onJoin } from './giveCheckpoint.ts';
import { isIdleQuestion, onLeaving } from './leaving.ts';
import { acceptInvitation, learnMembers } from './members.ts';
import { noteHeard, noteInput, onLivenessTimer } from './liveness.ts';
import type { Channel, Message } from './messages.ts';
import { onCommit, onPrepare, onPrepared, onRefuse, onRoundTimer, takeAnswer } from './onCheckpointRound.ts';
import { noteConfirmedWall } from './expiry.ts';
import { armExpiry, onExpiryTimer } from './onExpiryTimer.ts';
import { onFetch } from './onFetch.ts';
import { answerAsks, onAsk } from './heldUpdates.ts';
import { onHeartbeat, onHeartbeatTimer } from './onHeartbeat.ts';
import { greet, onKeepalive, onKeepaliveTimer } from './onKeepalive.ts';
import { onNak, onRepairTimer } from './onNak.ts';
import { onSync } from './onSync.ts';
import { onMissTimer, onPublish } from './onPublish.ts';
import { onUpdate } from './onUpdate.ts';
import type { PeerView } from './peerView.ts';
import { flushPublished, onMiss, onRepublishTimer } from './publishing.ts';
import { onFetched, onOwnDurable, onQuestionsTimer } from './quorum.ts';
import { flushReplication, noteOnOwnDisk, onAskTimer, onHeld } from './replication.ts';
import { saveTurn } from './saveTurn.ts';
import type { PeerState } from './state.ts';
import { schedule, takeTimer } from './timers.ts';
import { assertNever, type Incarnation, type PeerId } from './types.ts';
import { flushUpdates, onAlarm } from './write.ts';

/** Starts the timers. Call once, when the first turn (with the new incarnation) is durable. */
export function onStart(state: PeerState, now: Now): void {
  state.lastInputMs = now.monotonicMs;
  state.lastWallMs = now.wallMs;
  schedule(state, now, 'keepalive', 0);
  schedule(state, now, 'heartbeat', state.settings.heartbeatMs * state.random());
  schedule(state, now, 'liveness', state.settings.deadAfterMs / 4);
  schedule(state, now, 'round', state.settings.heartbeatMs);
  if (state.tombstones.isIncomplete) scheduleSweep(state, now);
  armExpiry(state, now);
}

/** An authentic message of `from`, whose process is `incarnation`. */
export function onMessage(
  state: PeerState,
  now: Now,
  from: PeerId,
  incarnation: Incarnation,
  channel: Channel,
  message: Message,
): void {
  noteInput(state, now);
  if (from === state.self.id) {
    onOwnId(state, incarnation);
    return;
  }
  if (isFenced(state, now, from, incarnation)) return; // R7: on every message
  const view = state.peers.get(from) ?? acceptInvitation(state, from, message);
  if (view === undefined) {
    state.counters.droppedNotMember += 1;
    return;
  }
  const { wasSilent } = noteHeard(state, now, view, incarnation, channel);
  if (wasSilent) greet(state, now);
  // R10: before it has joined a peer only says that it is there, and takes a checkpoint.
  if (state.phase !== 'member' && !isForNewcomers(state, message)) {
    state.counters.droppedNotJoined += 1;
    if (message.kind === 'heartbeat' && message.members !== undefined) learnMembers(state, message.members);
    if (message.kind === 'prepare') onPrepare(state, now, view, { id: from, incarnation }, message);
    return;
  }
  if (view.isSeparate && !isForStrangers(message)) {
    state.counters.droppedSeparate += 1;
    return;
  }
  if (view.hasLeft && isIdleQuestion(message)) {
    state.counters.droppedLeft += 1;
    return;
  }
  dispatch(state, now, view, incarnation, message);
  endIfOutdated(state);
}

/** What passes between peers that were started apart (strangers.ts): enough for one to join the other. */
function isForStrangers({ kind }: Message): boolean {
  return kind === 'keepalive' || kind === 'fenced' || kind === 'leaving' || kind === 'join';
}

function isForNewcomers({ phase }: PeerState, { kind }: Message): boolean {
  if (kind === 'publish' || kind === 'miss') return phase !== 'forgotten'; // what has nothing to do with data
  return kind === 'keepalive' || kind === 'fenced' || kind === 'leaving' || kind === 'checkpoint';
}

function dispatch(
  state: PeerState,
  now: Now,
  view: PeerView,
  incarnation: Incarnation,
  message: Message,
): void {
  const from = { id: view.id, incarnation };
  switch (message.kind) {
    case 'update':
      onUpdate(state, now, view.id, incarnation, message);
      return;
    case 'keepalive':
      if (incarnation < view.incarnation) state.counters.droppedMisdirected += 1;
      else onKeepalive(state, now, view, message);
      return;
    case 'heartbeat':
      onHeartbeat(state, now, view, message);
      return;
    case 'sync':
      onSync(state, now, view, incarnation, message);
      return;
    case 'nak':
      onNak(state, now, view.id, message);
      return;
    case 'pull':
      onPull(state, now, view, incarnation, message);
      return;
    case 'prepare':
      onPrepare(state, now, view, from, message);
      return;
    case 'prepared':
      onPrepared(state, now, from, message);
      return;
    case 'refuse':
      onRefuse(state, now, from, message);
      return;
    case 'commit':
      onCommit(state, now, message);
      return;
    case 'join':
      onJoin(state, now, view, incarnation, message);
      return;
    case 'checkpoint':
      onCheckpoint(state, now, from, message);
      return;
    case 'fenced':
      onFenced(state, now, message);
      return;
    case 'alarm':
      onAlarm(state, now, view.id, message);
      return;
    case 'leaving':
      onLeaving(state, now, view, incarnation);
      return;
    case 'fetch':
      onFetch(state, now, from, message);
      return;
    case 'fetched':
      onFetched(state, now, view.id, message);
      return;
    case 'ask':
      onAsk(state, now, view, incarnation, message);
      return;
    case 'held':
      onHeld(state, view, incarnation, message);
      return;
    case 'publish':
      onPublish(state, now, view, incarnation, message);
      return;
    case 'miss':
      onMiss(state, now, view.id, message);
      return;
    default:
      assertNever(message);
  }
}

/** The core's own words, now that the turn they were said in is durable. */
export function onReminder(state: PeerState, now: Now, reminder: Reminder): void {
  if (reminder.kind === 'held') onOwnDurable(state, now, reminder.number, reminder.tag);
  else if (reminder.kind === 'onDisk') noteOnOwnDisk(state, reminder.sequence);
  else takeAnswer(state, now, state.self, reminder);
}

/** A timer that an effect asked for has come; one armed anew since is ignored. */
export function onTimer(state: PeerState, now: Now, timer: TimerName, token: number): void {
  noteInput(state, now);
  if (!takeTimer(state, timer, token)) return;
  switch (timer) {
    case 'keepalive':
      onKeepaliveTimer(state, now);
      return;
    case 'heartbeat':
      onHeartbeatTimer(state, now);
      repeatAlarms(state);
      return;
    case 'liveness':
      onLivenessTimer(state, now);
      noteConfirmedWall(state, now);
      return;
    case 'nak':
      onNakTimer(state, now);
      return;
    case 'repair':
      onRepairTimer(state, now);
      return;
    case 'catchUp':
      onCatchUpTimer(state, now);
      return;
    case 'give':
      onGiveTimer(state, now);
      return;
    case 'join':
      onJoinTimer(state, now);
      return;
    case 'round':
      onRoundTimer(state, now);
      return;
    case 'sweep':
      onSweepTimer(state, now);
      return;
    case 'expiry':
      onExpiryTimer(state, now);
      return;
    case 'questions':
      onQuestionsTimer(state, now);
      return;
    case 'ask':
      onAskTimer(state, now);
      return;
    case 'miss':
      onMissTimer(state, now);
      return;
    case 'republish':
      onRepublishTimer(state, now);
      return;
    default:
      assertNever(timer);
  }
}

/** The changes since they were last taken, in order. */
export function takeChanges(state: PeerState): readonly EntryChange[] {
  const { changes } = state;
  if (changes.length > 0) state.changes = [];
  return changes;
}

/** Ends the turn: own updates become UPDATEs, vectors go to the store. The driver then commits and carries out the effects. */
export function onTurnEnd(state: PeerState, now: Now): Effect[] {
  if (state.cells.overdue.size > 0) cleanOverdue(state, now);
  flushUpdates(state, now);
  flushPublished(state, now);
  flushReplication(state, now);
  if (state.asks.size > 0) answerAsks(state);
  adoptHorizons(state, now);
  settleFound(state, now);
  trimTables(state);
  if (state.expiries.isSooner) armExpiry(state, now);
  saveTurn(state);
  const { effects } = state;
  state.effects = [];
  return effects;
}
