/**
 * Splits an inline command into words by Redis's quoting rules (sdssplitargs in redis/src/sds.c).
 *
 * Owns the rules: "double quotes" with \xHH, \n \r \t \b \a and \<any>; 'single quotes' with \' only; a closing
 * quote must be followed by white space or the end; a NUL ends the line. Leaves finding the line to
 * requestParser.ts. The words lie one behind the other in one buffer, never longer than the line.
 */

interface InlineWords {
  readonly bytes: Buffer;
  /** Start and end of each word in `bytes`, in pairs. */
  readonly offsets: number[];
}

const BACKSLASH = 0x5c;
const DOUBLE_QUOTE = 0x22;
const SINGLE_QUOTE = 0x27;
const LOWER_X = 0x78;
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x6e, 0x0a], // n
  [0x72, 0x0d], // r
  [0x74, 0x09], // t
  [0x62, 0x08], // b
  [0x61, 0x07], // a
]);

/** Words of `line` (without its line ending); undefined when quotes are unbalanced. */
export function splitInline(line: Buffer): InlineWords | undefined {
  const nul = line.indexOf(0);
  const end = nul === -1 ? line.length : nul;
  const bytes = Buffer.allocUnsafeSlow(end);
  const offsets: number[] = [];
  let from = 0;
  let to = 0;
  for (;;) {
    while (from < end && isSpace(line[from])) from += 1;
    if (from >= end) return { bytes, offsets };
    offsets.push(to);
    while (from < end && !endsWord(line[from])) {
      const byte = line[from] ?? 0;
      if (byte === DOUBLE_QUOTE || byte === SINGLE_QUOTE) {
        const read = byte === DOUBLE_QUOTE ? readDoubleQuoted : readSingleQuoted;
        const written = read(line, from + 1, end, bytes, to);
        if (written === undefined) return undefined;
        from = written.from;
        to = written.to;
        break; // the closing quote ended the word
      }
      bytes[to] = byte;
      from += 1;
      to += 1;
    }
    offsets.push(to);
  }
}

interface Progress {
  readonly from: number;
  readonly to: number;
}

function readDoubleQuoted(
  line: Buffer,
  start: number,
  end: number,
  bytes: Buffer,
  target: number,
): Progress | undefined {
  let to = target;
  for (let from = start; from < end; from += 1) {
    const byte = line[from] ?? 0;
    if (byte === DOUBLE_QUOTE) return closing(line, from, end, to);
    if (byte !== BACKSLASH || from + 1 >= end) {
      bytes[to] = byte;
    } else {
      const next = line[from + 1] ?? 0;
      const high = next === LOWER_X && from + 3 < end ? hexDigit(line[from + 2]) : -1;
      const low = high >= 0 ? hexDigit(line[from + 3]) : -1;
      if (low >= 0) {
        bytes[to] = high * 16 + low;
        from += 3;
      } else {
        bytes[to] = ESCAPES.get(next) ?? next;
        from += 1;
      }
    }
    to += 1;
  }
  return undefined;
}

function readSingleQuoted(
  line: Buffer,
  start: number,
  end: number,
  bytes: Buffer,
  target: number,
): Progress | undefined {
  let to = target;
  for (let from = start; from < end; from += 1) {
    let byte = line[from] ?? 0;
    if (byte === SINGLE_QUOTE) return closing(line, from, end, to);
    if (byte === BACKSLASH && from + 1 < end && line[from + 1] === SINGLE_QUOTE) {
      byte = SINGLE_QUOTE;
      from += 1;
    }
    bytes[to] = byte;
    to += 1;
  }
  return undefined;
}

function closing(line: Buffer, quote: number, end: number, to: number): Progress | undefined {
  return quote + 1 < end && !isSpace(line[quote + 1]) ? undefined : { from: quote + 1, to };
}

/** C's isspace: space, tab, line feed, vertical tab, form feed, carriage return. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

/** Inside a word, vertical tab and form feed are plain bytes. */
function endsWord(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}
