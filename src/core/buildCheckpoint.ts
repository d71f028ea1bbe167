/**
 * The parts of a checkpoint: every entry of one snapshot, the rows of what is had above a gap, and last the facts of the same instant (R9).
 *
 * Rows below the first gap stay here: they are as many as there were updates, and who joins lets them go. Every part fits into a frame: it is closed
 * before what would make it too long, so that only one long value makes a long part. Entries are read part by part, when it is sent; the
 * rest is built when the snapshot is opened, for it is of the state, which goes on. Who is given what, and when, is giveCheckpoint.ts's.
 */
import { gapRanges } from './haveSet.ts';
import { buildMembers } from './members.ts';
import type { CheckpointEntry, CheckpointFacts, CheckpointRows } from './messages.ts';
import type { OriginState } from './originState.ts';
import { haveBytes, ID_BYTES } from './send.ts';
import type { StoreSnapshot } from './store.ts';
import { CHECKPOINT_RECORD_BYTES } from './spool.ts';
import { buildHave, type PeerState } from './state.ts';
import { toOrigins, type Key } from './types.ts';

/** What one part carries. */
export interface PartContent {
  readonly entries: readonly CheckpointEntry[];
  readonly rows: readonly CheckpointRows[];
  /** With the last part. */
  readonly facts?: CheckpointFacts;
}

export interface Checkpoint {
  readonly snapshot: StoreSnapshot;
  readonly partBytes: number;
  /** The key after which each part with entries begins, as far as they are known; undefined: from the first key. */
  readonly starts: (Key | undefined)[];
  /** How many parts have entries, once the last of them is known. */
  entryParts: number | undefined;
  /** The parts after those. */
  readonly tail: readonly PartContent[];
}

/** Holds fast what this peer has now. `snapshot` must be closed. */
export function openCheckpoint(state: PeerState): Checkpoint {
  return {
    snapshot: state.store.openSnapshot(),
    partBytes: state.settings.limits.checkpointPartBytes,
    starts: [undefined],
    entryParts: undefined,
    tail: buildTail(state),
  };
}

/** A part, for the first time or again; undefined behind the last, and where the part before it was not asked for yet. */
export function readPart(checkpoint: Checkpoint, part: number): PartContent | undefined {
  const { starts, entryParts, tail } = checkpoint;
  if (entryParts !== undefined && part >= entryParts) return tail[part - entryParts];
  return part < starts.length ? { entries: readEntries(checkpoint, part), rows: [] } : undefined;
}

/** The entries of a part, as many as it holds; notes where the next one begins. */
function readEntries(checkpoint: Checkpoint, part: number): CheckpointEntry[] {
  const { snapshot, partBytes, starts } = checkpoint;
  const entries: CheckpointEntry[] = [];
  const after = starts[part];
  let bytes = 0;
  for (const [key, entry] of snapshot.entries(after === undefined ? {} : { after })) {
    bytes += CHECKPOINT_RECORD_BYTES + key.length + entry.value.length;
    const last = entries.at(-1);
    if (last !== undefined && bytes > partBytes) {
      starts[part + 1] = last.key;
      return entries;
    }
    // Named one by one: there are millions, and a spread takes several times as long.
    const { timestamp, id, incarnation, sequence, kind: entryKind, expiresAt, value } = entry;
    entries.push({ key, timestamp, id, incarnation, sequence, entryKind, expiresAt, value });
  }
  checkpoint.entryParts = part + 1;
  return entries;
}

/** Parts under construction. */
interface Tail {
  readonly partBytes: number;
  readonly closed: PartContent[];
  rows: (CheckpointRows & { readonly keys: Key[] })[];
  bytes: number;
}

function buildTail(state: PeerState): readonly PartContent[] {
  const tail: Tail = { partBytes: state.settings.limits.checkpointPartBytes, closed: [], rows: [], bytes: 0 };
  for (const origin of state.origins.values()) addRows(state, tail, origin);
  const facts = buildFacts(state);
  makeRoom(tail, sizeOfFacts(facts));
  tail.closed.push({ entries: [], rows: tail.rows, facts });
  return tail.closed;
}

/** Closes the part under construction if so many more bytes would make it too long. */
function makeRoom(tail: Tail, bytes: number): void {
  if (tail.bytes > 0 && tail.bytes + bytes > tail.partBytes) {
    tail.closed.push({ entries: [], rows: tail.rows });
    tail.rows = [];
    tail.bytes = 0;
  }
  tail.bytes += bytes;
}

/** Rows of what one origin's vector does not claim (I15): without them nobody could be served from them. A void dot has none. */
function addRows(state: PeerState, tail: Tail, origin: OriginState): void {
  for (const [from, to] of gapRanges(origin.have)) {
    for (let sequence = from; sequence <= to; sequence += 1) {
      const key = state.store.readRow(origin.key, sequence);
      if (key === undefined) continue;
      makeRoom(tail, CHECKPOINT_RECORD_BYTES + key.length);
      addRow(tail, origin, sequence, key);
    }
  }
}

/** To the run before it, if it follows that. */
function addRow({ rows }: Tail, { id, incarnation }: OriginState, sequence: number, key: Key): void {
  const last = rows[rows.length - 1];
  const follows = last?.id === id && last.incarnation === incarnation;
  if (follows && last.from + last.keys.length === sequence) last.keys.push(key);
  else rows.push({ id, incarnation, from: sequence, keys: [key] });
}

function buildFacts(state: PeerState): CheckpointFacts {
  return {
    have: buildHave(state, 'whole'),
    horizon: state.horizon,
    clock: state.clock,
    promised: state.promised,
    fences: toOrigins(state.fences),
    incarnations: toOrigins(state.incarnations),
    pending: state.pending,
    members: buildMembers(state),
    lineage: state.lineage,
  };
}

function sizeOfFacts({ have, pending, fences, incarnations, members }: CheckpointFacts): number {
  const ids = fences.length + incarnations.length + members.admitted.length + members.forgotten.length;
  let bytes = CHECKPOINT_RECORD_BYTES + haveBytes(have) + ids * ID_BYTES;
  for (const { known } of pending) bytes += haveBytes({ vector: known, closures: [], promises: [] });
  return bytes;
}
