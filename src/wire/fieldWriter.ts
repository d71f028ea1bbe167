/**
 * Gathers a message as two rows: integers, and the bytes they measure.
 *
 * A message on the wire is one MessagePack array of integers, then, raw and to the end, the ids, keys and
 * values in the order in which the integers mention them. Owns how origins, ranges and timestamps are made
 * small: an origin is written once and numbered after that, ranges and timestamps are differences.
 * A number that could not be read back is a broken invariant of our own and throws.
 */
import { Packr } from 'msgpackr';
import { originKey, SYNTHETIC_ID } from '../core/types.ts';
import type { Key, Origin, OriginKey, PeerId, SequenceRange } from '../core/types.ts';
import { MAX_INTEGERS_PER_MESSAGE, MAX_KEY_BYTES, MAX_VALUE_BYTES } from './limits.ts';

export interface FieldWriter {
  readonly integers: number[];
  readonly parts: (string | Uint8Array)[];
  partBytes: number;
  /** The timestamp the next difference is taken from. */
  timestamp: number;
  readonly ids: Map<PeerId, number>;
  readonly origins: Map<OriginKey, number>;
  /** The origin mentioned last: of many records in a row it is the same. */
  lastOrigin: (Origin & { readonly number: number }) | undefined;
}

const packr = new Packr({ useRecords: false });

export function createFieldWriter(): FieldWriter {
  return {
    integers: [],
    parts: [],
    partBytes: 0,
    timestamp: 0,
    ids: new Map(),
    origins: new Map(),
    lastOrigin: undefined,
  };
}

export function writeInteger(writer: FieldWriter, value: number): void {
  if (!Number.isSafeInteger(value)) throw new Error(`not an integer that can travel: ${value}`);
  writer.integers.push(value);
}

/** As the difference to the timestamp before it: usually 1 to 5 bytes in place of 9. */
export function writeTimestamp(writer: FieldWriter, timestamp: number): void {
  writeInteger(writer, timestamp - writer.timestamp);
  writer.timestamp = timestamp;
}

export function writeKey(writer: FieldWriter, key: Key): void {
  if (key.length === 0 || key.length > MAX_KEY_BYTES) throw new Error(`key of ${key.length} bytes`);
  writer.integers.push(key.length);
  writer.parts.push(key);
  writer.partBytes += key.length;
}

export function writeValue(writer: FieldWriter, value: Uint8Array): void {
  if (value.length > MAX_VALUE_BYTES) throw new Error(`value of ${value.length} bytes`);
  writer.integers.push(value.length);
  writer.parts.push(value);
  writer.partBytes += value.length;
}

/** The id's bytes only: its length goes into an integer of the caller's. */
export function writeIdBytes(writer: FieldWriter, id: PeerId): void {
  if (id === SYNTHETIC_ID) throw new Error('the synthetic id does not travel');
  writer.parts.push(id);
  writer.partBytes += id.length;
}

/** An id: its length and bytes at the first mention, after that the negative of its number. */
export function writeId(writer: FieldWriter, id: PeerId): void {
  const known = writer.ids.get(id);
  if (known !== undefined) {
    writer.integers.push(-known);
    return;
  }
  writer.integers.push(id.length);
  writeIdBytes(writer, id);
  writer.ids.set(id, writer.ids.size + 1);
}

/** n > 0: the n-th origin mentioned. n < 0: the -n-th id mentioned, with a new incarnation. 0: a new id and incarnation. */
export function writeOrigin(writer: FieldWriter, { id, incarnation }: Origin): void {
  const { lastOrigin } = writer;
  if (lastOrigin !== undefined && lastOrigin.id === id && lastOrigin.incarnation === incarnation) {
    writer.integers.push(lastOrigin.number);
    return;
  }
  const key = originKey(id, incarnation);
  const known = writer.origins.get(key);
  writer.lastOrigin = { id, incarnation, number: known ?? writer.origins.size + 1 };
  if (known !== undefined) {
    writer.integers.push(known);
    return;
  }
  const knownId = writer.ids.get(id);
  if (knownId === undefined) {
    writer.integers.push(0, id.length);
    writeIdBytes(writer, id);
    writer.ids.set(id, writer.ids.size + 1);
  } else {
    writer.integers.push(-knownId);
  }
  writeInteger(writer, incarnation);
  writer.origins.set(key, writer.origins.size + 1);
}

/** Count, then (gap before it, length less one) each. The first range starts above `floor`. */
export function writeRanges(writer: FieldWriter, ranges: readonly SequenceRange[], floor: number): void {
  writer.integers.push(ranges.length);
  let previous = floor;
  for (const [from, to] of ranges) {
    if (from <= previous || to < from)
      throw new Error(`ranges not ascending: ${from}..${to} after ${previous}`);
    writeInteger(writer, from - previous);
    writeInteger(writer, to - from);
    previous = to;
  }
}

/** Bytes to leave free before and after a message: for what is put around it, that it need not be copied for it. */
export interface Room {
  readonly before: number;
  readonly after: number;
}

/** The finished message and the room around it, in memory that `allocate` gives for them. */
export function finishFields(
  writer: FieldWriter,
  room: Room,
  allocate: (sizeBytes: number) => Buffer,
): Buffer {
  if (writer.integers.length > MAX_INTEGERS_PER_MESSAGE) {
    throw new Error(`message of ${writer.integers.length} integers`);
  }
  const packed = packr.pack(writer.integers);
  const message = allocate(room.before + packed.length + writer.partBytes + room.after);
  message.set(packed, room.before);
  let position = room.before + packed.length;
  for (const part of writer.parts) {
    if (typeof part === 'string') message.write(part, position, 'latin1');
    else message.set(part, position);
    position += part.length;
  }
  return message;
}
