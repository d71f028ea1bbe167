/**
 * CHECKPOINT (R9): parts of one consistent snapshot, and with the first of them its facts.
 *
 * Owns their layout. An entry is written as a SYNC record's is, without covers; of a synthetic tombstone the id never travels. Keeps rows in
 * runs: an origin, a first sequence, and the keys of it and those after it.
 */
import type {
  CheckpointEntry,
  CheckpointFacts,
  CheckpointMessage,
  CheckpointRows,
  PendingHorizon,
} from '../core/messages.ts';
import { SYNTHETIC_ID } from '../core/types.ts';
import type { EntryKind, Incarnation, Key, Timestamp } from '../core/types.ts';
import { writeInteger, writeKey, writeOrigin, writeTimestamp, writeValue } from './fieldWriter.ts';
import type { FieldWriter } from './fieldWriter.ts';
import {
  copyValuesTogether,
  failReading,
  readCount,
  readInteger,
  readKey,
  readOrigin,
  readTimestamp,
  readValue,
} from './fieldReader.ts';
import type { FieldReader } from './fieldReader.ts';
import {
  readHave,
  readLineage,
  readMembers,
  readOrigins,
  readVector,
  writeHave,
  writeLineage,
  writeMembers,
  writeOrigins,
  writeVector,
} from './haveCodec.ts';
import { MAX_PENDING_PER_MESSAGE, MAX_RECORDS_PER_MESSAGE, MAX_ROWS_PER_MESSAGE } from './limits.ts';

const KINDS: readonly EntryKind[] = ['value', 'tombstone', 'synthetic'];
const KIND_MASK = 3;
const EXPIRES = 4;
const MOST = Number.MAX_SAFE_INTEGER;
/** What follows the rows. */
const NOTHING = 0;
const FACTS = 1;
const REFUSED = 2;
const LAST = 3;
const NO_BYTES = new Uint8Array(0);

export function writeCheckpoint(writer: FieldWriter, message: CheckpointMessage): void {
  writeInteger(writer, message.snapshot);
  writeInteger(writer, message.part);
  writeInteger(writer, message.joiner);
  writer.integers.push(message.entries.length);
  for (const entry of message.entries) writeEntry(writer, entry);
  writer.integers.push(message.rows.length);
  for (const { keys, from, ...origin } of message.rows) {
    writeOrigin(writer, origin);
    writeInteger(writer, from);
    writer.integers.push(keys.length);
    for (const key of keys) writeKey(writer, key);
  }
  if (message.facts !== undefined) {
    writer.integers.push(FACTS);
    writeFacts(writer, message.facts);
  } else
    writer.integers.push(message.isRefused === true ? REFUSED : message.isLast === true ? LAST : NOTHING);
}

export function readCheckpoint(reader: FieldReader): CheckpointMessage {
  const snapshot = readInteger(reader, 0, MOST);
  const part = readInteger(reader, 0, MOST);
  const joiner = readInteger(reader, 1, MOST) as Incarnation;
  const entries: CheckpointEntry[] = [];
  copyValuesTogether(reader); // a part is joined as a whole
  const count = readCount(reader, MAX_RECORDS_PER_MESSAGE, 3);
  for (let index = 0; index < count && reader.fault === undefined; index++) entries.push(readEntry(reader));
  const rows = readRows(reader);
  const content = { kind: 'checkpoint', snapshot, part, joiner, entries, rows } as const;
  const end = readInteger(reader, NOTHING, LAST);
  if (end === FACTS) return { ...content, facts: readFacts(reader) };
  if (end === LAST) return { ...content, isLast: true };
  return end === REFUSED ? { ...content, isRefused: true } : content;
}

function writeEntry(writer: FieldWriter, entry: CheckpointEntry): void {
  const isSynthetic = entry.entryKind === 'synthetic';
  if (isSynthetic !== (entry.id === SYNTHETIC_ID))
    throw new Error(`${entry.entryKind} entry of id ${entry.id}`);
  if (entry.entryKind !== 'value' && entry.value.length > 0) throw new Error('a tombstone carries no value');
  writer.integers.push(KINDS.indexOf(entry.entryKind) | (entry.expiresAt === 0 ? 0 : EXPIRES));
  writeTimestamp(writer, entry.timestamp);
  writeKey(writer, entry.key);
  if (!isSynthetic) {
    writeOrigin(writer, entry);
    writeInteger(writer, entry.sequence);
  }
  if (entry.expiresAt !== 0) writeInteger(writer, entry.expiresAt);
  if (entry.entryKind === 'value') writeValue(writer, entry.value);
}

function readEntry(reader: FieldReader): CheckpointEntry {
  const flags = readInteger(reader, 0, KIND_MASK | EXPIRES);
  const entryKind = KINDS[flags & KIND_MASK];
  if (entryKind === undefined) failReading(reader, 'badNumber');
  const timestamp = readTimestamp(reader);
  const key = readKey(reader);
  const isSynthetic = entryKind === 'synthetic';
  const { id, incarnation } = isSynthetic
    ? { id: SYNTHETIC_ID, incarnation: 0 as Incarnation }
    : readOrigin(reader);
  const sequence = isSynthetic ? 0 : readInteger(reader, 1, MOST);
  const expiresAt = (flags & EXPIRES) === 0 ? 0 : readInteger(reader, 1, MOST);
  const value = entryKind === 'value' ? readValue(reader) : NO_BYTES;
  return { key, timestamp, id, incarnation, sequence, entryKind: entryKind ?? 'value', expiresAt, value };
}

function readRows(reader: FieldReader): CheckpointRows[] {
  const rows: CheckpointRows[] = [];
  let total = 0;
  const count = readCount(reader, MAX_ROWS_PER_MESSAGE, 3);
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const { id, incarnation } = readOrigin(reader);
    const from = readInteger(reader, 1, MOST);
    const keyCount = readCount(reader, MAX_ROWS_PER_MESSAGE - total, 1);
    if (from + keyCount > MOST) failReading(reader, 'badNumber');
    total += keyCount;
    rows.push({ id, incarnation, from, keys: readKeys(reader, keyCount) });
  }
  return rows;
}

function readKeys(reader: FieldReader, count: number): Key[] {
  const keys: Key[] = [];
  for (let at = 0; at < count && reader.fault === undefined; at++) keys.push(readKey(reader));
  return keys;
}

function writeFacts(writer: FieldWriter, facts: CheckpointFacts): void {
  writeHave(writer, facts.have);
  writeInteger(writer, facts.horizon);
  writeInteger(writer, facts.clock);
  writeInteger(writer, facts.promised);
  writeOrigins(writer, facts.fences);
  writeOrigins(writer, facts.incarnations);
  writer.integers.push(facts.pending.length);
  for (const { horizon, known } of facts.pending) {
    writeInteger(writer, horizon);
    writeVector(writer, known);
  }
  writeMembers(writer, facts.members);
  writeLineage(writer, facts.lineage);
}

function readFacts(reader: FieldReader): CheckpointFacts {
  const have = readHave(reader);
  const horizon = readInteger(reader, 0, MOST) as Timestamp;
  const clock = readInteger(reader, 0, MOST) as Timestamp;
  const promised = readInteger(reader, 0, MOST) as Timestamp;
  const fences = readOrigins(reader);
  const incarnations = readOrigins(reader);
  const pending: PendingHorizon[] = [];
  const count = readCount(reader, MAX_PENDING_PER_MESSAGE, 2);
  for (let index = 0; index < count && reader.fault === undefined; index++)
    pending.push({ horizon: readInteger(reader, 1, MOST) as Timestamp, known: readVector(reader) });
  const members = readMembers(reader);
  const lineage = readLineage(reader);
  return { have, horizon, clock, promised, fences, incarnations, pending, members, lineage };
}
