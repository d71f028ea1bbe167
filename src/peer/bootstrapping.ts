/**
 * Whether a peer may be told to take part with what its disk holds (R10), and what that means, said before it is done.
 *
 * Only reads. The last resort when every peer waits to join: refused while somebody is left to join from, for then this disk would be
 * the older one. Who is merely silent may be such a one, so every member is named with what is known of it.
 */
import type { Now } from '../core/clock.ts';
import { ToposphereError } from '../core/errors.ts';
import { liveIds } from '../core/liveness.ts';
import type { Phase } from '../core/messages.ts';
import type { PeerView } from '../core/peerView.ts';
import { countKeys, type PeerState } from '../core/state.ts';
import { assertNever } from '../core/types.ts';
import { describeHeard } from './heard.ts';

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

/** Several lines: this peer, every other member, what to try before and what it would mean. Throws BAD_ARGUMENT for a peer that need not, or may not. */
export function describeBootstrap(state: PeerState, now: Now): string {
  assertMayBootstrap(state);
  const { id } = state.self;
  return [
    `${id} ${state.phase === 'fresh' ? 'has never joined' : 'has to join first'}; its disk holds ${countKeys(state).toLocaleString('en')} keys`,
    ...Array.from(state.peers.values(), (view) => describeMember(view, now)),
    `If one of the others can be started with its data, start it first: as soon as one that takes part is heard, ${id} joins from it by itself, and nothing is lost.`,
    `Otherwise ${id} takes part with what its disk holds, and the others must join from it. What only their disks hold is missing until they are back, and lost if they never are; keys that were deleted since this disk was up to date may return.`,
  ].join('\n');
}

function describeMember(view: PeerView, now: Now): string {
  const heard = `${view.id} ${describeHeard(view, now)}`;
  return Number.isFinite(view.lastHeardMs)
    ? `${heard}; ${view.hasLeft ? 'before' : 'then'} it ${describePhase(view.phase)}`
    : heard;
}

/** By its last KEEPALIVE. */
function describePhase(phase: Phase): string {
  switch (phase) {
    case 'fresh':
      return 'had no data';
    case 'joining':
      return 'had to join first';
    case 'forgotten':
      return 'was forgotten';
    case 'member':
      return 'took part';
    default:
      return assertNever(phase);
  }
}
