/**
 * Whether a peer is whole again after a start: it takes part, and lacks nothing of what those that it hears have; and if not, why.
 *
 * Only reads. Of whom it does not hear it cannot know: right after a start it waits as long as a silence takes to mean anything.
 */
import type { Now } from '../core/clock.ts';
import { hashVector } from '../core/vectorHash.ts';
import type { PeerState } from '../core/state.ts';
import { findLoading } from '../core/write.ts';
import { countLag } from './lag.ts';

export function isCaughtUp(state: PeerState, now: Now, startedMs: number): boolean {
  return findBehind(state, now, startedMs) === undefined;
}

/** Why not, in one line. `startedMs`: when this process began to listen, monotonic milliseconds. */
export function findBehind(state: PeerState, now: Now, startedMs: number): string | undefined {
  if (state.phase !== 'member')
    return findLoading(state) ?? `${state.self.id} was forgotten by the other peers`;
  const lag = countLag(state);
  if (lag > 0) return `${lag} updates that exist are not here yet`;
  const isEarly = now.monotonicMs - startedMs < state.settings.deadAfterMs;
  const ownHash = hashVector(state);
  for (const view of state.peers.values()) {
    if (view.isSeparate || view.hasLeft) continue;
    if (!view.isLive && isEarly) return `${view.id} has not been heard since the start`;
    if (view.isLive && !view.hasReported && view.vectorHash !== ownHash)
      return `${view.id} has not said yet what it has`;
  }
  return undefined;
}
