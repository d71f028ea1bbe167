/**
 * A checkpoint, given: one consistent snapshot in parts, for the core is synchronous (R9, R10).
 *
 * Carries every entry, the rows of what is had above a gap, and last the facts. Rows below the first gap stay here: they are as many as there were
 * updates, and who joins lets them go. Every part fits into a frame: it is closed before what would make it too long, so that only one long
 * value makes a long part. R10: the joiner's incarnation is durable before any of it leaves.
 */
import { gapRanges } from './haveSet.ts';
import { notice } from './liveness.ts';
import { buildMembers } from './members.ts';
import type { CheckpointEntry, CheckpointFacts, CheckpointMessage, CheckpointRows } from './messages.ts';
import type { OriginState } from './originState.ts';
import type { PeerView } from './peerView.ts';
import { haveBytes, ID_BYTES, sendUnicast } from './send.ts';
import type { CoreLimits } from './settings.ts';
import { CHECKPOINT_RECORD_BYTES } from './spool.ts';
import { buildHave, noteIncarnation, type PeerState } from './state.ts';
import { toOrigins, type Incarnation, type Key } from './types.ts';

/** R10: the joiner's incarnation is recorded, durably, before the checkpoint leaves. */
export function onJoin(state: PeerState, view: PeerView, incarnation: Incarnation): void {
  if (state.phase !== 'member') return;
  noteIncarnation(state, view.id, incarnation);
  const parts = buildCheckpoint(state, incarnation);
  if (parts === undefined) {
    notice(state, 'checkpointTooLarge', { peer: view.id });
    const none = { snapshot: 1, part: 0, joiner: incarnation, entries: [], rows: [] };
    sendUnicast(state, view.id, { kind: 'checkpoint', ...none, isTooLarge: true });
    return;
  }
  for (const part of parts)
    state.effects.push({ kind: 'send', to: view.id, by: 'stream', message: part, after: 'durable' });
  state.counters.checkpointsGiven += 1;
}

/** Parts under construction. */
interface Parts {
  readonly limits: CoreLimits;
  readonly snapshot: number;
  readonly joiner: Incarnation;
  readonly closed: CheckpointMessage[];
  entries: CheckpointEntry[];
  rows: (CheckpointRows & { readonly keys: Key[] })[];
  /** Of the part under construction, and of all. */
  bytes: number;
  totalBytes: number;
}

/** Everything this peer has, as of now, in parts; undefined when it is more than may be sent so. */
export function buildCheckpoint(state: PeerState, joiner: Incarnation): CheckpointMessage[] | undefined {
  const { limits } = state.settings;
  // Refused before it is built, where the numbers alone say so.
  if ((state.visibleKeys + state.tombstones.count) * CHECKPOINT_RECORD_BYTES > limits.maxCheckpointBytes)
    return undefined;
  const parts: Parts = {
    limits,
    snapshot: state.counters.checkpointsGiven + 1,
    joiner,
    closed: [],
    entries: [],
    rows: [],
    bytes: 0,
    totalBytes: 0,
  };
  for (const [key, { kind: entryKind, ...entry }] of state.store.entries({})) {
    makeRoom(parts, CHECKPOINT_RECORD_BYTES + key.length + entry.value.length);
    if (parts.totalBytes > limits.maxCheckpointBytes) return undefined;
    parts.entries.push({ key, entryKind, ...entry });
  }
  for (const origin of state.origins.values()) {
    addRows(state, parts, origin);
    if (parts.totalBytes > limits.maxCheckpointBytes) return undefined;
  }
  const facts = buildFacts(state);
  makeRoom(parts, sizeOfFacts(facts));
  close(parts, facts);
  return parts.closed;
}

/** Closes the part under construction if so many more bytes would make it too long. */
function makeRoom(parts: Parts, bytes: number): void {
  if (parts.bytes > 0 && parts.bytes + bytes > parts.limits.checkpointPartBytes) close(parts);
  parts.bytes += bytes;
  parts.totalBytes += bytes;
}

function close(parts: Parts, facts?: CheckpointFacts): void {
  const { snapshot, joiner, closed, entries, rows } = parts;
  const content = { snapshot, part: closed.length, joiner, entries, rows };
  closed.push({ kind: 'checkpoint', ...content, ...(facts === undefined ? {} : { facts }) });
  parts.entries = [];
  parts.rows = [];
  parts.bytes = 0;
}

/** Rows of what one origin's vector does not claim (I15): without them nobody could be served from them. A void dot has none. */
function addRows(state: PeerState, parts: Parts, origin: OriginState): void {
  for (const [from, to] of gapRanges(origin.have)) {
    for (let sequence = from; sequence <= to; sequence += 1) {
      const key = state.store.readRow(origin.key, sequence);
      if (key === undefined) continue;
      makeRoom(parts, CHECKPOINT_RECORD_BYTES + key.length);
      addRow(parts, origin, sequence, key);
    }
  }
}

/** To the run before it, if it follows that. */
function addRow({ rows }: Parts, { id, incarnation }: OriginState, sequence: number, key: Key): void {
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
