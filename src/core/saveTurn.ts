/**
 * Writes what a turn changed besides entries and rows (R2: in the same transaction with them): vectors, closures, clock, counts.
 *
 * Facts that change rarely (fences, promises, members, the horizon) are written where they change; this is for what changes often.
 */
import type { PeerState } from './state.ts';

export function saveTurn(state: PeerState): void {
  const { store } = state;
  let isChanged = false;
  for (const origin of state.origins.values()) {
    if (!origin.isDirty) continue;
    origin.isDirty = false;
    isChanged = true;
    const { id, incarnation, have, trim } = origin;
    store.writeState(`vector/${origin.key}`, [id, incarnation, have.contiguous, [...have.gaps], trim]);
  }
  if (isChanged) store.writeState('clock', state.clock);
  if (!state.areCountsDirty) return;
  state.areCountsDirty = false;
  store.writeState('counts', [state.visibleKeys, state.tombstones.count, state.tombstones.bytes]);
}
