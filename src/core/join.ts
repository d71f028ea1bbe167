/**
 * Checkpoints between peers: asked for, given, joined (R9, R10).
 *
 * A checkpoint is joined, never installed over: both have the key, the larger tag; only mine, deleted iff my timestamp ≤ its horizon; only
 * theirs, skipped if its dot is in my have, else taken. Then have, rows and waiting horizons are united, horizon, clock, promised bound,
 * fences and incarnations rise to the larger; the vector comes last, and all of it is one turn. One consistent snapshot, for the
 * core is synchronous; sent when it is durable, with the joiner's incarnation recorded first.
 */
import { applyEntry, isAheadOfClock, refuseAhead } from './apply.ts';
import type { Now } from './clock.ts';
import { isVoid } from './closures.ts';
import { dropEntry, dropRows, scheduleSweep } from './dropping.ts';
import { addPendingHorizon, becomeMember, learnClosures, learnPromise, raiseFence } from './facts.ts';
import { addRanges, allRanges, hasSequence } from './haveSet.ts';
import { liveIds, notice } from './liveness.ts';
import { beginLineage, setLineage } from './lineage.ts';
import { learnMembers } from './members.ts';
import type {
  CheckpointEntry,
  CheckpointFacts,
  CheckpointMessage,
  CheckpointRows,
  HaveReport,
} from './messages.ts';
import { touchOrigin, type OriginState } from './originState.ts';
import type { PeerView } from './peerView.ts';
import { containsSequence, rangesTo } from './ranges.ts';
import { sendControl } from './send.ts';
import { addPart } from './spool.ts';
import { buildHave, isSettled, noteIncarnation, originOf, type PeerState } from './state.ts';
import {
  originKey,
  type Dot,
  type Entry,
  type EntryKind,
  type Incarnation,
  type Key,
  type PeerId,
  type Timestamp,
} from './types.ts';

/** Bytes of one entry or row beside key and value, at most. */
const ENTRY_BYTES = 80;
const ROW_BYTES = 12;

/** Asks a live member for a checkpoint, another one each time; no sooner than the last request is given up. */
export function askForCheckpoint(
  state: PeerState,
  now: Now,
  among: readonly PeerId[] = findDonors(state),
): void {
  const { joining, settings } = state;
  if (now.monotonicMs - joining.askedAtMs < settings.limits.joinRetryMs || among.length === 0) return;
  const others = among.filter((id) => id !== joining.askedOf);
  const pool = others.length > 0 ? others : among;
  const donor = pool[Math.floor(state.random() * pool.length)];
  if (donor === undefined) return;
  joining.askedOf = donor;
  joining.askedAtMs = now.monotonicMs;
  state.counters.checkpointsAsked += 1;
  sendControl(state, donor, { kind: 'join' }, 'durable'); // the incarnation it is to record must be ours for good
}

function findDonors(state: PeerState): PeerId[] {
  const members = liveIds(state).filter((id) => state.peers.get(id)?.phase === 'member');
  const wanted = members.filter((id) => state.peers.get(id)?.lineage.present === state.joining.lineage);
  return wanted.length > 0 ? wanted : members;
}

/** R10: the joiner's incarnation is recorded, durably, before the checkpoint leaves. */
export function onJoin(state: PeerState, view: PeerView, incarnation: Incarnation): void {
  if (state.phase !== 'member') return;
  noteIncarnation(state, view.id, incarnation);
  const parts = buildCheckpoint(state, incarnation);
  if (parts === undefined) {
    notice(state, 'checkpointTooLarge', { peer: view.id });
    return;
  }
  for (const part of parts)
    state.effects.push({ kind: 'send', to: view.id, by: 'stream', message: part, after: 'durable' });
  state.counters.checkpointsGiven += 1;
}

/** Everything this peer has, as of now, in parts; undefined when it is more than may be sent so. */
export function buildCheckpoint(state: PeerState, joiner: Incarnation): CheckpointMessage[] | undefined {
  const { checkpointPartBytes, maxCheckpointBytes } = state.settings.limits;
  const snapshot = state.rounds.lastNumber * 1_000_000 + (state.counters.checkpointsGiven % 1_000_000) + 1;
  const parts: CheckpointMessage[] = [];
  let entries: CheckpointEntry[] = [];
  let rows: CheckpointRows[] = [];
  let bytes = 0;
  let total = 0;
  const close = (facts?: CheckpointFacts): void => {
    const content = { snapshot, part: parts.length, joiner, entries, rows };
    parts.push({ kind: 'checkpoint', ...content, ...(facts === undefined ? {} : { facts }) });
    entries = [];
    rows = [];
    total += bytes;
    bytes = 0;
  };
  for (const [
    key,
    { kind: entryKind, timestamp, id, incarnation, sequence, expiresAt, value },
  ] of state.store.entries({})) {
    entries.push({ key, timestamp, id, incarnation, sequence, entryKind, expiresAt, value });
    bytes += ENTRY_BYTES + key.length + value.length;
    if (bytes > checkpointPartBytes) close();
    if (total > maxCheckpointBytes) return undefined;
  }
  for (const origin of state.origins.values()) {
    for (const [from, to] of rangesWithRows(origin)) {
      let keys: Key[] = [];
      let first = from;
      for (let sequence = from; sequence <= to; sequence += 1) {
        const key = state.store.readRow(origin.key, sequence);
        if (key === undefined) {
          // A void dot counts as present and has no row: the run ends here.
          if (keys.length > 0)
            rows.push({ id: origin.id, incarnation: origin.incarnation, from: first, keys });
          keys = [];
          first = sequence + 1;
          continue;
        }
        keys.push(key);
        bytes += ROW_BYTES + key.length;
        if (bytes <= checkpointPartBytes) continue;
        rows.push({ id: origin.id, incarnation: origin.incarnation, from: first, keys });
        keys = [];
        first = sequence + 1;
        close();
      }
      if (keys.length > 0) rows.push({ id: origin.id, incarnation: origin.incarnation, from: first, keys });
    }
    if (total > maxCheckpointBytes) return undefined;
  }
  close(buildFacts(state));
  return parts;
}

/** Sequences of which the table may have rows. */
function rangesWithRows({ have, trim }: OriginState): readonly (readonly [number, number])[] {
  return rangesTo(allRanges(have))
    .map(([from, to]) => [Math.max(from, trim + 1), to] as const)
    .filter(([from, to]) => from <= to);
}

function buildFacts(state: PeerState): CheckpointFacts {
  const toOrigins = (map: ReadonlyMap<PeerId, Incarnation>) =>
    Array.from(map, ([id, incarnation]) => ({ id, incarnation }));
  return {
    have: buildHave(state, 'whole'),
    horizon: state.horizon,
    clock: state.clock,
    promised: state.promised,
    fences: toOrigins(state.fences),
    incarnations: toOrigins(state.incarnations),
    pending: state.pending,
    members: { admitted: [...state.admitted], forgotten: [...state.forgotten] },
    lineage: state.lineage,
  };
}

export function onCheckpoint(state: PeerState, now: Now, view: PeerView, message: CheckpointMessage): void {
  if (message.joiner !== state.self.incarnation) {
    state.counters.droppedMisdirected += 1; // R10: it must name the present incarnation
    return;
  }
  const parts = addPart(state.joining, view.id, message);
  const facts = message.facts;
  if (parts === undefined || facts === undefined) return;
  joinCheckpoint(state, now, parts, facts);
}

function joinCheckpoint(
  state: PeerState,
  now: Now,
  parts: readonly CheckpointMessage[],
  facts: CheckpointFacts,
): void {
  const entries = parts.flatMap((part) => part.entries);
  // Section 8: refused whole, dots too; asked for again when time has passed.
  if (
    entries.some(({ timestamp }) => isAheadOfClock(state, now, timestamp)) ||
    isAheadOfClock(state, now, facts.clock)
  ) {
    refuseAhead(state, now, state.joining.askedOf ?? state.self.id);
    return;
  }
  joinEntries(state, entries, facts);
  learnClosures(state, now, facts.have.closures);
  for (const { id, promised } of facts.have.promises) {
    if (id === state.self.id) state.joining.owedPromise = Math.max(state.joining.owedPromise, promised);
    else learnPromise(state, id, promised);
  }
  joinRows(
    state,
    parts.flatMap((part) => part.rows),
  );
  joinVector(state, facts);
  for (const { id, incarnation } of facts.fences) raiseFence(state, id, incarnation);
  for (const { id, incarnation } of facts.incarnations) noteIncarnation(state, id, incarnation);
  raiseBounds(state, facts);
  scheduleSweep(state, now);
  for (const pending of facts.pending) addPendingHorizon(state, now, pending);
  learnMembers(state, facts.members);
  state.joining.joined += 1;
  state.counters.checkpointsJoined += 1;
  if (state.phase === 'forgotten') return;
  if (state.phase !== 'member') notice(state, 'joined', { entries: entries.length });
  setLineage(state, facts.lineage);
  state.joining.lineage = 0;
  becomeMember(state);
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

/** R9, entry by entry. */
function joinEntries(
  state: PeerState,
  entries: readonly CheckpointEntry[],
  { horizon, have }: CheckpointFacts,
): void {
  const theirs = new Set<Key>();
  for (const { key } of entries) theirs.add(key);
  const gone: (readonly [Key, Entry])[] = [];
  const isTheirs = createHaveLookup(have);
  for (const [key, entry] of state.store.entries({})) {
    if (theirs.has(key)) continue;
    const isGone = entry.timestamp <= horizon;
    // I9: "absent there, and its dot is in their have" says the same.
    if (entry.kind === 'value' && isGone !== isTheirs(entry)) state.counters.joinDisagreements += 1;
    if (isGone) gone.push([key, entry]);
  }
  for (const [key, entry] of gone) {
    dropEntry(state, key, entry);
    state.changes.push({ key, previous: entry, entry: undefined });
  }
  for (const { key, entryKind, ...rest } of entries) {
    const present = state.store.readEntry(key);
    if (present === undefined && isDropped(state, entryKind, rest)) continue;
    applyEntry(state, key, { ...rest, kind: entryKind });
  }
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
function isDropped(
  state: PeerState,
  kind: EntryKind,
  { timestamp, id, incarnation, sequence }: Pick<Entry, 'timestamp' | 'id' | 'incarnation' | 'sequence'>,
): boolean {
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

/** The vector last: only now is everything there that it claims. */
function joinVector(state: PeerState, { have }: CheckpointFacts): void {
  for (const { id, incarnation, contiguous, gaps, trim } of have.vector) {
    if (isSettled(state, id, incarnation)) continue;
    const origin = originOf(state, id, incarnation);
    addRanges(origin.have, allRanges({ contiguous, gaps }));
    touchOrigin(origin);
    dropRows(state, origin, trim);
  }
}

function raiseBounds(state: PeerState, facts: CheckpointFacts): void {
  // A bound that an earlier life of this disk promised binds this one too: the others remember it.
  const { owedPromise } = state.joining;
  raiseClock(
    state,
    Math.max(state.clock, facts.clock, facts.promised, facts.horizon, owedPromise) as Timestamp,
  );
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
