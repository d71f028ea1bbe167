/**
 * What it means to forget a member, said before it is done (section 8).
 *
 * Only reads. A peer knows how far another said it had got, and what of that is here; what the other took while nobody heard it is known to
 * nobody, and is said so.
 */
import type { Now } from '../core/clock.ts';
import { ToposphereError } from '../core/errors.ts';
import { missingCount } from '../core/haveSet.ts';
import type { PeerState } from '../core/state.ts';
import { originKey, type PeerId } from '../core/types.ts';

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
  const heard = Number.isFinite(view.lastHeardMs)
    ? `was last heard ${describeAge(now.monotonicMs - view.lastHeardMs)} ago`
    : 'has not been heard since this peer started';
  const origin = state.origins.get(originKey(view.id, view.incarnation));
  const missing =
    origin === undefined ? 0 : missingCount(origin.have, Math.max(origin.announced, view.lastSequence));
  const known =
    missing > 0
      ? `of its updates ${missing} are known not to be here`
      : 'all of its updates that this peer knows of are here';
  const alive = view.isLive ? `${id} is alive: stop it first. ` : '';
  return `${alive}${id} ${heard}; ${known}. What it wrote while nobody heard it is lost with it. It can come back only under a new id, with an empty data directory`;
}

function describeAge(ageMs: number): string {
  const seconds = Math.round(ageMs / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
