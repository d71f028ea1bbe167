/**
 * Whom a HEARTBEAT goes to: the successor on the ring of the live, and the next of a shuffled round over all
 * members (section 5).
 *
 * The ring alone does not suffice: two rings joined by one link never meet on it, and news would walk it
 * one peer a period. The presumed dead are drawn too, at a fraction of the rate.
 */
import type { PeerState } from './state.ts';
import type { PeerId } from './types.ts';

/** The next of the live after this peer in order of id, wrapping; undefined when there is nobody else. */
export function successorOf({ self, peers }: Pick<PeerState, 'self' | 'peers'>): PeerId | undefined {
  let first: PeerId | undefined;
  for (const { id, isLive } of peers.values()) {
    if (!isLive) continue;
    if (id > self.id) return id; // the views are in order of id
    first ??= id;
  }
  return first;
}

/** Draws the next contact of the shuffled round; undefined when the draw is a dead peer whose turn it is not. */
export function nextContact(state: PeerState): PeerId | undefined {
  if (state.contacts.length === 0) state.contacts = shuffle([...state.peers.keys()], state.random);
  const drawn = state.contacts.pop();
  if (drawn === undefined) return undefined;
  if (state.peers.get(drawn)?.isLive === true) return drawn;
  state.contactTurns += 1;
  return state.contactTurns % state.settings.limits.deadContactEvery === 0 ? drawn : undefined;
}

/** Fisher-Yates, in place. */
function shuffle<T>(items: T[], random: () => number): T[] {
  for (let at = items.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    const held = items[at] as T;
    items[at] = items[other] as T;
    items[other] = held;
  }
  return items;
}
