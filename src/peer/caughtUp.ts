/**
 * Whether a peer is whole again after a start: it takes part, and lacks nothing of what those that it hears have.
 *
 * Only reads. Of whom it does not hear it cannot know: right after a start it waits as long as a silence takes to mean anything.
 */
import type { Now } from '../core/clock.ts';
import { hashVector } from '../core/vectorHash.ts';
import type { PeerState } from '../core/state.ts';
import { countLag } from './lag.ts';

/** `startedMs`: when this process began to listen, monotonic milliseconds. */
export function isCaughtUp(state: PeerState, now: Now, startedMs: number): boolean {
  if (state.phase !== 'member' || countLag(state) > 0) return false;
  const isEarly = now.monotonicMs - startedMs < state.settings.deadAfterMs;
  const ownHash = hashVector(state);
  for (const view of state.peers.values()) {
    if (view.isSeparate || view.hasLeft) continue;
    if (view.isLive ? !view.hasReported && view.vectorHash !== ownHash : isEarly) return false;
  }
  return true;
}
