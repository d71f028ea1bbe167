/**
 * What really happened, as no peer can know it: every update ever numbered, and what clients were promised.
 *
 * I1: a dot names one (key, tag, value) everywhere. I6: timestamps rise with the sequence, and are equal inside a group. Checkers ask here what a dot
 * stands for; nothing of it ever reaches a peer.
 */
import type { Entry, Key, OriginKey, Tag } from '../core/types.ts';
import { compareTags, originKey } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Level } from './schedule.ts';

/** One update as its origin made it. */
export interface Written {
  readonly origin: OriginKey;
  readonly sequence: number;
  readonly key: Key;
  readonly entry: Entry;
  /** The client's level, and whether it was told OK. */
  level: Level;
  isAcknowledged: boolean;
  /** The disk it was promised on is gone for good. */
  isOnLostDisk: boolean;
  /** Made by a process that cannot know what its id has promised: a second one, or one on an older disk (R10). Rounds promise nothing of it. */
  isOutside: boolean;
  /** Outside too, and too old to be told from what was deleted when its disk was back: of an incarnation that had been folded without it, or below what was gone. */
  isUntold: boolean;
  /** Some peer noticed, by a clock that said so, that it has expired: it is a tombstone wherever that is known. */
  hasExpired: boolean;
  readonly atMs: number;
  /** Number of the group that it is one of. */
  readonly group: number | undefined;
}

export interface Truth {
  /**
   * An origin made this update, as one of a group if it has a number. Throws I1 when the dot was used before, I6 when its timestamp does not rise, or is not that of the updates of its group
   * before it.
   */
  note(key: Key, entry: Entry, atMs: number, group?: number): Written;
  /** The disk that an id's updates were promised on is gone: of one incarnation, or of all so far. */
  loseDisk(id: string, incarnation?: number): void;
  /** An incarnation that never spoke left nothing on any disk, and was drawn again. */
  forget(origin: OriginKey): void;
  find(origin: OriginKey, sequence: number): Written | undefined;
  /** Throws I1 unless the entry is exactly what its origin wrote, or the tombstone that this is once it has expired. */
  assertTrue(holder: string, key: Key, entry: Entry): void;
  /**
   * Whether a tombstone of the key, at least as large as the tag and with its expiry at or below the horizon, was ever written (R8 may have dropped it);
   * with `lost`, on a disk that is gone.
   */
  hasDroppable(key: Key, tag: Tag, horizon: number, whose?: 'lost'): boolean;
  /** Every update of every origin, in order within one origin. */
  all(): IterableIterator<Written>;
  count(): number;
}

export function createTruth(): Truth {
  const byOrigin = new Map<OriginKey, Written[]>();
  const tombstones = new Map<Key, Written[]>();
  let count = 0;

  function find(origin: OriginKey, sequence: number): Written | undefined {
    return byOrigin.get(origin)?.[sequence - 1];
  }

  return {
    note(key, entry, atMs, group) {
      const origin = originKey(entry.id, entry.incarnation);
      let written = byOrigin.get(origin);
      if (written === undefined) {
        written = [];
        byOrigin.set(origin, written);
      }
      const name = `${origin}/${entry.sequence}`;
      if (entry.sequence !== written.length + 1)
        throw new BrokenInvariant('I1', `${name} was numbered after ${written.length} updates of its origin`);
      const before = written.at(-1);
      const isInGroup = group !== undefined && before?.group === group;
      if (isInGroup && entry.timestamp !== before.entry.timestamp)
        throw new BrokenInvariant(
          'I6',
          `${name} is stamped ${entry.timestamp}, others of its group ${before.entry.timestamp}`,
        );
      if (before !== undefined && !isInGroup && entry.timestamp <= before.entry.timestamp)
        throw new BrokenInvariant(
          'I6',
          `${name} is stamped ${entry.timestamp}, not above ${before.entry.timestamp}`,
        );
      const note: Written = {
        origin,
        sequence: entry.sequence,
        key,
        entry,
        level: 'fast',
        isAcknowledged: false,
        isOnLostDisk: false,
        isOutside: false,
        isUntold: false,
        hasExpired: false,
        atMs,
        group,
      };
      written.push(note);
      if (entry.kind === 'tombstone' || entry.expiresAt !== 0) {
        const ofKey = tombstones.get(key);
        if (ofKey === undefined) tombstones.set(key, [note]);
        else ofKey.push(note);
      }
      count += 1;
      return note;
    },
    loseDisk(id, incarnation) {
      for (const written of byOrigin.values())
        for (const note of written) {
          const isMeant =
            note.entry.id === id && (incarnation ?? note.entry.incarnation) === note.entry.incarnation;
          if (isMeant) note.isOnLostDisk = true;
        }
    },
    forget: (origin) => void byOrigin.delete(origin),
    find,
    assertTrue(holder, key, entry) {
      const name = `${entry.id}/${entry.incarnation}/${entry.sequence}`;
      const truth = find(originKey(entry.id, entry.incarnation), entry.sequence);
      if (truth === undefined) throw new BrokenInvariant('I1', `${holder} holds ${name}, which nobody wrote`);
      const isSame =
        truth.key === key &&
        truth.entry.timestamp === entry.timestamp &&
        truth.entry.expiresAt === entry.expiresAt &&
        (truth.entry.kind === entry.kind
          ? isEqual(truth.entry.value, entry.value)
          : truth.hasExpired && entry.kind === 'tombstone' && entry.value.length === 0);
      if (!isSame)
        throw new BrokenInvariant('I1', `${holder} holds another ${name} of ${key} than was written`);
    },
    hasDroppable: (key, tag, horizon, whose) =>
      (tombstones.get(key) ?? []).some(
        ({ entry, isOnLostDisk }) =>
          goneBy(entry) <= horizon && compareTags(entry, tag) >= 0 && (whose === undefined || isOnLostDisk),
      ),
    *all() {
      for (const written of byOrigin.values()) yield* written;
    },
    count: () => count,
  };
}

/** R8: the horizon that lets the tombstone go that an entry is, or becomes when it expires; none for a value that does not. */
export function goneBy({ kind, timestamp, expiresAt }: Entry): number {
  return kind === 'value' && expiresAt === 0 ? Infinity : Math.max(timestamp, expiresAt);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
