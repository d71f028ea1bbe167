/**
 * Which cells of counters are held, by the key that they count for (protocol.md, section 10): what readers, and whoever counts or cleans, look at in place of the store.
 *
 * Owns this index, in memory alone: built when a peer starts, kept by whatever changes an entry. Which cells count is counting.ts's; who reads with an eye on the time, counted.ts's. Here an entry
 * that is over counts until that has been noticed, as in all that is counted. Invariants: there is a counter for each key with a cell, and none without; a counter is
 * never changed, only replaced, so whoever has one has how it was; what once ended a cell stays known while the cell is there, though it is itself replaced or dropped.
 */
import { AFTER_CELLS, CELL_PREFIX, decodeCell, decodeCellKey } from './counterCells.ts';
import type { CellName, CounterBase } from './counterCells.ts';
import { judgeCells, type Cell, type Standing } from './counting.ts';
import type { PeerState } from './state.ts';
import { compareTags, type Dot, type Entry, type Key } from './types.ts';

export interface HeldCell extends Cell {
  /** Where it is held, and the entry there. */
  readonly hidden: Key;
  readonly entry: Entry;
  /** The first update seen by which it has absorbed what it has: whoever has that, or a later one of it, knows that those are dead. */
  readonly absorbedBy: Dot;
  /** What it was first seen to be dead by; undefined while it is not. */
  readonly killedBy: Dot | undefined;
  /** Since when it is known that it may be deleted, monotonic milliseconds: of whoever cleans, and no part of what is held. */
  readonly fate: { overSinceMs: number | undefined };
}

export interface Counter {
  /** At the key itself: what there is, or the last there was that ends older cells. Without a value that is too long for a number. */
  readonly entry: Entry | undefined;
  readonly cells: readonly HeldCell[];
  readonly standings: readonly Standing[];
}

export interface Cells {
  readonly byKey: Map<Key, Counter>;
  /** For which key each cell counts, by where it is held: an increment of a key with a cell decodes no name. */
  readonly keyOf: Map<Key, Key>;
  /** Cells held, of all keys. */
  count: number;
  /** Keys that are visible through their cells alone: no value of their own is held. */
  alone: number;
  /** Keys with cells that do not count: to be cleaned, or to wait. */
  readonly idle: Set<Key>;
  /** Keys with cells of former incarnations of this peer, which it may absorb. */
  readonly former: Set<Key>;
  /** Keys of which the entry is gone that had ended cells: those are to be deleted in the same turn, for nothing else would tell of their end after a restart. */
  readonly overdue: Set<Key>;
}

/** Bytes of the longest value that may be a number; of others it is enough to know that they are there. */
const MAX_NUMBER_BYTES = 5_119;
const EMPTY = new Uint8Array(0);

export function createCells(): Cells {
  return {
    byKey: new Map(),
    keyOf: new Map(),
    count: 0,
    alone: 0,
    idle: new Set(),
    former: new Set(),
    overdue: new Set(),
  };
}

/** From the store, at the start. */
export function loadCells(state: PeerState): void {
  const held = [...state.store.entries({ from: CELL_PREFIX, before: AFTER_CELLS })];
  for (const [hidden, entry] of held) if (entry.kind === 'value') onCellEntry(state, hidden, entry);
}

export function isCellKey(key: Key): boolean {
  return key.startsWith(CELL_PREFIX);
}

/** How a key counted before a change and after it; undefined where it had no cells. */
export interface CounterChange {
  readonly key: Key;
  readonly before: Counter | undefined;
  readonly after: Counter | undefined;
}

/** The entry of a cell is now this. Undefined for what is no cell that this release reads. */
export function onCellEntry(
  state: PeerState,
  hidden: Key,
  entry: Entry | undefined,
): CounterChange | undefined {
  const { byKey, keyOf } = state.cells;
  const heldFor = keyOf.get(hidden);
  const present =
    heldFor === undefined ? undefined : byKey.get(heldFor)?.cells.find((cell) => cell.hidden === hidden);
  const name = present ?? decodeCellKey(hidden);
  if (name === undefined) return undefined;
  const { key } = name;
  const before = byKey.get(key);
  const cells = before?.cells ?? [];
  const cell = entry?.kind === 'value' ? buildCell(name, hidden, entry, present) : undefined;
  if (present === undefined && cell === undefined) return undefined;
  if (cell === undefined) keyOf.delete(hidden);
  else if (present === undefined) keyOf.set(hidden, key);
  const held = cells.filter((other) => other !== present);
  if (cell !== undefined) held.push(cell);
  const base = before === undefined ? state.store.readEntry(key) : before.entry;
  const after = setCounter(state, key, base, held);
  return { key, before, after };
}

/** The entry of a key that has cells is now this. */
export function onBaseEntry(
  state: PeerState,
  key: Key,
  before: Counter,
  entry: Entry | undefined,
): CounterChange {
  const after = setCounter(state, key, entry, before.cells);
  const isGone = entry === undefined || entry.kind === 'synthetic';
  if (isGone && after?.standings.includes('dead') === true) state.cells.overdue.add(key);
  return { key, before, after };
}

/** Whether a cell is left that a tombstone of its key has ended. */
export function hasCellBelow({ cells }: PeerState, key: Key, tombstone: Entry): boolean {
  if (cells.byKey.size === 0) return false;
  const counter = cells.byKey.get(key);
  return counter?.cells.some(({ base }) => compareTags(base, tombstone) < 0) === true;
}

/** Whether what a cell counted is in another one by now, or something newer is at the key that it counted for: so it was deleted, and nothing is lost. */
export function isSuperseded({ cells, store }: PeerState, hidden: Key): boolean {
  const name = isCellKey(hidden) ? decodeCellKey(hidden) : undefined;
  if (name === undefined) return false;
  const { key, base, id, incarnation } = name;
  const entry = store.readEntry(key);
  if (entry !== undefined && entry.kind !== 'synthetic' && compareTags(entry, base) > 0) return true;
  const others = cells.byKey.get(key)?.cells ?? [];
  return others.some((cell) => cell.id === id && cell.absorbed >= incarnation && isSameBase(cell.base, base));
}

/** Named one by one: with spreads, the third of an increment. */
function buildCell(
  { key, base, id, incarnation }: CellName,
  hidden: Key,
  entry: Entry,
  present: HeldCell | undefined,
): HeldCell | undefined {
  const content = decodeCell(entry.value);
  if (content === undefined) return undefined;
  const { sum, absorbed } = content;
  const hasAbsorbedSame = present?.absorbed === absorbed;
  return {
    key,
    base,
    id,
    incarnation,
    sum,
    absorbed,
    hidden,
    entry,
    absorbedBy: hasAbsorbedSame ? present.absorbedBy : entry,
    killedBy: present?.killedBy,
    fate: present?.fate ?? { overSinceMs: undefined },
  };
}

function setCounter(
  state: PeerState,
  key: Key,
  base: Entry | undefined,
  held: readonly HeldCell[],
): Counter | undefined {
  const { cells } = state;
  const before = cells.byKey.get(key);
  cells.count += held.length - (before?.cells.length ?? 0);
  const after = held.length === 0 ? undefined : buildCounter(asBase(before?.entry, base), held);
  if (after === undefined) cells.byKey.delete(key);
  else cells.byKey.set(key, after);
  cells.alone +=
    Number(after !== undefined && isAlone(after)) - Number(before !== undefined && isAlone(before));
  setMember(cells.idle, key, after?.standings.some((standing) => standing !== 'counted') === true);
  setMember(cells.former, key, after !== undefined && hasFormer(state, after));
  return after;
}

function setMember(keys: Set<Key>, key: Key, isIn: boolean): void {
  if (isIn) keys.add(key);
  else keys.delete(key);
}

/**
 * What was dropped, or is stood for by a tombstone that nobody wrote, still ends the cells that it ended: those that it was dropped for elsewhere may come later than the news of that.
 */
function asBase(before: Entry | undefined, entry: Entry | undefined): Entry | undefined {
  if (entry !== undefined && entry.kind !== 'synthetic')
    return entry.value.length <= MAX_NUMBER_BYTES ? entry : { ...entry, value: EMPTY };
  if (before === undefined || before.kind === 'synthetic') return entry;
  return { ...before, kind: 'tombstone', value: EMPTY };
}

function buildCounter(entry: Entry | undefined, held: readonly HeldCell[]): Counter {
  const standings = judgeCells(entry, entry?.kind === 'value', held);
  if (!standings.includes('dead')) return { entry, cells: held, standings };
  const cells = held.map((cell, at) =>
    standings[at] === 'dead' && cell.killedBy === undefined
      ? { ...cell, killedBy: killerOf(cell, entry, held) }
      : cell,
  );
  return { entry, cells, standings };
}

function killerOf(cell: HeldCell, entry: Entry | undefined, held: readonly HeldCell[]): Dot | undefined {
  const absorber = held.find(
    (other) =>
      other.id === cell.id && other.absorbed >= cell.incarnation && isSameBase(other.base, cell.base),
  );
  return absorber?.absorbedBy ?? entry;
}

export function isSameBase(one: CounterBase, other: CounterBase): boolean {
  if (one === other) return true;
  return (
    one.kind === other.kind &&
    one.timestamp === other.timestamp &&
    one.id === other.id &&
    one.incarnation === other.incarnation &&
    one.sequence === other.sequence
  );
}

function isAlone({ entry, standings }: Counter): boolean {
  return entry?.kind !== 'value' && standings.includes('counted');
}

/** Whether some cell that counts is of a former incarnation of this peer. */
function hasFormer({ self }: PeerState, { cells, standings }: Counter): boolean {
  return cells.some(
    ({ id, incarnation }, at) =>
      standings[at] === 'counted' && id === self.id && incarnation !== self.incarnation,
  );
}
