/**
 * SYNC and HYBRID: entries as they are now, with the dots they stand for (R5).
 *
 * Owns the layout of SYNC records. A synthetic tombstone has no dot: its id never travels, and the reader
 * alone puts SYNTHETIC_ID, incarnation 0 and sequence 0 into a record that is marked synthetic. Keeps
 * every other entry's id, incarnation and sequence real ones.
 */
import { assertNever, SYNTHETIC_ID } from '../core/types.ts';
import type { EntryKind, Incarnation } from '../core/types.ts';
import type { CatchUpPart, CoveredDots, SyncEntryRecord, SyncMessage, SyncRecord } from '../core/messages.ts';
import {
  writeInteger,
  writeKey,
  writeOrigin,
  writeRanges,
  writeTimestamp,
  writeValue,
} from './fieldWriter.ts';
import type { FieldWriter } from './fieldWriter.ts';
import {
  failReading,
  readCount,
  readInteger,
  readKey,
  readOrigin,
  readRanges,
  readTimestamp,
  readValue,
} from './fieldReader.ts';
import type { FieldReader } from './fieldReader.ts';
import { MAX_COVERED_DOTS_PER_MESSAGE, MAX_COVERS_PER_MESSAGE, MAX_RECORDS_PER_MESSAGE } from './limits.ts';
import { readHave, writeHave } from './haveCodec.ts';

/** What a record is: the low two bits of its flags. */
const SHAPES = ['value', 'tombstone', 'synthetic', 'absent'] as const satisfies readonly (
  EntryKind | 'absent'
)[];
const SHAPE_MASK = 3;
const EXPIRES = 4;

const MORE = 1;
const HAVE = 2;
const CATCH_UP = 4;

/** Flags, timestamp, key length, number of covers. */
const LEAST_RECORD_INTEGERS = 4;
/** Origin, number of ranges. */
const LEAST_COVER_INTEGERS = 2;
const NO_BYTES = new Uint8Array(0);
const NO_INCARNATION = 0 as Incarnation;

export function writeSync(writer: FieldWriter, message: SyncMessage): void {
  const { records, more, have, catchUp } = message;
  const flags = (more ? MORE : 0) | (have === undefined ? 0 : HAVE) | (catchUp === undefined ? 0 : CATCH_UP);
  writer.integers.push(flags);
  if (have !== undefined) writeHave(writer, have);
  if (catchUp !== undefined) writeCatchUp(writer, catchUp);
  writer.integers.push(records.length);
  for (const record of records) writeRecord(writer, record);
}

export function writeCatchUp(writer: FieldWriter, { number, part }: CatchUpPart): void {
  writeInteger(writer, number);
  writeInteger(writer, part);
}

export function readCatchUp(reader: FieldReader): CatchUpPart {
  const number = readInteger(reader, 0, Number.MAX_SAFE_INTEGER);
  return { number, part: readInteger(reader, 0, Number.MAX_SAFE_INTEGER) };
}

export function readSync(reader: FieldReader): SyncMessage {
  const flags = readInteger(reader, 0, MORE | HAVE | CATCH_UP);
  const have = (flags & HAVE) === 0 ? {} : { have: readHave(reader) };
  const catchUp = (flags & CATCH_UP) === 0 ? {} : { catchUp: readCatchUp(reader) };
  const count = readCount(reader, MAX_RECORDS_PER_MESSAGE, LEAST_RECORD_INTEGERS);
  const records: SyncRecord[] = [];
  for (let index = 0; index < count && reader.fault === undefined; index++) records.push(readRecord(reader));
  return { kind: 'sync', records, more: (flags & MORE) !== 0, ...have, ...catchUp };
}

function writeRecord(writer: FieldWriter, record: SyncRecord): void {
  switch (record.kind) {
    case 'entry':
      writeEntryRecord(writer, record);
      break;
    case 'absent':
      writer.integers.push(SHAPES.indexOf('absent'));
      writeTimestamp(writer, record.horizon);
      writeKey(writer, record.key);
      break;
    default:
      assertNever(record);
  }
  writeCovers(writer, record.covers);
}

function writeEntryRecord(writer: FieldWriter, record: SyncEntryRecord): void {
  const isSynthetic = record.entryKind === 'synthetic';
  if (isSynthetic !== (record.id === SYNTHETIC_ID))
    throw new Error(`${record.entryKind} entry of id ${record.id}`);
  if (record.entryKind !== 'value' && record.value.length > 0)
    throw new Error('a tombstone carries no value');
  writer.integers.push(SHAPES.indexOf(record.entryKind) | (record.expiresAt === 0 ? 0 : EXPIRES));
  writeTimestamp(writer, record.timestamp);
  writeKey(writer, record.key);
  if (!isSynthetic) {
    writeOrigin(writer, record);
    writeInteger(writer, record.sequence);
  }
  if (record.expiresAt !== 0) writeInteger(writer, record.expiresAt);
  if (record.entryKind === 'value') writeValue(writer, record.value);
}

function readRecord(reader: FieldReader): SyncRecord {
  const flags = readInteger(reader, 0, SHAPE_MASK | EXPIRES);
  const shape = SHAPES[flags & SHAPE_MASK] ?? 'absent';
  const hasExpiry = (flags & EXPIRES) !== 0;
  const timestamp = readTimestamp(reader);
  const key = readKey(reader);
  switch (shape) {
    case 'absent':
      if (hasExpiry) failReading(reader, 'badNumber');
      return { kind: 'absent', key, horizon: timestamp, covers: readCovers(reader) };
    case 'synthetic': {
      const dot = { id: SYNTHETIC_ID, incarnation: NO_INCARNATION, sequence: 0 };
      const expiresAt = readExpiry(reader, hasExpiry);
      const covers = readCovers(reader);
      return { kind: 'entry', key, timestamp, ...dot, entryKind: shape, expiresAt, value: NO_BYTES, covers };
    }
    case 'tombstone':
    case 'value': {
      const { id, incarnation } = readOrigin(reader);
      const sequence = readInteger(reader, 1, Number.MAX_SAFE_INTEGER);
      const expiresAt = readExpiry(reader, hasExpiry);
      const value = shape === 'value' ? readValue(reader) : NO_BYTES;
      const covers = readCovers(reader);
      return {
        kind: 'entry',
        key,
        timestamp,
        id,
        incarnation,
        sequence,
        entryKind: shape,
        expiresAt,
        value,
        covers,
      };
    }
    default:
      return assertNever(shape);
  }
}

function readExpiry(reader: FieldReader, hasExpiry: boolean): number {
  return hasExpiry ? readInteger(reader, 1, Number.MAX_SAFE_INTEGER) : 0;
}

function writeCovers(writer: FieldWriter, covers: readonly CoveredDots[]): void {
  writer.integers.push(covers.length);
  for (const cover of covers) {
    writeOrigin(writer, cover);
    writeRanges(writer, cover.ranges, 0);
  }
}

function readCovers(reader: FieldReader): CoveredDots[] {
  const count = readCount(reader, MAX_COVERS_PER_MESSAGE - reader.coverCount, LEAST_COVER_INTEGERS);
  reader.coverCount += count;
  const covers: CoveredDots[] = [];
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const { id, incarnation } = readOrigin(reader);
    const ranges = readRanges(reader, 0);
    for (const [from, to] of ranges) reader.coveredDots += to - from + 1;
    if (reader.coveredDots > MAX_COVERED_DOTS_PER_MESSAGE) failReading(reader, 'tooMany');
    covers.push({ id, incarnation, ranges });
  }
  return covers;
}
