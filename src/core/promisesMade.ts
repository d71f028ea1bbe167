/**
 * What this disk remembers to have promised in rounds: whether it is still the one that had what a round found on every disk (serveSession.ts).
 *
 * The last promise does not tell: after a disk was put back it answers the next round and promises more than ever, before it has got back what it lost. So the last
 * few are kept one by one, each with the turn that made it. Owns that list, and what stands in for it: a join, and a horizon, for either brings what every member had.
 */
import type { PeerState } from './state.ts';
import type { Timestamp } from './types.ts';

export interface PromisesMade {
  /** Joined since: who gave it had what was found on every disk up to here. */
  through: Timestamp;
  /** Ascending. */
  recent: readonly Timestamp[];
}

/** Of older ones only a horizon tells. */
const PROMISES_KEPT = 16;
const STATE = 'promisesMade';

export function loadPromisesMade(stored: unknown, promised: Timestamp): PromisesMade {
  const [through = 0, ...recent] = (stored as number[] | undefined) ?? [0, promised];
  return { through: through as Timestamp, recent: recent as Timestamp[] };
}

/** The present promise was made on this disk. */
export function notePromise(state: PeerState): void {
  const { through, recent } = state.promisesMade;
  if (recent.at(-1) === state.promised) return;
  save(state, { through, recent: [...recent, state.promised].slice(-PROMISES_KEPT) });
}

/** A checkpoint was joined, and the promise that others remember of this peer owned up to. */
export function noteJoined(state: PeerState): void {
  save(state, { through: state.promised, recent: [] });
}

/** Whether this disk has what rounds found on it up to this promise of this peer; if not, a round that begins now will show. */
export function hasKept({ promisesMade, horizon }: PeerState, promised: Timestamp): boolean {
  const { through, recent } = promisesMade;
  return promised <= through || promised <= horizon || recent.includes(promised);
}

function save(state: PeerState, made: PromisesMade): void {
  state.promisesMade = made;
  state.store.writeState(STATE, [made.through, ...made.recent]);
}
