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
    kill: { ...WITH_COUNTERS, first: 2 },
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
    kill: { ...WITH_COUNTERS, first: 4 },
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
        find: "if (absorbed !== undefined && cell.incarnation <= (absorbed.get(groupOf(cell)) ?? 0)) return 'dead';",
        replace: "if (cell.incarnation < (absorbed?.get(groupOf(cell)) ?? 0)) return 'dead';",
      },
    ],
    kill: { ...WITH_COUNTERS, first: 3 },
  },
  {
    number: 'C7',
    name: 'a tombstone goes before it is on every disk',
    edits: [
      {
        file: DROPPING,
        find: 'return isSettledEverywhere(state, entry) && !hasCellBelow(state, key, entry);',
        replace: 'return !hasCellBelow(state, key, entry);',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/counted-below-a-deletion.txt' },
  },
  {
    number: 'C8',
    name: 'a tombstone goes before all that was counted below it has come',
    edits: [
      {
        file: 'src/core/everywhere.ts',
        find: 'const settled = everywhere.waiting.filter(({ known }) => hasAllOf(state, known));',
        replace: 'const settled = everywhere.waiting;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/counted-before-a-deletion-was-heard-of.txt' },
  },
  {
    number: 'C9',
    name: 'a former incarnation is absorbed before all that survives of it is here',
    edits: [
      { file: UPKEEP, find: 'if (areFormerFolded(state)) for (', replace: 'for (' },
      { file: UPKEEP, find: 'function areFormerFolded(', replace: 'export function areFormerFolded(' },
    ],
    kill: { scenario: 'test/simulator/scenarios/absorbed-once-all-of-it-is-here.txt' },
  },
  {
    number: 'C10',
    name: 'what is absorbed is added in one update, and said to be absorbed in the next',
    edits: [
      {
        file: UPKEEP,
        find: 'export function keepCells(',
        replace: 'const added = new WeakMap<PeerState, Set<Key>>();\n\nexport function keepCells(',
      },
      {
        file: UPKEEP,
        find: 'writeUnasked(state, now, hidden, encodeCell(absorbed), first.entry.expiresAt);',
        replace:
          'const known = added.get(state) ?? new Set<Key>(); added.set(state, known); const isSaid = known.delete(hidden); if (!isSaid) known.add(hidden); ' +
          'writeUnasked(state, now, hidden, encodeCell(isSaid ? { sum: own?.sum ?? absorbed.sum, absorbed: absorbed.absorbed } : { sum: absorbed.sum, absorbed: own?.absorbed ?? (0 as Incarnation) }), first.entry.expiresAt);',
      },
    ],
    kill: { ...WITH_COUNTERS, first: 3 },
  },
  {
    number: 'C11',
    name: 'values of one transaction are one base',
    edits: [{ file: 'src/core/cells.ts', find: 'one.sequence === other.sequence', replace: 'true' }],
    kill: { seeds: 200, first: 3, options: { ...SMALL, counters: 2, groups: 2 } },
  },
];
