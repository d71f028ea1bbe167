/**
 * Writes replies as RESP2 or RESP3 into one growing buffer that is used again after every flush.
 *
 * Owns the encoding, and the memory that replies lie in until the socket has them. Leaves order, waiting and
 * back-pressure to connection.ts. Small values are copied (one write for a whole turn); large ones are
 * passed by reference, which the Backend allows: a value's bytes are never written again.
 * Invariant: bytes that were detached or are still with a socket are never overwritten: `recycle` goes back
 * only to the end of what was pinned.
 */
import type { Key } from '../core/types.ts';

/** Size of the buffer that replies are gathered in, bytes. */
const CHUNK_BYTES = 64 * 1024;
/** A value of at least this size is passed by reference instead of copied, bytes. */
const REFERENCE_BYTES = 16 * 1024;
/** Replies up to this size are copied out when they must wait, so that they pin no chunk, bytes. */
const COPY_OUT_BYTES = 16 * 1024;
/** Below this length a loop beats the call of a native copy, bytes. */
const LOOP_BYTES = 24;
/** Room for a type byte, a 16-digit number, a sign and CRLF, bytes. */
const HEADER_BYTES = 24;

export type ProtocolVersion = 2 | 3;

/** Thrown when one command's reply grows past the limit: the connection is closed and counted. */
export class ReplyTooLongError extends Error {
  override readonly name = 'ReplyTooLongError';
}

export interface ReplyWriter {
  protocol: ProtocolVersion;
  /** Errors written; whoever counts them sets it back. */
  errorCount: number;
  /** Bytes written since the last detach or recycle. */
  sizeBytes(): number;
  ok(): void;
  /** `+text`; latin-1, no line ends. */
  simple(text: string): void;
  /** `-text`; latin-1, line ends become spaces, and are left out at its end, as in Redis. */
  error(text: string): void;
  integer(value: number): void;
  /** The same of one that may have more digits than a number can: as it is written, ASCII. */
  integerText(text: string): void;
  null(): void;
  /** No array: what EXEC answers when it has run nothing. */
  nullArray(): void;
  bulk(value: Uint8Array): void;
  /** A bulk string of one byte a character: keys, and plain ASCII. */
  bulkText(text: Key | string): void;
  /** A bulk string of `text` as UTF-8. */
  bulkUtf8(text: string): void;
  /** Text for people: a verbatim string in RESP3. UTF-8. */
  verbatim(text: string): void;
  array(count: number): void;
  /** `pairs` pairs follow: a flat array of twice as many in RESP2. */
  map(pairs: number): void;
  set(count: number): void;
  /** Out-of-band data: a push in RESP3, an array in RESP2. */
  push(count: number): void;
  /** An array whose count is told later by `closeArray`. */
  openArray(): number;
  closeArray(slot: number, count: number): void;
  /** In place of an array: whole frames that are to stand where `openArray` was called. */
  fillSlot(slot: number, bytes: Buffer): void;
  /** The whole reply as one view, when it is one piece: then `recycle` or `detach` must follow. */
  view(): Buffer | undefined;
  /** The bytes viewed are no longer needed: write over them. */
  recycle(): void;
  /** The bytes viewed are still with the socket: write behind them. */
  pin(): void;
  /** Hands out everything written; the caller owns it. */
  detach(): Buffer[];
  /** Throws away everything written since the last detach or recycle. */
  clear(): void;
}

/** `limitBytes` bounds what is written between two flushes. */
export function createReplyWriter(limitBytes: number, chunkBytes: number = CHUNK_BYTES): ReplyWriter {
  let chunk = Buffer.allocUnsafeSlow(chunkBytes);
  /** Start of what was written and not yet sealed; everything before belongs to someone else. */
  let floor = 0;
  let position = 0;
  let pieces: Buffer[] = [];
  let sealedBytes = 0;

  /** Makes room for `sizeBytes` in one piece. */
  function ensure(sizeBytes: number): void {
    if (position + sizeBytes <= chunk.length) return;
    seal();
    chunk = Buffer.allocUnsafeSlow(Math.max(chunkBytes, sizeBytes));
    floor = 0;
    position = 0;
  }

  function seal(): void {
    if (position > floor) {
      pieces.push(chunk.subarray(floor, position));
      sealedBytes += position - floor;
      floor = position;
    }
    if (sealedBytes > limitBytes) throw new ReplyTooLongError(`a reply grew past ${limitBytes} bytes`);
  }

  function digits(value: number): void {
    if (value < 10 && value >= 0) {
      chunk[position] = 0x30 + value;
      position += 1;
    } else if (value < 100 && value >= 0) {
      const tens = (value / 10) | 0;
      chunk[position] = 0x30 + tens;
      chunk[position + 1] = 0x30 + value - tens * 10;
      position += 2;
    } else {
      plain(String(value));
    }
  }

  function header(type: number, value: number): void {
    ensure(HEADER_BYTES);
    chunk[position] = type;
    position += 1;
    digits(value);
    lineEnd();
  }

  function lineEnd(): void {
    chunk[position] = 0x0d;
    chunk[position + 1] = 0x0a;
    position += 2;
  }

  /** Latin-1 `text`; the room is there. */
  function plain(text: string): void {
    if (text.length < LOOP_BYTES) {
      for (let index = 0; index < text.length; index += 1) chunk[position + index] = text.charCodeAt(index);
      position += text.length;
    } else {
      position += chunk.write(text, position, 'latin1');
    }
  }

  function line(type: number, text: string): void {
    ensure(text.length + 3);
    chunk[position] = type;
    position += 1;
    plain(text);
    lineEnd();
  }

  function bulkOf(type: number, value: Uint8Array): void {
    const { length } = value;
    header(type, length);
    if (length >= REFERENCE_BYTES) {
      seal();
      pieces.push(Buffer.from(value.buffer, value.byteOffset, length));
      sealedBytes += length;
      ensure(2);
    } else {
      ensure(length + 2);
      if (length < LOOP_BYTES) {
        for (let index = 0; index < length; index += 1) chunk[position + index] = value[index] ?? 0;
      } else {
        chunk.set(value, position);
      }
      position += length;
    }
    lineEnd();
  }

  const writer: ReplyWriter = {
    protocol: 2,
    errorCount: 0,
    sizeBytes: () => sealedBytes + position - floor,
    ok: () => {
      line(0x2b, 'OK');
    },
    simple: (text) => {
      line(0x2b, text);
    },
    error: (text) => {
      writer.errorCount += 1;
      line(0x2d, text.replace(/[\r\n]+$/, '').replaceAll(/[\r\n]/g, ' '));
    },
    integer: (value) => {
      header(0x3a, value);
    },
    integerText: (text) => {
      line(0x3a, text);
    },
    null: () => {
      if (writer.protocol === 3) line(0x5f, '');
      else line(0x24, '-1');
    },
    nullArray: () => {
      if (writer.protocol === 3) line(0x5f, '');
      else line(0x2a, '-1');
    },
    bulk: (value) => {
      bulkOf(0x24, value);
    },
    bulkText: (text) => {
      ensure(text.length + HEADER_BYTES);
      header(0x24, text.length);
      plain(text);
      lineEnd();
    },
    bulkUtf8: (text) => {
      bulkOf(0x24, Buffer.from(text));
    },
    verbatim: (text) => {
      if (writer.protocol === 3) bulkOf(0x3d, Buffer.from(`txt:${text}`));
      else bulkOf(0x24, Buffer.from(text));
    },
    array: (count) => {
      header(0x2a, count);
    },
    map: (pairs) => {
      if (writer.protocol === 3) header(0x25, pairs);
      else header(0x2a, 2 * pairs);
    },
    set: (count) => {
      header(writer.protocol === 3 ? 0x7e : 0x2a, count);
    },
    push: (count) => {
      header(writer.protocol === 3 ? 0x3e : 0x2a, count);
    },
    openArray: () => {
      seal();
      pieces.push(Buffer.alloc(0));
      return pieces.length - 1;
    },
    closeArray: (slot, count) => {
      const text = Buffer.from(`*${count}\r\n`);
      pieces[slot] = text;
      sealedBytes += text.length;
    },
    fillSlot: (slot, bytes) => {
      if (bytes.length === 0 && slot === pieces.length - 1) {
        pieces.pop(); // what follows may be one piece again
        return;
      }
      pieces[slot] = bytes;
      sealedBytes += bytes.length;
    },
    view: () => (pieces.length === 0 ? chunk.subarray(floor, position) : undefined),
    recycle: () => {
      position = floor;
    },
    pin: () => {
      floor = position;
    },
    detach: () => {
      if (pieces.length === 0 && position - floor <= COPY_OUT_BYTES) {
        const copy = Buffer.from(chunk.subarray(floor, position));
        position = floor;
        return [copy];
      }
      if (position > floor) pieces.push(chunk.subarray(floor, position));
      floor = position;
      const detached = pieces;
      pieces = [];
      sealedBytes = 0;
      return detached;
    },
    clear: () => {
      pieces = [];
      sealedBytes = 0;
      position = floor;
    },
  };
  return writer;
}
