/**
 * Whether a peer may be told to take part with what its disk holds (R10).
 *
 * Only reads. The last resort when every peer waits to join: refused while somebody is left to join from, for then this disk would be
 * the older one.
 */
import { ToposphereError } from '../core/errors.ts';
import { liveIds } from '../core/liveness.ts';
import type { PeerState } from '../core/state.ts';

/** Throws BAD_ARGUMENT, with what to do instead. */
export function assertMayBootstrap(state: PeerState): void {
  const { id } = state.self;
  if (state.phase === 'member') throw new ToposphereError('BAD_ARGUMENT', `${id} takes part already`);
  if (state.phase === 'forgotten')
    throw new ToposphereError(
      'BAD_ARGUMENT',
      `${id} was forgotten for good: give it a new id in servers.txt and an empty data directory`,
    );
  const donor = liveIds(state).find((other) => state.peers.get(other)?.phase === 'member');
  if (donor !== undefined)
    throw new ToposphereError(
      'BAD_ARGUMENT',
      `${donor} takes part and is heard: ${id} joins from it by itself`,
    );
}
