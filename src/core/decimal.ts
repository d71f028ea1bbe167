/**
 * Exact decimal numbers: what counters hold and add up.
 *
 * Owns which bytes are a number (those that redis takes for one), sums, and how they are written: as redis writes a long double in full, 17 places at most and no zero at the end.
 * Whose numbers are added, and what is said of bytes that are none, others decide. Invariant: sums are exact, so that they do not depend on the order in which they are made; a
 * number has one form alone, so that equal numbers are equal bytes.
 * Source: redis 7.0, string2ll, string2ld and ld2string in util.c.
 */

/** `mantissa` / 10^`scale`. The mantissa has no zero at its end that the scale could do without. */
export interface Decimal {
  readonly mantissa: bigint;
  readonly scale: number;
}

export const ZERO: Decimal = { mantissa: 0n, scale: 0 };

const MAX_SCALE = 17;
const POWERS = Array.from({ length: MAX_SCALE + 1 }, (_, scale) => 10n ** BigInt(scale));
const LARGEST_INTEGER = 2n ** 63n - 1n;
/** The largest long double, and the decimal exponents that one can have. */
const LARGEST_FLOAT = (2n ** 64n - 1n) << 16_320n;
const [LEAST_EXPONENT, LARGEST_EXPONENT] = [-4_950, 4_932] as const;
/** Bytes of the longest text that may be an integer, or a float. */
const [MAX_INTEGER_BYTES, MAX_FLOAT_BYTES] = [20, 5_119] as const;

const [DIGIT_0, DIGIT_9] = [0x30, 0x39] as const;
/** `+`, `-` and `.`, one of which, or a digit, every finite number begins with. */
const SIGNS_AND_POINT: readonly number[] = [0x2b, 0x2d, 0x2e];
/** So many digits are an integer that a double holds. */
const SAFE_DIGITS = 15;

const INTEGER = /^(?:0|-?[1-9]\d*)$/;
const FLOAT = /^([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:e([+-]?\d+))?$/i;
const HEX_FLOAT = /^([+-]?)0x(?:([\da-f]+)\.?([\da-f]*)|\.([\da-f]+))(?:p([+-]?\d+))?$/i;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
/** As written here. */
const WRITTEN = /^(-?)(0|[1-9]\d*)(?:\.(\d{0,16}[1-9]))?$/;

/** A 64-bit integer in the one way to write it; undefined for anything else. */
export function parseInteger(bytes: Uint8Array): Decimal | undefined {
  if (bytes.length > MAX_INTEGER_BYTES) return undefined;
  const short = readDigits(bytes);
  if (short !== undefined) return short;
  const text = textOf(bytes);
  if (!INTEGER.test(text)) return undefined;
  const number = { mantissa: BigInt(text), scale: 0 };
  return isInteger64(number) ? number : undefined;
}

/** A number as strtold reads it, rounded to 17 places; undefined for what is none or has no place in a long double. */
export function parseFloating(bytes: Uint8Array): Decimal | 'infinite' | undefined {
  if (bytes.length > MAX_FLOAT_BYTES) return undefined;
  const short = readDigits(bytes);
  if (short !== undefined) return short;
  const text = textOf(bytes);
  const plain = FLOAT.exec(text);
  if (plain !== null) return toDecimal(plain, { radix: 10, prefix: '', perDigit: 1 });
  const hex = HEX_FLOAT.exec(text);
  if (hex !== null) return toDecimal(hex, { radix: 2, prefix: '0x', perDigit: 4 });
  return INFINITE.test(text) ? 'infinite' : undefined;
}

/** False for what is certainly none, told by its first byte. */
export function mayBeNumber(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0;
  return (first >= DIGIT_0 && first <= DIGIT_9) || SIGNS_AND_POINT.includes(first);
}

/** What `formatDecimal` wrote, and nothing else. */
export function readDecimal(bytes: Uint8Array): Decimal | undefined {
  const short = readDigits(bytes);
  if (short !== undefined) return short;
  const text = textOf(bytes);
  const [, sign, whole, places = ''] = WRITTEN.exec(text) ?? [];
  if (sign === undefined || whole === undefined || text === '-0') return undefined;
  return { mantissa: BigInt(`${sign}${whole}${places}`), scale: places.length };
}

/** A number of few digits and nothing else, as most are; undefined for any other. */
function readDigits(bytes: Uint8Array): Decimal | undefined {
  if (bytes.length === 0 || bytes.length > SAFE_DIGITS || (bytes[0] === DIGIT_0 && bytes.length > 1))
    return undefined;
  let value = 0;
  for (const byte of bytes) {
    if (byte < DIGIT_0 || byte > DIGIT_9) return undefined;
    value = value * 10 + byte - DIGIT_0;
  }
  return { mantissa: BigInt(value), scale: 0 };
}

export function formatDecimal({ mantissa, scale }: Decimal): string {
  if (scale === 0) return mantissa.toString();
  const digits = (mantissa < 0n ? -mantissa : mantissa).toString().padStart(scale + 1, '0');
  return `${mantissa < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

export function addDecimals(one: Decimal, other: Decimal): Decimal {
  if (one.scale === 0 && other.scale === 0) return { mantissa: one.mantissa + other.mantissa, scale: 0 };
  const scale = Math.max(one.scale, other.scale);
  return normalize(
    one.mantissa * power(scale - one.scale) + other.mantissa * power(scale - other.scale),
    scale,
  );
}

export function isInteger64({ mantissa, scale }: Decimal): boolean {
  return scale === 0 && mantissa <= LARGEST_INTEGER && mantissa >= -LARGEST_INTEGER - 1n;
}

/** Whether it is within what a long double reaches. */
export function isFloatSized({ mantissa, scale }: Decimal): boolean {
  const limit = LARGEST_FLOAT * power(scale);
  return mantissa <= limit && mantissa >= -limit;
}

interface Notation {
  readonly radix: 2 | 10;
  readonly prefix: string;
  /** By how much each digit behind the point lowers the exponent. */
  readonly perDigit: number;
}

function toDecimal(
  [, sign, whole = '', behind = '', alone = '', exponentText = '0']: readonly string[],
  { radix, prefix, perDigit }: Notation,
): Decimal | undefined {
  const places = behind + alone;
  const digits = BigInt(`${prefix}${whole}${places}`);
  if (digits === 0n) return ZERO;
  const exponent = Number(exponentText) - places.length * perDigit;
  const magnitude = digits.toString().length - 1 + exponent * Math.log10(radix);
  if (magnitude > LARGEST_EXPONENT + 1 || magnitude < LEAST_EXPONENT) return undefined;
  const factor = BigInt(radix) ** BigInt(Math.abs(exponent));
  const number = exponent >= 0 ? normalize(digits * factor, 0) : roundRatio(digits, factor);
  if (!isFloatSized(number)) return undefined;
  return sign === '-' ? { mantissa: -number.mantissa, scale: number.scale } : number;
}

/** To so many places as there may be; from the middle to the even one. */
function roundRatio(numerator: bigint, denominator: bigint): Decimal {
  const scaled = numerator * power(MAX_SCALE);
  const below = scaled / denominator;
  const twiceOver = 2n * (scaled % denominator);
  const isUp = twiceOver > denominator || (twiceOver === denominator && below % 2n === 1n);
  return normalize(isUp ? below + 1n : below, MAX_SCALE);
}

function normalize(mantissa: bigint, scale: number): Decimal {
  while (scale > 0 && mantissa % 10n === 0n) {
    mantissa /= 10n;
    scale -= 1;
  }
  return { mantissa, scale };
}

function power(exponent: number): bigint {
  return POWERS[exponent] ?? 10n ** BigInt(exponent);
}

function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
