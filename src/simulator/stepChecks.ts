/**
 * The invariants of protocol.md, section 11, looked at after every step, on what the step touched.
 *
 * I1 a dot names one update; I2 (SUP) a recorded dot is covered by an entry with a tag at least as large; I3 an entry's dot is in have;
 * I4 vectors, clock and incarnations only grow within one disk's life; I5 no entry below the highest tag that was durable
 * here; I6 own timestamps rise and stay above promise and horizon; I14 the caps hold. And R1: what was acknowledged is
 * there after a restart. What a step does not touch cannot have broken by it, so this is as good as looking at everything.
 */
import { gapRanges, hasSequence } from '../core/haveSet.ts';
import { pendingCount } from '../core/repairQueue.ts';
import type { PeerState } from '../core/state.ts';
import { compareTags, originKey } from '../core/types.ts';
import type { Entry, Key, OriginKey, Tag } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Touched } from './touched.ts';
import type { Written } from './truth.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { Checker } from './checker.ts';
import type { World } from './world.ts';

/** What a peer had at the last look. */
interface Seen {
  readonly contiguous: Map<OriginKey, number>;
  clock: number;
}

/** What clients of a machine were promised that a crash of some kind may not take. */
interface Promises {
  written: Written[];
}

export function createStepChecks(): Checker {
  const seenBy = new Map<VirtualPeer, Seen>();
  const promisedBy = new Map<VirtualPeer, Promises>();
  /** Highest tag of each key that is known to be on the disk of a machine. */
  const durableTags = new Map<VirtualPeer, Map<Key, Tag>>();

  return {
    afterStep(world, peer) {
      const { touched, state } = peer;
      const seen = seenBy.get(peer);
      for (const { key, before, entry } of touched.entries) {
        checkEntry(world, peer, key, before, entry);
        checkOwn(state, entry);
      }
      for (const { origin, sequence, key } of touched.rows) checkRow(world, peer, origin, sequence, key);
      if (touched.rows.length > 0 && seen !== undefined) checkVectors(peer.address, state, touched, seen);
      if (seen !== undefined && state.clock < seen.clock)
        throw new BrokenInvariant('I4', `the clock of ${peer.address} went back`);
      if (seen !== undefined) seen.clock = state.clock;
      checkCaps(peer.address, state);
    },

    beforeCrash(_world, peer, kind) {
      const promises = promisedBy.get(peer);
      if (promises !== undefined && kind !== 'process')
        promises.written = promises.written.filter(({ level }) => level === 'durable');
    },

    afterStart(world, peer) {
      const { state } = peer;
      if (state.self.incarnation <= peer.spokenIncarnation)
        throw new BrokenInvariant('I4', `${peer.address} drew an incarnation that is not above its last one`);
      seenBy.set(peer, {
        contiguous: new Map([...state.origins.values()].map(({ key, have }) => [key, have.contiguous])),
        clock: state.clock,
      });
      checkLoaded(world, peer);
      for (const written of promisedBy.get(peer)?.written ?? []) checkPromise(peer, written);
      promisedBy.set(peer, { written: [] });
      checkDurableTags(peer, durableTags.get(peer));
      // What it starts with is on the disk: from here on no key may fall below it.
      durableTags.set(peer, new Map([...peer.disk.store.entries({})]));
    },

    onAcknowledged(_world, peer, written) {
      if (written.level !== 'fast') promisedBy.get(peer)?.written.push(written);
    },
  };

  function checkOwn(state: PeerState, entry: Entry): void {
    if (entry.id !== state.self.id || entry.incarnation !== state.self.incarnation) return;
    if (entry.timestamp <= state.horizon || entry.timestamp <= state.promised)
      throw new BrokenInvariant(
        'I6',
        `${entry.id} stamped ${entry.timestamp}, not above its promise and horizon`,
      );
  }
}

/** I1, I5 (entries never fall), I3. Own new updates become known to the truth here. */
function checkEntry(
  world: World,
  peer: VirtualPeer,
  key: Key,
  before: Entry | undefined,
  entry: Entry,
): void {
  if (before !== undefined && compareTags(entry, before) <= 0)
    throw new BrokenInvariant('I5', `${peer.address} put an older entry of ${key} over a newer one`);
  if (entry.kind === 'synthetic') return;
  const origin = originKey(entry.id, entry.incarnation);
  const { self } = peer.state;
  const isOwn = entry.id === self.id && entry.incarnation === self.incarnation;
  if (isOwn && world.truth.find(origin, entry.sequence) === undefined)
    world.truth.note(key, entry, world.nowMs);
  else world.truth.assertTrue(peer.address, key, entry);
  const have = peer.state.origins.get(origin)?.have;
  if (have === undefined || !hasSequence(have, entry.sequence))
    throw new BrokenInvariant(
      'I3',
      `${peer.address} holds ${key} with dot ${origin}/${entry.sequence}, which it does not have`,
    );
}

/** I2: the dot's key has an entry at least as large as the update itself. */
function checkRow(world: World, peer: VirtualPeer, origin: OriginKey, sequence: number, key: Key): void {
  const name = `${origin}/${sequence}`;
  const truth = world.truth.find(origin, sequence);
  if (truth === undefined)
    throw new BrokenInvariant('I1', `${peer.address} recorded ${name}, which nobody wrote`);
  if (truth.key !== key)
    throw new BrokenInvariant(
      'I1',
      `${peer.address} recorded ${name} for ${key}; it was written to ${truth.key}`,
    );
  const entry = peer.disk.store.readEntry(key);
  if (entry === undefined || compareTags(entry, truth.entry) < 0)
    throw new BrokenInvariant(
      'I2',
      `${peer.address} recorded ${name} of ${key} without an entry that covers it`,
    );
}

/** I4 for the origins that the step touched, and the cap of their gap sets. */
function checkVectors(address: string, state: PeerState, touched: Touched, seen: Seen): void {
  let last: OriginKey | undefined;
  for (const { origin } of touched.rows) {
    if (origin === last) continue;
    last = origin;
    const contiguous = state.origins.get(origin)?.have.contiguous ?? 0;
    if (contiguous < (seen.contiguous.get(origin) ?? 0))
      throw new BrokenInvariant('I4', `the vector of ${address} for ${origin} went back`);
    seen.contiguous.set(origin, contiguous);
  }
}

function checkCaps(address: string, state: PeerState): void {
  const { limits } = state.settings;
  if (state.repairs.size > 0 && pendingCount(state.repairs) > limits.maxPendingRepairs)
    throw new BrokenInvariant('I14', `${address} keeps more repairs than maxPendingRepairs`);
}

/** I1, I2, I3 over everything that a process has loaded: a disk gives back whole turns. */
function checkLoaded(world: World, peer: VirtualPeer): void {
  for (const { key: origin, have } of peer.state.origins.values()) {
    const ranges = [[1, have.contiguous] as const, ...gapRanges(have)];
    for (const [from, to] of ranges) {
      for (let sequence = from; sequence <= to; sequence += 1) {
        const key = peer.disk.store.readRow(origin, sequence);
        if (key === undefined)
          throw new BrokenInvariant(
            'I2',
            `${peer.address} has ${origin}/${sequence} without a row after its start`,
          );
        checkRow(world, peer, origin, sequence, key);
      }
    }
  }
  for (const [key, entry] of peer.disk.store.entries({}))
    if (entry.kind !== 'synthetic') checkEntry(world, peer, key, undefined, entry);
}

/** R1: an acknowledgement means what its level says. */
function checkPromise(peer: VirtualPeer, { origin, sequence, key, level }: Written): void {
  const have = peer.state.origins.get(origin)?.have;
  if (have === undefined || !hasSequence(have, sequence))
    throw new BrokenInvariant('R1', `${peer.address} lost ${key}, acknowledged as ${level}, in a crash`);
}

/** I5: what was on the disk is there, or newer. */
function checkDurableTags(peer: VirtualPeer, tags: ReadonlyMap<Key, Tag> | undefined): void {
  for (const [key, tag] of tags ?? []) {
    const entry = peer.disk.store.readEntry(key);
    if (entry === undefined || compareTags(entry, tag) < 0)
      throw new BrokenInvariant('I5', `${peer.address} fell below what it had of ${key}`);
  }
}
