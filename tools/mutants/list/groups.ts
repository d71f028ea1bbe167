/**
 * Mutants of groups (transactions): what holds their updates together.
 */
import { SMALL } from '../mutant.ts';
import type { Kill, Mutant } from '../mutant.ts';

const WITH_GROUPS: Kill = { seeds: 40, options: { ...SMALL, groups: 3 } };

export const GROUPS: readonly Mutant[] = [
  {
    number: 'G1',
    name: 'the updates of a group are stamped one by one',
    edits: [
      {
        file: 'src/core/groups.ts',
        find: 'if (group !== undefined && group.timestamp > 0) return group.timestamp;',
        replace: '',
      },
    ],
    kill: WITH_GROUPS,
  },
  {
    number: 'G2',
    name: 'a group goes in as many datagrams as its updates need',
    edits: [
      {
        file: 'src/core/write.ts',
        find: 'for (const group of groupsOf(pending)) {',
        replace: 'for (const group of pending.map((update) => [update])) {',
      },
    ],
    kill: WITH_GROUPS,
  },
  {
    number: 'G3',
    name: 'of a group as much is taken as there is room for',
    edits: [
      {
        file: 'src/core/onUpdate.ts',
        find: 'const isRefused = group.length > 1 && lacksRoomForGroup(state, origin, group);',
        replace: 'const isRefused = false;',
      },
    ],
    kill: WITH_GROUPS,
  },
];
