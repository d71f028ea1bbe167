/**
 * What every member has on its disk, as finished rounds have found (C of R6, and what is folded), told apart by whether this peer also has all that anybody had then (Q).
 *
 * The first says that nobody does any more what whoever has a dot does not do; the second, that all that was done until then is here. Together they are what a tombstone waits for of which counters
 * hang (dropping.ts). In memory alone: after a start the next round tells. Invariant: both only grow.
 */
import { isFolded } from './closures.ts';
import { scheduleSweep } from './dropping.ts';
import { hasAllOf } from './facts.ts';
import type { Now } from './clock.ts';
import type { CommitMessage } from './messages.ts';
import type { PeerState } from './state.ts';
import { originKey, SYNTHETIC_ID, type Dot, type Incarnation, type PeerId } from './types.ts';

/** Rounds that wait until all that was known in them has come; the next one finds what an older one did. */
const MAX_WAITING = 4;

type Found = Pick<CommitMessage, 'known' | 'closures'>;

export interface Everywhere {
  waiting: readonly Found[];
  /** Incarnations below were found to be folded in a round of which this peer has everything. */
  readonly foldedBelow: Map<PeerId, Incarnation>;
}

export function createEverywhere(): Everywhere {
  return { waiting: [], foldedBelow: new Map() };
}

/** A round has ended. */
export function noteFound(state: PeerState, now: Now, found: Found): void {
  const { everywhere } = state;
  for (const { id, incarnation, trim } of found.known) {
    const origin = state.origins.get(originKey(id, incarnation));
    if (origin !== undefined) origin.everywhere = Math.max(origin.everywhere, trim);
  }
  everywhere.waiting = [...everywhere.waiting, found].slice(-MAX_WAITING);
  settleFound(state, now);
}

/** At the end of a turn: what was waited for may have come. */
export function settleFound(state: PeerState, now: Now): void {
  const { everywhere } = state;
  if (everywhere.waiting.length === 0) return;
  const settled = everywhere.waiting.filter(({ known }) => hasAllOf(state, known));
  if (settled.length === 0) return;
  everywhere.waiting = everywhere.waiting.filter((found) => !settled.includes(found));
  for (const { known, closures } of settled) {
    settleKnown(state, known);
    for (const { id, foldedBelow } of closures)
      if (foldedBelow > (everywhere.foldedBelow.get(id) ?? 0)) everywhere.foldedBelow.set(id, foldedBelow);
  }
  if (state.tombstones.count > 0) scheduleSweep(state, now);
}

/** All that anybody had in a finished round is here: of it, or of the horizon that it found, which waited for that and may have come from elsewhere. */
export function settleKnown(state: PeerState, known: Found['known']): void {
  for (const { id, incarnation, trim } of known) {
    const origin = state.origins.get(originKey(id, incarnation));
    if (origin !== undefined) origin.settledEverywhere = Math.max(origin.settledEverywhere, trim);
  }
}

/** Whether a finished round found it in what every member had on its disk. */
export function isEverywhere(state: PeerState, { id, incarnation, sequence }: Dot): boolean {
  if (id === SYNTHETIC_ID) return false;
  if (isFolded(state.closures, id, incarnation)) return true;
  return sequence <= (state.origins.get(originKey(id, incarnation))?.everywhere ?? 0);
}

/** The same, in a round of which this peer has all that anybody had. */
export function isSettledEverywhere(state: PeerState, { id, incarnation, sequence }: Dot): boolean {
  if (incarnation < (state.everywhere.foldedBelow.get(id) ?? 0)) return true;
  return sequence <= (state.origins.get(originKey(id, incarnation))?.settledEverywhere ?? 0);
}
