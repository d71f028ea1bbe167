/**
 * R7: nothing of an incarnation below its fence is believed; and whoever cannot know that is told.
 *
 * After a wipe, with its clock set back or its disk rolled back, a peer speaks with an incarnation or a promise that the others know to be
 * outdated. FENCED tells it what they know, at a bounded rate; what it does then is its own affair (R10). The forgotten are told likewise.
 */
import { enterJoining, endIncarnation, onPromiseForgotten } from './facts.ts';
import { becomeForgotten } from './members.ts';
import type { FencedMessage } from './messages.ts';
import { sendUnicast } from './send.ts';
import { isCredibleIncarnation, noteIncarnation, type PeerState } from './state.ts';
import type { Now } from './clock.ts';
import type { Incarnation, PeerId, Timestamp } from './types.ts';

/** FENCED goes to one peer no more often than this, milliseconds. */
const FENCED_INTERVAL_MS = 200;

/**
 * Whether a message of this sender is to be dropped. Told is whoever speaks below the known incarnation (section 3); dropped only below the
 * fence, for what a process that has just ended said is as good as ever.
 */
export function isFenced(state: PeerState, now: Now, from: PeerId, incarnation: Incarnation): boolean {
  const isBelow = incarnation < (state.fences.get(from) ?? 0);
  if (isBelow || incarnation < highestKnown(state, from)) sendFenced(state, now, from);
  if (isBelow) state.counters.droppedFenced += 1;
  return isBelow;
}

/** What was heard counts beside what was recorded: who has not joined yet records nothing of the others (seed 504192). */
export function highestKnown({ incarnations, peers }: PeerState, id: PeerId): Incarnation {
  return Math.max(incarnations.get(id) ?? 0, peers.get(id)?.incarnation ?? 0) as Incarnation;
}

/** Somebody speaks with an incarnation so old that what it says is not even read: it may be one that cannot know, so it is told. */
export function onOldIncarnation(state: PeerState, now: Now, from: PeerId, incarnation: Incarnation): void {
  if (from !== state.self.id) isFenced(state, now, from, incarnation);
}

export function sendFenced(state: PeerState, now: Now, to: PeerId): void {
  const last = state.lastFencedMs.get(to) ?? -Infinity;
  if (now.monotonicMs - last < FENCED_INTERVAL_MS) return;
  state.lastFencedMs.set(to, now.monotonicMs);
  const isForgotten = state.forgotten.has(to);
  sendUnicast(state, to, {
    kind: 'fenced',
    incarnation: isForgotten ? (0 as Incarnation) : highestKnown(state, to),
    promised: state.promises.get(to) ?? (0 as Timestamp),
    isForgotten,
  });
}

/** What others know of this peer that it does not. */
export function onFenced(state: PeerState, now: Now, message: FencedMessage): void {
  if (message.isForgotten) {
    becomeForgotten(state);
    return;
  }
  if (message.promised > state.promised) onPromiseForgotten(state, now, message.promised);
  if (message.incarnation <= state.self.incarnation) return;
  if (!isCredibleIncarnation(state, message.incarnation)) return;
  noteIncarnation(state, state.self.id, message.incarnation);
}

/** A higher incarnation of this id is known, whoever said so: the next one is drawn above it, and joins before it takes part (R10). */
export function endIfOutdated(state: PeerState): void {
  const { id, incarnation } = state.self;
  if ((state.incarnations.get(id) ?? 0) <= incarnation || state.phase === 'forgotten') return;
  enterJoining(state, 'a higher incarnation of it is known');
  endIncarnation(state);
}

/** Another process with this peer's id was heard: the older of the two ends (R10). */
export function onOwnId(state: PeerState, incarnation: Incarnation): void {
  if (incarnation < state.self.incarnation) return;
  state.effects.push({ kind: 'end', reason: 'superseded' });
}
