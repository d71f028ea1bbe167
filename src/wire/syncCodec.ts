/**
 * SYNC and HYBRID: entries as they are now, with the dots they stand for (R5).
 *
 * Owns the layout of SYNC records. A synthetic tombstone has no dot: its id never travels, and the reader
 * alone puts SYNTHETIC_ID, incarnation 0 and sequence 0 into a record that is marked synthetic. Keeps
 * every other entry's id, incarnation and sequence real ones.
 */
import { assertNever, SYNTHETIC_ID } from '../core/types.ts';
import type { Dot, EntryKind, Incarnation, Origin, PeerId, SequenceRange } from '../core/types.ts';
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
import {
  MAX_COVERED_DOTS_PER_MESSAGE,
  MAX_COVERS_PER_MESSAGE,
  MAX_RANGES_PER_MESSAGE,
  MAX_RECORDS_PER_MESSAGE,
} from './limits.ts';
import { readHave, writeHave } from './haveCodec.ts';

/** What a record is: the low two bits of its flags. */
const SHAPES = ['value', 'tombstone', 'synthetic', 'absent'] as const satisfies readonly (
  EntryKind | 'absent'
)[];
const SHAPE_MASK = 3;
const EXPIRES = 4;
/** Dot and covered dots are those of the record before, all moved on by so much. */
const MOVED = 8;

const MORE = 1;
const HAVE = 2;
const CATCH_UP = 4;

/** Flags, timestamp, key length, number of covers. */
const LEAST_RECORD_INTEGERS = 4;
/** Origin, number of ranges. */
const LEAST_COVER_INTEGERS = 2;
const NO_BYTES = new Uint8Array(0);
const NO_INCARNATION = 0 as Incarnation;

/** What a record says of dots; of all records but ABSENT and synthetic tombstones. */
type Dots = Pick<SyncEntryRecord, 'id' | 'incarnation' | 'sequence' | 'covers'>;
const NO_DOTS: Dots = { id: '' as PeerId, incarnation: NO_INCARNATION, sequence: 0, covers: [] };

export function writeSync(writer: FieldWriter, message: SyncMessage): void {
  const { records, more, have, catchUp } = message;
  const flags = (more ? MORE : 0) | (have === undefined ? 0 : HAVE) | (catchUp === undefined ? 0 : CATCH_UP);
  writer.integers.push(flags);
  if (have !== undefined) writeHave(writer, have);
  if (catchUp !== undefined) writeCatchUp(writer, catchUp);
  writer.integers.push(records.length);
  let before: Dots | undefined;
  for (const record of records) {
    writeRecord(writer, record, before);
    before = dotsOf(record);
  }
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
  let before: Dots | undefined;
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const record = readRecord(reader, before);
    records.push(record);
    before = dotsOf(record);
  }
  return { kind: 'sync', records, more: (flags & MORE) !== 0, ...have, ...catchUp };
}

/** A moved record can follow one that has a dot alone. */
function dotsOf(record: SyncRecord): Dots | undefined {
  return record.kind === 'entry' && record.entryKind !== 'synthetic' ? record : undefined;
}

/** One record; `before`: the one before it in its message. */
export function writeRecord(writer: FieldWriter, record: SyncRecord, before?: Dots): void {
  switch (record.kind) {
    case 'entry':
      writeEntryRecord(writer, record, before);
      break;
    case 'absent':
      writer.integers.push(SHAPES.indexOf('absent'));
      writeTimestamp(writer, record.horizon);
      writeKey(writer, record.key);
      writeCovers(writer, record.covers);
      break;
    default:
      assertNever(record);
  }
}

function writeEntryRecord(writer: FieldWriter, record: SyncEntryRecord, before?: Dots): void {
  const isSynthetic = record.entryKind === 'synthetic';
  if (isSynthetic !== (record.id === SYNTHETIC_ID))
    throw new Error(`${record.entryKind} entry of id ${record.id}`);
  if (record.entryKind !== 'value' && record.value.length > 0)
    throw new Error('a tombstone carries no value');
  const moved = isSynthetic ? undefined : distanceFrom(before, record);
  const shape = SHAPES.indexOf(record.entryKind);
  writer.integers.push(shape | (record.expiresAt === 0 ? 0 : EXPIRES) | (moved === undefined ? 0 : MOVED));
  writeTimestamp(writer, record.timestamp);
  writeKey(writer, record.key);
  if (moved !== undefined) writeInteger(writer, moved);
  else if (!isSynthetic) {
    writeOrigin(writer, record);
    writeInteger(writer, record.sequence);
  }
  if (record.expiresAt !== 0) writeInteger(writer, record.expiresAt);
  if (record.entryKind === 'value') writeValue(writer, record.value);
  if (moved === undefined) writeCovers(writer, record.covers);
}

/**
 * By how much all dots of a record lie above those of the one before; undefined if not all do. Machines that report the same keys again and again, in
 * the same order, leave ten dots a key which are the neighbours of the last key's.
 */
function distanceFrom(before: Dots | undefined, record: Dots): number | undefined {
  if (before === undefined || !isSameOrigin(before, record)) return undefined;
  const distance = record.sequence - before.sequence;
  if (record.covers.length !== before.covers.length) return undefined;
  const isMoved = record.covers.every((cover, at) => {
    const old = before.covers[at];
    if (old === undefined || !isSameOrigin(old, cover) || old.ranges.length !== cover.ranges.length)
      return false;
    return cover.ranges.every(([from, to], index) => {
      const [oldFrom = 0, oldTo = 0] = old.ranges[index] ?? [];
      return from - oldFrom === distance && to - oldTo === distance;
    });
  });
  return isMoved ? distance : undefined;
}

function isSameOrigin(a: Origin, b: Origin): boolean {
  return a.id === b.id && a.incarnation === b.incarnation;
}

/** Counted as if it had been written out: a short record must not stand for a long one without a bound. */
function readMoved(reader: FieldReader, before: Dots | undefined): Dots {
  const distance = readInteger(reader, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  if (before === undefined) failReading(reader, 'badNumber');
  if (before === undefined || reader.fault !== undefined) return NO_DOTS;
  const { id, incarnation } = before;
  reader.coverCount += before.covers.length;
  for (const { ranges } of before.covers) reader.rangeCount += ranges.length;
  if (reader.coverCount > MAX_COVERS_PER_MESSAGE || reader.rangeCount > MAX_RANGES_PER_MESSAGE) {
    failReading(reader, 'tooMany');
    return NO_DOTS;
  }
  const covers: CoveredDots[] = [];
  for (const cover of before.covers) {
    const ranges = cover.ranges.map(([from, to]): SequenceRange => [
      move(reader, from, distance),
      move(reader, to, distance),
    ]);
    noteCovered(reader, ranges);
    covers.push({ id: cover.id, incarnation: cover.incarnation, ranges });
  }
  return { id, incarnation, sequence: move(reader, before.sequence, distance), covers };
}

function move(reader: FieldReader, sequence: number, distance: number): number {
  const moved = sequence + distance;
  if (moved < 1 || !Number.isSafeInteger(moved)) failReading(reader, 'badNumber');
  return moved;
}

export function readRecord(reader: FieldReader, before?: Dots): SyncRecord {
  const flags = readInteger(reader, 0, SHAPE_MASK | EXPIRES | MOVED);
  const shape = SHAPES[flags & SHAPE_MASK] ?? 'absent';
  const hasExpiry = (flags & EXPIRES) !== 0;
  const isMoved = (flags & MOVED) !== 0;
  if (isMoved && (shape === 'absent' || shape === 'synthetic')) failReading(reader, 'badNumber');
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
      const moved = isMoved ? readMoved(reader, before) : undefined;
      const { id, incarnation, sequence } = moved ?? readDot(reader);
      const expiresAt = readExpiry(reader, hasExpiry);
      const value = shape === 'value' ? readValue(reader) : NO_BYTES;
      const covers = moved?.covers ?? readCovers(reader);
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

function readDot(reader: FieldReader): Dot {
  const { id, incarnation } = readOrigin(reader);
  return { id, incarnation, sequence: readInteger(reader, 1, Number.MAX_SAFE_INTEGER) };
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
    noteCovered(reader, ranges);
    covers.push({ id, incarnation, ranges });
  }
  return covers;
}

function noteCovered(reader: FieldReader, ranges: readonly SequenceRange[]): void {
  for (const [from, to] of ranges) reader.coveredDots += to - from + 1;
  if (reader.coveredDots > MAX_COVERED_DOTS_PER_MESSAGE) failReading(reader, 'tooMany');
}
