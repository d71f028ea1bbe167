/**
 * Lag: how many updates exist somewhere in a cluster and are not at a peer.
 *
 * Computed from have-sets, those of running processes and those on the disks of processes that are down; twins are left out.
 * Reads only. Thins long series so that no peak is lost.
 */
import { createHaveSet, dotsAboveVector, gapRanges, rangesLacked } from '../core/haveSet.ts';
import type { HaveSet } from '../core/haveSet.ts';
import { originKey } from '../core/types.ts';
import type { Incarnation, OriginKey, PeerId } from '../core/types.ts';
import type { VirtualPeer } from './virtualPeer.ts';

/** What a machine has of one origin. */
export interface Held {
  readonly key: OriginKey;
  readonly have: HaveSet;
}

/** From `atMs` on, until the next point. */
export interface LagPoint {
  readonly atMs: number;
  readonly lagUpdates: number;
}

export function heldBy(peer: VirtualPeer): readonly Held[] {
  if (peer.isRunning) return [...peer.state.origins.values()];
  return Array.from(peer.disk.store.states('vector/'), ([, value]) => {
    const [id, incarnation, contiguous, gaps] = value as [PeerId, Incarnation, number, number[]];
    return { key: originKey(id, incarnation), have: createHaveSet(contiguous, gaps) };
  });
}

/** The lag of each machine, in the order given. */
export function countLag(holdings: readonly (readonly Held[])[]): readonly number[] {
  const haveSets = new Map<OriginKey, HaveSet[]>();
  const counts = holdings.map((held) => {
    let count = 0;
    for (const { key, have } of held) {
      count += have.contiguous + dotsAboveVector(have);
      const known = haveSets.get(key);
      if (known === undefined) haveSets.set(key, [have]);
      else known.push(have);
    }
    return count;
  });
  let existing = 0;
  for (const known of haveSets.values()) existing += unionSize(known);
  return counts.map((count) => existing - count);
}

/** A dot that one machine has and another lacks; undefined when all have the same. */
export function findLacking(
  holdings: readonly (readonly Held[])[],
): { readonly origin: OriginKey; readonly sequence: number } | undefined {
  for (const held of holdings) {
    for (const { key, have } of held) {
      for (const other of holdings) {
        const theirs = other.find((one) => one.key === key)?.have ?? createHaveSet();
        const [lacked] = rangesLacked(have, { contiguous: theirs.contiguous, gaps: gapRanges(theirs) });
        if (lacked !== undefined) return { origin: key, sequence: lacked[0] };
      }
    }
  }
  return undefined;
}

/** At most about `cap` points; of each stretch of time the largest lag stays, and the last point. */
export function thinLag(points: readonly LagPoint[], cap: number): readonly LagPoint[] {
  const last = points.at(-1);
  const first = points[0];
  if (points.length <= cap || first === undefined || last === undefined) return points;
  const stretchMs = (last.atMs - first.atMs) / (cap - 1);
  const thinned: LagPoint[] = [];
  let stretch = -1;
  for (const point of points) {
    const at = Math.floor((point.atMs - first.atMs) / stretchMs);
    const highest = thinned.at(-1);
    if (at !== stretch || highest === undefined) thinned.push(point);
    else if (point.lagUpdates > highest.lagUpdates) thinned[thinned.length - 1] = point;
    stretch = at;
  }
  if (thinned.at(-1) !== last) thinned.push(last);
  return thinned;
}

function unionSize(haveSets: readonly HaveSet[]): number {
  const contiguous = Math.max(...haveSets.map((have) => have.contiguous));
  const above = haveSets
    .flatMap((have) => gapRanges(have))
    .filter(([, to]) => to > contiguous)
    .sort(([a], [b]) => a - b);
  let size = contiguous;
  let through = contiguous;
  for (const [from, to] of above) {
    size += Math.max(0, to - Math.max(through, from - 1));
    through = Math.max(through, to);
  }
  return size;
}
