/**
 * An Entry as bytes, the same in the entries tree and in the log.
 *
 * Owns the layout and its checks; who stores a record under which key is lmdbTrees.ts's affair. A record
 * stands alone (no table of origins to lose), and a damaged one is refused, never guessed at.
 *
 * Layout, little endian: 0 version · 1 kind and flags · 2 length of the id (0: SYNTHETIC_ID) · 3 zero ·
 * 4 checksum of everything from byte 8 (0 in the log, whose records have their own) · 8 timestamp ·
 * 16 incarnation · 24 sequence · 32 expiresAt, only if flagged · id · value.
 */
import { SYNTHETIC_ID } from '../core/types.ts';
import type { Entry, EntryKind, Incarnation, PeerId, Timestamp } from '../core/types.ts';

const RECORD_VERSION = 1;
const FIXED_BYTES = 32;
const CHECKSUM_OFFSET = 4;
const CHECKED_FROM = 8;
const EXPIRES_FLAG = 0x80;
const KIND_MASK = 0x7f;
const KINDS: readonly EntryKind[] = ['value', 'tombstone', 'synthetic'];
/** Values up to SLAB_VALUE_BYTES are cut from slabs of SLAB_BYTES: one that is kept keeps its slab. What a walk reads is let go soon, and may share more. */
const SLAB_BYTES = 16 * 1024;
const SLAB_VALUE_BYTES = 1024;
const WALK_SLAB_BYTES = 256 * 1024;
const WALK_SLAB_VALUE_BYTES = 32 * 1024;
/** Values up to here are copied by a loop over words: quicker than a call into the runtime. */
const WORDWISE_BYTES = 1024;
/** Entries of the id cache; ids that share a slot replace each other. */
const ID_SLOTS = 256;

/** 32-bit checksum of some bytes: xxhash's h32 in production. */
export type Checksum = (bytes: Uint8Array) => number;

/** Memory that a record is read from or written to, seen as bytes, as numbers and, for quick copies, as words. */
export interface RecordView {
  readonly bytes: Buffer;
  readonly numbers: DataView;
  /** Undefined unless made by `wordView`. */
  readonly words: Int32Array | undefined;
}

export function recordView(bytes: Buffer): RecordView {
  return { bytes, numbers: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), words: undefined };
}

/** A view to read many records from: values are copied a word at a time if the memory is aligned. */
export function wordView(bytes: Buffer): RecordView {
  const { buffer, byteOffset, byteLength } = bytes;
  const words = byteOffset % 4 === 0 ? new Int32Array(buffer, byteOffset, byteLength >> 2) : undefined;
  return { ...recordView(bytes), words };
}

/** Exact length of the entry's record in bytes. */
export function entryRecordBytes(entry: Entry): number {
  return FIXED_BYTES + (entry.expiresAt === 0 ? 0 : 8) + idBytes(entry.id) + entry.value.length;
}

/** Writes the record at `start` and returns where it ends. The checksum is left zero: see sealEntryRecord. */
export function writeEntryRecord(target: RecordView, start: number, entry: Entry): number {
  const { bytes, numbers } = target;
  const idLength = idBytes(entry.id);
  const expires = entry.expiresAt !== 0;
  bytes[start] = RECORD_VERSION;
  bytes[start + 1] = kindCode(entry.kind) | (expires ? EXPIRES_FLAG : 0);
  bytes[start + 2] = idLength;
  bytes[start + 3] = 0;
  numbers.setUint32(start + CHECKSUM_OFFSET, 0, true);
  numbers.setFloat64(start + 8, entry.timestamp, true);
  numbers.setFloat64(start + 16, entry.incarnation, true);
  numbers.setFloat64(start + 24, entry.sequence, true);
  let at = start + FIXED_BYTES;
  if (expires) {
    numbers.setFloat64(at, entry.expiresAt, true);
    at += 8;
  }
  for (let index = 0; index < idLength; index++) bytes[at + index] = entry.id.charCodeAt(index);
  at += idLength;
  bytes.set(entry.value, at);
  return at + entry.value.length;
}

/** Puts the checksum into a record that writeEntryRecord wrote at `start`..`end`. */
export function sealEntryRecord(target: RecordView, start: number, end: number, checksum: Checksum): void {
  target.numbers.setUint32(
    start + CHECKSUM_OFFSET,
    checksum(bytesOf(target, start + CHECKED_FROM, end)),
    true,
  );
}

/** Without making a Buffer, which costs twice as much. */
function bytesOf({ bytes }: RecordView, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

/** Memory that sealed records are cut from. */
const CHUNK_BYTES = 64 * 1024;

/** Makes sealed records for the trees. LMDB keeps references to them until they are committed: a chunk is only ever appended to, and a full one is let go. */
export function createRecordCutter(checksum: Checksum): (entry: Entry) => Uint8Array {
  let chunk = recordView(Buffer.allocUnsafeSlow(CHUNK_BYTES));
  let at = 0;
  return (entry) => {
    const sizeBytes = entryRecordBytes(entry);
    if (at + sizeBytes > chunk.bytes.length) {
      chunk = recordView(Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, sizeBytes)));
      at = 0;
    }
    const start = at;
    at = writeEntryRecord(chunk, start, entry);
    sealEntryRecord(chunk, start, at, checksum);
    return bytesOf(chunk, start, at);
  };
}

/**
 * Reads the record at `start`..`end`, copying the value out, for `source` may be reused. Returns undefined when
 * the bytes cannot be a record; the checksum is not looked at (it would cost a tenth of a cold read).
 */
export function readEntryRecord(
  source: RecordView,
  start: number,
  end: number,
  slab = ownSlab,
): Entry | undefined {
  const { bytes, numbers } = source;
  if (end - start < FIXED_BYTES || bytes[start] !== RECORD_VERSION || bytes[start + 3] !== 0)
    return undefined;
  const flags = numbers.getUint8(start + 1);
  const kind = KINDS[flags & KIND_MASK];
  let at = start + FIXED_BYTES;
  let expiresAt = 0;
  if ((flags & EXPIRES_FLAG) !== 0) {
    if (end - at < 8) return undefined;
    expiresAt = numbers.getFloat64(at, true);
    at += 8;
  }
  const idLength = numbers.getUint8(start + 2);
  const valueStart = at + idLength;
  if (kind === undefined || valueStart > end) return undefined;
  const id = idLength === 0 ? SYNTHETIC_ID : readId(bytes, at, idLength);
  const value = copyValue(slab, source, valueStart, end);
  return {
    timestamp: numbers.getFloat64(start + 8, true) as Timestamp,
    id,
    incarnation: numbers.getFloat64(start + 16, true) as Incarnation,
    sequence: numbers.getFloat64(start + 24, true),
    kind,
    expiresAt,
    value,
  };
}

/** The same for the first `length` bytes, met on a walk; undefined also when they do not have their checksum. */
export function readIntactRecord(source: RecordView, length: number, checksum: Checksum): Entry | undefined {
  if (length < FIXED_BYTES) return undefined;
  const sum = checksum(bytesOf(source, CHECKED_FROM, length));
  if (source.numbers.getUint32(CHECKSUM_OFFSET, true) !== sum) return undefined;
  return readEntryRecord(source, 0, length, walkSlab);
}

/** How a value is taken out of a record: into a slab that is not written again where it lies. */
export type CopyOut<Bytes> = (source: RecordView, start: number, end: number) => Bytes;

/** For those inside, who need no Buffer: making one costs twice as much. */
export const toBytes: CopyOut<Uint8Array> = (source, start, end) => copyValue(ownSlab, source, start, end);

/** For applications. */
export const toBuffer: CopyOut<Buffer> = (source, start, end) => {
  const at = copyToSlab(ownSlab, source, start, end);
  return at < 0 ? copyBytes(source, start, end) : Buffer.from(ownSlab.memory, at, end - start);
};

/** What a record says of a key's value, for whoever wants nothing else: undefined for a key without one or past its time, 'damaged' when the bytes cannot be a record. */
export function readValueRecord<Bytes>(
  source: RecordView,
  start: number,
  end: number,
  hasExpired: (expiresAt: number) => boolean,
  copyOut: CopyOut<Bytes>,
): Bytes | undefined | 'damaged' {
  const { bytes, numbers } = source;
  if (end - start < FIXED_BYTES || bytes[start] !== RECORD_VERSION || bytes[start + 3] !== 0)
    return 'damaged';
  const flags = numbers.getUint8(start + 1);
  const kind = KINDS[flags & KIND_MASK];
  const valueStart =
    start + FIXED_BYTES + ((flags & EXPIRES_FLAG) === 0 ? 0 : 8) + numbers.getUint8(start + 2);
  if (kind === undefined || valueStart > end) return 'damaged';
  if (kind !== 'value') return undefined;
  if ((flags & EXPIRES_FLAG) !== 0 && hasExpired(numbers.getFloat64(start + FIXED_BYTES, true)))
    return undefined;
  return copyOut(source, valueStart, end);
}

function idBytes(id: PeerId): number {
  return id === SYNTHETIC_ID ? 0 : id.length;
}

function kindCode(kind: EntryKind): number {
  switch (kind) {
    case 'value':
      return 0;
    case 'tombstone':
      return 1;
    case 'synthetic':
      return 2;
  }
}

/** Memory that small values are copied to, one behind the other; never written again where a value lies. */
interface Slab {
  readonly sizeBytes: number;
  /** Longest value that goes here. */
  readonly valueBytes: number;
  bytes: Buffer;
  /** The memory of `bytes`, as are `words`. */
  memory: ArrayBufferLike;
  words: Int32Array;
  used: number;
}

const ownSlab = createSlab(SLAB_BYTES, SLAB_VALUE_BYTES);
const walkSlab = createSlab(WALK_SLAB_BYTES, WALK_SLAB_VALUE_BYTES);

function createSlab(sizeBytes: number, valueBytes: number): Slab {
  return { sizeBytes, valueBytes, ...createMemory(sizeBytes) };
}

function createMemory(sizeBytes: number): Pick<Slab, 'bytes' | 'memory' | 'words' | 'used'> {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  const memory = bytes.buffer;
  return { bytes, memory, words: new Int32Array(memory), used: 0 };
}

/**
 * Copies bytes out into the slab, short ones in whole words: that is quicker than a call into the runtime for each value, and a
 * cold read feels it. Answers where they lie in it, or -1 when they are too long or cannot be read as words.
 */
function copyToSlab(slab: Slab, { bytes, words }: RecordView, start: number, end: number): number {
  const length = end - start;
  const last = (end + 3) >> 2;
  if (words === undefined || length > slab.valueBytes || last > words.length) return -1;
  // The copy lies in its words as the original does, so the first and last word may carry neighbours along: bytes
  // before it are unused, those after it are overwritten by the next.
  let at = ((slab.used + 3) & ~3) + (start & 3);
  if (at + length + 3 > slab.sizeBytes) {
    Object.assign(slab, createMemory(slab.sizeBytes));
    at = start & 3;
  }
  slab.used = at + length;
  const target = slab.words;
  if (length > WORDWISE_BYTES) bytes.copy(slab.bytes, at, start, end);
  else for (let from = start >> 2, to = at >> 2; from < last; from++, to++) target[to] = words[from] ?? 0;
  return at;
}

function copyBytes({ bytes }: RecordView, start: number, end: number): Buffer {
  const value = Buffer.allocUnsafe(end - start);
  bytes.copy(value, 0, start, end);
  return value;
}

function copyValue(slab: Slab, source: RecordView, start: number, end: number): Uint8Array {
  const at = copyToSlab(slab, source, start, end);
  return at < 0 ? copyBytes(source, start, end) : new Uint8Array(slab.memory, at, end - start);
}

const idSlots: (PeerId | undefined)[] = new Array<PeerId | undefined>(ID_SLOTS).fill(undefined);

/** A store holds few ids, and making a string from bytes costs as much as the rest of the decoding: remember them. */
function readId(bytes: Buffer, start: number, length: number): PeerId {
  const last = bytes[start + length - 1] ?? 0;
  const slot = ((bytes[start] ?? 0) * 31 + last * 7 + length) % ID_SLOTS;
  const known = idSlots[slot];
  if (known?.length === length) {
    let same = 0;
    while (same < length && known.charCodeAt(same) === bytes[start + same]) same++;
    if (same === length) return known;
  }
  const id = bytes.toString('latin1', start, start + length) as PeerId;
  idSlots[slot] = id;
  return id;
}
