/**
 * How far this peer may lag behind, as far as it can know (a read that may be stale, but not for longer than so much).
 *
 * It knows of a moment at which it had all that a member had written: when that member's KEEPALIVE came, if all that it announced is here. What a member wrote before
 * it started anew, and what only another has by now, it claims by HEARTBEAT. So the lag is the time since the oldest of the members' latest such moments. Who is silent may be
 * writing: only who has said that it stops is waited for by nobody. Time on the way is not counted; after a standstill nothing that was waiting to be read says when it was sent.
 */
import type { Now } from './clock.ts';
import { claimsMore } from './haveSet.ts';
import { isCatchingUp } from './liveness.ts';
import type { PeerView } from './peerView.ts';
import { isSettled, type PeerState } from './state.ts';
import { originKey, type PeerId } from './types.ts';
import { hashVector } from './vectorHash.ts';

/** `lacking`: something it is known to have is not here. */
export interface Staleness {
  readonly lagMs: number;
  /** The member that makes it so much; undefined for this peer itself. */
  readonly of: PeerId | undefined;
  readonly why: 'joining' | 'standstill' | 'apart' | 'unheard' | 'lacking';
}

/** A KEEPALIVE came: up to which sequence its sender had written then. */
export function noteMoment(state: PeerState, now: Now, view: PeerView, lastSequence: number): void {
  view.hadAllAtMs = hadAllAtMs(state, view);
  view.announced = { sequence: lastSequence, incarnation: view.incarnation, atMs: now.monotonicMs };
  if (view.vectorHash === hashVector(state)) view.wasSame = view.incarnation;
}

/** Infinity where nothing is known. */
export function judgeStaleness(state: PeerState, now: Now): Staleness {
  if (state.phase !== 'member') return { lagMs: Infinity, of: undefined, why: 'joining' };
  if (isCatchingUp(state, now)) return { lagMs: Infinity, of: undefined, why: 'standstill' };
  let worst: Staleness = { lagMs: 0, of: undefined, why: 'unheard' };
  for (const view of state.peers.values()) {
    const one = stalenessOf(state, now, view);
    if (one.lagMs > worst.lagMs) worst = one;
  }
  return worst;
}

function stalenessOf(state: PeerState, now: Now, view: PeerView): Staleness {
  const of = view.id;
  if (view.isSeparate) return { lagMs: Infinity, of, why: 'apart' };
  // Until it has said what it has, or had the same, it may have what nobody else does.
  const hasTold = view.hasReported || view.wasSame === view.incarnation;
  if (!hasTold || lacksClaims(state, view)) return { lagMs: Infinity, of, why: 'lacking' };
  const atMs = hadAllAtMs(state, view);
  if (view.hasLeft && atMs === view.announced.atMs) return { lagMs: 0, of, why: 'unheard' };
  return { lagMs: now.monotonicMs - atMs, of, why: atMs === view.announced.atMs ? 'unheard' : 'lacking' };
}

/** When all was here that it had written itself by then, in this process or an earlier one. */
function hadAllAtMs(
  { origins, closures }: PeerState,
  { id, announced, hadAllAtMs: before }: PeerView,
): number {
  const { sequence, incarnation, atMs } = announced;
  const have = origins.get(originKey(id, incarnation))?.have.contiguous ?? 0;
  const isHere = have >= sequence || (closures.get(id)?.foldedBelow ?? 0) > incarnation;
  return isHere ? atMs : before;
}

/** What members write as they are now they announce themselves, sooner than others claim it. */
function lacksClaims(state: PeerState, { claims }: PeerView): boolean {
  for (const [key, claim] of claims) {
    const { id, incarnation } = claim;
    if (isSettled(state, id, incarnation) || state.peers.get(id)?.incarnation === incarnation) continue;
    if (claimsMore(state.origins.get(key)?.have, claim)) return true;
  }
  return false;
}
