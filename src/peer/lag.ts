/**
 * Which updates are known to exist and are not here.
 *
 * Only reads. An origin says how far it got; others say what they have; and what arrived above a gap shows that the gap was written. Nothing is
 * missing of incarnations that are settled, whatever others said of them.
 */
import { addRanges, allRanges, createHaveSet, lastSequenceOf, missingCount } from '../core/haveSet.ts';
import type { HaveSet } from '../core/haveSet.ts';
import { isSettled, type PeerState } from '../core/state.ts';
import type { Incarnation, OriginKey, PeerId } from '../core/types.ts';

/** Updates that are known to exist and this peer has not. */
export function countLag(state: PeerState): number {
  let lag = 0;
  for (const [key, last] of knownThrough(state)) lag += missingCount(haveOf(state, key), last);
  return lag;
}

/** The same of all incarnations of one member, and how many of them none of the others said to have. */
export function countMissingOf(
  state: PeerState,
  member: PeerId,
): { readonly missing: number; readonly nowhere: number } {
  let missing = 0;
  let nowhere = 0;
  for (const [key, last] of knownThrough(state)) {
    if (parseOriginKey(key).id !== member) continue;
    missing += missingCount(haveOf(state, key), last);
    nowhere += missingCount(haveOfAllBut(state, key, member), last);
  }
  return { missing, nowhere };
}

/** Last sequence known to have been issued, of every origin that is not settled. */
function knownThrough(state: PeerState): ReadonlyMap<OriginKey, number> {
  const through = new Map<OriginKey, number>();
  const note = (key: OriginKey, last: number): void => {
    through.set(key, Math.max(through.get(key) ?? 0, last));
  };
  for (const { key, announced, have } of state.origins.values())
    note(key, Math.max(announced, lastSequenceOf(have)));
  for (const { claims } of state.peers.values()) {
    for (const [key, claim] of claims) {
      const { id, incarnation } = parseOriginKey(key);
      if (isSettled(state, id, incarnation)) continue;
      note(key, claim.gaps[claim.gaps.length - 1]?.[1] ?? claim.contiguous);
    }
  }
  return through;
}

function haveOf(state: PeerState, key: OriginKey): HaveSet {
  return state.origins.get(key)?.have ?? createHaveSet();
}

/** What of an origin is here or was said to be at members other than `member`. */
function haveOfAllBut(state: PeerState, key: OriginKey, member: PeerId): HaveSet {
  const { contiguous, gaps } = haveOf(state, key);
  const all = createHaveSet(contiguous, gaps);
  for (const { id, claims } of state.peers.values()) {
    const claim = claims.get(key);
    if (id !== member && claim !== undefined) addRanges(all, allRanges(claim));
  }
  return all;
}

function parseOriginKey(key: OriginKey): { readonly id: PeerId; readonly incarnation: Incarnation } {
  const end = key.lastIndexOf('/');
  return { id: key.slice(0, end) as PeerId, incarnation: Number(key.slice(end + 1)) as Incarnation };
}
