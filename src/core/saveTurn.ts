/**
 * Writes what a turn changed besides entries and rows (R2: in the same transaction with them): vectors, closures, clock, counts.
 *
 * Facts that change rarely (fences, promises, members, the horizon) are written where they change; this is for what changes often.
 */
import type { PeerState } from './state.ts';

export function saveTurn(state: PeerState): void {
  const { store, unsaved } = state;
  for (const { key, id, incarnation, have, trim } of unsaved)
    store.writeState(`vector/${key}`, [id, incarnation, have.contiguous, [...have.gaps], trim]);
  if (unsaved.size > 0) {
    store.writeState('clock', state.clock);
    unsaved.clear();
  }
  if (!state.areCountsDirty) return;
  state.areCountsDirty = false;
  const { visibleKeys, hiddenKeys, tombstones, expiries } = state;
  store.writeState('counts', [visibleKeys, tombstones.count, tombstones.bytes, expiries.count, hiddenKeys]);
}
