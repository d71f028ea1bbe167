/**
 * Mutants of registers (core/quorum.ts): what makes two majorities meet, and what they meet in. Found out by histories that no register can have had.
 */
import type { Kill, Mutant } from '../mutant.ts';

const QUORUM = 'src/core/quorum.ts';
const WITH_REGISTERS: Kill = {
  seeds: 60,
  options: {
    servers: 3,
    minutes: 0.2,
    registers: 5,
    faults: ['partitions', 'crashes', 'pauses', 'disks', 'multicast', 'stops'],
  },
};

export const REGISTERS: readonly Mutant[] = [
  {
    number: 'Q1',
    name: 'reads do not write back',
    edits: [{ file: QUORUM, find: "if (question.kind !== 'read') {", replace: 'if (question.number > 0) {' }],
    kill: WITH_REGISTERS,
  },
  {
    number: 'Q2',
    name: 'what is asked to be held is said to be before it is durable',
    edits: [
      {
        file: 'src/core/onFetch.ts',
        find: "sendControl(state, from.id, answer, 'durable');",
        replace: "sendControl(state, from.id, answer, 'nothing');",
      },
    ],
    kill: { ...WITH_REGISTERS, first: 12 },
  },
  {
    number: 'Q3',
    name: 'a majority of the live, not of the members',
    edits: [
      {
        file: QUORUM,
        find: "return copiesOf('majority', peers.size + 1);",
        replace:
          'return Math.floor(([...peers.values()].filter(({ isLive }) => isLive).length + 1) / 2) + 1;',
      },
    ],
    kill: { ...WITH_REGISTERS, first: 17 },
  },
  {
    number: 'Q4',
    name: 'a write is not stamped above what was fetched',
    edits: [
      {
        file: QUORUM,
        find: 'if (tag.timestamp > state.clock) state.clock = tag.timestamp;',
        replace: '',
      },
    ],
    kill: WITH_REGISTERS,
  },
];
