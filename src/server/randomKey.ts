/**
 * Draws one of the visible keys, for RANDOMKEY, without walking over all of them.
 *
 * Keys are drawn byte by byte, like a way down a tree: at each depth one of the bytes between the lowest and the highest that follow there. It is exactly even as soon as few keys are left;
 * above that, branches are even and not keys. Invariant: every visible key may be drawn, and a draw costs a few looks for each byte of the key, however many keys there are.
 */
import type { Key } from '../core/types.ts';
import type { Backend } from '../peer/backend.ts';
import { keysWithPrefix } from './prefixedKeys.ts';

/** So many keys are drawn from evenly, count. */
const EVEN_KEYS = 64;
const HIGHEST_BYTE = 0xff;

/** `random` answers a whole number from 0 below what it is given. Undefined where there is no key. */
export function drawKey(backend: Backend, random: (below: number) => number): Key | undefined {
  let prefix = '' as Key;
  for (;;) {
    const { keys, isLast } = keysWithPrefix(backend, prefix, undefined, EVEN_KEYS);
    if (isLast) return keys[keys.length === 0 ? 0 : random(keys.length)];
    const isKey = keys[0] === prefix;
    const low = (keys[isKey ? 1 : 0] ?? '').charCodeAt(prefix.length);
    const drawn = random(findHighest(backend, prefix, low) - low + (isKey ? 2 : 1));
    if (isKey && drawn === 0) return prefix;
    const next = nextKey(backend, withByte(prefix, low + drawn - (isKey ? 1 : 0)));
    prefix = (next ?? prefix).slice(0, prefix.length + 1) as Key;
  }
}

/** The highest byte that follows `prefix` in any key; `low` does in one. */
function findHighest(backend: Backend, prefix: Key, low: number): number {
  let high = HIGHEST_BYTE;
  for (let known = low; known < high;) {
    const middle = (known + high + 1) >> 1;
    const next = nextKey(backend, withByte(prefix, middle));
    if (next?.startsWith(prefix) === true) known = next.charCodeAt(prefix.length);
    else high = middle - 1;
    if (known >= high) return known;
  }
  return high;
}

function withByte(prefix: Key, byte: number): Key {
  return (prefix + String.fromCharCode(byte)) as Key;
}

/** The first key that is not below `from`. */
function nextKey(backend: Backend, from: Key): Key | undefined {
  return backend.read(from) === undefined ? backend.keysAfter(from, 1)[0] : from;
}
