/**
 * What rounds have closed, seen from outside: which updates of dead incarnations survive, and that no void one is anywhere.
 *
 * A folded incarnation leaves nothing but a number at the peers; here it is remembered what they had of it. I7: no dot that a member has is void.
 */
import { isFolded, isVoid } from '../core/closures.ts';
import { containsSequence, intersect, rangesFrom, type Ranges } from '../core/ranges.ts';
import { compareTags, type OriginKey, type PeerId } from '../core/types.ts';
import { hasSequence } from '../core/haveSet.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Checker } from './checker.ts';
import type { Holders } from './holders.ts';
import type { Written } from './truth.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

export interface ClosureWatch {
  readonly checker: Checker;
  /** Whether a peer that has come to rest stands for an update: it has it, or has folded it as kept. */
  survives(world: World, holder: VirtualPeer, written: Written): boolean;
  /** It does not, nor does what it was stamped anew as, or what has replaced that. */
  isLost(world: World, holder: VirtualPeer, written: Written): boolean;
}

/** R9: what wins by its tag is stamped anew when its disk is back, as another update; whatever won stands in its key, or was a tombstone that R8 let go. */
function isSuperseded(world: World, { disk, state }: VirtualPeer, { key, entry }: Written): boolean {
  const held = disk.store.readEntry(key);
  if (held === undefined) return world.truth.hasDroppable(key, entry, state.horizon);
  return compareTags(held, entry) >= 0;
}

export function createClosureWatch(holders: Holders): ClosureWatch {
  /** Kept dots of closed incarnations, as far as anybody listed them, and what peers had of those they folded. */
  const kept = new Map<OriginKey, Ranges>();

  /** Checkpoints that each process had joined at the last look. */
  const joined = new WeakMap<object, number>();

  /** What was said before counts as long as any other disk knows of it: with all that did it is gone, and what they took for void may be had (seed 302922). */
  function narrow(world: World, peer: VirtualPeer, origin: OriginKey, ranges: Ranges): void {
    const [id = '', incarnation] = origin.split('/');
    const isKnown = [...world.machines].some(({ disk }) => {
      if (disk === peer.disk) return false;
      const [closedBelow = 0] = (disk.store.readState(`closure/${id}`) ?? []) as [number?];
      return closedBelow > Number(incarnation);
    });
    const known = kept.get(origin);
    kept.set(origin, known === undefined || !isKnown ? ranges : intersect(known, ranges));
  }

  /** Whether a peer takes an update for void: closed and not kept, or folded and kept by nobody. */
  function isVoidAt({ state: { closures } }: VirtualPeer, { origin, sequence, entry }: Written): boolean {
    const { id, incarnation } = entry;
    if (!isFolded(closures, id, incarnation)) return isVoid(closures, id, incarnation, sequence);
    return !containsSequence(kept.get(origin) ?? [], sequence);
  }

  /** I7: what a peer takes for void from now on no member has. One that has a row has the dot. */
  function assertNobodyHasVoid(world: World, peer: VirtualPeer, id: PeerId): void {
    for (const written of world.truth.all()) {
      if (written.entry.id !== id || written.isOutside || !isVoidAt(peer, written)) continue;
      const { origin, sequence } = written;
      for (const other of membersUp(world))
        if (other.disk.store.readRow(origin, sequence) !== undefined) throw broken(peer, other, written);
    }
  }

  /** I7, the other way round: what a member records from now on no other takes for void. */
  function assertVoidNowhere(world: World, peer: VirtualPeer, written: Written): void {
    for (const other of membersUp(world)) if (isVoidAt(other, written)) throw broken(other, peer, written);
  }

  function survives(world: World, holder: VirtualPeer, written: Written): boolean {
    const { origin, sequence, entry } = written;
    const { closures, origins } = holder.state;
    if (isFolded(closures, entry.id, entry.incarnation)) {
      const ranges = kept.get(origin);
      return ranges !== undefined && containsSequence(ranges, sequence) && holders.isHeld(world, written);
    }
    const have = origins.get(origin)?.have;
    if (have === undefined || !hasSequence(have, sequence)) return false;
    return !isVoid(closures, entry.id, entry.incarnation, sequence);
  }

  return {
    checker: {
      afterStep(world, peer) {
        const { touched, state } = peer;
        // Who folds because a checkpoint said so need not have had it all before.
        const hasJoined = state.counters.checkpointsJoined > (joined.get(state) ?? 0);
        joined.set(state, state.counters.checkpointsJoined);
        if (!hasJoined)
          for (const { origin, ranges } of touched.folded) narrow(world, peer, origin, rangesFrom(ranges));
        for (const name of touched.states) {
          if (!name.startsWith('closure/')) continue;
          const id = name.slice('closure/'.length) as PeerId;
          for (const [incarnation, ranges] of state.closures.get(id)?.kept ?? [])
            narrow(world, peer, `${id}/${incarnation}` as OriginKey, ranges);
          assertNobodyHasVoid(world, peer, id);
        }
        // A machine that was forgotten while it was off starts without knowing it.
        if (!world.ids.includes(state.self.id)) return;
        for (const { origin, sequence } of touched.rows) {
          const written = world.truth.find(origin, sequence);
          if (written?.isOutside === false) assertVoidNowhere(world, peer, written);
        }
      },
    },
    survives,
    isLost(world, holder, written) {
      if (survives(world, holder, written)) return false;
      return !written.isOutside || !isSuperseded(world, holder, written);
    },
  };
}

function membersUp(world: World): VirtualPeer[] {
  return world.peers.filter((peer) => peer.isRunning && peer.state.phase === 'member');
}

function broken(taker: VirtualPeer, holder: VirtualPeer, { origin, sequence }: Written): BrokenInvariant {
  return new BrokenInvariant(
    'I7',
    `${taker.address} takes ${origin}/${sequence} for void, and ${holder.address} has it`,
  );
}
