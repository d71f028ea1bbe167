/**
 * LEAVING: a process that is about to stop says so, and nobody waits for its silence to mean something (section 3).
 *
 * It is what a process says of itself, and of its liveness alone: members, fences, vectors and rounds that have ended stay as they are. It is its last word, so
 * whatever else arrives of that process was said before, and revives nobody (liveness.ts); the next one has a higher incarnation, and is live as soon as it is
 * heard. Lost, it costs `deadAfterMs`; late, repeated or of an earlier process it changes nothing. A forged or recorded one the envelope refuses.
 */
import type { Now } from './clock.ts';
import type { Effect } from './effects.ts';
import { endGiving } from './giveCheckpoint.ts';
import { onDonorLeft } from './join.ts';
import { multicastHeardSinceMs, notice } from './liveness.ts';
import type { Message } from './messages.ts';
import type { PeerView } from './peerView.ts';
import { unreachedByMulticast } from './send.ts';
import type { PeerState } from './state.ts';
import { endTakingFrom } from './takeCatchUp.ts';
import { scheduleBy } from './timers.ts';
import type { Incarnation } from './types.ts';

/** What the driver is to send as this process's last word; undefined where there is nobody to tell. */
export function buildLeaving(state: PeerState, now: Now): Extract<Effect, { kind: 'multicast' }> | undefined {
  if (state.peers.size === 0) return undefined;
  const alsoTo = unreachedByMulticast(state, multicastHeardSinceMs(state, now));
  return { kind: 'multicast', message: { kind: 'leaving' }, alsoTo, after: 'committed' };
}

export function onLeaving(state: PeerState, now: Now, view: PeerView, incarnation: Incarnation): void {
  if (incarnation < view.incarnation) {
    state.counters.droppedMisdirected += 1; // of a process before the one that is there
    return;
  }
  if (view.hasLeft) return;
  view.hasLeft = true;
  view.isLive = false; // also where this process has stood still, and judges nobody for now: no silence has to be waited for
  notice(state, 'peerLeft', { peer: view.id });
  endGiving(state, view.id);
  state.catchUps.delete(view.id);
  endTakingFrom(state, { id: view.id, incarnation });
  onDonorLeft(state, now, { id: view.id, incarnation });
  scheduleBy(state, now, 'round', 0); // a round that it has not answered cannot end, and who is absent is told at once
}

/** Whether somebody who has left asks for something: nobody is there any more to have it, and a transfer, or a promise, would be for nothing. */
export function isIdleQuestion({ kind }: Message): boolean {
  return (
    kind === 'join' ||
    kind === 'pull' ||
    kind === 'nak' ||
    kind === 'prepare' ||
    kind === 'ask' ||
    kind === 'miss'
  );
}
