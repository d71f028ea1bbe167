/**
 * The invariants of protocol.md, section 11, looked at after every step, on what the step touched.
 *
 * I1 a dot names one update; I2 (SUP) a recorded dot is covered by an entry with a tag at least as large, or by a tombstone that R8 let go;
 * I3 an entry's dot is in have; I4 vectors, clock, horizon, fences and incarnations only grow within one disk's life; I5 no entry below the highest
 * tag that this peer had; I6 own timestamps rise and stay above promise and horizon; I8 nothing new at or below the horizon is applied;
 * I9, I14, I15. And R1: what was acknowledged is there after a restart. What a step does not touch it cannot have broken.
 */
import { isFolded, isVoid } from '../core/closures.ts';
import { hybridTime } from '../core/expiry.ts';
import { gapRanges, hasSequence } from '../core/haveSet.ts';
import { pendingCount } from '../core/repairQueue.ts';
import { compareTags, originKey } from '../core/types.ts';
import type { Entry, Key, OriginKey, PeerId, Tag } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Checker } from './checker.ts';
import { isExpiry } from './touched.ts';
import type { TouchedEntry } from './touched.ts';
import type { Written } from './truth.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** What a peer had at the last look, within this life of its process. */
interface Seen {
  readonly contiguous: Map<OriginKey, number>;
  readonly fences: Map<PeerId, number>;
  clock: number;
  horizon: number;
  promised: number;
  joined: number;
  disagreements: number;
}

/** What is known of a disk, over the lives of the processes that used it. */
interface DiskLife {
  /** Acknowledged, and to be there after the next start. */
  promised: Written[];
  /** What it held at the last start. */
  atStart: ReadonlyMap<Key, Entry>;
  /** Highest tag of each key that was on the disk at a start, or has been applied since. */
  highest: Map<Key, Tag>;
}

export function createStepChecks(): Checker {
  const seenBy = new Map<VirtualPeer, Seen>();
  const disks = new Map<VirtualPeer, DiskLife>();
  /** The highest that anybody has adopted. */
  let highestHorizon = 0;

  /** What was stamped at or below it may be gone from a disk: the own horizon, or, before a join has ended, that of whose checkpoint is being joined. */
  function horizonOf({ state }: VirtualPeer): number {
    return state.phase === 'member' ? state.horizon : highestHorizon;
  }

  function diskOf(peer: VirtualPeer): DiskLife {
    const known = disks.get(peer);
    if (known !== undefined) return known;
    const life: DiskLife = { promised: [], atStart: new Map(), highest: new Map() };
    disks.set(peer, life);
    return life;
  }

  return {
    afterStep(world, peer) {
      const { touched, state } = peer;
      const seen = seenBy.get(peer);
      if (seen === undefined) return;
      highestHorizon = Math.max(highestHorizon, state.horizon);
      const horizon = horizonOf(peer);
      for (const one of touched.entries) checkEntry(world, peer, one, seen, diskOf(peer).highest);
      for (const { origin, sequence, key } of touched.rows)
        checkRow(world, peer, origin, sequence, key, horizon);
      if (state.counters.checkpointsJoined > seen.joined) checkJoined(world, peer);
      if (touched.rows.length > 0 || touched.states.length > 0) checkGrowth(peer, seen);
      if (state.clock < seen.clock) throw new BrokenInvariant('I4', `the clock of ${peer.address} went back`);
      seen.clock = state.clock;
      seen.joined = state.counters.checkpointsJoined;
      const disagreements = state.counters.joinDisagreements - seen.disagreements;
      if (disagreements > countExcused(world, peer, horizon))
        throw new BrokenInvariant('I9', `at ${peer.address} horizon and dots say different things of a key`);
      seen.disagreements = state.counters.joinDisagreements;
      if (state.counters.droppedContradiction > 0)
        throw new BrokenInvariant(
          'I2',
          `a record for ${peer.address} of a dot that it has stands above its entry`,
        );
      checkCaps(peer);
    },

    beforeCrash(_world, peer, kind) {
      const disk = diskOf(peer);
      if (kind !== 'process') disk.promised = disk.promised.filter(({ level }) => level === 'durable');
    },

    afterNewDisk(_world, peer) {
      disks.delete(peer);
    },

    afterStart(world, peer) {
      const { state } = peer;
      if (state.self.incarnation <= peer.spokenIncarnation)
        throw new BrokenInvariant('I4', `${peer.address} drew an incarnation that is not above its last one`);
      world.truth.forget(state.own.key);
      seenBy.set(peer, {
        contiguous: new Map([...state.origins.values()].map(({ key, have }) => [key, have.contiguous])),
        fences: new Map(state.fences),
        clock: state.clock,
        horizon: state.horizon,
        promised: state.promised,
        joined: 0,
        disagreements: 0,
      });
      checkLoaded(world, peer, horizonOf(peer));
      const disk = diskOf(peer);
      for (const written of disk.promised) checkPromise(peer, written);
      disk.promised = [];
      checkAtStart(world, peer, disk.atStart, horizonOf(peer));
      // What it starts with is on the disk: from here on no key may fall below it, nor below what R8 let go.
      const entries: ReadonlyMap<Key, Entry> = new Map(peer.disk.store.entries({}));
      disk.highest = new Map<Key, Tag>([...disk.atStart, ...entries]);
      disk.atStart = entries;
    },

    onAcknowledged(_world, peer, written) {
      if (written.level !== 'fast') diskOf(peer).promised.push(written);
    },
  };
}

/** I1, I5, I6, I8, I3. Own new updates become known to the truth here. */
function checkEntry(
  world: World,
  peer: VirtualPeer,
  touched: TouchedEntry,
  seen: Seen,
  highest: Map<Key, Tag>,
): void {
  const { key, before, entry } = touched;
  const { self, promised, counters } = peer.state;
  const known = highest.get(key);
  if (known !== undefined && entry.kind === 'value' && compareTags(entry, known) < 0)
    throw new BrokenInvariant('I5', `${peer.address} put an older entry of ${key} over a newer one`);
  if (before !== undefined && isExpiry(touched)) {
    noteExpiry(world, peer, key, before, entry);
    checkHeld(world, peer, key, entry);
    return;
  }
  if (before !== undefined && compareTags(entry, before) < 0)
    throw new BrokenInvariant('I5', `${peer.address} put an older entry of ${key} over a newer one`);
  if (known === undefined || compareTags(entry, known) > 0) highest.set(key, entry);
  if (entry.kind === 'synthetic') return;
  const hasJoined = counters.checkpointsJoined > seen.joined;
  if (entry.timestamp <= seen.horizon && before === undefined && !hasJoined)
    throw new BrokenInvariant(
      'I8',
      `${peer.address} applied ${key} at ${entry.timestamp}, not above its horizon`,
    );
  const origin = originKey(entry.id, entry.incarnation);
  if (entry.id === self.id && entry.incarnation === self.incarnation) {
    if (world.truth.find(origin, entry.sequence) === undefined) world.truth.note(key, entry, world.nowMs);
    if (entry.timestamp <= seen.horizon || (promised === seen.promised && entry.timestamp <= promised))
      throw new BrokenInvariant(
        'I6',
        `${entry.id} stamped ${entry.timestamp}, not above its promise and horizon`,
      );
  }
  checkHeld(world, peer, key, entry);
}

/** Section 8: an entry gives way to one with its own tag only when it expires, and then to a tombstone. */
function noteExpiry(
  world: World,
  peer: VirtualPeer,
  key: Key,
  before: Entry,
  { kind, expiresAt }: Entry,
): void {
  const hasCome = before.expiresAt !== 0 && before.expiresAt <= hybridTime(peer.state, peer.now());
  if (before.kind !== 'value' || kind !== 'tombstone' || expiresAt !== before.expiresAt || !hasCome)
    throw new BrokenInvariant(
      'I5',
      `${peer.address} replaced ${key} under its own tag, and it had not expired`,
    );
  const written = world.truth.find(originKey(before.id, before.incarnation), before.sequence);
  if (written !== undefined) written.hasExpired = true;
}

/** R4: what a peer itself knows to be void it does not take, by whatever way it comes. */
function assertNotVoid({ address, state }: VirtualPeer, { id, incarnation, sequence }: Entry): void {
  if (!isVoid(state.closures, id, incarnation, sequence)) return;
  throw new BrokenInvariant(
    'I7',
    `${address} took ${id}/${incarnation}/${sequence}, which it knows to be void`,
  );
}

/** I1 and I3 of an entry that is there, and that it is not void. Of a checkpoint that is being joined the entries come first, and nobody is told of them. */
function checkHeld(world: World, peer: VirtualPeer, key: Key, entry: Entry): void {
  assertNotVoid(peer, entry);
  world.truth.assertTrue(peer.address, key, entry);
  if (peer.state.phase !== 'member') return;
  if (isFolded(peer.state.closures, entry.id, entry.incarnation)) return;
  const origin = originKey(entry.id, entry.incarnation);
  const have = peer.state.origins.get(origin)?.have;
  if (have === undefined || !hasSequence(have, entry.sequence))
    throw new BrokenInvariant(
      'I3',
      `${peer.address} holds ${key} with dot ${origin}/${entry.sequence}, which it does not have`,
    );
}

/** I2: the dot's key has an entry at least as large as the update itself, or R8 let a tombstone go that was. */
function checkRow(
  world: World,
  peer: VirtualPeer,
  origin: OriginKey,
  sequence: number,
  key: Key,
  horizon: number,
): void {
  const name = `${origin}/${sequence}`;
  const truth = world.truth.find(origin, sequence);
  if (truth === undefined)
    throw new BrokenInvariant('I1', `${peer.address} recorded ${name}, which nobody wrote`);
  if (truth.key !== key)
    throw new BrokenInvariant(
      'I1',
      `${peer.address} recorded ${name} for ${key}; it was written to ${truth.key}`,
    );
  assertNotVoid(peer, truth.entry);
  const entry = peer.disk.store.readEntry(key);
  const isCovered =
    entry === undefined
      ? world.truth.hasDroppable(key, truth.entry, horizon) || isTooLate(truth, horizon)
      : compareTags(entry, truth.entry) >= 0;
  if (!isCovered)
    throw new BrokenInvariant(
      'I2',
      `${peer.address} recorded ${name} of ${key} without an entry that covers it`,
    );
}

/** R4: what a process stamped below a promise that its disk does not know of is recorded, not applied, until it is stamped anew. */
function isTooLate({ entry, isOutside }: Written, horizon: number): boolean {
  return isOutside && entry.timestamp <= horizon;
}

/**
 * Values that went with this join, and that another peer's process stamped below what it had promised and its disk did not know of: horizons say nothing
 * of them, and it stamps them anew itself (R4).
 */
function countExcused(world: World, peer: VirtualPeer, horizon: number): number {
  let excused = 0;
  for (const { entry } of peer.touched.removed) {
    const written = world.truth.find(originKey(entry.id, entry.incarnation), entry.sequence);
    if (written !== undefined && entry.id !== peer.id && isTooLate(written, horizon)) excused += 1;
  }
  return excused;
}

/** I2 of every dot that is had: a checkpoint's come without rows. And I3 of every entry, whichever turn brought it. */
function checkJoined(world: World, peer: VirtualPeer): void {
  const { origins, closures, horizon } = peer.state;
  for (const [key, entry] of peer.disk.store.entries({}))
    if (entry.kind !== 'synthetic') checkHeld(world, peer, key, entry);
  for (const { origin, sequence, key, entry } of world.truth.all()) {
    const have = origins.get(origin)?.have;
    if (have === undefined || !hasSequence(have, sequence)) continue;
    if (!isVoid(closures, entry.id, entry.incarnation, sequence))
      checkRow(world, peer, origin, sequence, key, horizon);
  }
}

/** I4: vectors of the origins that are known, fences, horizon; I15. */
function checkGrowth({ address, state }: VirtualPeer, seen: Seen): void {
  for (const { key, have, trim } of state.origins.values()) {
    if (have.contiguous < (seen.contiguous.get(key) ?? 0))
      throw new BrokenInvariant('I4', `the vector of ${address} for ${key} went back`);
    seen.contiguous.set(key, have.contiguous);
    if (trim > have.contiguous)
      throw new BrokenInvariant('I15', `${address} trimmed ${key} above its vector`);
  }
  for (const [id, fence] of state.fences) {
    if (fence < (seen.fences.get(id) ?? 0))
      throw new BrokenInvariant('I4', `the fence of ${address} for ${id} went back`);
    seen.fences.set(id, fence);
  }
  if (state.horizon < seen.horizon) throw new BrokenInvariant('I4', `the horizon of ${address} went back`);
  if (state.promised < seen.promised) throw new BrokenInvariant('I4', `the promise of ${address} went back`);
  seen.horizon = state.horizon;
  seen.promised = state.promised;
}

function checkCaps({ address, state }: VirtualPeer): void {
  const { limits } = state.settings;
  if (state.repairs.size > 0 && pendingCount(state.repairs) > limits.maxPendingRepairs)
    throw new BrokenInvariant('I14', `${address} keeps more repairs than maxPendingRepairs`);
}

/** I1, I2, I3 over everything that a process has loaded: a disk gives back whole turns. */
function checkLoaded(world: World, peer: VirtualPeer, horizon: number): void {
  for (const { key: origin, id, incarnation, have, trim } of peer.state.origins.values()) {
    for (const [from, to] of [[1, have.contiguous] as const, ...gapRanges(have)]) {
      for (let sequence = Math.max(from, trim + 1); sequence <= to; sequence += 1) {
        if (isVoid(peer.state.closures, id, incarnation, sequence)) continue;
        const key = peer.disk.store.readRow(origin, sequence);
        if (key === undefined)
          throw new BrokenInvariant(
            'I2',
            `${peer.address} has ${origin}/${sequence} without a row after its start`,
          );
        checkRow(world, peer, origin, sequence, key, horizon);
      }
    }
  }
  for (const [key, entry] of peer.disk.store.entries({}))
    if (entry.kind !== 'synthetic') checkHeld(world, peer, key, entry);
}

/** R1: an acknowledgement means what its level says. */
function checkPromise(peer: VirtualPeer, { origin, sequence, key, level, entry }: Written): void {
  if (isFolded(peer.state.closures, entry.id, entry.incarnation)) return;
  const have = peer.state.origins.get(origin)?.have;
  if (have === undefined || !hasSequence(have, sequence))
    throw new BrokenInvariant('R1', `${peer.address} lost ${key}, acknowledged as ${level}, in a crash`);
}

/** I5: what was on the disk at the last start is there, or newer, or went under R8, or was stamped too late to be told from that (seed 411632). */
function checkAtStart(
  world: World,
  peer: VirtualPeer,
  atStart: ReadonlyMap<Key, Entry>,
  horizon: number,
): void {
  for (const [key, tag] of atStart) {
    const entry = peer.disk.store.readEntry(key);
    const written = world.truth.find(originKey(tag.id, tag.incarnation), tag.sequence);
    const mayBeGone =
      tag.kind === 'synthetic'
        ? tag.timestamp <= horizon
        : world.truth.hasDroppable(key, tag, horizon) ||
          (written !== undefined && isTooLate(written, horizon));
    const isGood = entry === undefined ? mayBeGone : compareTags(entry, tag) >= 0;
    if (!isGood) throw new BrokenInvariant('I5', `${peer.address} fell below what it had of ${key}`);
  }
}
