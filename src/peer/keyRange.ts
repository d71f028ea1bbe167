/**
 * Which keys an application asks for (a prefix, bounds, or both), and reading them a page at a time.
 */
import type { Shown } from '../core/counted.ts';
import { AFTER_HIDDEN, HIDDEN_PREFIX } from '../core/hiddenKeys.ts';
import type { KeyRange } from '../core/store.ts';
import type { Key } from '../core/types.ts';
import { keyBytes, parsePrefix, prefixEnd, type KeyInput } from './keys.ts';

/** Entries read at a time: between two pages other work may come in. */
const PAGE_ENTRIES = 256;

export interface RangeEntry {
  /** The key's bytes. */
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface RangeOptions {
  /** Only keys that start with this. */
  readonly prefix?: KeyInput;
  /** Bounds, by bytes: from (inclusive), after (exclusive), before (exclusive). */
  readonly from?: KeyInput;
  readonly after?: KeyInput;
  readonly before?: KeyInput;
  readonly reverse?: boolean;
  /** Entries at most; all when left out. */
  readonly limit?: number;
}

/** The tighter of prefix and bounds. */
function keyRangeOf(options: RangeOptions): KeyRange {
  const [prefix, from, after, before] = [options.prefix, options.from, options.after, options.before].map(
    (bound) => (bound === undefined ? undefined : parsePrefix(bound)),
  );
  const lowest = prefix !== undefined && (from === undefined || prefix > from) ? prefix : from;
  const end = prefix === undefined ? undefined : prefixEnd(prefix);
  const highest = end !== undefined && (before === undefined || end < before) ? end : before;
  return {
    ...(lowest === undefined ? {} : { from: lowest }),
    ...(after === undefined ? {} : { after }),
    ...(highest === undefined ? {} : { before: highest }),
    ...(options.reverse === undefined ? {} : { reverse: options.reverse }),
  };
}

/** The parts of a range that clients' keys may be in: below the hidden ones and above, in the order of the range. */
export function aroundHidden(range: KeyRange): readonly KeyRange[] {
  const { before, reverse } = range;
  const start = range.after ?? range.from ?? '';
  if (start >= AFTER_HIDDEN || (before !== undefined && before <= HIDDEN_PREFIX)) return [range];
  const parts: KeyRange[] = [];
  if (start < HIDDEN_PREFIX) parts.push({ ...range, before: HIDDEN_PREFIX });
  if (before === undefined) parts.push({ from: AFTER_HIDDEN, ...(reverse === true ? { reverse } : {}) });
  else if (before > AFTER_HIDDEN)
    parts.push({ from: AFTER_HIDDEN, before, ...(reverse === true ? { reverse } : {}) });
  return reverse === true ? parts.reverse() : parts;
}

/** All of `entriesOf` a range, which is asked anew for each page. */
export function* readRange(
  options: RangeOptions,
  entriesOf: (bounds: KeyRange) => Iterable<readonly [Key, Shown]>,
): Generator<RangeEntry, void, undefined> {
  let bounds = keyRangeOf(options);
  let left = options.limit ?? Infinity;
  while (left > 0) {
    const page: [Key, Uint8Array][] = [];
    const size = Math.min(left, PAGE_ENTRIES);
    for (const [key, { value }] of entriesOf(bounds)) {
      page.push([key, value]);
      if (page.length >= size) break;
    }
    for (const [key, value] of page) yield { key: keyBytes(key), value: Buffer.from(value) };
    const last = page[page.length - 1];
    if (last === undefined || page.length < size) return;
    left -= page.length;
    bounds = options.reverse === true ? { ...bounds, before: last[0] } : { ...bounds, after: last[0] };
  }
}
