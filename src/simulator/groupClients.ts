/**
 * Simulated clients that write groups (transactions), and the check that they stay whole (protocol.md, section 10).
 *
 * Each group writes, or deletes, all keys of one of a few sets, so that whichever of two wins, wins everywhere. What a process takes from an UPDATE it has whole after that step; a process that starts has
 * of its own groups all or nothing; who reads all keys of a set in one turn sees one group, unless this peer lacks a part of one, which only repair can have brought about. Judged by the dots of the groups as they were written. Each client has a
 * stream of chance of its own, and draws nothing that the schedule draws.
 */
import { isFolded, isVoid } from '../core/closures.ts';
import { ToposphereError } from '../core/errors.ts';
import { isVisible } from '../core/expiry.ts';
import { closeGroup, openGroup } from '../core/groups.ts';
import { hasSequence } from '../core/haveSet.ts';
import { originKey, type Key, type OriginKey } from '../core/types.ts';
import { findKeyRefusal } from '../core/write.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Checker } from './checker.ts';
import { between, chance, openStream, pick, untilNextMs } from './random.ts';
import type { RandomStream } from './random.ts';
import type { Schedule } from './schedule.ts';
import type { Written } from './truth.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** Keys of each set. */
const SET_SIZES = [2, 3, 5, 12] as const;
/** Bytes of a value that lets some groups outgrow a datagram. */
const LONG_BYTES = 400;

export interface GroupFigures {
  written: number;
  refused: number;
  /** Sets that were read and showed one group; and that a repair had split. */
  whole: number;
  split: number;
}

interface GroupClients {
  readonly figures: GroupFigures;
  /** To be called before time starts. */
  readonly begin: (world: World) => void;
  readonly checker: Checker;
}

interface KeySet {
  readonly keys: readonly Key[];
  readonly groups: Group[];
}

interface Group {
  readonly number: number;
  readonly set: KeySet;
  readonly updates: Written[];
}

interface Client {
  readonly name: string;
  readonly random: RandomStream;
  readonly perSecond: number;
  peer: string;
}

/** What a peer has of a group; `void` where some of it can never come. */
type Share = 'none' | 'part' | 'all' | 'void';

export function createGroupClients({
  seed,
  durationMs,
  groups = 0,
}: Pick<Schedule, 'seed' | 'durationMs' | 'groups'>): GroupClients {
  const figures: GroupFigures = { written: 0, refused: 0, whole: 0, split: 0 };
  const sets: readonly KeySet[] = SET_SIZES.map((size, at) => ({
    keys: Array.from({ length: size }, (_, number) => `group${at}.${number}` as Key),
    groups: [],
  }));
  const byDot = new Map<string, Group>();
  /** Machines whose disk is not the one that they began with: what it had of their own may come back from others, one by one. */
  const otherDisks = new Set<string>();
  let lastNumber = 0;

  function next(world: World, client: Client): void {
    const { random } = client;
    const atMs = world.nowMs + untilNextMs(random, client.perSecond);
    if (atMs >= durationMs) return;
    world.at(atMs, () => {
      if (!world.ids.includes(client.peer) || chance(random, 0.1)) client.peer = pick(random, world.ids);
      const set = pick(random, sets);
      world.visit(client.peer, (peer) => {
        if (chance(random, 0.5)) write(world, peer, client, set);
        return true;
      });
      world.visit(pick(random, world.ids), (peer) => {
        read(peer, set);
        return true;
      });
      next(world, client);
    });
  }

  function write(world: World, peer: VirtualPeer, { name, random }: Client, set: KeySet): void {
    const { runtime, state } = peer;
    const isFast = chance(random, 0.2);
    const value = chance(random, 0.15) ? undefined : `${name} ${lastNumber + 1}`;
    const padding = chance(random, 0.25) ? 'x'.repeat(LONG_BYTES) : '';
    const twice = chance(random, 0.2) ? set.keys.slice(0, 1) : [];
    if (set.keys.some((key) => findKeyRefusal(state, peer.now(), key) !== undefined)) {
      figures.refused += 1;
      return;
    }
    lastNumber += 1;
    const group: Group = { number: lastNumber, set, updates: [] };
    openGroup(state);
    try {
      for (const key of [...twice, ...set.keys]) {
        runtime.write(key, value === undefined ? undefined : Buffer.from(`${value}${padding}`), isFast);
        group.updates.push(noteWrite(world, peer, key, group));
      }
    } catch (error) {
      if (!(error instanceof ToposphereError) || group.updates.length > 0) throw error;
      figures.refused += 1;
      return;
    } finally {
      closeGroup(state);
    }
    runtime.endTurnSoon();
    set.groups.push(group);
    figures.written += 1;
    world.note(peer.address, `${name} writes group ${group.number}: ${set.keys.join(' ')}`);
  }

  function noteWrite(world: World, peer: VirtualPeer, key: Key, group: Group): Written {
    const entry = peer.disk.store.readEntry(key);
    if (entry?.incarnation !== peer.state.self.incarnation)
      throw new BrokenInvariant(
        'R3',
        `a write of ${key} on ${peer.address} was taken and is not the newest there`,
      );
    const written = world.truth.note(key, entry, world.nowMs, group.number);
    byDot.set(nameOf(written.origin, written.sequence), group);
    return written;
  }

  /** All keys of a set, in one turn: each shows the same group, or nothing. */
  function read(peer: VirtualPeer, set: KeySet): void {
    const { state } = peer;
    const seen = new Set<Group | undefined>();
    for (const key of set.keys) {
      const entry = peer.disk.store.readEntry(key);
      if (entry === undefined || !isVisible(state, peer.now(), entry)) {
        seen.add(undefined);
        continue;
      }
      const group = byDot.get(nameOf(originKey(entry.id, entry.incarnation), entry.sequence));
      // It was stamped anew by itself (R4), or is so old that what stood beside it may have been dropped.
      if (group === undefined || entry.timestamp <= state.horizon) return;
      seen.add(group);
    }
    if (seen.size === 1) {
      figures.whole += 1;
      return;
    }
    const shares = set.groups.map((group) => shareOf(peer, group));
    if (!shares.some((share) => share === 'part' || share === 'void'))
      throw new BrokenInvariant(
        'section 10',
        `who reads ${set.keys.join(' ')} on ${peer.address} sees groups ${Array.from(seen, (group) => group?.number ?? 'none').join(' and ')}, each of which it has whole`,
      );
    figures.split += 1;
  }

  /** What an UPDATE brought of a group is all of it, unless some had come before. */
  function checkArrived(peer: VirtualPeer): void {
    const { touched } = peer;
    if (!touched.arrived.includes('update')) return;
    const news = new Map<Group, number>();
    for (const { origin, sequence } of touched.rows) {
      const group = byDot.get(nameOf(origin, sequence));
      if (group !== undefined) news.set(group, (news.get(group) ?? 0) + 1);
    }
    for (const [group, count] of news) {
      if (shareOf(peer, group) !== 'part') continue;
      const had = group.updates.filter(({ origin, sequence }) => hasDot(peer, origin, sequence)).length;
      if (had === count)
        throw new BrokenInvariant(
          'section 10',
          `${peer.address} took ${count} of the ${group.updates.length} updates of group ${group.number} from an UPDATE`,
        );
    }
  }

  return {
    figures,
    begin: (world) => {
      for (let at = 0; at < groups; at += 1) {
        const random = openStream(seed, `groups ${at}`);
        const perSecond = between(random, 1, 12);
        next(world, { name: `grouper${at}`, random, perSecond, peer: pick(random, world.ids) });
      }
    },
    checker: {
      afterStep: (_world, peer) => {
        checkArrived(peer);
      },
      afterNewDisk: (_world, peer) => void otherDisks.add(peer.address),
      afterStart: (_world, peer) => {
        if (peer.address !== peer.id || otherDisks.has(peer.address)) return;
        for (const group of sets.flatMap((set) => set.groups))
          if (group.updates[0]?.entry.id === peer.id && shareOf(peer, group) === 'part')
            throw new BrokenInvariant(
              'section 10',
              `${peer.address} has a part of its own group ${group.number}`,
            );
      },
    },
  };
}

function nameOf(origin: OriginKey, sequence: number): string {
  return `${origin}/${sequence}`;
}

function shareOf(peer: VirtualPeer, { updates }: Group): Share {
  let had = 0;
  for (const { origin, sequence, entry } of updates) {
    if (isVoid(peer.state.closures, entry.id, entry.incarnation, sequence)) return 'void';
    if (isFolded(peer.state.closures, entry.id, entry.incarnation)) return 'all';
    if (hasDot(peer, origin, sequence)) had += 1;
  }
  if (had === 0) return 'none';
  return had === updates.length ? 'all' : 'part';
}

function hasDot({ state }: VirtualPeer, origin: OriginKey, sequence: number): boolean {
  const have = state.origins.get(origin)?.have;
  return have !== undefined && hasSequence(have, sequence);
}
