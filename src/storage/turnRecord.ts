/**
 * A turn as one log record: everything it wrote, in order, under one checksum.
 *
 * Owns the layout, and the memory that records are written into: LMDB keeps a reference to a record until it is
 * committed, so a chunk is only ever appended to and a full one is let go. Reading back refuses anything
 * damaged: a log record that is not whole never becomes half a turn.
 *
 * Layout, little endian: 0 checksum of everything from byte 4 · 4 version · 5 three zeros · 8 turn number (f64) ·
 * then operations, each a tag byte and its fields (see the write functions).
 */
import { Packr } from 'msgpackr';
import type { Entry, Key, OriginKey } from '../core/types.ts';
import type { StateValue } from '../core/store.ts';
import { entryRecordBytes, readEntryRecord, recordView, writeEntryRecord } from './entryRecord.ts';
import type { Checksum, RecordView } from './entryRecord.ts';

const TURN_VERSION = 1;
const HEADER_BYTES = 16;
const CHECKED_FROM = 4;
const ENTRY_TAG = 1;
const ROW_TAG = 2;
const STATE_TAG = 3;
const REMOVE_ENTRY_TAG = 4;
const DROP_ROWS_TAG = 5;
const REMOVE_STATE_TAG = 6;
/** Row flag: its key is that of the entry written before it. */
const SAME_KEY = 1;
/** Row flag: its origin is that of the row before it. */
const SAME_ORIGIN = 2;
/** Size of a chunk that records are cut from; a larger turn gets one of its own. */
const CHUNK_BYTES = 256 * 1024;

const packer = new Packr({ useRecords: false });

export function packState(value: StateValue): Buffer {
  return packer.pack(value);
}

export function unpackState(bytes: Uint8Array): StateValue {
  return packer.unpack(bytes) as StateValue;
}

export interface TurnWriter {
  entry(key: Key, entry: Entry): void;
  row(origin: OriginKey, sequence: number, key: Key): void;
  state(name: string, value: StateValue): void;
  removeEntry(key: Key): void;
  dropRows(origin: OriginKey, through: number): void;
  removeState(name: string): void;
  /** True when nothing was written since the last `finish`. */
  isEmpty(): boolean;
  /** Closes the record under the turn's number and hands its bytes over, never to be written again. */
  finish(turn: number): Buffer;
}

export function createTurnWriter(checksum: Checksum): TurnWriter {
  let view = recordView(Buffer.allocUnsafeSlow(CHUNK_BYTES));
  let start = 0;
  let at = HEADER_BYTES;
  let lastKey: Key | undefined;
  let lastOrigin: OriginKey | undefined;

  /** Makes room for `sizeBytes` more; what the turn has so far moves to a new chunk when they do not fit. */
  function reserve(sizeBytes: number): void {
    if (at + sizeBytes <= view.bytes.length) return;
    const written = at - start;
    const next = recordView(Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, 2 * (written + sizeBytes))));
    view.bytes.copy(next.bytes, HEADER_BYTES, start + HEADER_BYTES, at);
    view = next;
    start = 0;
    at = written;
  }

  return {
    /** tag · key length u16 · record length u32 · key · entry record */
    entry(key, entry) {
      const recordBytes = entryRecordBytes(entry);
      reserve(7 + key.length + recordBytes);
      const { bytes, numbers } = view;
      bytes[at] = ENTRY_TAG;
      numbers.setUint16(at + 1, key.length, true);
      numbers.setUint32(at + 3, recordBytes, true);
      bytes.write(key, at + 7, key.length, 'latin1');
      at = writeEntryRecord(view, at + 7 + key.length, entry);
      lastKey = key;
    },
    /** tag · flags · sequence f64 · [origin length u8 · origin] · [key length u16 · key] */
    row(origin, sequence, key) {
      reserve(13 + origin.length + key.length);
      const { bytes, numbers } = view;
      const flags = (key === lastKey ? SAME_KEY : 0) | (origin === lastOrigin ? SAME_ORIGIN : 0);
      bytes[at] = ROW_TAG;
      bytes[at + 1] = flags;
      numbers.setFloat64(at + 2, sequence, true);
      at += 10;
      if ((flags & SAME_ORIGIN) === 0) {
        bytes[at] = origin.length;
        at += 1 + bytes.write(origin, at + 1, origin.length, 'latin1');
        lastOrigin = origin;
      }
      if ((flags & SAME_KEY) === 0) {
        numbers.setUint16(at, key.length, true);
        at += 2 + bytes.write(key, at + 2, key.length, 'latin1');
      }
    },
    /** tag · name length u16 · value length u32 · name · msgpack value */
    state(name, value) {
      const packed = packState(value);
      const nameBytes = Buffer.byteLength(name);
      reserve(7 + nameBytes + packed.length);
      const { bytes, numbers } = view;
      bytes[at] = STATE_TAG;
      numbers.setUint16(at + 1, nameBytes, true);
      numbers.setUint32(at + 3, packed.length, true);
      at += 7;
      at += bytes.write(name, at, nameBytes, 'utf8');
      bytes.set(packed, at);
      at += packed.length;
    },
    /** tag · key length u16 · key */
    removeEntry(key) {
      reserve(3 + key.length);
      const { bytes, numbers } = view;
      bytes[at] = REMOVE_ENTRY_TAG;
      numbers.setUint16(at + 1, key.length, true);
      at += 3 + bytes.write(key, at + 3, key.length, 'latin1');
    },
    /** tag · through f64 · origin length u8 · origin */
    dropRows(origin, through) {
      reserve(10 + origin.length);
      const { bytes, numbers } = view;
      bytes[at] = DROP_ROWS_TAG;
      numbers.setFloat64(at + 1, through, true);
      bytes[at + 9] = origin.length;
      at += 10 + bytes.write(origin, at + 10, origin.length, 'latin1');
    },
    /** tag · name length u16 · name */
    removeState(name) {
      const nameBytes = Buffer.byteLength(name);
      reserve(3 + nameBytes);
      const { bytes, numbers } = view;
      bytes[at] = REMOVE_STATE_TAG;
      numbers.setUint16(at + 1, nameBytes, true);
      at += 3 + bytes.write(name, at + 3, nameBytes, 'utf8');
    },
    isEmpty: () => at === start + HEADER_BYTES,
    finish(turn) {
      const { bytes, numbers } = view;
      numbers.setUint32(start + 4, TURN_VERSION, true);
      numbers.setFloat64(start + 8, turn, true);
      numbers.setUint32(start, checksum(bytes.subarray(start + CHECKED_FROM, at)), true);
      const record = bytes.subarray(start, at);
      lastKey = undefined;
      lastOrigin = undefined;
      // The next record starts aligned; a chunk without room for a header is let go.
      start = (at + 7) & ~7;
      if (start + HEADER_BYTES > bytes.length) {
        view = recordView(Buffer.allocUnsafeSlow(CHUNK_BYTES));
        start = 0;
      }
      at = start + HEADER_BYTES;
      return record;
    },
  };
}

/** What a turn wrote, one call for each operation, in order. */
interface TurnReader {
  setEntry(key: Key, entry: Entry | undefined): void;
  setRow(origin: OriginKey, sequence: number, key: Key): void;
  dropRows(origin: OriginKey, through: number): void;
  setState(name: string, value: StateValue | undefined): void;
}

/** Reads a log record into `reader`; false, with nothing read, when it is not the whole record of that turn. */
export function readTurn(bytes: Buffer, turn: number, checksum: Checksum, reader: TurnReader): boolean {
  const view = recordView(bytes);
  if (!isTurnIntact(view, turn, checksum)) return false;
  const { numbers } = view;
  let at = HEADER_BYTES;
  let lastKey = '' as Key;
  let lastOrigin = '' as OriginKey;
  while (at < bytes.length) {
    const tag = numbers.getUint8(at);
    if (tag === ENTRY_TAG) {
      const keyEnd = at + 7 + numbers.getUint16(at + 1, true);
      const end = keyEnd + numbers.getUint32(at + 3, true);
      const entry = readEntryRecord(view, keyEnd, end);
      if (entry === undefined)
        throw new Error(`turn ${turn}: an entry cannot be read although its checksum holds`);
      lastKey = bytes.toString('latin1', at + 7, keyEnd) as Key;
      reader.setEntry(lastKey, entry);
      at = end;
    } else if (tag === ROW_TAG) {
      const flags = numbers.getUint8(at + 1);
      const sequence = numbers.getFloat64(at + 2, true);
      at += 10;
      if ((flags & SAME_ORIGIN) === 0) {
        const end = at + 1 + numbers.getUint8(at);
        lastOrigin = bytes.toString('latin1', at + 1, end) as OriginKey;
        at = end;
      }
      let key = lastKey;
      if ((flags & SAME_KEY) === 0) {
        const end = at + 2 + numbers.getUint16(at, true);
        key = bytes.toString('latin1', at + 2, end) as Key;
        at = end;
      }
      reader.setRow(lastOrigin, sequence, key);
    } else if (tag === STATE_TAG) {
      const nameEnd = at + 7 + numbers.getUint16(at + 1, true);
      const end = nameEnd + numbers.getUint32(at + 3, true);
      reader.setState(bytes.toString('utf8', at + 7, nameEnd), unpackState(bytes.subarray(nameEnd, end)));
      at = end;
    } else if (tag === REMOVE_ENTRY_TAG || tag === REMOVE_STATE_TAG) {
      const end = at + 3 + numbers.getUint16(at + 1, true);
      if (tag === REMOVE_ENTRY_TAG) reader.setEntry(bytes.toString('latin1', at + 3, end) as Key, undefined);
      else reader.setState(bytes.toString('utf8', at + 3, end), undefined);
      at = end;
    } else if (tag === DROP_ROWS_TAG) {
      const end = at + 10 + numbers.getUint8(at + 9);
      reader.dropRows(bytes.toString('latin1', at + 10, end) as OriginKey, numbers.getFloat64(at + 1, true));
      at = end;
    } else {
      throw new Error(`turn ${turn}: unknown operation ${tag} although its checksum holds`);
    }
  }
  return true;
}

function isTurnIntact({ bytes, numbers }: RecordView, turn: number, checksum: Checksum): boolean {
  if (bytes.length < HEADER_BYTES || numbers.getUint32(4, true) !== TURN_VERSION) return false;
  if (numbers.getFloat64(8, true) !== turn) return false;
  return numbers.getUint32(0, true) === checksum(bytes.subarray(CHECKED_FROM));
}
