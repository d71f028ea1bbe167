/**
 * The words that made-up commands are made of: keys, values, numbers, times, patterns.
 *
 * Owns what is likely and what is rare. Few keys, so that commands meet; and of everything the ends: empty, binary, almost a number, the first number that is none any more.
 * Invariant: no time that is drawn passes during a run, unless a pause waits for it.
 */
import { chance, pick, wholeBetween, type RandomStream } from '../../src/simulator/random.ts';

/** Seconds that no run takes, and their end. */
const SOONEST_SECONDS = 100_000;
const LATEST_SECONDS = 2_000_000;
/** 2084: the same for both sides, which read their clocks some milliseconds apart. */
const FAR_SECONDS = 3_600_000_000;

const KEYS = [
  'a',
  'b',
  'c',
  'd',
  'n',
  'k:1',
  'k:2',
  'k:3',
  'user:1',
  'user:2',
  'A',
  '0',
  '\0\xff\r\n',
  '\xc3\xa9',
  'x'.repeat(150),
];
/** Not taken here: empty, too long, the store's own. */
const BAD_KEYS = ['', 'y'.repeat(2500), '\xff\xfftopo/x'];
const NUMBERS = [
  '0',
  '1',
  '2',
  '-1',
  '-2',
  '5',
  '10',
  '100',
  '-100',
  '4095',
  '65536',
  '2147483647',
  '2147483648',
  '-2147483649',
  '9007199254740991',
  '9007199254740993',
  '9223372036854775806',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775807',
  '-9223372036854775808',
  '-9223372036854775809',
  '18446744073709551615',
  '18446744073709551616',
  '99999999999999999999999',
];
const ALMOST_NUMBERS = [
  '',
  ' 1',
  '1 ',
  '+1',
  '-0',
  '01',
  '0x10',
  '1e2',
  '1.0',
  '1.5',
  '.5',
  'nan',
  'NaN',
  'inf',
  '-inf',
  'Infinity',
  'x',
  '1\0',
  '\0',
];
const FLOATS = ['0.1', '-0.1', '1.5', '3.0', '10.25', '5.0e3', '1e2', '-2.5E-1', '0', '3', '-7'];
const VALUES = [
  '',
  'abc',
  'a longer value with spaces',
  '\0\x01\xff\r\n',
  '\xd0\xb0',
  'z'.repeat(44),
  'z'.repeat(45),
  'z'.repeat(3000),
];
const PATTERNS = [
  '*',
  '?',
  'k:*',
  'user:?',
  '[a-c]',
  '[^a]',
  '*:1',
  '\\*',
  'nosuch*',
  '',
  'a',
  '[',
  '*\xff*',
  '**',
  'k:[12',
  '[c-a]',
];
const JUNK = [
  'FOO',
  '',
  '*',
  '-',
  '\0',
  '(nil)',
  '"',
  "'",
  'x'.repeat(200),
  'EX',
  'NX',
  'GET',
  'MATCH',
  '\r\n',
];

export function key(random: RandomStream): string {
  return chance(random, 0.002) ? pick(random, BAD_KEYS) : pick(random, KEYS);
}

export function value(random: RandomStream): string {
  const kind = random();
  if (kind < 0.35) return `${wholeBetween(random, -20, 20)}`;
  if (kind < 0.5) return pick(random, NUMBERS);
  if (kind < 0.6) return pick(random, ALMOST_NUMBERS);
  if (kind < 0.65) return pick(random, FLOATS);
  return pick(random, VALUES);
}

/** A whole number, mostly; `small` ones more often. */
export function integer(random: RandomStream): string {
  const kind = random();
  if (kind < 0.6) return `${wholeBetween(random, -12, 60)}`;
  return kind < 0.85 ? pick(random, NUMBERS) : pick(random, ALMOST_NUMBERS);
}

export function float(random: RandomStream): string {
  return chance(random, 0.85) ? pick(random, FLOATS) : integer(random);
}

/** How a time is given: `isAbsolute`, since 1970; in milliseconds where `unitMs` is 1. */
export function time(random: RandomStream, isAbsolute: boolean, unitMs: 1 | 1000): string {
  const kind = random();
  const factor = 1000 / unitMs;
  if (kind < 0.1) return pick(random, ALMOST_NUMBERS);
  if (kind < 0.16) return pick(random, ['0', '-1', '-9223372036854775808', '-9999999999999999']);
  if (kind < 0.19) return pick(random, ['9223372036854775807', '9223372036854775', '99999999999999999999']);
  if (kind < 0.192) return `${4_000_000_000 * factor}`; // after 2089
  if (!isAbsolute) return `${wholeBetween(random, SOONEST_SECONDS * factor, LATEST_SECONDS * factor)}`;
  return chance(random, 0.15)
    ? `${wholeBetween(random, 1, 1000)}`
    : `${(FAR_SECONDS + wholeBetween(random, 0, 9999)) * factor}`;
}

export function pattern(random: RandomStream): string {
  return pick(random, PATTERNS);
}

export function junk(random: RandomStream): string {
  return pick(random, JUNK);
}
