/**
 * Mutants of convergent counters (protocol.md, section 10): which cells count, which are absorbed and cleaned, and which tombstones must stay for them.
 */
import { SMALL } from '../mutant.ts';
import type { Mutant } from '../mutant.ts';

const DROPPING = 'src/core/dropping.ts';
const UPKEEP = 'src/core/cellUpkeep.ts';
const COUNTING = 'src/core/counting.ts';
const WITH_COUNTERS = { seeds: 200, options: { ...SMALL, counters: 3 } };

export const COUNTING_RULES: readonly Mutant[] = [
  {
    number: 'C1',
    name: 'a tombstone goes before the cells that it ended',
    edits: [
      {
        file: DROPPING,
        find: 'return isSettledEverywhere(state, entry) && !hasCellBelow(state, key, entry);',
        replace: 'return isSettledEverywhere(state, entry);',
      },
    ],
    kill: { ...WITH_COUNTERS, first: 3 },
  },
  {
    number: 'C2',
    name: 'cells of another base count',
    edits: [
      {
        file: COUNTING,
        find: "return base.kind === 'value' && age === 0 ? 'counted' : 'waiting';",
        replace: "return base.kind === 'value' ? 'counted' : 'waiting';",
      },
    ],
    kill: { ...WITH_COUNTERS, first: 2 },
  },
  {
    number: 'C3',
    name: 'a cell is deleted before what it is dead by is on every disk',
    edits: [
      {
        file: UPKEEP,
        find: 'return killedBy !== undefined && isEverywhere(state, killedBy);',
        replace: 'return killedBy !== undefined;',
      },
    ],
    kill: { ...WITH_COUNTERS, first: 4 },
  },
  {
    number: 'C4',
    name: 'a cell belongs to an id, whichever incarnation counts',
    edits: [
      {
        file: 'src/core/counterCells.ts',
        find: '${writeOrigin({ id, incarnation })}',
        replace: '${writeOrigin({ id, incarnation: (incarnation * 0) as typeof incarnation })}',
      },
      {
        file: 'src/core/increment.ts',
        find: 'cell.id === self.id && cell.incarnation === self.incarnation && isSameBase(cell.base, base)',
        replace: 'cell.id === self.id && isSameBase(cell.base, base)',
      },
    ],
    kill: WITH_COUNTERS,
  },
  {
    number: 'C5',
    name: 'a deletion ends no cells that count upon nothing',
    edits: [
      {
        file: COUNTING,
        find: "if (age > 0) return 'dead';",
        replace: "if (age > 0 && base.kind === 'value') return 'dead';",
      },
    ],
    kill: WITH_COUNTERS,
  },
  {
    number: 'C6',
    name: 'what is absorbed counts still',
    edits: [
      {
        file: COUNTING,
        find: "if (cell.incarnation <= (absorbed?.get(groupOf(cell)) ?? 0)) return 'dead';",
        replace: "if (cell.incarnation < (absorbed?.get(groupOf(cell)) ?? 0)) return 'dead';",
      },
    ],
    kill: { ...WITH_COUNTERS, first: 2 },
  },
];
