/**
 * Who the members are (section 8): ids admitted and ids forgotten, two sets that only grow and spread with heartbeats.
 *
 * A line in servers.txt admits; a missing line removes nobody; `forget` does, for ever. Owns what follows from a change: views of the others, the
 * hash that a round needs to be one among all, the fence of a forgotten id.
 */
import { raiseFence } from './facts.ts';
import { notice } from './liveness.ts';
import type { MembersReport, Message } from './messages.ts';
import { createPeerView, type PeerView } from './peerView.ts';
import { forgetHeld } from './replication.ts';
import type { PeerState } from './state.ts';
import { hashMembers } from './vectorHash.ts';
import type { Incarnation, PeerId } from './types.ts';

/** No incarnation of a forgotten id is believed. */
const ABOVE_ALL = Number.MAX_SAFE_INTEGER as Incarnation;

export function buildMembers(state: PeerState): MembersReport {
  return { admitted: [...state.admitted].sort(), forgotten: [...state.forgotten].sort() };
}

/** Takes in what somebody else knows. Answers whether anything was news. */
export function learnMembers(state: PeerState, { admitted, forgotten }: MembersReport): boolean {
  let isNews = false;
  for (const id of admitted) {
    if (state.admitted.has(id)) continue;
    state.admitted.add(id);
    isNews = true;
    if (id !== state.self.id && !state.forgotten.has(id)) addView(state, id);
    notice(state, 'admitted', { peer: id });
  }
  for (const id of forgotten) {
    if (state.forgotten.has(id)) continue;
    state.forgotten.add(id);
    state.admitted.add(id);
    isNews = true;
    onForgotten(state, id);
  }
  if (!isNews) return false;
  state.membershipHash = hashMembers(state.admitted, state.forgotten);
  state.store.writeState('members', [[...state.admitted].sort(), [...state.forgotten].sort()]);
  return true;
}

/**
 * Somebody of this cluster counts this peer, which no servers.txt tells of members, among them: it believes that while it has nothing that could be
 * another's (R10). Answers the sender's view, now that there is one.
 */
export function acceptInvitation(state: PeerState, from: PeerId, message: Message): PeerView | undefined {
  if (!state.settings.isUnlisted || state.phase !== 'fresh' || message.kind !== 'heartbeat') return undefined;
  const { members } = message;
  if (members === undefined) return undefined;
  const { admitted, forgotten } = members;
  const isMember = (id: PeerId): boolean => admitted.includes(id) && !forgotten.includes(id);
  if (!isMember(state.self.id) || !isMember(from)) return undefined;
  learnMembers(state, members);
  return state.peers.get(from);
}

/** In order of id, as the ring goes. */
function addView(state: PeerState, id: PeerId): void {
  const views = [...state.peers.values(), createPeerView(id)].sort((a, b) => (a.id < b.id ? -1 : 1));
  state.peers.clear();
  for (const view of views) state.peers.set(view.id, view);
}

function onForgotten(state: PeerState, id: PeerId): void {
  raiseFence(state, id, ABOVE_ALL);
  state.isTidy = false;
  state.peers.delete(id);
  state.contacts = state.contacts.filter((contact) => contact !== id);
  forgetHeld(state, id);
  state.publishing.feeds.delete(id);
  notice(state, 'forgotten', { peer: id });
  if (id === state.self.id) becomeForgotten(state);
}

/** This id is no member any more: it takes no writes, and can come back only under another. */
export function becomeForgotten(state: PeerState): void {
  if (state.phase === 'forgotten') return;
  state.phase = 'forgotten';
  state.store.writeState('phase', 'forgotten');
  notice(state, 'selfForgotten', {});
}
