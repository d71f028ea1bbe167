/**
 * R9, entry by entry: both have the key, the larger tag; only mine, deleted iff my timestamp ≤ the checkpoint's horizon; only theirs, skipped if its
 * dot is in my have, else taken.
 *
 * Parts come in order of keys, so each settles one range of them: what is here and not in it the donor does not have. Whatever a join that breaks off
 * leaves behind is true of the next one too: entries taken are updates of somebody, which their have-sets will claim, or `recordUnclaimed` does; entries
 * dropped are known to all to be gone. What depends on the join as a whole waits for its end: rows, dots, and what nobody else has.
 */
import { applyOver, isAheadOfClock, recordDots, syntheticTombstone, type KeyedDot } from './apply.ts';
import type { Now } from './clock.ts';
import { closuresFrom, isFolded, isVoid, type Closures } from './closures.ts';
import { dropEntry } from './dropping.ts';
import { noteChange } from './entryChanges.ts';
import { allRanges, hasSequence, type HaveSet } from './haveSet.ts';
import type {
  CheckpointEntry,
  CheckpointFacts,
  CheckpointMessage,
  CheckpointRows,
  HaveReport,
} from './messages.ts';
import { containsSequence } from './ranges.ts';
import { isSettled, originOf, type PeerState } from './state.ts';
import {
  compareTags,
  originKey,
  type Dot,
  type Entry,
  type Incarnation,
  type Key,
  type OriginKey,
  type PeerId,
} from './types.ts';

/** Bytes of own values looked at in one slice, about. */
const SLICE_BYTES = 1024 * 1024;

const NO_BYTES = new Uint8Array(0);

type KeyedEntry = readonly [key: Key, entry: Entry];

/** A join that is under way. */
export interface Join {
  readonly facts: CheckpointFacts;
  /** What the facts say, made quick to ask: the dots that the donor has, and its closures. */
  readonly isTheirs: (dot: Dot) => boolean;
  readonly closures: Closures;
  /** What this peer says that it has. */
  readonly isClaimed: (entry: Entry) => boolean;
  /** Nothing was here when it began. */
  readonly isEmpty: boolean;
  /** All keys up to and with this one are joined. */
  through: Key | undefined;
  entries: number;
  readonly rows: CheckpointRows[];
  /**
   * Winners here that are *unknown*: void by what the donor knows of finished rounds, so that no member had them then and nobody would ever take them from
   * here. Their disk was away while another process took part for this peer: a copy of the disk, or an older one. They are stamped anew at the end, for a
   * client was told that they were written.
   */
  readonly unknown: KeyedEntry[];
  /** Tombstones that nobody wrote and that would cover such a one: taken at the end, or it would be lost with a process that ends before. */
  readonly covers: CheckpointEntry[];
  /** Entries here that no have claimed when they were met, without their values. */
  readonly unclaimed: KeyedEntry[];
}

export function createJoin(state: PeerState, facts: CheckpointFacts): Join {
  return {
    facts,
    isTheirs: createHaveLookup(facts.have),
    closures: closuresFrom(facts.have.closures),
    isClaimed: createClaimLookup(state),
    isEmpty: state.visibleKeys + state.tombstones.count === 0,
    through: undefined,
    entries: 0,
    rows: [],
    unknown: [],
    covers: [],
    unclaimed: [],
  };
}

/** Joins the entries of a part, of own ones `atMost` so many a call. Answers whether all of it is joined. */
export function joinPart(
  state: PeerState,
  now: Now,
  join: Join,
  part: CheckpointMessage,
  atMost: number,
): boolean {
  const last = part.entries.at(-1)?.key;
  if (last !== undefined && (join.through === undefined || join.through < last)) {
    const theirs = new Set(join.isEmpty ? [] : part.entries.map(({ key }) => key));
    if (!joinOwn(state, join, last, theirs, atMost)) return false;
    for (const record of part.entries) joinTheirs(state, now, join, record);
    join.through = last;
    join.entries += part.entries.length;
  }
  if (part.isLast === true && !joinOwn(state, join, undefined, new Set(), atMost)) return false;
  for (const run of part.rows) join.rows.push(run); // of a defective donor a million: a spread would end the process
  return true;
}

/** What this peer alone has of the keys from where the join is to `before`. Answers whether that was all. */
function joinOwn(
  state: PeerState,
  join: Join,
  before: Key | undefined,
  theirs: ReadonlySet<Key>,
  atMost: number,
): boolean {
  if (join.isEmpty) return true;
  const { facts, closures, isTheirs, isClaimed, unknown, through } = join;
  const gone: KeyedEntry[] = [];
  let looked = 0;
  let bytes = 0;
  const range = {
    ...(through === undefined ? {} : { after: through }),
    ...(before === undefined ? {} : { before }),
  };
  let isAll = true;
  for (const [key, entry] of state.store.entries(range)) {
    isAll = looked < atMost && (bytes < SLICE_BYTES || atMost === Infinity);
    if (!isAll) break;
    join.through = key;
    looked += 1;
    bytes += entry.value.length;
    if (theirs.has(key)) continue;
    const isGone = entry.timestamp <= facts.horizon;
    if (isUnknown(closures, entry, !isGone) || (isGone && isTooLate(state, closures, entry, isTheirs))) {
      unknown.push([key, entry]);
      continue;
    }
    // I9: "absent there, and its dot is in their have" says the same.
    if (entry.kind === 'value' && isGone !== isTheirs(entry)) state.counters.joinDisagreements += 1;
    if (isGone) gone.push([key, entry]);
    else if (!isClaimed(entry)) join.unclaimed.push([key, { ...entry, value: NO_BYTES }]);
  }
  for (const [key, entry] of gone) {
    if (state.phase !== 'member') {
      // A join that breaks off leaves this behind, and whoever is told to take part with it has the dots, and not yet the horizon (seed 730182).
      applyOver(state, key, entry, syntheticTombstone(facts.horizon));
      continue;
    }
    dropEntry(state, key, entry);
    noteChange(state, key, entry, undefined);
  }
  return isAll;
}

function joinTheirs(state: PeerState, now: Now, join: Join, record: CheckpointEntry): void {
  const { key } = record;
  const { isEmpty, closures, isTheirs, isClaimed, unknown, unclaimed, covers } = join;
  const entry = toEntry(record);
  const present = isEmpty ? undefined : state.store.readEntry(key);
  if (present === undefined) {
    if (!isDropped(state, join, entry)) take(state, now, key, present, entry);
    return;
  }
  if (compareTags(present, entry) > 0) {
    if (isUnknown(closures, present, true)) unknown.push([key, present]);
    else if (!isClaimed(present)) unclaimed.push([key, { ...present, value: NO_BYTES }]);
    return;
  }
  if (entry.kind === 'synthetic' && isTooLate(state, closures, present, isTheirs)) covers.push(record);
  else take(state, now, key, present, entry);
}

/** At the end of the join: the tombstones that waited. What they cover is among what is stamped anew. */
export function joinCovers(state: PeerState, now: Now, { covers, unknown }: Join): void {
  for (const record of covers) {
    const present = state.store.readEntry(record.key);
    if (present !== undefined) unknown.push([record.key, present]);
    take(state, now, record.key, present, toEntry(record));
  }
}

/** Named one by one: millions of them come, and a spread takes several times as long. */
function toEntry(record: CheckpointEntry): Entry {
  const { timestamp, id, incarnation, sequence, entryKind: kind, expiresAt, value } = record;
  return { timestamp, id, incarnation, sequence, kind, expiresAt, value };
}

/** Who takes part joins everything in one turn: to put it all into the trees at once would hold that turn up. */
function take(state: PeerState, now: Now, key: Key, present: Entry | undefined, entry: Entry): void {
  if (isAheadOfClock(state, now, entry.timestamp)) takeAhead(state, key, present, entry);
  else applyOver(state, key, present, entry, state.phase === 'member' ? 'write' : 'load');
}

/**
 * A record ahead of the clock is taken in with a checkpoint, its dot too, where section 8 would leave it out. It covers whatever it superseded, and
 * which dots those are nobody knows any more: their rows are trimmed, their incarnations folded. Without it they would be claimed and stood for by
 * nothing (I2), and were its only holder lost, values that others still have would be missing here for ever. Refused, it kept everyone from joining until
 * its time had come. But the clock does not follow it (R3), or all writes here would be refused as long: those of its key alone are (`write.ts`).
 */
function takeAhead(state: PeerState, key: Key, present: Entry | undefined, entry: Entry): void {
  const { clock } = state;
  const isTaken = applyOver(state, key, present, entry);
  state.clock = clock;
  if (!isTaken) return;
  state.counters.recordsJoinedAhead += 1;
  if (entry.timestamp <= state.aheadThrough) return;
  state.aheadThrough = entry.timestamp;
  state.store.writeState('aheadThrough', state.aheadThrough);
}

/**
 * Whether nobody else has an update of this disk. Of an incarnation that the donor has folded it has, or has had, all that was kept: so it is unknown if
 * nothing there covers it. (At or below the horizon a tombstone may have covered it: not to be told apart, and gone it stays.)
 */
function isUnknown(
  theirs: Closures,
  { kind, id, incarnation, sequence }: Entry,
  isUncovered: boolean,
): boolean {
  if (kind === 'synthetic') return false;
  return isVoid(theirs, id, incarnation, sequence) || (isUncovered && isFolded(theirs, id, incarnation));
}

/**
 * R4, here: what this peer stamped below a horizon that its disk had forgotten, and nobody has taken. Either nobody has its dot, or no round that has
 * ended named its incarnation: then nothing of that was ever collected, and who has the dot has recorded it alone, with an alarm or by ABSENT, and
 * may not have told us yet. Another's is for its origin to stamp anew.
 */
function isTooLate(
  { self }: PeerState,
  theirs: Closures,
  { kind, ...dot }: Entry,
  isTheirs: (dot: Dot) => boolean,
): boolean {
  if (kind === 'synthetic' || dot.id !== self.id) return false;
  return dot.incarnation > (theirs.get(self.id)?.closedBelow ?? 0) || !isTheirs(dot);
}

/** Whether a report claims a dot; of what it has folded, all. */
function createHaveLookup({ vector, closures }: HaveReport): (dot: Dot) => boolean {
  const byOrigin = new Map(vector.map((entry) => [originKey(entry.id, entry.incarnation), allRanges(entry)]));
  const folded = new Map(closures.map(({ id, foldedBelow }) => [id, foldedBelow]));
  return ({ id, incarnation, sequence }) =>
    incarnation < (folded.get(id) ?? 0) ||
    containsSequence(byOrigin.get(originKey(id, incarnation)) ?? [], sequence);
}

/** Whether a key that is not here was dropped here under R8. */
function isDropped({ horizon }: PeerState, { isClaimed }: Join, entry: Entry): boolean {
  return entry.kind === 'synthetic' ? entry.timestamp <= horizon : isClaimed(entry); // it has no dot
}

/** Whether this peer says that it has the update of an entry. Millions are asked of, and many in a row are of one origin: its have-set is kept at hand. */
function createClaimLookup(state: PeerState): (entry: Entry) => boolean {
  let id: PeerId | undefined;
  let incarnation: Incarnation | undefined;
  let have: HaveSet | 'settled' | undefined;
  return (entry) => {
    if (entry.kind === 'synthetic') return true;
    if (entry.id !== id || entry.incarnation !== incarnation) {
      ({ id, incarnation } = entry);
      have = isSettled(state, id, incarnation)
        ? 'settled'
        : state.origins.get(originKey(id, incarnation))?.have;
    }
    return have === 'settled' || (have !== undefined && hasSequence(have, entry.sequence));
  };
}

/** Entries without claim are of a join that broke off, and nobody would ever be sent them from here: their dots are recorded (I3). */
export function recordUnclaimed(state: PeerState, entries: Iterable<KeyedEntry>): void {
  const isClaimed = createClaimLookup(state);
  const dots = new Map<OriginKey, KeyedDot[]>();
  for (const [key, entry] of entries) {
    const { id, incarnation, sequence } = entry;
    if (isClaimed(entry) || isVoid(state.closures, id, incarnation, sequence)) continue;
    const name = originOf(state, id, incarnation).key;
    const ofOrigin = dots.get(name) ?? [];
    ofOrigin.push({ sequence, key });
    dots.set(name, ofOrigin);
  }
  for (const [name, ofOrigin] of dots) {
    const origin = state.origins.get(name);
    if (origin !== undefined) recordDots(state, origin, ofOrigin);
  }
}
