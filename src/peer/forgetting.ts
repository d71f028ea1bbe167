/**
 * What it means to forget a member, said before it is done (section 8).
 *
 * Only reads. A peer knows how far another said it had got in each of its incarnations, or was said to have by others, and what of that is
 * here; what the other took while nobody heard it is known to nobody, and is said so.
 */
import type { Now } from '../core/clock.ts';
import { ToposphereError } from '../core/errors.ts';
import type { PeerState } from '../core/state.ts';
import type { PeerId } from '../core/types.ts';
import { describeHeard } from './heard.ts';
import { countMissingOf } from './lag.ts';

/** Throws BAD_ARGUMENT when `id` is no member that can be forgotten here. */
export function describeForgetting(state: PeerState, now: Now, id: string): string {
  const view = state.peers.get(id as PeerId);
  if (id === state.self.id)
    throw new ToposphereError('BAD_ARGUMENT', `${id} cannot forget itself: ask another peer (--id)`);
  if (state.forgotten.has(id as PeerId))
    throw new ToposphereError('BAD_ARGUMENT', `${id} is forgotten already`);
  if (view === undefined)
    throw new ToposphereError(
      'BAD_ARGUMENT',
      `${id} is no member; members are ${[...state.peers.keys()].join(', ')}`,
    );
  const alive = view.isLive ? `${id} is alive: stop it first. ` : '';
  return `${alive}${id} ${describeHeard(view, now)}; ${describeMissing(state, view.id)}. What it wrote while nobody heard it is lost with it. It can come back only under a new id, with an empty data directory`;
}

function describeMissing(state: PeerState, id: PeerId): string {
  const { missing, nowhere } = countMissingOf(state, id);
  if (missing === 0) return 'all of its updates that this peer knows of are here';
  const others = missing === nowhere ? '' : `, ${missing - nowhere} of them at other members`;
  return `of its updates ${missing} are known not to be here${others}`;
}
