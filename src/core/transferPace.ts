/**
 * How fast whole stores leave: so many bytes a second, all of them together, so that a link has room for everything else. A catch-up is not held back: it is short, and who
 * takes it asks another one when nothing comes for a while.
 *
 * Keeps one instant, before which no part leaves. A part goes out whole; the next one waits for as long as it took.
 */
import type { Now } from './clock.ts';
import type { PeerState } from './state.ts';

/** Milliseconds until the next part may leave; 0 for now. */
export function transferPauseMs({ transferDueMs }: PeerState, now: Now): number {
  return Math.max(0, transferDueMs - now.monotonicMs);
}

export function noteTransferred(state: PeerState, now: Now, bytes: number): void {
  const tookMs = (1000 * bytes) / state.settings.limits.transferBytesPerSecond;
  state.transferDueMs = Math.max(state.transferDueMs, now.monotonicMs) + tookMs;
}
