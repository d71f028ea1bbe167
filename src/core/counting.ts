/**
 * The counting rule (protocol.md, section 10): which cells of a counter count, which are dead for good, and what they add up to.
 *
 * Pure: a function of the entry at the key, whether readers see it, and the cells. Who writes cells and lets go of dead ones, others decide. Invariants: SET and DEL begin a new base, so
 * that increments before them are in no total after them, seen or not; the total does not depend on the order of the cells; what a cell absorbs counts once, whichever of the
 * absorbed are still held.
 */
import type { CellContent, CellName, CounterBase } from './counterCells.ts';
import { addDecimals, parseFloating, ZERO, type Decimal } from './decimal.ts';
import {
  compareTags,
  SYNTHETIC_ID,
  type Entry,
  type Incarnation,
  type Origin,
  type Timestamp,
} from './types.ts';

export type Cell = CellName & CellContent;

/** `waiting`: its base is not here yet, or is past where it is looked at. `dead`: it can never count again. */
export type Standing = 'counted' | 'waiting' | 'dead';

/** What is told of a key with one cell, as most have. */
const ALONE: Readonly<Record<Standing, readonly Standing[]>> = {
  counted: ['counted'],
  waiting: ['waiting'],
  dead: ['dead'],
};

/** The standing of each, in their order. */
export function judgeCells(
  entry: Entry | undefined,
  isVisible: boolean,
  cells: readonly Cell[],
): readonly Standing[] {
  const absorbed = absorbedBy(cells);
  const [only] = cells;
  if (only !== undefined && cells.length === 1) return ALONE[judgeCell(entry, isVisible, only, absorbed)];
  return cells.map((cell) => judgeCell(entry, isVisible, cell, absorbed));
}

/** Undefined where no cell counts: the key is what its entry says. */
export function countTotal(
  entry: Entry | undefined,
  isVisible: boolean,
  cells: readonly Cell[],
): Decimal | undefined {
  const absorbed = absorbedBy(cells);
  let sum: Decimal | undefined;
  for (const cell of cells)
    if (judgeCell(entry, isVisible, cell, absorbed) === 'counted')
      sum = sum === undefined ? cell.sum : addDecimals(sum, cell.sum);
  if (sum === undefined || entry === undefined || !isVisible) return sum;
  const upon = parseFloating(entry.value);
  if (upon === undefined || upon === 'infinite') return undefined; // nobody of ours counts upon what is no number
  return addDecimals(upon, sum);
}

/** The base of an increment here and now: of the own cell that counts, else the newest that counts, else a new one. */
export function baseFor(
  entry: Entry | undefined,
  isVisible: boolean,
  cells: readonly Cell[],
  self: Origin,
  horizon: Timestamp,
): CounterBase {
  if (isVisible && entry !== undefined) return { kind: 'value', ...tagOf(entry) };
  const standings = judgeCells(entry, isVisible, cells);
  if (standings === ALONE.counted && cells[0] !== undefined) return cells[0].base;
  const counted = cells.filter((_, at) => standings[at] === 'counted');
  const own = counted.filter(({ id, incarnation }) => id === self.id && incarnation === self.incarnation);
  const [first, ...others] = own.length > 0 ? own : counted;
  if (first !== undefined) return others.reduce((base, cell) => newer(base, cell.base), first.base);
  // Above all tombstones that were dropped here: none of them may come back from elsewhere and end it.
  const above = { timestamp: horizon, id: SYNTHETIC_ID, incarnation: 0 as Incarnation, sequence: 0 };
  const base: CounterBase = { kind: 'zero', ...above };
  return entry === undefined ? base : newer(base, { kind: 'zero', ...tagOf(entry) });
}

/** The own cell with the former incarnations' cells of its base in it; each of them is dead by it. */
export function absorbCells(own: CellContent | undefined, former: readonly Cell[]): CellContent {
  return former.reduce<CellContent>(
    ({ sum, absorbed }, cell) => ({
      sum: addDecimals(sum, cell.sum),
      absorbed: Math.max(absorbed, cell.incarnation) as Incarnation,
    }),
    own ?? { sum: ZERO, absorbed: 0 as Incarnation },
  );
}

/** `absorbed` is what absorbedBy says of all cells of the key. */
function judgeCell(
  entry: Entry | undefined,
  isVisible: boolean,
  cell: Cell,
  absorbed: ReadonlyMap<string, Incarnation> | undefined,
): Standing {
  if (absorbed !== undefined && cell.incarnation <= (absorbed.get(groupOf(cell)) ?? 0)) return 'dead';
  return judgeBase(entry, isVisible, cell.base);
}

function judgeBase(entry: Entry | undefined, isVisible: boolean, base: CounterBase): Standing {
  const age = entry === undefined || entry.kind === 'synthetic' ? -1 : compareTags(entry, base);
  if (age > 0) return 'dead';
  if (isVisible) return base.kind === 'value' && age === 0 ? 'counted' : 'waiting';
  return base.kind === 'zero' ? 'counted' : 'waiting';
}

/** Per base and id the highest incarnation that one of the cells has in it; undefined when none has any. */
function absorbedBy(cells: readonly Cell[]): ReadonlyMap<string, Incarnation> | undefined {
  if (!hasAbsorbing(cells)) return undefined;
  const highest = new Map<string, Incarnation>();
  for (const cell of cells) {
    const group = groupOf(cell);
    if (cell.absorbed > (highest.get(group) ?? 0)) highest.set(group, cell.absorbed);
  }
  return highest;
}

/** A plain loop: whoever reads a key with cells asks. */
function hasAbsorbing(cells: readonly Cell[]): boolean {
  for (const { absorbed } of cells) if (absorbed > 0) return true;
  return false;
}

function groupOf({ id, base }: Cell): string {
  return `${id}/${base.kind}/${base.timestamp}/${base.id}/${base.incarnation}/${base.sequence}`;
}

function newer(one: CounterBase, other: CounterBase): CounterBase {
  return compareTags(one, other) < 0 ? other : one;
}

function tagOf({ timestamp, id, incarnation, sequence }: Entry): Omit<CounterBase, 'kind'> {
  return { timestamp, id, incarnation, sequence };
}
