/**
 * When a member was last heard, in an operator's words.
 */
import type { Now } from '../core/clock.ts';
import type { PeerView } from '../core/peerView.ts';

/** To follow the member's id. */
export function describeHeard({ hasLeft, lastHeardMs }: PeerView, now: Now): string {
  if (hasLeft) return `stopped cleanly ${describeAge(now.monotonicMs - lastHeardMs)} ago`;
  return Number.isFinite(lastHeardMs)
    ? `was last heard ${describeAge(now.monotonicMs - lastHeardMs)} ago`
    : 'has not been heard since this peer started';
}

function describeAge(ageMs: number): string {
  const seconds = Math.round(ageMs / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
