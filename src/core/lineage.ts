/**
 * Which history a peer's data belongs to: facts of rounds (R6) hold within one only.
 *
 * Peers that were started apart from each other have each let go what their own rounds called known to all; taking in the other's facts, or
 * joining its checkpoint, would lose data without a word. Keeps a number, drawn or found where a history begins, taken over where one is
 * joined. What two do that meet is strangers.ts's.
 */
import type { Lineage } from './messages.ts';
import type { PeerState } from './state.ts';
import type { Store } from './store.ts';
import { fnv1a } from './vectorHash.ts';

/** Unsigned 32 bits. */
const MAX_LINEAGE = 0xffff_ffff;

export function loadLineage(store: Store): Lineage {
  const stored = store.readState('lineage') as readonly [number, number, boolean] | undefined;
  const [present, former, isSettled] = stored ?? [0, 0, false];
  return { present, former, isSettled };
}

export function setLineage(state: PeerState, { present, former, isSettled }: Lineage): void {
  state.lineage = { present, former, isSettled };
  state.store.writeState('lineage', [present, former, isSettled]);
}

/** A peer begins on its own; what it has been part of before, if anything, goes on without it. */
export function beginLineage(state: PeerState, isSettled: boolean): void {
  const present = 1 + Math.floor(state.random() * MAX_LINEAGE);
  setLineage(state, { present, former: state.lineage.present, isSettled });
}

/**
 * R10, first start: a peer begins together with the others, of which none has anything: the number follows from who they are, so that all find the same one
 * without a word more. Were it to be agreed upon, a power cut could take from one of them that it was (711004).
 */
export function foundLineage(state: PeerState): void {
  const processes = [state.self, ...state.peers.values()].map(
    ({ id, incarnation }) => `${id}/${incarnation}`,
  );
  const present = 1 + (fnv1a(processes.sort().join(' ')) % MAX_LINEAGE);
  setLineage(state, { present, former: 0, isSettled: false });
}

/** A round has ended: from now on its facts are what this history is about. */
export function settleLineage(state: PeerState): void {
  if (!state.lineage.isSettled) setLineage(state, { ...state.lineage, isSettled: true });
}
