/**
 * Peers of different histories meet (lineage.ts).
 *
 * One that holds nothing joins the other, and one that was told to go on without a history joins it when it is back. Where both hold data
 * nothing passes between them, and both say so: only people know whose data is to stay.
 */
import { enterJoining } from './facts.ts';
import { setLineage, settleLineage } from './lineage.ts';
import { notice } from './liveness.ts';
import type { KeepaliveMessage } from './messages.ts';
import type { PeerView } from './peerView.ts';
import type { PeerState } from './state.ts';

/** A member was heard: whether the two have one history, and what to do where they have not. */
export function meetLineage(state: PeerState, view: PeerView, message: KeepaliveMessage): void {
  view.lineage = message.lineage;
  view.isSeparate = false;
  if (state.phase !== 'member' || message.phase !== 'member') return;
  const mine = state.lineage;
  const theirs = message.lineage;
  if (theirs.present === mine.present) {
    if (theirs.isSettled) settleLineage(state);
    return;
  }
  if (!mine.isSettled && !theirs.isSettled) {
    // A first start: no round has ended, and none begins before all agree. The smaller number stands for all.
    if (theirs.present < mine.present) setLineage(state, theirs);
    return;
  }
  view.isSeparate = true;
  if (theirs.present === mine.former) {
    state.joining.lineage = theirs.present;
    enterJoining(state, `${view.id} is back, and with it what this peer was told to go on without`);
    return;
  }
  if (theirs.former === mine.present) return; // it will join
  const isTheirsEmpty = message.vectorHash === 0;
  if (isEmpty(state) && !(isTheirsEmpty && mine.present < theirs.present)) {
    state.joining.lineage = theirs.present;
    enterJoining(state, `it was started apart from ${view.id}, and holds nothing`);
  } else if (!isTheirsEmpty && !view.isSeparateTold) {
    view.isSeparateTold = true;
    notice(state, 'startedApart', { peer: view.id });
  }
}

function isEmpty({ visibleKeys, tombstones, own }: PeerState): boolean {
  return visibleKeys === 0 && tombstones.count === 0 && own.have.contiguous === 0;
}
