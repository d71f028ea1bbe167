/**
 * What of a checkpoint is no entry: rows, vector, and the bounds that rise (R9).
 *
 * At the end of a join, in one turn with what makes this peer a member: the vector last, for it claims what must be there by then.
 */
import { latestConceivable, latestCredible } from './apply.ts';
import type { Now } from './clock.ts';
import { isVoid, keptOf } from './closures.ts';
import { dropRows } from './dropping.ts';
import { addRanges, allRanges } from './haveSet.ts';
import type { CheckpointFacts, CheckpointRows } from './messages.ts';
import { noteJoined } from './promisesMade.ts';
import { isSettled, originOf, touchOrigin, type PeerState } from './state.ts';
import type { Timestamp } from './types.ts';

export function joinRows(state: PeerState, rows: readonly CheckpointRows[]): void {
  for (const { id, incarnation, from, keys } of rows) {
    if (isSettled(state, id, incarnation)) continue;
    const origin = originOf(state, id, incarnation);
    for (const [at, key] of keys.entries()) {
      const sequence = from + at;
      if (sequence <= origin.trim || isVoid(state.closures, id, incarnation, sequence)) continue;
      state.store.writeRow(origin.key, sequence, key);
    }
  }
}

/**
 * The vector last: only now is everything there that it claims. Rows below the donor's first gap did not come with it, so where it claims more
 * than was had the trim rises to that gap: below it this peer can serve by checkpoint alone. I15: the vector has risen first.
 */
export function joinVector(state: PeerState, { have }: CheckpointFacts): void {
  for (const { id, incarnation, contiguous, gaps } of have.vector) {
    if (isSettled(state, id, incarnation)) continue;
    const origin = originOf(state, id, incarnation);
    const isNews = contiguous > origin.have.contiguous;
    addRanges(origin.have, allRanges({ contiguous, gaps }));
    touchOrigin(state, origin);
    if (isNews) dropRows(state, origin, contiguous);
  }
  // Among the rows of closed incarnations may be some of void dots: nobody is to be served from those.
  for (const origin of state.origins.values())
    if (keptOf(state.closures, origin.id, origin.incarnation) !== undefined)
      dropRows(state, origin, origin.have.contiguous);
}

/**
 * Everything stamped from now on is above what came, above the horizon, above what an earlier life of this disk can have promised to a round that ended,
 * for the others remember that, and above what the donor promised: no round that it took part in has a horizon beyond, whether it heard of its end or not.
 * Its clock counts as far as it is credible: what it holds beyond is for its key alone to heed.
 */
export function raiseBounds(state: PeerState, now: Now, facts: CheckpointFacts): void {
  const credible = latestCredible(state, now);
  const isBelieved = facts.promised <= latestConceivable(state, now);
  const bound = Math.max(state.joining.owedPromise, facts.horizon, Math.min(facts.clock, credible));
  raiseClock(state, Math.max(state.clock, bound) as Timestamp);
  state.promised = Math.max(state.promised, isBelieved ? facts.promised : credible) as Timestamp;
  state.store.writeState('promised', state.promised);
  noteJoined(state);
  if (facts.horizon > state.horizon) state.horizon = facts.horizon;
  state.store.writeState('horizon', state.horizon);
}

/** Nothing will be stamped at or below `bound`, which is promised as well. */
export function raiseClock(state: PeerState, bound: Timestamp): void {
  state.clock = bound;
  state.promised = Math.max(state.promised, bound) as Timestamp;
  state.store.writeState('clock', state.clock);
  state.store.writeState('promised', state.promised);
}
