/**
 * ASK, the answering side: what this peer has on its disk of the process that asks, without a gap.
 *
 * However many ASKs of a member a turn brings, one HELD answers them, behind the flush of that turn (I12: what is said to be held is durable). Where something is still
 * missing it is repaired as after a KEEPALIVE, and one more HELD follows when all that was asked for is there. So nobody is sent more than two for an ASK, and each
 * is as short. An update that was recorded and came too late to be applied (R4) is not held: its origin stamps it anew.
 */
import type { Now } from './clock.ts';
import { noteAnnounced } from './gaps.ts';
import type { AskMessage } from './messages.ts';
import type { OriginState } from './originState.ts';
import type { PeerView } from './peerView.ts';
import { isSettled, originOf, type PeerState } from './state.ts';
import { originKey, type Incarnation, type PeerId } from './types.ts';

/** What a member has asked for and has not been told. */
interface OpenAsk {
  readonly incarnation: Incarnation;
  readonly sequence: number;
  /** In this turn: it is answered in any case. */
  readonly isNew: boolean;
}

/** At most one for each member (I14). */
export type OpenAsks = Map<PeerId, OpenAsk>;

export function onAsk(
  state: PeerState,
  now: Now,
  view: PeerView,
  incarnation: Incarnation,
  { sequence }: AskMessage,
): void {
  if (incarnation < view.incarnation || isSettled(state, view.id, incarnation)) {
    state.counters.droppedMisdirected += 1; // that process has ended
    return;
  }
  noteAnnounced(state, now, originOf(state, view.id, incarnation), sequence);
  const open = state.asks.get(view.id);
  const before = open?.incarnation === incarnation ? open.sequence : 0;
  state.asks.set(view.id, { incarnation, sequence: Math.max(before, sequence), isNew: true });
}

/** At the end of a turn: answers who has asked in it, and who waits for what is there by now. */
export function answerAsks(state: PeerState): void {
  for (const [id, ask] of state.asks) {
    const origin = state.origins.get(originKey(id, ask.incarnation));
    if (origin === undefined || state.phase !== 'member' || !state.peers.has(id)) {
      state.asks.delete(id);
      continue;
    }
    const sequence = heldThrough(state, origin);
    if (sequence >= ask.sequence) state.asks.delete(id);
    else if (ask.isNew) state.asks.set(id, { ...ask, isNew: false });
    else continue;
    state.counters.heldsSent += 1;
    const message = { kind: 'held', of: ask.incarnation, sequence } as const;
    state.effects.push({ kind: 'send', to: id, by: 'unicast', message, after: 'durable' });
  }
}

function heldThrough({ alarms }: PeerState, { id, incarnation, have }: OriginState): number {
  let through = have.contiguous;
  for (const alarm of alarms.values())
    if (alarm.id === id && alarm.incarnation === incarnation) through = Math.min(through, alarm.sequence - 1);
  return through;
}
