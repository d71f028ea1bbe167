/**
 * What finished rounds promise, looked at from outside (protocol.md, sections 1, 6 and 11).
 *
 * The horizon: whoever adopts one has every update stamped at or below it, or knows it to be void (H); and nobody stamps at or below one that
 * a member has adopted (I6, among all). I10: C is at most what every member has on its disk. A disk that was rolled back has forgotten its promise, and
 * its peer cannot know (R10): what it stamps is left out until it has joined, and so is a second process. It promises nothing while somebody remembers more.
 */
import { isFolded, isVoid } from '../core/closures.ts';
import { hasCollectableOrigin } from '../core/dropping.ts';
import { allRanges, createHaveSet, hasSequence } from '../core/haveSet.ts';
import type { CommitMessage } from '../core/messages.ts';
import { includesAll, intersect, rangesFrom } from '../core/ranges.ts';
import type { PeerState } from '../core/state.ts';
import { originKey } from '../core/types.ts';
import type { Entry, Origin, PeerId, VectorEntry } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Checker } from './checker.ts';
import type { Holders } from './holders.ts';
import type { VirtualDisk } from './virtualDisk.ts';
import { isExpiry } from './touched.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** What a process had at the last look. */
interface Seen {
  joined: number;
  finished: number;
  horizon: number;
  promised: number;
}

/** A disk that lacks what an earlier one of its peer promised, until a join makes up for it. */
interface Lapse {
  readonly kind: 'empty' | 'older';
  /** Bound that came with the join: once it is on the disk, the join is. */
  joinedAt: number | undefined;
}

export function createRoundChecks(holders: Holders): Checker {
  const seenBy = new WeakMap<PeerState, Seen>();
  const lapses = new Map<string, Lapse>();
  /** What went from each disk with a join that has not ended yet. */
  const gone = new Map<string, Entry[]>();

  function seenOf(state: PeerState): Seen {
    const known = seenBy.get(state);
    if (known !== undefined) return known;
    const { horizon, promised } = state;
    const seen = { joined: 0, finished: 0, horizon, promised };
    seenBy.set(state, seen);
    return seen;
  }

  /** Whether what it promised before is not known to it. */
  function isForgetful(world: World, peer: VirtualPeer): boolean {
    // A machine that was forgotten while it was off starts without knowing it.
    if (isTwin(peer) || hasTwin(world, peer) || !world.ids.includes(peer.id)) return true;
    const lapse = lapses.get(peer.id);
    return lapse?.kind === 'older' && lapse.joinedAt === undefined;
  }

  /** Whether the disk has all that its peer ever had on one. */
  function isWhole(peer: VirtualPeer): boolean {
    const lapse = lapses.get(peer.id);
    if (lapse === undefined) return true;
    const isJoined = lapse.joinedAt !== undefined && promisedOn(peer.disk) >= lapse.joinedAt;
    if (isJoined) lapses.delete(peer.id);
    return isJoined;
  }

  /** I6 among all: no stamp at or below a horizon that a member has adopted. */
  function checkStamps(world: World, peer: VirtualPeer): void {
    const { self, own } = peer.state;
    for (const touched of peer.touched.entries) {
      const { key, entry } = touched;
      if (entry.id !== self.id || entry.incarnation !== self.incarnation || isExpiry(touched)) continue;
      if (isForgetful(world, peer)) {
        const written = world.truth.find(own.key, entry.sequence);
        if (written !== undefined) written.isOutside = true;
        continue;
      }
      for (const other of membersUp(world)) {
        if (entry.timestamp > other.state.horizon || isClosed(world, self)) continue;
        throw new BrokenInvariant(
          'I6',
          `${peer.address} stamped ${key} ${entry.timestamp}, not above the horizon of ${other.address}`,
        );
      }
    }
  }

  /** Of a join under way nobody knows yet what it comes to, nor whether this process ends it. */
  function noteGone({ address, touched }: VirtualPeer): void {
    gone.set(address, [...(gone.get(address) ?? []), ...touched.removed.map(({ entry }) => entry)]);
  }

  /** What went with a join at or below the horizon, of an incarnation of this peer that had been folded while its disk was away (isUnknown in joinParts.ts). */
  function markUntold(world: World, peer: VirtualPeer): void {
    noteGone(peer);
    const { id, address, state } = peer;
    for (const entry of gone.get(address) ?? []) {
      if (entry.id !== id || entry.timestamp > state.horizon) continue;
      if (isFolded(state.closures, id, entry.incarnation)) markIfOutside(world, entry);
    }
    gone.delete(address);
  }

  /** The same where the others' ABSENT came before the join (R5; seed 411632, with that write durable). */
  function markAbsent(world: World, { id, touched }: VirtualPeer): void {
    for (const { before, entry } of touched.entries)
      if (entry.kind === 'synthetic' && before?.id === id) markIfOutside(world, before);
  }

  function markIfOutside(world: World, { id, incarnation, sequence }: Entry): void {
    const written = world.truth.find(originKey(id, incarnation), sequence);
    if (written?.isOutside === true) written.isUntold = true;
  }

  /** R10: a new promise hides what others remember of one before, and with it that this disk is older. */
  function checkPromise(world: World, { id, address, state }: VirtualPeer, before: number): void {
    for (const other of membersUp(world)) {
      const remembered = other.state.promises.get(id) ?? 0;
      const isOutlived = (other.state.incarnations.get(id) ?? 0) > state.self.incarnation;
      if (remembered <= before || isOutlived) continue;
      throw new BrokenInvariant(
        'R10',
        `${address} promised ${state.promised} after ${before}, and ${other.address} remembers ${remembered} of it`,
      );
    }
  }

  /** What a horizon says, where it has just been adopted. */
  function checkHorizon(world: World, { address, state }: VirtualPeer, above: number): void {
    for (const written of world.truth.all()) {
      const { origin, sequence, key, entry } = written;
      if (entry.timestamp <= above || entry.timestamp > state.horizon || written.isOutside) continue;
      const { id, incarnation } = entry;
      if (isFolded(state.closures, id, incarnation) || isVoid(state.closures, id, incarnation, sequence))
        continue;
      const have = state.origins.get(origin)?.have;
      if (have !== undefined && hasSequence(have, sequence)) continue;
      if (!holders.isHeld(world, written)) continue; // gone with all the disks that had it
      throw new BrokenInvariant(
        'H',
        `${address} adopted the horizon ${state.horizon} and lacks ${origin}/${sequence} of ${key} at ${entry.timestamp}`,
      );
    }
  }

  /** I10, when a round has ended. */
  function checkCommon(world: World, coordinator: VirtualPeer): void {
    const commit = concludedBy(coordinator.state);
    if (commit === undefined) return;
    for (const id of [coordinator.id, ...coordinator.state.peers.keys()]) {
      const peer = world.peer(id);
      if (!isWhole(peer)) continue;
      for (const entry of commit.known) {
        if (entry.trim === 0 || hasOnDisk(peer.disk, entry, commit)) continue;
        throw new BrokenInvariant(
          'I10',
          `${coordinator.address} takes ${originKey(entry.id, entry.incarnation)} up to ${entry.trim} for common, and ${id} has it not on its disk`,
        );
      }
    }
  }

  return {
    afterNewDisk(_world, peer) {
      const kind = peer.disk.readDurableState('phase') === undefined ? 'empty' : 'older';
      lapses.set(peer.id, { kind, joinedAt: undefined });
      gone.delete(peer.address);
    },

    afterStart(_world, peer) {
      seenOf(peer.state);
      if (isTwin(peer)) return;
      const lapse = lapses.get(peer.id);
      if (lapse !== undefined && !isWhole(peer)) lapse.joinedAt = undefined; // the join was lost in a crash
    },

    afterStep(world, peer) {
      const { state, touched } = peer;
      const seen = seenOf(state);
      const lapse = lapses.get(peer.id);
      if (isTwin(peer))
        lapses.set(peer.id, { kind: 'older', joinedAt: undefined }); // it may promise in the name of both
      else if (state.joining.join !== undefined && touched.removed.length > 0) noteGone(peer);
      else if (lapse !== undefined && state.counters.checkpointsJoined > seen.joined) {
        lapse.joinedAt = state.promised;
        markUntold(world, peer);
      }
      if (state.promised > seen.promised && state.counters.checkpointsJoined === seen.joined)
        checkPromise(world, peer, seen.promised);
      seen.promised = state.promised;
      seen.joined = state.counters.checkpointsJoined;
      if (touched.entries.length > 0) {
        checkStamps(world, peer);
        markAbsent(world, peer);
      }
      if (state.isTidy && hasCollectableOrigin(state))
        throw new BrokenInvariant(
          'tidy',
          `${peer.address} has something to collect and begins no round for it`,
        );
      if (state.horizon > seen.horizon) checkHorizon(world, peer, seen.horizon);
      seen.horizon = state.horizon;
      if (state.rounds.finished > seen.finished) checkCommon(world, peer);
      seen.finished = state.rounds.finished;
    },
  };
}

function isTwin({ id, address }: VirtualPeer): boolean {
  return id !== address;
}

/** Whether a second process runs with its id: the newer one, until this one is started again. */
function hasTwin(world: World, { id, state }: VirtualPeer): boolean {
  for (const other of world.machines)
    if (isTwin(other) && other.id === id && other.isRunning)
      return other.state.self.incarnation > state.self.incarnation;
  return false;
}

function membersUp(world: World): VirtualPeer[] {
  return world.peers.filter((peer) => peer.isRunning && peer.state.phase === 'member');
}

/** A round has closed it: what it still stamps is void. */
function isClosed(world: World, { id, incarnation }: Origin): boolean {
  return membersUp(world).some(({ state }) => incarnation < (state.closures.get(id)?.closedBelow ?? 0));
}

/** The COMMIT that is about to leave. */
function concludedBy({ effects }: PeerState): CommitMessage | undefined {
  for (const effect of effects)
    if (effect.kind === 'send' && effect.message.kind === 'commit') return effect.message;
  return undefined;
}

/** Whether all up to C is on a disk; of a closed incarnation, all that is kept. */
function hasOnDisk(
  disk: VirtualDisk,
  { id, incarnation, contiguous, gaps, trim }: VectorEntry,
  { closures }: CommitMessage,
): boolean {
  const [, foldedBelow = 0] = (disk.readDurableState(`closure/${id}`) ?? []) as [number?, number?];
  if (incarnation < foldedBelow) return true;
  const stored = disk.readDurableState(`vector/${originKey(id, incarnation)}`) as
    [PeerId, number, number, number[]] | undefined;
  const had = stored === undefined ? [] : allRanges(createHaveSet(stored[2], stored[3]));
  const closure = closures.find((one) => one.id === id);
  const isOpen = incarnation >= (closure?.closedBelow ?? 0);
  const kept = closure?.kept.find((one) => one.incarnation === incarnation)?.ranges ?? [];
  const known = isOpen ? allRanges({ contiguous, gaps }) : rangesFrom(kept);
  return includesAll(had, intersect(known, [1, trim]));
}

function promisedOn(disk: VirtualDisk): number {
  return (disk.readDurableState('promised') as number | undefined) ?? 0;
}
