/**
 * Writes that wait for other peers' disks, seen from outside (I12): where each was when that was said, and at the end.
 *
 * A write acknowledged by n was on the disks of n members, and is lost only with n of them. Whether it is on a disk is read off the disk as a power cut would leave
 * it. One that was wiped, put back or forgotten since counts for what it had as long as the peer written to cannot know: it has heard of no later process there.
 */
import { highestKnown } from '../core/fence.ts';
import { createHaveSet, hasSequence } from '../core/haveSet.ts';
import { copiesOf, type ReplicationGoal, type ReplicationOutcome } from '../core/replication.ts';
import type { PeerState } from '../core/state.ts';
import type { Incarnation, PeerId } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Checker } from './checker.ts';
import type { ClosureWatch } from './closureWatch.ts';
import type { Written } from './truth.ts';
import type { VirtualDisk } from './virtualDisk.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

export interface ReplicaFigures {
  reached: number;
  unknown: number;
  refused: number;
}

/** What was said of a write; `waits`: nothing yet, or the process that would say it is gone. */
type Fate =
  | { readonly kind: 'waits' | 'unknown' }
  /** On so many disks, the one of the peer written to counting or not. */
  | { readonly kind: 'reached'; readonly copies: number; readonly goal: ReplicationGoal };

export interface ReplicaWatch {
  readonly checker: Checker;
  readonly figures: ReplicaFigures;
  /** Every write that waited for other disks. */
  readonly fates: ReadonlyMap<Written, Fate>;
  /** Whose disk had it and is gone for good; that of the peer written to only where the goal counts it. */
  lostDisks(world: World, written: Written, goal?: ReplicationGoal): ReadonlySet<PeerId>;
  /** A client waits, in a step of the peer it has written to, until its write is on so many disks. */
  wait(world: World, peer: VirtualPeer, written: Written, goal: ReplicationGoal, withinMs: number): void;
}

/** Whose disk it is, and the last process that ran on it. */
interface KnownDisk {
  readonly id: PeerId;
  readonly incarnation: Incarnation;
}

export function createReplicaWatch(closures: ClosureWatch): ReplicaWatch {
  const figures: ReplicaFigures = { reached: 0, unknown: 0, refused: 0 };
  const fates = new Map<Written, Fate>();
  const disks = new Map<VirtualDisk, KnownDisk>();

  /** Members on whose disk an update is, or was as far as the peer written to can know. */
  function findHolders(world: World, written: Written, { state }: VirtualPeer): Set<PeerId> {
    const present = new Set(Array.from(world.machines, ({ disk }) => disk));
    const ids = new Set<PeerId>();
    for (const [disk, { id, incarnation }] of disks) {
      const isUnknownLoss = lastKnown(state, id) <= incarnation;
      if ((present.has(disk) || isUnknownLoss) && isOnDisk(disk, written)) ids.add(id);
    }
    return ids;
  }

  function onReached(
    world: World,
    peer: VirtualPeer,
    written: Written,
    goal: ReplicationGoal,
    { onDisk }: ReplicationOutcome,
  ): void {
    const copies = goal.kind === 'others' ? goal.count : copiesOf(goal.copies, peer.state.peers.size + 1);
    const holders = findHolders(world, written, peer);
    const counted = [...holders].filter((id) => goal.kind === 'copies' || id !== peer.id);
    if (counted.length < copies || onDisk.some((id) => !holders.has(id)))
      throw new BrokenInvariant(
        'I12',
        `${written.key} (${written.origin}/${written.sequence}) was acknowledged as on ${copies} disks, those of ${onDisk.join(', ')}, and is on those of ${[...holders].join(', ') || 'nobody'}`,
      );
    fates.set(written, { kind: 'reached', copies, goal });
  }

  function lostDisks(world: World, written: Written, goal?: ReplicationGoal): ReadonlySet<PeerId> {
    const present = new Set(world.peers.map(({ disk }) => disk));
    const lost = new Set<PeerId>();
    for (const [disk, { id }] of disks) if (!present.has(disk) && isOnDisk(disk, written)) lost.add(id);
    if (goal?.kind === 'others') lost.delete(written.entry.id);
    return lost;
  }

  /** It is gone only with the disks of as many members as it was said to be on. */
  function assertKept(world: World, holder: VirtualPeer, written: Written, fate: Fate): void {
    const { key, origin, sequence, isUntold } = written;
    if (fate.kind !== 'reached' || isUntold || !closures.isLost(world, holder, written)) return;
    const lost = lostDisks(world, written, fate.goal);
    if (lost.size >= fate.copies) return;
    throw new BrokenInvariant(
      'I12',
      `${key} (${origin}/${sequence}) was acknowledged as on ${fate.copies} disks and is nowhere, though of those that had it only ${[...lost].join(', ') || 'none'} is lost`,
    );
  }

  return {
    figures,
    fates,
    lostDisks,
    wait(world, peer, written, goal, withinMs) {
      fates.set(written, { kind: 'waits' });
      peer.runtime.replicas.wait(goal, withinMs, written.sequence, (outcome) => {
        if (outcome instanceof Error) return;
        figures[outcome.isReached ? 'reached' : 'unknown'] += 1;
        if (outcome.isReached) onReached(world, peer, written, goal, outcome);
        else fates.set(written, { kind: 'unknown' });
      });
    },
    checker: {
      afterStart(_world, { disk, id, state }) {
        disks.set(disk, { id, incarnation: state.self.incarnation });
      },
      atRest(world) {
        const [holder] = world.peers;
        if (holder === undefined) return;
        for (const [written, fate] of fates) assertKept(world, holder, written, fate);
      },
    },
  };
}

/** The last process of a member that a peer has heard, or heard of. */
function lastKnown(state: PeerState, id: PeerId): Incarnation {
  return id === state.self.id ? state.self.incarnation : highestKnown(state, id);
}

/** Whether a power cut now would leave a disk with an update. */
function isOnDisk(disk: VirtualDisk, { origin, sequence }: Written): boolean {
  const stored = disk.readDurableState(`vector/${origin}`);
  if (stored === undefined) return false;
  const [, , contiguous, gaps] = stored as [string, number, number, number[]];
  return hasSequence(createHaveSet(contiguous, gaps), sequence);
}
