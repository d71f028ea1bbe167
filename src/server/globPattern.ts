/**
 * Redis's glob patterns (stringmatchlen in redis/src/util.c), compiled once and matched without recursion.
 *
 * Owns the meaning of * ? [set] and \, its corners included: ranges compare *signed* bytes and may be written
 * either way round, an unclosed set ends with the pattern, an empty text matches only '' and '*'.
 * Invariant: one match costs at most (length of text) x (number of tokens) steps, whatever the pattern: only
 * the last star is ever tried again, because a longer match for an earlier one cannot help.
 */
import type { Key } from '../core/types.ts';

/** Characters and sets in one pattern, count: more than any key is long, so a longer pattern matches nothing. */
export const GLOB_TOKEN_LIMIT = 16 * 1024;

const STAR = 'star';
const ANY = 'any';
/** A byte, any byte, any run of bytes, or a set of bytes as 256 flags. */
type Token = number | typeof STAR | typeof ANY | Uint8Array;

export interface GlobPattern {
  /** `text` as a binary string, one character a byte. */
  readonly isMatch: (text: string) => boolean;
  /** Every match starts with this: where a search in key order may begin and end. */
  readonly prefix: Key;
}

/** `pattern` as a binary string, one character a byte. */
export function compileGlob(pattern: string): GlobPattern {
  if (pattern === '*') return { isMatch: () => true, prefix: '' as Key };
  const tokens = readTokens(pattern);
  if (tokens === undefined) return { isMatch: () => false, prefix: '' as Key };
  return {
    isMatch: (text) => (text === '' ? pattern === '' : isMatch(tokens, text)),
    prefix: literalPrefix(tokens),
  };
}

function literalPrefix(tokens: readonly Token[]): Key {
  let prefix = '';
  for (const token of tokens) {
    if (typeof token !== 'number') break;
    prefix += String.fromCharCode(token);
  }
  return prefix as Key;
}

function readTokens(pattern: string): Token[] | undefined {
  const tokens: Token[] = [];
  let index = 0;
  while (index < pattern.length) {
    if (tokens.length > GLOB_TOKEN_LIMIT) return undefined;
    const character = pattern[index];
    if (character === '*') {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
      index += 1;
    } else if (character === '?') {
      tokens.push(ANY);
      index += 1;
    } else if (character === '[') {
      const set = new Uint8Array(256);
      index = readSet(pattern, index + 1, set);
      tokens.push(set);
    } else {
      if (character === '\\' && index + 1 < pattern.length) index += 1;
      tokens.push(pattern.charCodeAt(index));
      index += 1;
    }
  }
  return tokens;
}

/** Reads a set whose first character is at `start` into `set`; answers where the pattern goes on. */
function readSet(pattern: string, start: number, set: Uint8Array): number {
  let index = start;
  const isNegated = pattern[index] === '^';
  if (isNegated) index += 1;
  while (index < pattern.length && pattern[index] !== ']') {
    const left = pattern.length - index;
    if (left >= 2 && pattern[index] === '\\') {
      set[pattern.charCodeAt(index + 1)] = 1;
      index += 2;
    } else if (left >= 3 && pattern[index + 1] === '-') {
      addRange(set, pattern.charCodeAt(index), pattern.charCodeAt(index + 2));
      index += 3;
    } else {
      set[pattern.charCodeAt(index)] = 1;
      index += 1;
    }
  }
  if (isNegated) for (let byte = 0; byte < 256; byte += 1) set[byte] = 1 - (set[byte] ?? 0);
  return Math.min(index + 1, pattern.length);
}

function addRange(set: Uint8Array, one: number, other: number): void {
  const low = Math.min(signed(one), signed(other));
  const high = Math.max(signed(one), signed(other));
  for (let value = low; value <= high; value += 1) set[value & 0xff] = 1;
}

/** C compares plain chars, which are signed where Redis runs. */
function signed(byte: number): number {
  return byte < 128 ? byte : byte - 256;
}

function isMatch(tokens: readonly Token[], text: string): boolean {
  let token = 0;
  let at = 0;
  let starToken = -1;
  let starAt = 0;
  while (at < text.length) {
    const wanted = tokens[token];
    if (wanted === STAR) {
      starToken = token;
      starAt = at;
      token += 1;
    } else if (wanted !== undefined && accepts(wanted, text.charCodeAt(at))) {
      token += 1;
      at += 1;
    } else if (starToken >= 0) {
      starAt += 1;
      at = starAt;
      token = starToken + 1;
    } else {
      return false;
    }
  }
  while (tokens[token] === STAR) token += 1;
  return token === tokens.length;
}

function accepts(token: Token, byte: number): boolean {
  if (typeof token === 'number') return token === byte;
  return token === ANY || (token !== STAR && token[byte] === 1);
}
