/**
 * Dots that others asked for by NAK and that wait a moment to be answered together: per origin, per
 * sequence, by whom. A dot that two or more ask for is answered by multicast (section 5).
 */
import type { OriginKey, PeerId } from './types.ts';

/** Who asked for a dot: one peer, or several. */
export type Askers = PeerId | ReadonlySet<PeerId>;
export type PendingRepairs = Map<OriginKey, Map<number, Askers>>;

export function pendingCount(repairs: PendingRepairs): number {
  let count = 0;
  for (const dots of repairs.values()) count += dots.size;
  return count;
}

export function addRepair(repairs: PendingRepairs, origin: OriginKey, sequence: number, asker: PeerId): void {
  let dots = repairs.get(origin);
  if (dots === undefined) {
    dots = new Map();
    repairs.set(origin, dots);
  }
  const present = dots.get(sequence);
  if (present === undefined) dots.set(sequence, asker);
  else if (typeof present !== 'string') dots.set(sequence, new Set([...present, asker]));
  else if (present !== asker) dots.set(sequence, new Set([present, asker]));
}
