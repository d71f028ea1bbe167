/**
 * What one client has seen and written, as a token that it carries from peer to peer (protocol.md, section 7).
 *
 * A token holds the tags of the last few keys that the client read or wrote, and for older ones the part of a vector that they lie in. It only grows
 * stricter, so two tokens of one client merge into what either demands. Whether a peer can serve it is serveSession.ts's. Pure:
 * every function answers a new token.
 */
import { compareTags, originKey, SYNTHETIC_ID } from './types.ts';
import type {
  Entry,
  Incarnation,
  Key,
  Origin,
  OriginKey,
  PeerId,
  SequenceRange,
  Tag,
  Timestamp,
} from './types.ts';

/**
 * What the client saw last of a key. A peer that serves it must hold the same or something newer. That there was nothing is the tag of the tombstone that
 * may have been dropped: at the horizon of the peer that said so, last among tags there, without a dot (as in R5).
 */
export interface SeenTag extends Tag {
  /** It was a value, whose absence is worth a word; and when it expires (a Timestamp), 0 for never. */
  readonly isValue: boolean;
  readonly expiresAt: number;
}

/** A part of the vector: the peer must have all of one origin up to a sequence. */
export interface SeenRange extends Origin {
  readonly through: number;
  /** Dots among which those are that the client saw, and whose loss it must hear of; undefined when it saw none of them. */
  readonly seen: SequenceRange | undefined;
  /** The newest that stands for. */
  readonly timestamp: Timestamp;
}

export interface SessionToken {
  /** A peer that serves must have adopted a horizon at least as high: 0 for any. */
  readonly horizon: Timestamp;
  /** The newest that the client saw or wrote: what it writes next is stamped above. */
  readonly newest: Timestamp;
  readonly tags: ReadonlyMap<Key, SeenTag>;
  readonly ranges: ReadonlyMap<OriginKey, SeenRange>;
  /**
   * What each member had promised when a finished round had found on every disk what is demanded no more. A member that knows of less has an older disk by now
   * (R10), and may lack it (seed 723257).
   */
  readonly promises: ReadonlyMap<PeerId, Timestamp>;
}

/** What the peer that served the client last has: it stands for what a token has no room for. */
export interface SessionCover {
  readonly horizon: Timestamp;
  readonly vector: () => readonly (Origin & { readonly contiguous: number })[];
}

/** Tags kept one by one, and the bytes of their keys; ranges beside them. */
export const MAX_SESSION_TAGS = 16;
export const MAX_SESSION_KEY_BYTES = 1024;
export const MAX_SESSION_RANGES = 64;
/** In a larger cluster a token relies on no round. */
export const MAX_SESSION_PROMISES = 64;

export const EMPTY_SESSION: SessionToken = {
  horizon: 0 as Timestamp,
  newest: 0 as Timestamp,
  tags: new Map(),
  ranges: new Map(),
  promises: new Map(),
};

/** The client has seen, or written, this entry of a key. */
export function noteSeen(token: SessionToken, key: Key, entry: Entry, cover: SessionCover): SessionToken {
  const { timestamp, id, incarnation, sequence, expiresAt } = entry;
  const seen: SeenTag = { timestamp, id, incarnation, sequence, isValue: entry.kind === 'value', expiresAt };
  return bounded(withSeen(token, key, seen), cover);
}

/** The client has seen what every member has; `relying` says since when. */
export function noteKnown(token: SessionToken, { timestamp }: Entry): SessionToken {
  return { ...token, newest: later(token.newest, timestamp) };
}

/** What the token demands no more is with every member that knows what it has promised by now. */
export function relying(token: SessionToken, promises: Iterable<readonly [PeerId, Timestamp]>): SessionToken {
  const united = new Map(token.promises);
  for (const [id, promised] of promises) united.set(id, later(united.get(id) ?? (0 as Timestamp), promised));
  return { ...token, promises: united };
}

/** The client has seen that there is nothing of a key, on a peer with this horizon. */
export function noteAbsent(token: SessionToken, key: Key, cover: SessionCover): SessionToken {
  const { horizon } = cover;
  return horizon === 0 ? token : bounded(withSeen(token, key, absence(horizon)), cover); // nothing was ever dropped
}

/** The tag of a tombstone that was dropped under this horizon. */
export function absence(horizon: Timestamp): SeenTag {
  const dot = { id: SYNTHETIC_ID, incarnation: 0 as Incarnation, sequence: 0 };
  return { ...dot, timestamp: horizon, isValue: false, expiresAt: 0 };
}

/** What either of two tokens demands. */
export function mergeSessions(one: SessionToken, other: SessionToken): SessionToken {
  let token = one;
  for (const [key, seen] of other.tags) token = withSeen(token, key, seen);
  for (const range of other.ranges.values()) token = withRange(token, range);
  token = { ...token, horizon: later(one.horizon, other.horizon), newest: later(one.newest, other.newest) };
  return bounded(relying(token, other.promises), undefined);
}

/** The same with other tags and ranges. */
export function replaceParts(
  token: SessionToken,
  tags: Iterable<readonly [Key, SeenTag]>,
  ranges: Iterable<readonly [OriginKey, SeenRange]>,
): SessionToken {
  return { ...token, tags: new Map(tags), ranges: new Map(ranges) };
}

function withSeen(token: SessionToken, key: Key, seen: SeenTag): SessionToken {
  const newest = later(token.newest, seen.timestamp);
  const known = token.tags.get(key);
  if (known !== undefined && compareTags(known, seen) >= 0) return { ...token, newest };
  return { ...token, newest, tags: new Map([...token.tags, [key, seen]]) };
}

function withRange(token: SessionToken, range: SeenRange): SessionToken {
  const key = originKey(range.id, range.incarnation);
  const known = token.ranges.get(key);
  const united =
    known === undefined
      ? range
      : {
          ...range,
          through: Math.max(known.through, range.through),
          seen: spanOf(known.seen, range.seen),
          timestamp: later(known.timestamp, range.timestamp),
        };
  return { ...token, ranges: new Map([...token.ranges, [key, united]]) };
}

function spanOf(one: SequenceRange | undefined, other: SequenceRange | undefined): SequenceRange | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return [Math.min(one[0], other[0]), Math.max(one[1], other[1])];
}

/** Beyond the bounds what is oldest is demanded more coarsely: a tag as its part of the vector, a part as a horizon. */
function bounded(token: SessionToken, cover: SessionCover | undefined): SessionToken {
  let kept = token;
  while (kept.tags.size > MAX_SESSION_TAGS || keyBytes(kept.tags) > MAX_SESSION_KEY_BYTES) {
    const oldest = oldestOf(kept.tags);
    if (oldest === undefined) break;
    const [key, seen] = oldest;
    kept = coarser(
      { ...kept, tags: new Map([...kept.tags].filter(([other]) => other !== key)) },
      seen,
      cover,
    );
  }
  while (kept.ranges.size > MAX_SESSION_RANGES) {
    const oldest = oldestOf(kept.ranges);
    if (oldest === undefined) break;
    const [key, { timestamp }] = oldest;
    const ranges = new Map([...kept.ranges].filter(([origin]) => origin !== key));
    kept = { ...kept, ranges, horizon: later(kept.horizon, timestamp) };
  }
  if (kept.promises.size > MAX_SESSION_PROMISES) {
    const newest = [...kept.promises].sort(([, one], [, other]) => other - one);
    kept = { ...kept, promises: new Map(newest.slice(0, MAX_SESSION_PROMISES)) };
  }
  return kept;
}

function coarser(token: SessionToken, seen: SeenTag, cover: SessionCover | undefined): SessionToken {
  const { id, incarnation, sequence, timestamp } = seen;
  if (id !== SYNTHETIC_ID)
    return withRange(token, { id, incarnation, through: sequence, timestamp, seen: [sequence, sequence] });
  // The dot of what was dropped is not known: it is among all that the peer has.
  if (cover === undefined) return { ...token, horizon: later(token.horizon, timestamp) };
  let covered = token;
  for (const { contiguous: through, ...origin } of cover.vector())
    covered = withRange(covered, { ...origin, through, seen: undefined, timestamp });
  return covered;
}

function oldestOf<K, V extends { readonly timestamp: Timestamp }>(
  items: ReadonlyMap<K, V>,
): readonly [K, V] | undefined {
  let oldest: readonly [K, V] | undefined;
  for (const item of items)
    if (oldest === undefined || item[1].timestamp < oldest[1].timestamp) oldest = item;
  return oldest;
}

function keyBytes(tags: SessionToken['tags']): number {
  let bytes = 0;
  for (const key of tags.keys()) bytes += key.length;
  return bytes;
}

function later(one: Timestamp, other: Timestamp): Timestamp {
  return one > other ? one : other;
}
