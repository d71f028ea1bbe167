/**
 * Which disks have ever had an update: of a folded incarnation the peers keep a number, and where all who had one of its updates have lost their disks
 * it is gone, whatever was known of it before.
 */
import { isFolded } from '../core/closures.ts';
import { hasSequence } from '../core/haveSet.ts';
import type { PeerState } from '../core/state.ts';
import type { Checker } from './checker.ts';
import type { Written } from './truth.ts';
import type { VirtualDisk } from './virtualDisk.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

export interface Holders {
  readonly checker: Checker;
  /** Whether the disk of any machine has had it. */
  isHeld(world: World, written: Written): boolean;
}

/** Whether a peer has an update; of what it has folded `whenFolded` decides. */
function isClaimed({ closures, origins }: PeerState, written: Written, whenFolded: boolean): boolean {
  const { origin, sequence, entry } = written;
  if (isFolded(closures, entry.id, entry.incarnation)) return whenFolded;
  const have = origins.get(origin)?.have;
  return have !== undefined && hasSequence(have, sequence);
}

export function createHolders(): Holders {
  const heldOn = new WeakMap<VirtualDisk, Set<Written>>();
  /** Checkpoints that each process had joined at the last look. */
  const joined = new WeakMap<object, number>();

  function of(disk: VirtualDisk): Set<Written> {
    let held = heldOn.get(disk);
    if (held === undefined) {
      held = new Set();
      heldOn.set(disk, held);
    }
    return held;
  }

  function isHeld(world: World, written: Written): boolean {
    for (const { disk } of world.machines) if (of(disk).has(written)) return true;
    return false;
  }

  /** A checkpoint claims without rows, and of what is folded it does not even claim. */
  function addClaimed(world: World, { disk, state }: VirtualPeer): void {
    const held = of(disk);
    for (const written of world.truth.all()) {
      if (isClaimed(state, written, isHeld(world, written))) held.add(written);
    }
  }

  return {
    isHeld,
    checker: {
      /** What was not on the disk yet went with the process. */
      afterStart(_world, { disk, state }) {
        for (const written of of(disk)) if (!isClaimed(state, written, true)) of(disk).delete(written);
      },

      afterStep(world, peer) {
        const { disk, touched, state } = peer;
        for (const { origin, sequence } of touched.rows) {
          const written = world.truth.find(origin, sequence);
          if (written !== undefined) of(disk).add(written);
        }
        if (state.counters.checkpointsJoined > (joined.get(state) ?? 0)) addClaimed(world, peer);
        joined.set(state, state.counters.checkpointsJoined);
      },
      afterDiskCopy(_world, from, to) {
        heldOn.set(to, new Set(of(from)));
      },
    },
  };
}
