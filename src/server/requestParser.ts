/**
 * Turns a client's bytes into requests: RESP arrays of bulk strings, and inline commands.
 *
 * Owns the limits of what a client may send and Redis's own words for what breaks them. Leaves quoting to
 * inlineRequest.ts and meaning to the commands. A request is offsets into the bytes that carried it: nothing
 * is copied or made per argument until a command asks (facts.md: parsers that make objects from claimed
 * counts take 1.4 GB for 72 hostile bytes).
 * Invariant: memory held is at most twice the bytes received for the unfinished request plus one chunk, and
 * 16 bytes an argument; never a function of a number that the client only claimed.
 */
import { splitInline } from './inlineRequest.ts';

/** Arguments of one request, count (as Redis before 7; a reply of that many values is the larger danger). */
export const ARGUMENT_LIMIT = 1024 * 1024;
/** An inline command, or the line of a count or a length, bytes (Redis's PROTO_INLINE_MAX_SIZE). */
const LINE_LIMIT_BYTES = 64 * 1024;
/** One argument, bytes: our maxValueBytes where Redis has proto-max-bulk-len. The setting of a server overrides it. */
export const BULK_LIMIT_BYTES = 16 * 1024 * 1024;
/** One whole request, bytes: eight values of the largest size (Redis closes at client-query-buffer-limit, 1 GiB). */
export const REQUEST_LIMIT_BYTES = 128 * 1024 * 1024;
/** Arguments of one request before authentication, count, and bytes of each (as Redis). */
const UNAUTHENTICATED_ARGUMENT_LIMIT = 10;
const UNAUTHENTICATED_BULK_LIMIT_BYTES = 16 * 1024;
/** Offsets kept for reuse between requests, count; a longer array is let go after its request. */
const OFFSETS_KEPT = 2048;

const STAR = 0x2a;
const DOLLAR = 0x24;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const ZERO = 0x30;
const NINE = 0x39;
/** Digits that the fast path of a length reads, count: beyond, the strict path decides. */
const FAST_DIGITS = 9;

const INCOMPLETE = -1;
const MALFORMED = -2;
const NOTHING = Buffer.alloc(0);

/** One whole request. Valid until the parser is asked for the next one or fed. */
export interface Request {
  /** The bytes that `offsets` point into. */
  readonly bytes: Buffer;
  /** Start and end of each argument: argument i is bytes [offsets[2i], offsets[2i+1]). */
  readonly offsets: readonly number[];
  /** Number of arguments, the command's name included: at least 1. */
  readonly count: number;
  /** Whether it came as a line of words instead of an array. */
  readonly isInline: boolean;
}

/** State between two chunks. Fields are the parser's own but for those of `Request` and `error`. */
export interface RequestParser extends Request {
  bytes: Buffer;
  offsets: number[];
  count: number;
  isInline: boolean;
  /** Why the last call answered 'error': Redis's text, without the prefix ERR. */
  error: string;
  /** Bytes of memory behind an unfinished request, for a sum over all connections. */
  heldBytes: number;
  readonly bulkLimitBytes: number;
  readonly requestLimitBytes: number;
  /** The client has yet to authenticate: it may send little. */
  isUnauthenticated: boolean;
  /** Received and not yet forgotten: [requestStart, end); read up to `position`. */
  input: Buffer;
  requestStart: number;
  position: number;
  end: number;
  /** Whether `input` is the parser's own, so that the next chunk may be added behind `end`. */
  isCarry: boolean;
  /** Where the last request that was answered began. */
  lastStart: number;
  /** Arguments still to come; 0 between two requests. */
  remaining: number;
  /** Start of the argument whose length is known and whose bytes are not all there; -1 when none is. */
  bulkStart: number;
  bulkEnd: number;
  /** The last number read by `readLength`. */
  length: number;
}

export interface RequestLimits {
  readonly bulkLimitBytes?: number;
  readonly requestLimitBytes?: number;
}

export function createRequestParser(limits: RequestLimits = {}): RequestParser {
  return {
    bytes: NOTHING,
    offsets: [],
    count: 0,
    isInline: false,
    error: '',
    heldBytes: 0,
    bulkLimitBytes: limits.bulkLimitBytes ?? BULK_LIMIT_BYTES,
    requestLimitBytes: limits.requestLimitBytes ?? REQUEST_LIMIT_BYTES,
    isUnauthenticated: false,
    input: NOTHING,
    requestStart: 0,
    position: 0,
    end: 0,
    isCarry: false,
    lastStart: 0,
    remaining: 0,
    bulkStart: -1,
    bulkEnd: -1,
    length: 0,
  };
}

/**
 * Adds received bytes. They stay where they are until `keepRest`: what is not read by then is copied. Answers false, with `error` set, when the unfinished request
 * is longer than a request may be: the connection is to be closed.
 */
export function feed(parser: RequestParser, chunk: Buffer): boolean {
  const left = parser.end - parser.requestStart;
  if (left === 0) {
    parser.input = chunk;
    parser.end = chunk.length;
    parser.isCarry = false;
    parser.heldBytes = 0;
    moveOffsets(parser, 0);
    return true;
  }
  const needed = left + chunk.length;
  if (needed > parser.requestLimitBytes) {
    parser.error = `Protocol error: request longer than ${parser.requestLimitBytes} bytes`;
    return false;
  }
  if (!parser.isCarry || parser.end + chunk.length > parser.input.length) {
    // Doubling from what has been *received* keeps the copying linear and the memory honest.
    const carry = Buffer.allocUnsafeSlow(Math.max(needed, parser.isCarry ? 2 * left : 0));
    parser.input.copy(carry, 0, parser.requestStart, parser.end);
    parser.input = carry;
    parser.isCarry = true;
    parser.heldBytes = carry.length;
    parser.end = left;
    moveOffsets(parser, 0);
  }
  chunk.copy(parser.input, parser.end);
  parser.end += chunk.length;
  return true;
}

/** The memory of the last chunk is about to be written over: what of it is not read yet becomes the parser's own. */
export function keepRest(parser: RequestParser): void {
  const left = parser.end - parser.requestStart;
  if (parser.isCarry || left === 0) return;
  const carry = Buffer.allocUnsafeSlow(left);
  parser.input.copy(carry, 0, parser.requestStart, parser.end);
  parser.input = carry;
  parser.isCarry = true;
  parser.heldBytes = left;
  parser.end = left;
  moveOffsets(parser, 0);
}

/** Makes `requestStart` equal to `start`, moving all that points into the unfinished request with it. */
function moveOffsets(parser: RequestParser, start: number): void {
  const shift = parser.requestStart - start;
  if (shift === 0) return;
  parser.requestStart = start;
  parser.position -= shift;
  if (parser.bulkStart !== -1) {
    parser.bulkStart -= shift;
    parser.bulkEnd -= shift;
  }
  const { offsets } = parser;
  for (let index = 0; index < 2 * parser.count; index += 1) offsets[index] = (offsets[index] ?? 0) - shift;
}

/**
 * Reads the next request into the parser's own fields. 'incomplete' asks for more bytes; after 'error' the
 * connection is to be told `-ERR <error>` and closed. Empty requests are passed over, as Redis does.
 */
export function nextRequest(parser: RequestParser): 'request' | 'incomplete' | 'error' {
  while (parser.remaining === 0) {
    const { position } = parser;
    parser.requestStart = position;
    parser.count = 0;
    if (parser.offsets.length > OFFSETS_KEPT) parser.offsets = [];
    if (position >= parser.end) {
      forgetInput(parser);
      return 'incomplete';
    }
    if (parser.input[position] !== STAR) {
      const outcome = nextInline(parser);
      if (outcome === 'empty') continue;
      return outcome;
    }
    const after = readLength(parser, position, 'mbulk count');
    if (after === INCOMPLETE) return 'incomplete';
    if (after === MALFORMED || parser.length > ARGUMENT_LIMIT) {
      return fail(parser, 'Protocol error: invalid multibulk length');
    }
    if (parser.isUnauthenticated && parser.length > UNAUTHENTICATED_ARGUMENT_LIMIT) {
      return fail(parser, 'Protocol error: unauthenticated multibulk length');
    }
    parser.position = after;
    if (parser.length > 0) parser.remaining = parser.length;
  }
  return nextArguments(parser);
}

/** The request that `nextRequest` has just answered comes again. To be called before anything else is. */
export function unread(parser: RequestParser): void {
  parser.position = parser.lastStart;
  parser.requestStart = parser.lastStart;
}

function nextArguments(parser: RequestParser): 'request' | 'incomplete' | 'error' {
  const { input, end, offsets } = parser;
  while (parser.remaining > 0) {
    if (parser.bulkStart === -1) {
      const { position } = parser;
      if (position >= end) return 'incomplete';
      // Redis waits for the end of the line before it judges the first byte; the answer is the same.
      const after = readLength(parser, position, 'bulk count');
      if (after === INCOMPLETE) return 'incomplete';
      const first = input[position] ?? 0;
      if (first !== DOLLAR && parser.error === '') {
        return fail(parser, `Protocol error: expected '$', got '${String.fromCharCode(first)}'`);
      }
      if (after === MALFORMED || parser.length < 0 || parser.length > parser.bulkLimitBytes) {
        return fail(parser, 'Protocol error: invalid bulk length');
      }
      if (parser.isUnauthenticated && parser.length > UNAUTHENTICATED_BULK_LIMIT_BYTES) {
        return fail(parser, 'Protocol error: unauthenticated bulk length');
      }
      parser.bulkStart = after;
      parser.bulkEnd = after + parser.length;
    }
    // The two bytes after a bulk string are passed over unseen, as Redis does.
    if (end < parser.bulkEnd + 2) return 'incomplete';
    const slot = 2 * parser.count;
    offsets[slot] = parser.bulkStart;
    offsets[slot + 1] = parser.bulkEnd;
    parser.count += 1;
    parser.position = parser.bulkEnd + 2;
    parser.bulkStart = -1;
    parser.remaining -= 1;
  }
  parser.bytes = input;
  parser.isInline = false;
  parser.lastStart = parser.requestStart;
  parser.requestStart = parser.position;
  return 'request';
}

function nextInline(parser: RequestParser): 'request' | 'incomplete' | 'error' | 'empty' {
  const { input, position, end } = parser;
  const newline = input.indexOf(LINE_FEED, position);
  if (newline === -1 || newline >= end) {
    if (end - position > LINE_LIMIT_BYTES) return fail(parser, 'Protocol error: too big inline request');
    return 'incomplete';
  }
  const lineEnd = newline > position && input[newline - 1] === CARRIAGE_RETURN ? newline - 1 : newline;
  const words = splitInline(input.subarray(position, lineEnd));
  if (words === undefined) return fail(parser, 'Protocol error: unbalanced quotes in request');
  parser.position = newline + 1;
  parser.lastStart = position;
  parser.requestStart = parser.position;
  if (words.offsets.length === 0) return 'empty';
  parser.bytes = words.bytes;
  parser.offsets = words.offsets;
  parser.count = words.offsets.length / 2;
  parser.isInline = true;
  return 'request';
}

/**
 * Reads the number between the type byte at `from` and the next CRLF into `parser.length`. Answers where the
 * next line begins, INCOMPLETE, or MALFORMED (`parser.error` set when the line itself is too long).
 */
function readLength(parser: RequestParser, from: number, name: 'mbulk count' | 'bulk count'): number {
  const { input, end } = parser;
  let position = from + 1;
  let value = 0;
  let byte = 0;
  const fastEnd = Math.min(end, position + FAST_DIGITS);
  for (; position < fastEnd; position += 1) {
    byte = input[position] ?? 0;
    if (byte < ZERO || byte > NINE) break;
    value = value * 10 + byte - ZERO;
  }
  const digits = position - from - 1;
  if (byte === CARRIAGE_RETURN && digits > 0 && (digits === 1 || input[from + 1] !== ZERO)) {
    if (position + 1 >= end) return INCOMPLETE;
    parser.length = value;
    return position + 2;
  }
  return readLengthStrictly(parser, from, name);
}

/** What the fast path did not understand: a part of a line, a negative, long or malformed number (Redis's string2ll). */
function readLengthStrictly(parser: RequestParser, from: number, name: 'mbulk count' | 'bulk count'): number {
  const { input, end } = parser;
  const lineEnd = input.indexOf(CARRIAGE_RETURN, from);
  if (lineEnd === -1 || lineEnd >= end) {
    if (end - from <= LINE_LIMIT_BYTES) return INCOMPLETE;
    parser.error = `Protocol error: too big ${name} string`;
    return MALFORMED;
  }
  if (lineEnd + 1 >= end) return INCOMPLETE;
  const text = input.toString('latin1', from + 1, Math.min(lineEnd, from + 32));
  if (!/^(?:0|-?[1-9][0-9]{0,17})$/.test(text)) return MALFORMED;
  parser.length = Number(text);
  return lineEnd + 2;
}

/** The first reason stands: a line that is too long has named its own. */
function fail(parser: RequestParser, reason: string): 'error' {
  if (parser.error === '') parser.error = reason;
  return 'error';
}

/** Everything was used: an idle connection holds no chunk. */
function forgetInput(parser: RequestParser): void {
  parser.input = NOTHING;
  parser.bytes = NOTHING;
  parser.requestStart = 0;
  parser.position = 0;
  parser.end = 0;
  parser.isCarry = false;
  parser.heldBytes = 0;
}
