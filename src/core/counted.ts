/**
 * What readers see of a key that may be a counter (protocol.md, section 10), and of all such keys in order.
 *
 * Owns the reading, at a moment in time. Which cells there are is cells.ts's, which of them count counting.ts's. Invariant: a key that is visible through its cells alone is to readers a key
 * like any other; of one without cells they see its entry.
 */
import type { Counter, HeldCell } from './cells.ts';
import type { Now } from './clock.ts';
import { AFTER_CELLS, CELL_PREFIX, cellsOf, decodeCellKey } from './counterCells.ts';
import { countTotal, judgeCells } from './counting.ts';
import { formatDecimal, mayBeNumber, type Decimal } from './decimal.ts';
import { isVisible } from './expiry.ts';
import type { PeerState } from './state.ts';
import type { KeyRange } from './store.ts';
import type { Entry, Key } from './types.ts';

/** A visible value, and when it expires: a Timestamp, 0 for never. */
export interface Shown {
  readonly value: Uint8Array;
  readonly expiresAt: number;
}

/** The counter of a key with this visible value, or none; undefined where no cell can change what readers see: nobody counts upon what is no number. */
export function counterUpon(
  { cells }: PeerState,
  key: Key,
  value: Uint8Array | undefined,
): Counter | undefined {
  if (cells.byKey.size === 0 || (value !== undefined && !mayBeNumber(value))) return undefined;
  return cells.byKey.get(key);
}

/** What readers see of a key whose entry this is; undefined for nothing. */
export function readCounted(
  state: PeerState,
  now: Now,
  key: Key,
  entry: Entry | undefined,
): Shown | undefined {
  const seen = entry !== undefined && isVisible(state, now, entry) ? entry : undefined;
  const counter = counterUpon(state, key, seen?.value);
  const total = counter === undefined ? undefined : totalOf(counter, seen);
  if (total === undefined) return seen;
  return { value: decimalBytes(total), expiresAt: seen?.expiresAt ?? 0 };
}

/** What a counter stands at, where its entry is one that readers see, or (undefined) is not; undefined where no cell counts. */
export function totalOf({ entry, cells }: Counter, seen: Entry | undefined): Decimal | undefined {
  return countTotal(seen ?? entry, seen !== undefined, cells);
}

export function decimalBytes(number: Decimal): Uint8Array {
  const text = formatDecimal(number);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** The cells that are in what readers see of a key whose entry this is. */
export function countedCells(
  state: PeerState,
  now: Now,
  key: Key,
  entry: Entry | undefined,
): readonly HeldCell[] {
  const counter = state.cells.byKey.size === 0 ? undefined : state.cells.byKey.get(key);
  if (counter === undefined) return [];
  const isSeen = entry !== undefined && isVisible(state, now, entry);
  const standings = judgeCells(isSeen ? entry : counter.entry, isSeen, counter.cells);
  return counter.cells.filter((_, at) => standings[at] === 'counted');
}

type ShownKey = readonly [key: Key, shown: Shown];

/** What readers see of a range of keys, in its order; hidden keys are not to be in it. To be used up or closed within the turn. */
export function* shownEntries(state: PeerState, now: Now, range: KeyRange): IterableIterator<ShownKey> {
  const entries = state.store.entries(range);
  if (state.cells.byKey.size === 0) {
    for (const pair of entries) if (isVisible(state, now, pair[1])) yield pair;
    return;
  }
  // Of a key with cells the walk over cells tells, whether it has an entry or not.
  const plain = shownOfEntries(state, now, entries);
  const counters = shownOfCells(state, now, range);
  try {
    yield* mergeInOrder(plain, counters, range.reverse === true);
  } finally {
    plain.return?.();
    counters.return?.();
  }
}

function* shownOfEntries(
  state: PeerState,
  now: Now,
  entries: Iterable<readonly [Key, Entry]>,
): IterableIterator<ShownKey> {
  for (const [key, entry] of entries)
    if (!state.cells.byKey.has(key) && isVisible(state, now, entry)) yield [key, entry];
}

function* shownOfCells(state: PeerState, now: Now, range: KeyRange): IterableIterator<ShownKey> {
  const { after, before, reverse } = range;
  const from = after ?? range.from;
  const bounds: KeyRange = {
    from: from === undefined ? CELL_PREFIX : cellsOf(from),
    before: before === undefined ? AFTER_CELLS : cellsOf(before),
    ...(reverse === undefined ? {} : { reverse }),
  };
  let last: Key | undefined = after;
  for (const [hidden] of state.store.entries(bounds)) {
    const key = decodeCellKey(hidden)?.key;
    if (key === undefined || key === last) continue;
    last = key;
    if (key === after || !state.cells.byKey.has(key)) continue;
    const shown = readCounted(state, now, key, state.store.readEntry(key));
    if (shown !== undefined) yield [key, shown];
  }
}

/** Two walks in one order, without a key in common, as one. */
function* mergeInOrder(
  one: Iterator<ShownKey>,
  other: Iterator<ShownKey>,
  isReverse: boolean,
): IterableIterator<ShownKey> {
  let [left, right] = [one.next(), other.next()];
  while (left.done !== true || right.done !== true) {
    const isLeft =
      right.done === true || (left.done !== true && left.value[0] < right.value[0] !== isReverse);
    if (isLeft && left.done !== true) {
      yield left.value;
      left = one.next();
    } else if (right.done !== true) {
      yield right.value;
      right = other.next();
    }
  }
}
