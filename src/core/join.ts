/**
 * Checkpoints between peers: asked for and joined (R9, R10). How one is given is buildCheckpoint.ts's.
 *
 * A checkpoint is joined, never installed over: both have the key, the larger tag; only mine, deleted iff my timestamp ≤ its horizon; only
 * theirs, skipped if its dot is in my have, else taken. Then have, rows and waiting horizons are united, horizon, clock, promised bound,
 * fences and incarnations rise to the larger; the vector comes last, and all of it is one turn.
 */
import { applyOver, isAheadNoticeDue, isAheadOfClock, latestConceivable, latestCredible } from './apply.ts';
import { TICKS_PER_MS, type Now } from './clock.ts';
import { closuresFrom, isFolded, isVoid, keptOf, type Closures } from './closures.ts';
import { dropEntry, dropRows, scheduleSweep } from './dropping.ts';
import {
  addPendingHorizon,
  becomeMember,
  isBoundAhead,
  learnClosures,
  learnPromise,
  owe,
  raiseFence,
} from './facts.ts';
import { addRanges, allRanges, hasSequence } from './haveSet.ts';
import { isThere, liveIds, notice } from './liveness.ts';
import { beginLineage, setLineage } from './lineage.ts';
import { learnMembers } from './members.ts';
import type {
  CheckpointEntry,
  CheckpointFacts,
  CheckpointMessage,
  CheckpointRows,
  HaveReport,
} from './messages.ts';
import { containsSequence } from './ranges.ts';
import { addPart, expectFrom, isAskedOf, stopExpecting } from './spool.ts';
import { isSettled, noteIncarnation, originOf, touchOrigin, type PeerState } from './state.ts';
import { stampAnew } from './write.ts';
import {
  compareTags,
  originKey,
  type Dot,
  type Entry,
  type Key,
  type Origin,
  type PeerId,
  type Timestamp,
} from './types.ts';

/** A donor that gives to others is asked again after so long; one that has more than can be kept here after so long, milliseconds. */
const REFUSED_PAUSE_MS = 2_000;
const TOO_LARGE_PAUSE_MS = 60_000;
/** The rest of a checkpoint is asked for so often before another donor is asked for all of one. */
const RESUMES = 3;
/** After one has come the next is asked for no sooner, milliseconds. */
const JOINED_PAUSE_MS = 1_000;

/**
 * Asks a live member for a checkpoint, another one each time. Not while the one that was asked still lives and something of its answer
 * comes: a transfer may be slow, and another donor's would begin from nothing.
 */
export function askForCheckpoint(
  state: PeerState,
  now: Now,
  among: readonly PeerId[] = findDonors(state),
): void {
  const { joining } = state;
  if (isAwaited(state, now) || askForTheRest(state, now)) return;
  const able = among.filter((id) => now.monotonicMs >= (joining.notBeforeMs.get(id) ?? -Infinity));
  const others = able.filter((id) => id !== joining.askedOf?.id);
  const pool = others.length > 0 ? others : able;
  const donor = pool[Math.floor(state.random() * pool.length)];
  const view = donor === undefined ? undefined : state.peers.get(donor);
  if (view === undefined) return;
  const waitUntilMs = now.monotonicMs + state.settings.limits.joinRetryMs;
  expectFrom(joining, { id: view.id, incarnation: view.incarnation }, waitUntilMs);
  state.counters.checkpointsAsked += 1;
  sendJoin(state, view.id, 0, 0);
}

/** A transfer that has stopped goes on where it did, if who gives it is there. */
function askForTheRest(state: PeerState, now: Now): boolean {
  const { joining, settings } = state;
  const { askedOf, snapshot, parts } = joining;
  if (askedOf === undefined || parts.length === 0 || joining.resumed >= RESUMES) return false;
  if (!isThere(state, askedOf)) return false;
  joining.resumed += 1;
  joining.waitUntilMs = now.monotonicMs + settings.limits.joinRetryMs;
  sendJoin(state, askedOf.id, snapshot, parts.length);
  return true;
}

/** The first one durable: the incarnation it is to record must be ours for good. By stream: a lost datagram would cost a retry. */
function sendJoin(state: PeerState, to: PeerId, snapshot: number, part: number): void {
  const message = { kind: 'join', snapshot, part } as const;
  state.effects.push({ kind: 'send', to, by: 'stream', message, after: part === 0 ? 'durable' : 'nothing' });
}

/** Whether an answer may still come; after one that was joined or refused, whether it is too soon for another. */
function isAwaited(state: PeerState, now: Now): boolean {
  const { askedOf, waitUntilMs } = state.joining;
  if (now.monotonicMs >= waitUntilMs) return false;
  return askedOf === undefined || isThere(state, askedOf);
}

/** Live members: of the history that is wanted, if any is. */
function findDonors(state: PeerState): PeerId[] {
  const { peers, joining } = state;
  const members = liveIds(state).filter((id) => peers.get(id)?.phase === 'member');
  const wanted = members.filter((id) => peers.get(id)?.lineage.present === joining.lineage);
  return wanted.length > 0 ? wanted : members;
}

/** A part of a checkpoint, from a process that is not fenced (R7): as all parts are of one process, the last one speaks for the first. */
export function onCheckpoint(state: PeerState, now: Now, from: Origin, message: CheckpointMessage): void {
  const { joining, counters, settings } = state;
  // R10: it must name the present incarnation.
  if (message.joiner !== state.self.incarnation || !isAskedOf(joining, from)) {
    counters.droppedMisdirected += 1;
    return;
  }
  if (message.isRefused === true) {
    if (message.snapshot !== 0 && message.snapshot !== joining.snapshot) {
      counters.droppedMisdirected += 1; // of one before
      return;
    }
    joining.notBeforeMs.set(from.id, now.monotonicMs + REFUSED_PAUSE_MS);
    stopExpecting(joining, -Infinity); // somebody else may be able
    return;
  }
  const fate = addPart(joining, settings.limits, message, now.monotonicMs);
  if (fate === 'stray') counters.droppedMisdirected += 1;
  if (fate === 'tooLarge') {
    joining.notBeforeMs.set(from.id, now.monotonicMs + TOO_LARGE_PAUSE_MS);
    stopExpecting(joining, -Infinity);
    notice(state, 'checkpointTooLarge', { peer: from.id, limitBytes: settings.limits.maxCheckpointBytes });
  }
  if (fate !== 'kept') return;
  sendJoin(state, from.id, message.snapshot, message.part + 1);
  const { facts } = message;
  if (facts === undefined) return;
  const { parts } = joining;
  stopExpecting(joining, now.monotonicMs + JOINED_PAUSE_MS);
  joinCheckpoint(state, now, parts, facts);
}

function joinCheckpoint(
  state: PeerState,
  now: Now,
  parts: readonly CheckpointMessage[],
  facts: CheckpointFacts,
): void {
  const promised = facts.have.promises.find(({ id }) => id === state.self.id)?.promised ?? 0;
  if (promised <= latestConceivable(state, now)) owe(state, promised as Timestamp);
  const bound = Math.max(facts.horizon, state.joining.owedPromise) as Timestamp;
  if (isBoundAhead(state, now, bound)) {
    // Asked for again. Clocks were set back; or, if it is a horizon, the donor is defective.
    const waitMs = Math.ceil((bound - latestCredible(state, now)) / TICKS_PER_MS);
    if (isAheadNoticeDue(state, now)) notice(state, 'joinWaits', { waitMs });
    return;
  }
  learnMembers(state, facts.members); // first: of a forgotten id no incarnation is noted, whatever closed it
  const unknown = joinEntries(state, now, parts, facts);
  learnClosures(state, now, facts.have.closures);
  for (const { id, promised } of facts.have.promises)
    if (id !== state.self.id) learnPromise(state, now, id, promised);
  joinRows(
    state,
    parts.flatMap((part) => part.rows),
  );
  joinVector(state, facts);
  for (const { id, incarnation } of facts.fences) raiseFence(state, id, incarnation);
  for (const { id, incarnation } of facts.incarnations) noteIncarnation(state, id, incarnation);
  raiseBounds(state, now, facts);
  scheduleSweep(state, now);
  for (const pending of facts.pending) addPendingHorizon(state, now, pending);
  state.counters.checkpointsJoined += 1;
  if (state.phase === 'forgotten') return;
  if (state.phase !== 'member') {
    const entries = parts.reduce((sum, part) => sum + part.entries.length, 0);
    notice(state, 'joined', { entries, kept: unknown.length });
  }
  setLineage(state, facts.lineage);
  state.joining.lineage = 0;
  becomeMember(state);
  for (const [key, entry] of unknown) stampAnew(state, now, key, entry);
}

/** R10: an operator says that this peer takes part with what its disk holds, for nobody is left to join from. */
export function bootstrap(state: PeerState): void {
  if (state.phase !== 'fresh' && state.phase !== 'joining') return;
  const bound = Math.max(state.clock, state.promised, state.joining.owedPromise) as Timestamp;
  raiseClock(state, bound);
  notice(state, 'bootstrapped', {});
  beginLineage(state, true);
  becomeMember(state);
}

/**
 * R9, entry by entry. Answers the winners here that are *unknown*: void by what the donor knows of finished rounds, so that no member had them then and
 * nobody would ever take them from here. Their disk was away while another process took part for this peer: a copy of the disk, or an older one.
 * They are stamped anew after the join, for a client was told that they were written.
 */
function joinEntries(
  state: PeerState,
  now: Now,
  parts: readonly CheckpointMessage[],
  { horizon, have }: CheckpointFacts,
): readonly (readonly [Key, Entry])[] {
  const isEmpty = state.visibleKeys + state.tombstones.count === 0;
  const theirs = new Set<Key>();
  if (!isEmpty) for (const { entries } of parts) for (const { key } of entries) theirs.add(key);
  const gone: (readonly [Key, Entry])[] = [];
  const unknown: (readonly [Key, Entry])[] = [];
  const isTheirs = createHaveLookup(have);
  const closures = closuresFrom(have.closures);
  for (const [key, entry] of state.store.entries({})) {
    if (theirs.has(key)) continue;
    const isGone = entry.timestamp <= horizon;
    if (isUnknown(closures, entry, !isGone) || (isGone && isTooLate(state, closures, entry, isTheirs))) {
      unknown.push([key, entry]);
      continue;
    }
    // I9: "absent there, and its dot is in their have" says the same.
    if (entry.kind === 'value' && isGone !== isTheirs(entry)) state.counters.joinDisagreements += 1;
    if (isGone) gone.push([key, entry]);
  }
  for (const [key, entry] of gone) {
    dropEntry(state, key, entry);
    state.changes.push({ key, previous: entry, entry: undefined });
  }
  for (const { entries } of parts)
    for (const record of entries) {
      const { key } = record;
      const entry = toEntry(record);
      const present = isEmpty ? undefined : state.store.readEntry(key);
      if (present === undefined && isDropped(state, entry)) continue;
      if (present !== undefined && compareTags(present, entry) > 0) {
        if (isUnknown(closures, present, true)) unknown.push([key, present]);
        continue;
      }
      if (
        entry.kind === 'synthetic' &&
        present !== undefined &&
        isTooLate(state, closures, present, isTheirs)
      )
        unknown.push([key, present]);
      if (isAheadOfClock(state, now, entry.timestamp)) applyAhead(state, key, present, entry);
      else applyOver(state, key, present, entry);
    }
  return unknown;
}

/** Named one by one: millions of them come, and a spread takes several times as long. */
function toEntry(record: CheckpointEntry): Entry {
  const { timestamp, id, incarnation, sequence, entryKind: kind, expiresAt, value } = record;
  return { timestamp, id, incarnation, sequence, kind, expiresAt, value };
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
 * A record ahead of the clock is taken in with a checkpoint, its dot too, where section 8 would leave it out. It covers whatever it superseded, and
 * which dots those are nobody knows any more: their rows are trimmed, their incarnations folded. Without it they would be claimed and stood for by
 * nothing (I2), and were its only holder lost, values that others still have would be missing here for ever. Refused, it kept everyone from joining until
 * its time had come. But the clock does not follow it (R3), or all writes here would be refused as long: those of its key alone are (`write.ts`).
 */
function applyAhead(state: PeerState, key: Key, present: Entry | undefined, entry: Entry): void {
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
function isDropped(state: PeerState, { kind, timestamp, id, incarnation, sequence }: Entry): boolean {
  if (kind === 'synthetic') return timestamp <= state.horizon; // it has no dot
  if (isSettled(state, id, incarnation)) return true;
  const origin = state.origins.get(originKey(id, incarnation));
  return origin !== undefined && hasSequence(origin.have, sequence);
}

function joinRows(state: PeerState, rows: readonly CheckpointRows[]): void {
  for (const { id, incarnation, from, keys } of rows) {
    if (isSettled(state, id, incarnation)) continue;
    const origin = originOf(state, id, incarnation);
    for (const [at, key] of keys.entries()) {
      const sequence = from + at;
      if (sequence <= origin.trim || isVoid(state.closures, id, incarnation, sequence)) continue;
      state.store.writeRow(origin.key, sequence, key);
    }
  }
}

/**
 * The vector last: only now is everything there that it claims. Rows below the donor's first gap did not come with it, so where it claims more
 * than was had the trim rises to that gap: below it this peer can serve by checkpoint alone. I15: the vector has risen first.
 */
function joinVector(state: PeerState, { have }: CheckpointFacts): void {
  for (const { id, incarnation, contiguous, gaps } of have.vector) {
    if (isSettled(state, id, incarnation)) continue;
    const origin = originOf(state, id, incarnation);
    const isNews = contiguous > origin.have.contiguous;
    addRanges(origin.have, allRanges({ contiguous, gaps }));
    touchOrigin(state, origin);
    if (isNews) dropRows(state, origin, contiguous);
  }
  // Among the rows of closed incarnations may be some of void dots: nobody is to be served from those.
  for (const origin of state.origins.values())
    if (keptOf(state.closures, origin.id, origin.incarnation) !== undefined)
      dropRows(state, origin, origin.have.contiguous);
}

/**
 * Everything stamped from now on is above what came, above the horizon, above what an earlier life of this disk can have promised to a round that ended,
 * for the others remember that, and above what the donor promised: no round that it took part in has a horizon beyond, whether it heard of its end or not.
 * Its clock counts as far as it is credible: what it holds beyond is for its key alone to heed.
 */
function raiseBounds(state: PeerState, now: Now, facts: CheckpointFacts): void {
  const credible = latestCredible(state, now);
  const isBelieved = facts.promised <= latestConceivable(state, now);
  const bound = Math.max(state.joining.owedPromise, facts.horizon, Math.min(facts.clock, credible));
  raiseClock(state, Math.max(state.clock, bound) as Timestamp);
  state.promised = Math.max(state.promised, isBelieved ? facts.promised : credible) as Timestamp;
  state.store.writeState('promised', state.promised);
  if (facts.horizon > state.horizon) state.horizon = facts.horizon;
  state.store.writeState('horizon', state.horizon);
}

/** Nothing will be stamped at or below `bound`, which is promised as well. */
function raiseClock(state: PeerState, bound: Timestamp): void {
  state.clock = bound;
  state.promised = Math.max(state.promised, bound) as Timestamp;
  state.store.writeState('clock', state.clock);
  state.store.writeState('promised', state.promised);
}
