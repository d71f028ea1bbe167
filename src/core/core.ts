/**
 * The protocol's one door: a message, a timer or a turn's end goes in; effects come out in order.
 *
 * Deterministic: no clock, randomness, socket or disk but those handed in. A member's message never throws,
 * whatever it says; a broken invariant of our own always does.
 */
import type { Now } from './clock.ts';
import type { Effect, EntryChange, TimerName } from './effects.ts';
import { onNakTimer } from './gaps.ts';
import { noteHeard, noteInput, onLivenessTimer } from './liveness.ts';
import type { Channel, Message } from './messages.ts';
import { onHeartbeat, onHeartbeatTimer } from './onHeartbeat.ts';
import { greet, onKeepalive, onKeepaliveTimer } from './onKeepalive.ts';
import { onNak, onRepairTimer } from './onNak.ts';
import { onSync } from './onSync.ts';
import { onUpdate } from './onUpdate.ts';
import { saveTurn, type PeerState } from './state.ts';
import { schedule, takeTimer } from './timers.ts';
import { assertNever, type Incarnation, type PeerId } from './types.ts';
import { flushUpdates } from './write.ts';

/** Starts the timers. Call once, when the first turn (with the new incarnation) is durable. */
export function onStart(state: PeerState, now: Now): void {
  state.lastInputMs = now.monotonicMs;
  state.lastWallMs = now.wallMs;
  schedule(state, now, 'keepalive', 0);
  schedule(state, now, 'heartbeat', state.settings.heartbeatMs * state.random());
  schedule(state, now, 'liveness', state.settings.deadAfterMs / 4);
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
  const view = state.peers.get(from);
  if (view === undefined) {
    state.counters.droppedNotMember += 1;
    return;
  }
  const { wasSilent } = noteHeard(state, now, view, incarnation, channel);
  if (wasSilent) greet(state, now);
  switch (message.kind) {
    case 'update':
      onUpdate(state, now, from, incarnation, message);
      return;
    case 'keepalive':
      if (incarnation < view.incarnation) state.counters.droppedMisdirected += 1;
      else onKeepalive(state, now, view, message);
      return;
    case 'heartbeat':
      onHeartbeat(state, now, view, message);
      return;
    case 'sync':
      onSync(state, now, view, message);
      return;
    case 'nak':
      onNak(state, now, from, message);
      return;
    default:
      assertNever(message);
  }
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
      return;
    case 'liveness':
      onLivenessTimer(state, now);
      return;
    case 'nak':
      onNakTimer(state, now);
      return;
    case 'repair':
      onRepairTimer(state, now);
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
export function onTurnEnd(state: PeerState): Effect[] {
  flushUpdates(state);
  saveTurn(state);
  const { effects } = state;
  state.effects = [];
  return effects;
}
