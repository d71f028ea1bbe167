/**
 * Whether the limit of cells (maxCounterCells) is kept by an increment: what would make one beyond is refused, and nothing else is.
 */
import { AFTER_CELLS, CELL_PREFIX } from '../core/counterCells.ts';
import type { ToposphereError } from '../core/errors.ts';
import type { Key } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { IncrementOutcome } from './clientIncrement.ts';
import type { CounterGhost } from './counterGhost.ts';
import type { VirtualPeer } from './virtualPeer.ts';

interface Room {
  /** Of the increment that was tried then. */
  readonly assertKept: (outcome: IncrementOutcome) => void;
}

export function isForWantOfRoom({ message }: ToposphereError): boolean {
  return message.includes('maxCounterCells');
}

/** To be called before an increment. */
export function lookAtRoom(peer: VirtualPeer, ghost: CounterGhost, key: Key): Room {
  const { maxCounterCells } = peer.state.settings.limits;
  const needsCell = !ghost.hasOwnCounted(peer, key);
  let held = 0;
  for (const [, { kind }] of peer.disk.store.entries({ from: CELL_PREFIX, before: AFTER_CELLS }))
    if (kind === 'value') held += 1;
  const isFull = needsCell && held >= maxCounterCells;
  return {
    assertKept(outcome) {
      const isRefused = outcome.kind === 'refused' && isForWantOfRoom(outcome.error);
      if (isRefused ? isFull : !isFull || outcome.kind !== 'taken') return;
      throw new BrokenInvariant(
        'counters',
        `${key} at ${peer.address}: ${held} cells of at most ${maxCounterCells} are held, ${needsCell ? 'another' : 'none'} is needed, and it is ${outcome.kind}`,
      );
    },
  };
}
