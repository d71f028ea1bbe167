/**
 * Takes untrusted integers and bytes apart, each with its bounds; the mirror of fieldWriter.ts.
 *
 * Owns the checks of single fields. The first fault sticks: from then on every read gives a harmless default,
 * so that a decoder reads straight on and asks once, at the end (loops ask as they go). Never throws, and
 * keeps nothing of the message's own memory: keys and ids are strings, values are copied.
 */
import { Unpackr } from 'msgpackr';
import type { Incarnation, Key, Origin, PeerId, SequenceRange, Timestamp } from '../core/types.ts';
import {
  MAX_ID_BYTES,
  MAX_INTEGERS_PER_MESSAGE,
  MAX_KEY_BYTES,
  MAX_RANGES_PER_MESSAGE,
  MAX_VALUE_BYTES,
} from './limits.ts';
import { idOf } from './knownIds.ts';
import { scanIntegers } from './integerScan.ts';

/**
 * Why bytes are no message. notIntegers: they do not begin with an array of integers. unknownKind: a kind of
 * message that this version does not know. cutShort, leftOver: fewer or more fields or bytes than their counts
 * say. badNumber: not whole, or out of its range. tooMany: a count above its limit. badId, duplicate: as they say.
 */
export type DecodeFault =
  'notIntegers' | 'unknownKind' | 'cutShort' | 'leftOver' | 'badNumber' | 'tooMany' | 'badId' | 'duplicate';

export interface FieldReader {
  readonly integers: readonly unknown[];
  nextInteger: number;
  readonly bytes: Buffer;
  position: number;
  fault: DecodeFault | undefined;
  timestamp: number;
  rangeCount: number;
  coverCount: number;
  coveredDots: number;
  readonly ids: PeerId[];
  readonly origins: Origin[];
  region: Uint8Array;
  regionStart: number;
  /** Values are copied together so many bytes at a time, but for those of half of it or more. */
  regionBytes: number;
}

/**
 * Small values are copied together with their neighbours, this many bytes at a time: one allocation for a
 * datagram in place of one a value. A value that outlives its neighbours keeps at most this much alive. Longer ones get memory of their own.
 */
const REGION_BYTES = 2_048;

const NO_BYTES = new Uint8Array(0);
const NOWHERE: Origin = { id: '' as PeerId, incarnation: 0 as Incarnation };

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number' });

/** The reader over a message's bytes; a fault when they do not begin with an array of integers. */
export function openFields(bytes: Uint8Array): FieldReader | DecodeFault {
  const end = scanIntegers(bytes, MAX_INTEGERS_PER_MESSAGE);
  if (end < 0) return 'notIntegers';
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let integers: unknown;
  try {
    integers = unpackr.unpack(buffer, { start: 0, end });
  } catch {
    return 'notIntegers';
  }
  if (!Array.isArray(integers)) return 'notIntegers';
  return {
    integers,
    nextInteger: 0,
    bytes: buffer,
    position: end,
    fault: undefined,
    timestamp: 0,
    rangeCount: 0,
    coverCount: 0,
    coveredDots: 0,
    ids: [],
    origins: [],
    region: NO_BYTES,
    regionStart: 0,
    regionBytes: REGION_BYTES,
  };
}

/** From here on all values are copied together: for a message whose values are let go together. */
export function copyValuesTogether(reader: FieldReader): void {
  reader.regionBytes = Infinity;
}

/** Records a fault; the first one stays. */
export function failReading(reader: FieldReader, fault: DecodeFault): void {
  reader.fault ??= fault;
}

/** A whole number from `least` to `most`; `least` on a fault. */
export function readInteger(reader: FieldReader, least: number, most: number): number {
  if (reader.fault !== undefined) return least;
  const value = reader.integers[reader.nextInteger++];
  if (value === undefined) {
    reader.fault = 'cutShort';
    return least;
  }
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) {
    reader.fault = 'badNumber';
    return least;
  }
  return value === 0 ? 0 : value; // never a negative zero
}

/** How many items follow, each of at least `integersEach` integers: checked before a list is filled. 0 on a fault. */
export function readCount(reader: FieldReader, most: number, integersEach: number): number {
  const count = readInteger(reader, 0, Number.MAX_SAFE_INTEGER);
  if (reader.fault !== undefined) return 0;
  if (count > most) reader.fault = 'tooMany';
  else if (count * integersEach > reader.integers.length - reader.nextInteger) reader.fault = 'cutShort';
  return reader.fault === undefined ? count : 0;
}

export function readTimestamp(reader: FieldReader): Timestamp {
  const difference = readInteger(reader, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  const timestamp = reader.timestamp + difference;
  if (timestamp < 0 || timestamp > Number.MAX_SAFE_INTEGER) failReading(reader, 'badNumber');
  else reader.timestamp = timestamp;
  return reader.timestamp as Timestamp;
}

/** The offset of the next `sizeBytes` bytes, which are then passed; -1 when there are not that many. */
function takeBytes(reader: FieldReader, sizeBytes: number): number {
  if (reader.fault !== undefined) return -1;
  const start = reader.position;
  if (sizeBytes > reader.bytes.length - start) {
    reader.fault = 'cutShort';
    return -1;
  }
  reader.position = start + sizeBytes;
  return start;
}

export function readKey(reader: FieldReader): Key {
  const sizeBytes = readInteger(reader, 1, MAX_KEY_BYTES);
  const start = takeBytes(reader, sizeBytes);
  return (start < 0 ? '' : reader.bytes.toString('latin1', start, start + sizeBytes)) as Key;
}

export function readValue(reader: FieldReader): Uint8Array {
  const sizeBytes = readInteger(reader, 0, MAX_VALUE_BYTES);
  const start = takeBytes(reader, sizeBytes);
  if (start < 0 || sizeBytes === 0) return NO_BYTES;
  if (sizeBytes >= reader.regionBytes / 2) return copyBytes(reader.bytes, start, start + sizeBytes);
  let offset = start - reader.regionStart;
  if (offset < 0 || offset + sizeBytes > reader.region.length) {
    reader.region = copyBytes(reader.bytes, start, Math.min(start + reader.regionBytes, reader.bytes.length));
    reader.regionStart = start;
    offset = 0;
  }
  return reader.region.subarray(offset, offset + sizeBytes);
}

/** A Uint8Array with memory of its own, outside Buffer's shared pool, and not filled with zeros first. */
function copyBytes(bytes: Buffer, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(Buffer.allocUnsafeSlow(end - start).buffer);
  copy.set(bytes.subarray(start, end));
  return copy;
}

/** The id whose length the caller has read. */
export function readIdBytes(reader: FieldReader, sizeBytes: number): PeerId {
  const start = takeBytes(reader, sizeBytes);
  const id = start < 0 ? undefined : idOf(reader.bytes, start, start + sizeBytes);
  if (id === undefined) failReading(reader, 'badId');
  return id ?? NOWHERE.id;
}

/** See `writeId`. */
export function readId(reader: FieldReader): PeerId {
  const code = readInteger(reader, -reader.ids.length, MAX_ID_BYTES);
  if (reader.fault !== undefined) return NOWHERE.id;
  if (code < 0) return reader.ids[-code - 1] ?? NOWHERE.id;
  const id = readIdBytes(reader, code);
  reader.ids.push(id);
  return id;
}

/** See `writeOrigin`. */
export function readOrigin(reader: FieldReader): Origin {
  const code = readInteger(reader, -reader.ids.length, reader.origins.length);
  if (reader.fault !== undefined) return NOWHERE;
  if (code > 0) return reader.origins[code - 1] ?? NOWHERE;
  let id: PeerId;
  if (code === 0) {
    id = readIdBytes(reader, readInteger(reader, 1, MAX_ID_BYTES));
    reader.ids.push(id);
  } else {
    id = reader.ids[-code - 1] ?? NOWHERE.id;
  }
  const origin: Origin = { id, incarnation: readInteger(reader, 1, Number.MAX_SAFE_INTEGER) as Incarnation };
  reader.origins.push(origin);
  return origin;
}

/** Ascending and disjoint by construction: the first starts above `floor`, each starts above the one before it. */
export function readRanges(reader: FieldReader, floor: number): SequenceRange[] {
  const ranges: SequenceRange[] = [];
  const count = readCount(reader, MAX_RANGES_PER_MESSAGE - reader.rangeCount, 2);
  reader.rangeCount += count;
  let previous = floor;
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const from = previous + readInteger(reader, 1, Number.MAX_SAFE_INTEGER);
    const to = from + readInteger(reader, 0, Number.MAX_SAFE_INTEGER);
    if (to > Number.MAX_SAFE_INTEGER) failReading(reader, 'badNumber');
    ranges.push([from, to]);
    previous = to;
  }
  return ranges;
}

/** The fault that was met, or leftOver when fields or bytes remain; undefined when all is well. */
export function finishReading(reader: FieldReader): DecodeFault | undefined {
  if (reader.fault !== undefined) return reader.fault;
  if (reader.nextInteger !== reader.integers.length || reader.position !== reader.bytes.length)
    return 'leftOver';
  return undefined;
}
