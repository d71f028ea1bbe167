/**
 * The cells of counters as entries (protocol.md, section 10): a hidden key for each key, base and origin, and what its value says.
 *
 * Owns both codecs. Which cells count is counting.ts's. Invariants: all cells of a key stand together, those of different keys in the order of their keys, so that a walk over cells
 * meets keys as a walk over entries does; what another release wrote, or nobody, is no cell and throws nothing.
 */
import { formatDecimal, readDecimal, type Decimal } from './decimal.ts';
import { HIDDEN_PREFIX } from './hiddenKeys.ts';
import {
  SYNTHETIC_ID,
  type Incarnation,
  type Key,
  type Origin,
  type PeerId,
  type Tag,
  type Timestamp,
} from './types.ts';

/** Upon what a cell counts: the value with this tag, or nothing, above all tombstones up to this tag. */
export interface CounterBase extends Tag {
  readonly kind: 'value' | 'zero';
}

/** One cell for each; written only by the origin, the id and incarnation. */
export interface CellName extends Origin {
  readonly key: Key;
  readonly base: CounterBase;
}

export interface CellContent {
  readonly sum: Decimal;
  /** The highest former incarnation of the same id whose cells of this base are in the sum; 0: none. */
  readonly absorbed: Incarnation;
}

/** All cells are between the prefix and the first key after. */
export const CELL_PREFIX = `${HIDDEN_PREFIX}c` as Key;
export const AFTER_CELLS = `${HIDDEN_PREFIX}d` as Key;

/** A byte 0 of the key is followed by the one, the end of the key is a byte 0 followed by the other, which is less than all that may follow: order is kept. */
const [ZERO_BYTE, ESCAPED, END] = ['\0', '\xff', '\x01'] as const;
const KIND_BYTES = { value: 'v', zero: 'z' } as const;
const NUMBER_BYTES = 8;
const HALF = 2 ** 32;
/** First byte of a value of this form. */
const FORM = 1;
const HEAD_BYTES = 1 + NUMBER_BYTES;
/** Digits of a sum; one cannot be counted up to so many. */
const MAX_SUM_BYTES = 8_192;
/** For numbers on their way into bytes and out of them: a view upon each small array would move it out of the heap. */
const SCRATCH = new DataView(new ArrayBuffer(NUMBER_BYTES));
const SCRATCH_BYTES = new Uint8Array(SCRATCH.buffer);

/** What the keys of all cells of this key begin with, and no others. */
export function cellsOf(key: Key): Key {
  return `${CELL_PREFIX}${key.replaceAll(ZERO_BYTE, ZERO_BYTE + ESCAPED)}${ZERO_BYTE}${END}` as Key;
}

export function cellKey({ key, base, id, incarnation }: CellName): Key {
  const tag = writeNumber(base.timestamp) + writeOrigin(base) + writeNumber(base.sequence);
  return `${cellsOf(key)}${KIND_BYTES[base.kind]}${tag}${writeOrigin({ id, incarnation })}` as Key;
}

/** Undefined for what is no key of a cell. */
export function decodeCellKey(hidden: Key): CellName | undefined {
  if (!hidden.startsWith(CELL_PREFIX)) return undefined;
  const end = endOfKey(hidden);
  if (end === undefined) return undefined;
  const reader = { text: hidden, at: end + 2 };
  const kind = readKind(reader);
  const timestamp = readNumber(reader);
  const writer = readOrigin(reader);
  const sequence = readNumber(reader);
  const origin = readOrigin(reader);
  if (kind === undefined || timestamp === undefined || writer === undefined) return undefined;
  if (sequence === undefined || origin === undefined || reader.at !== hidden.length) return undefined;
  const key = hidden.slice(CELL_PREFIX.length, end).replaceAll(ZERO_BYTE + ESCAPED, ZERO_BYTE) as Key;
  return { key, base: { kind, timestamp: timestamp as Timestamp, ...writer, sequence }, ...origin };
}

export function encodeCell({ sum, absorbed }: CellContent): Uint8Array {
  const text = formatDecimal(sum);
  const bytes = new Uint8Array(HEAD_BYTES + text.length);
  bytes[0] = FORM;
  if (absorbed !== 0) {
    SCRATCH.setFloat64(0, absorbed);
    bytes.set(SCRATCH_BYTES, 1);
  }
  for (let at = 0; at < text.length; at += 1) bytes[HEAD_BYTES + at] = text.charCodeAt(at);
  return bytes;
}

/** Undefined for what is no value of a cell of this form. */
export function decodeCell(bytes: Uint8Array): CellContent | undefined {
  if (bytes[0] !== FORM || bytes.length <= HEAD_BYTES || bytes.length > HEAD_BYTES + MAX_SUM_BYTES)
    return undefined;
  SCRATCH_BYTES.set(bytes.subarray(1, HEAD_BYTES));
  const absorbed = SCRATCH.getFloat64(0);
  const sum = readDecimal(bytes.subarray(HEAD_BYTES));
  if (sum === undefined || !Number.isSafeInteger(absorbed) || absorbed < 0) return undefined;
  return { sum, absorbed: absorbed as Incarnation };
}

interface Reader {
  readonly text: string;
  at: number;
}

/** Where the escaped key ends; undefined when it does not, or a byte 0 in it is not escaped. */
function endOfKey(hidden: Key): number | undefined {
  for (
    let at = hidden.indexOf(ZERO_BYTE, CELL_PREFIX.length);
    at >= 0;
    at = hidden.indexOf(ZERO_BYTE, at + 2)
  ) {
    if (hidden[at + 1] === END) return at;
    if (hidden[at + 1] !== ESCAPED) return undefined;
  }
  return undefined;
}

function readKind(reader: Reader): CounterBase['kind'] | undefined {
  const byte = reader.text[reader.at];
  reader.at += 1;
  if (byte === KIND_BYTES.value) return 'value';
  return byte === KIND_BYTES.zero ? 'zero' : undefined;
}

/** The id that no peer has, which has a character that is no byte, is written as none. */
function writeOrigin({ id, incarnation }: Origin): string {
  const name = id === SYNTHETIC_ID ? '' : id;
  return String.fromCharCode(name.length) + name + writeNumber(incarnation);
}

function readOrigin(reader: Reader): Origin | undefined {
  const length = reader.text.charCodeAt(reader.at);
  const end = reader.at + 1 + length;
  if (Number.isNaN(length) || end > reader.text.length) return undefined;
  const name = reader.text.slice(reader.at + 1, end);
  reader.at = end;
  const incarnation = readNumber(reader);
  if (incarnation === undefined) return undefined;
  return { id: name === '' ? SYNTHETIC_ID : (name as PeerId), incarnation: incarnation as Incarnation };
}

/** A safe integer that is not negative, in order. */
function writeNumber(value: number): string {
  SCRATCH.setUint32(0, Math.floor(value / HALF));
  SCRATCH.setUint32(4, value % HALF);
  return String.fromCharCode(...SCRATCH_BYTES);
}

function readNumber(reader: Reader): number | undefined {
  const { text, at } = reader;
  reader.at += NUMBER_BYTES;
  if (reader.at > text.length) return undefined;
  let value = 0;
  for (let next = at; next < reader.at; next += 1) value = value * 256 + text.charCodeAt(next);
  return Number.isSafeInteger(value) ? value : undefined;
}
