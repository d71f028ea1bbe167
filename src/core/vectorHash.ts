/**
 * Hashes by which peers see at a glance that they have the same: of have-sets with closures, and of lists of members.
 *
 * Sums over origins and ids, each part taken anew only when it changed, so that the order in which things were met does not matter and
 * at rest nothing is computed. They find differences, not forgeries.
 */
import { describeClosure } from './closures.ts';
import { lastSequenceOf } from './haveSet.ts';
import type { OriginState } from './originState.ts';
import type { PeerState } from './state.ts';
import type { Ranges } from './ranges.ts';
import type { OriginKey, PeerId } from './types.ts';

/** Sums are kept below this: a safe integer, 53 bits, so that two have-sets never share one by chance. */
const HASH_MODULUS = 2 ** 53;

/** Hash of have-set and closures (safe integer): equal for equal ones, in whatever order they came about. */
export function hashVector(state: PeerState): number {
  for (const origin of state.unhashed) {
    const { key, have } = origin;
    const isEmpty = lastSequenceOf(have) === 0;
    replacePart(state, origin, isEmpty ? 0 : hash53(`${key}:${have.contiguous}:${have.gaps.join(',')}`));
  }
  state.unhashed.clear();
  for (const id of state.staleClosures) {
    const closure = state.closures.get(id);
    const part = { hash: state.closureHashes.get(id) ?? 0 };
    replacePart(state, part, closure === undefined ? 0 : hash53(describeClosure(id, closure)));
    state.closureHashes.set(id, part.hash);
  }
  state.staleClosures.clear();
  return state.vectorHash;
}

/** An origin is no longer part of the have-set. */
export function forgetHashOf(state: PeerState, origin: OriginState): void {
  replacePart(state, origin, 0);
  state.unhashed.delete(origin);
}

function replacePart(state: PeerState, part: { hash: number }, hash: number): void {
  state.vectorHash = addHashes(addHashes(state.vectorHash, HASH_MODULUS - part.hash), hash);
  part.hash = hash;
}

/** Their sum, modulo, without ever leaving the safe integers. */
export function addHashes(a: number, b: number): number {
  return a < HASH_MODULUS - b ? a + b : a - (HASH_MODULUS - b);
}

/** What a folded origin adds to the hash of all that is folded of its id (safe integer): by it a peer sees whether it has had the same. */
export function hashFolded(origin: OriginKey, kept: Ranges): number {
  return kept.length === 0 ? 0 : hash53(`${origin}:${kept.join(',')}`);
}

/** Hash of those admitted and those forgotten (unsigned 32 bits), whatever their order. */
export function hashMembers(admitted: Iterable<PeerId>, forgotten: Iterable<PeerId>): number {
  return fnv1a(`${[...admitted].sort().join(' ')}|${[...forgotten].sort().join(' ')}`);
}

/**
 * 53 bits from two runs of FNV-1a that begin apart. Each is mixed at its end: the last digits of a text change FNV-1a by so little that in a sum one
 * change took another back, and peers that differed held each other for equal (seed 513449).
 */
function hash53(text: string): number {
  const low = fnv1a(text);
  const high = fnv1a(`again ${text}`);
  return mix32(low) + (mix32(high ^ low) % 2 ** 21) * 2 ** 32;
}

/** Every bit of the input turns about half of those of the output. Source: MurmurHash3's finalizer (Appleby). */
function mix32(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** FNV-1a, 32 bits, over character codes. Source: Fowler, Noll, Vo. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}
