/**
 * The words of the protocol as types: identities, tags, entries.
 *
 * Owns nothing at run time but the two orders every peer must agree on: the order of tags (last
 * writer wins) and the order of keys (bytewise). Both are total, so two peers that hold the same
 * updates hold the same winners.
 */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/**
 * A key as a *binary string*: one character per byte, each 0..255. Binary strings hash and compare
 * at native speed in JavaScript, and comparing two of them with `<` is comparing their bytes.
 */
export type Key = Branded<string, 'Key'>;

/** A peer's name in servers.txt: 1 to 32 characters of A-Z a-z 0-9 _ . - */
export type PeerId = Branded<string, 'PeerId'>;

/** Drawn anew at every process start, larger than any the peer knew it had (safe integer, a timestamp with random low bits). */
export type Incarnation = Branded<number, 'Incarnation'>;

/** Hybrid logical clock reading: milliseconds since 2020-01-01 times 4096 plus a counter (safe integer). */
export type Timestamp = Branded<number, 'Timestamp'>;

/** Who numbered an update. */
export interface Origin {
  readonly id: PeerId;
  readonly incarnation: Incarnation;
}

/** Names one update for ever: the `sequence`-th (from 1) of one origin. */
export interface Dot extends Origin {
  readonly sequence: number;
}

/** Total order over all updates; the larger tag wins a key. */
export interface Tag extends Dot {
  readonly timestamp: Timestamp;
}

/** `synthetic` is a tombstone that a repair left for an entry dropped elsewhere (R5): it has no dot. */
export type EntryKind = 'value' | 'tombstone' | 'synthetic';

/**
 * What is known of a key. `value` is empty unless `kind` is 'value'. `expiresAt` is an absolute
 * Timestamp, 0 for never. An Entry is immutable: its `value` bytes are never written again.
 */
export interface Entry extends Tag {
  readonly kind: EntryKind;
  readonly expiresAt: number;
  readonly value: Uint8Array;
}

/** Inclusive range of sequences. */
export type SequenceRange = readonly [from: number, to: number];

/** One origin's part of a have-set: everything from 1 to `contiguous`, and the `gaps` intervals above it. */
export interface VectorEntry extends Origin {
  readonly contiguous: number;
  /** What arrived above the first gap: disjoint, ascending, never touching `contiguous` + 1. */
  readonly gaps: readonly SequenceRange[];
  /** Dots at or below can no longer be served one by one: their table rows are gone. At most `contiguous`. */
  readonly trim: number;
}

/** `id/incarnation`, the map key of an origin. */
export type OriginKey = Branded<string, 'OriginKey'>;

export function originKey(id: PeerId, incarnation: Incarnation): OriginKey {
  return `${id}/${incarnation}` as OriginKey;
}

export function toOrigins(incarnations: ReadonlyMap<PeerId, Incarnation>): Origin[] {
  return Array.from(incarnations, ([id, incarnation]) => ({ id, incarnation }));
}

/**
 * The id that synthetic tombstones carry, so that among tags at one timestamp they come last (R5): U+FFFF
 * sorts above every character a PeerId may hold.
 */
export const SYNTHETIC_ID = '\uffff' as PeerId;

/** Negative, zero or positive as `a` is smaller than, equal to or larger than `b`. */
export function compareTags(a: Tag, b: Tag): number {
  if (a.timestamp !== b.timestamp) return a.timestamp - b.timestamp;
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  if (a.incarnation !== b.incarnation) return a.incarnation - b.incarnation;
  return a.sequence - b.sequence;
}

/** Ends every switch over a union: a new member that nobody handles fails to compile, and to run. */
export function assertNever(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}
