/**
 * The parts of a checkpoint: first the facts of the instant of its snapshot and the rows of what was had above a gap, then every entry, in order of keys (R9).
 *
 * The facts come first: who takes no part joins the entries as they come, and must know by then what is gone. Rows below the first gap stay here: they are
 * as many as there were updates, and who joins lets them go. Every part fits into a frame: it is closed before what would make it too long, so that only one
 * long value makes a long part. Entries are read part by part, when it is sent; the rest is built when the snapshot is opened, for it is of the state, which goes
 * on. Who is given what, and when, is giveCheckpoint.ts's.
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
  /** With the first part. */
  readonly facts?: CheckpointFacts;
  readonly isLast?: true;
}

export interface Checkpoint {
  readonly snapshot: StoreSnapshot;
  readonly partBytes: number;
  /** The parts before those with entries. */
  readonly head: readonly PartContent[];
  /** The key after which each part with entries begins, as far as they are known; undefined: from the first key. */
  readonly starts: (Key | undefined)[];
  /** What the part read last had no room for: the first entry of part `at`. A long value is not read twice. */
  ahead: { readonly at: number; readonly entry: CheckpointEntry } | undefined;
}

/** Holds fast what this peer has now. `snapshot` must be closed. */
export function openCheckpoint(state: PeerState): Checkpoint {
  return {
    snapshot: state.store.openSnapshot(),
    partBytes: state.settings.limits.checkpointPartBytes,
    head: buildHead(state),
    starts: [undefined],
    ahead: undefined,
  };
}

/** A part, for the first time or again; undefined behind the last, and where the part before it was not asked for yet. */
export function readPart(checkpoint: Checkpoint, part: number): PartContent | undefined {
  const { starts, head } = checkpoint;
  const at = part - head.length;
  return at < 0 ? head[part] : at < starts.length ? readEntries(checkpoint, at) : undefined;
}

/** A part with entries, as many as it holds; notes where the next one begins. */
function readEntries(checkpoint: Checkpoint, at: number): PartContent {
  const { snapshot, partBytes, starts, ahead } = checkpoint;
  const first = ahead?.at === at ? ahead.entry : undefined;
  const entries: CheckpointEntry[] = first === undefined ? [] : [first];
  let bytes = first === undefined ? 0 : bytesOf(first);
  checkpoint.ahead = undefined;
  const after = entries.at(-1)?.key ?? starts[at];
  for (const [
    key,
    { kind: entryKind, timestamp, id, incarnation, sequence, expiresAt, value },
  ] of snapshot.entries(after === undefined ? {} : { after })) {
    // Named one by one: there are millions, and a spread takes several times as long.
    const entry = { key, timestamp, id, incarnation, sequence, entryKind, expiresAt, value };
    bytes += bytesOf(entry);
    const last = entries.at(-1);
    if (last !== undefined && bytes > partBytes) {
      starts[at + 1] = last.key;
      checkpoint.ahead = { at: at + 1, entry };
      return { entries, rows: [] };
    }
    entries.push(entry);
  }
  return { entries, rows: [], isLast: true };
}

function bytesOf({ key, value }: CheckpointEntry): number {
  return CHECKPOINT_RECORD_BYTES + key.length + value.length;
}

/** Parts under construction. */
interface Head {
  readonly partBytes: number;
  readonly closed: PartContent[];
  facts?: CheckpointFacts;
  rows: (CheckpointRows & { readonly keys: Key[] })[];
  bytes: number;
}

function buildHead(state: PeerState): readonly PartContent[] {
  const facts = buildFacts(state);
  const partBytes = state.settings.limits.checkpointPartBytes;
  const head: Head = { partBytes, closed: [], facts, rows: [], bytes: sizeOfFacts(facts) };
  for (const origin of state.origins.values()) addRows(state, head, origin);
  closePart(head);
  return head.closed;
}

function closePart(head: Head): void {
  const { facts, rows } = head;
  head.closed.push({ entries: [], rows, ...(facts === undefined ? {} : { facts }) });
  delete head.facts;
  head.rows = [];
  head.bytes = 0;
}

/** Rows of what one origin's vector does not claim (I15): without them nobody could be served from them. A void dot has none. */
function addRows(state: PeerState, head: Head, origin: OriginState): void {
  for (const [from, to] of gapRanges(origin.have)) {
    for (let sequence = from; sequence <= to; sequence += 1) {
      const key = state.store.readRow(origin.key, sequence);
      if (key === undefined) continue;
      const bytes = CHECKPOINT_RECORD_BYTES + key.length;
      if (head.bytes + bytes > head.partBytes) closePart(head);
      head.bytes += bytes;
      addRow(head, origin, sequence, key);
    }
  }
}

/** To the run before it, if it follows that. */
function addRow({ rows }: Head, { id, incarnation }: OriginState, sequence: number, key: Key): void {
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
