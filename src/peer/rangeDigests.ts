/**
 * What a peer holds between two keys, as one hash for each part of them: two peers compare parts, and look closer only where those differ.
 *
 * Owns the division and the walk, which lets the event loop breathe. Asking several peers and descending is the command line's. A part's hash is
 * the sum of its entries' hashes, so that neighbouring parts can be joined without reading them again. What the horizon of any peer allows to be
 * gone (R8) is left out, for one peer may have let it go already: so two peers that converged answer alike.
 */
import { ToposphereError } from '../core/errors.ts';
import type { KeyRange, StoreSnapshot } from '../core/store.ts';
import type { Entry, Key } from '../core/types.ts';
import { digestText, hashEntry, type StreamingHash } from './digest.ts';

/** Keys from `from` (from the first when undefined) up to, and without, `before` (to the last when undefined). */
export interface DigestRange {
  readonly from: Key | undefined;
  readonly before: Key | undefined;
  /** A Timestamp: tombstones, and what expires, at or below it are left out. */
  readonly above: number;
}

export interface PartDigest {
  /** The part begins here, and ends where the next one begins. */
  readonly from: Key;
  /** 64 bits, hexadecimal. */
  readonly digest: string;
  readonly count: number;
}

/** One entry without its value. */
export interface EntryMark extends Pick<
  Entry,
  'timestamp' | 'id' | 'incarnation' | 'sequence' | 'kind' | 'expiresAt'
> {
  readonly key: Key;
  /** Of the whole entry, value included; 64 bits, hexadecimal. */
  readonly digest: string;
}

/** The event loop is let go on after so much time, milliseconds, and after so many entries: the digest of everything goes by the same number. */
const SLICE_MS = 4;
const SLICE_ENTRIES = 2_000;
const HASH_BITS = 64;

type CreateHash = () => StreamingHash;
type OpenSnapshot = () => StoreSnapshot;

/** At most `parts` parts of about as many keys each; where they begin follows from what is held here. None when nothing is. */
export async function divideRange(
  openSnapshot: OpenSnapshot,
  createHash: CreateHash,
  range: DigestRange,
  parts: number,
): Promise<readonly PartDigest[]> {
  let sums: PartSum[] = [];
  let partKeys = 1;
  await walk(openSnapshot(), range, (key, entry) => {
    let last = sums[sums.length - 1];
    if (sums.length >= parts && last !== undefined && last.count >= partKeys) {
      // How many keys there are is not known before the end: when the parts run out, each two become one, and the next ones are as long.
      partKeys *= 2;
      sums = joinPairs(sums, partKeys);
      last = sums[sums.length - 1];
    }
    if (last === undefined || last.count >= partKeys) {
      last = { from: last === undefined ? (range.from ?? ('' as Key)) : key, sum: 0n, count: 0 };
      sums.push(last);
    }
    addEntry(last, createHash, key, entry);
    return true;
  });
  return sums.map(finish);
}

/** The parts that begin at each of `bounds`, which ascend; the first is taken to be where the range begins. Empty ones are among them. */
export async function digestParts(
  openSnapshot: OpenSnapshot,
  createHash: CreateHash,
  range: DigestRange,
  bounds: readonly Key[],
): Promise<readonly PartDigest[]> {
  assertAscending(bounds);
  const sums = bounds.map((from): PartSum => ({ from, sum: 0n, count: 0 }));
  let at = 0;
  await walk(openSnapshot(), range, (key, entry) => {
    for (let next = sums[at + 1]; next !== undefined && key >= next.from; next = sums[at + 1]) at += 1;
    const part = sums[at];
    if (part !== undefined) addEntry(part, createHash, key, entry);
    return true;
  });
  return sums.map(finish);
}

/** The first `count` entries of a range. */
export async function markRange(
  openSnapshot: OpenSnapshot,
  createHash: CreateHash,
  range: DigestRange,
  count: number,
): Promise<readonly EntryMark[]> {
  const marks: EntryMark[] = [];
  await walk(openSnapshot(), range, (key, entry) => {
    const { timestamp, id, incarnation, sequence, kind, expiresAt } = entry;
    const digest = digestText(hashOf(createHash, key, entry));
    marks.push({ key, timestamp, id, incarnation, sequence, kind, expiresAt, digest });
    return marks.length < count;
  });
  return marks;
}

interface PartSum {
  readonly from: Key;
  sum: bigint;
  count: number;
}

function hashOf(createHash: CreateHash, key: Key, entry: Entry): bigint {
  const hash = createHash();
  hashEntry(hash, key, entry);
  return hash.digest();
}

function addEntry(part: PartSum, createHash: CreateHash, key: Key, entry: Entry): void {
  part.sum += hashOf(createHash, key, entry);
  part.count += 1;
}

function finish({ from, sum, count }: PartSum): PartDigest {
  return { from, digest: digestText(BigInt.asUintN(HASH_BITS, sum)), count };
}

/** Parts grow from the left, so all but the last are full. */
function joinPairs(sums: readonly PartSum[], partKeys: number): PartSum[] {
  const joined: PartSum[] = [];
  for (const part of sums) {
    const last = joined[joined.length - 1];
    if (last === undefined || last.count + part.count > partKeys) joined.push(part);
    else {
      last.sum += part.sum;
      last.count += part.count;
    }
  }
  return joined;
}

function assertAscending(bounds: readonly Key[]): void {
  const isAscending = bounds.every((bound, at) => at === 0 || (bounds[at - 1] ?? '') < bound);
  if (!isAscending) throw new ToposphereError('BAD_ARGUMENT', 'the bounds of parts ascend, each named once');
}

/** R8 allows it to be gone at a peer with that horizon; what expires is judged by its times alone, noticed or not. */
function mayBeGone({ kind, timestamp, expiresAt }: Entry, above: number): boolean {
  return (kind !== 'value' || expiresAt !== 0) && Math.max(timestamp, expiresAt) <= above;
}

/**
 * Every entry of a range as of one instant, until `visit` answers false. A slice is walked within one turn, and the next one by a walk of its own: a
 * store that was closed between the two says so, and half of the entries do not pass for all.
 */
async function walk(
  snapshot: StoreSnapshot,
  { from, before, above }: DigestRange,
  visit: (key: Key, entry: Entry) => boolean,
): Promise<void> {
  const end = before === undefined ? {} : { before };
  let range: KeyRange | undefined = from === undefined ? end : { from, ...end };
  try {
    while (range !== undefined) {
      const through = walkSlice(
        snapshot,
        range,
        (key, entry) => mayBeGone(entry, above) || visit(key, entry),
      );
      range = through === undefined ? undefined : { after: through, ...end };
      if (range !== undefined) await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    snapshot.close();
  }
}

/** Answers the last key visited; undefined when there is nothing more to visit. */
function walkSlice(
  snapshot: StoreSnapshot,
  range: KeyRange,
  visit: (key: Key, entry: Entry) => boolean,
): Key | undefined {
  const startedMs = performance.now();
  let entries = 0;
  for (const [key, entry] of snapshot.entries(range)) {
    if (!visit(key, entry)) return undefined;
    entries += 1;
    if (entries >= SLICE_ENTRIES || performance.now() - startedMs >= SLICE_MS) return key;
  }
  return undefined;
}
