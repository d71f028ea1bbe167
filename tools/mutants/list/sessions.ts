/**
 * Mutants of sessions (protocol.md, section 7): what a token demands. What is said of a loss is test/core/session.test.ts's: in a simulated cluster a
 * round that tells of it follows so soon upon the next that a client seldom asks in between.
 */
import { SMALL } from '../mutant.ts';
import type { Kill, Mutant } from '../mutant.ts';

const SERVE = 'src/core/serveSession.ts';
const WITH_SESSIONS: Kill = { seeds: 200, options: { ...SMALL, sessions: 3 } };

export const SESSIONS: readonly Mutant[] = [
  {
    number: 'K1',
    name: 'tokens ignored',
    edits: [
      {
        file: SERVE,
        find: "if (state.phase !== 'member') return { kind: 'behind', why: 'joining' };",
        replace:
          "if (state.phase !== 'member') return { kind: 'behind', why: 'joining' };\n  if (token.newest >= 0) return { kind: 'serves' };",
      },
    ],
    kill: WITH_SESSIONS,
  },
  {
    number: 'K2',
    name: 'a write is not stamped above what its session has seen',
    edits: [
      { file: SERVE, find: 'if (token.newest > state.clock) state.clock = token.newest;', replace: '' },
    ],
    kill: { ...WITH_SESSIONS, first: 20 },
  },
  {
    number: 'K3',
    name: 'an absent key counts whatever the horizon',
    edits: [
      {
        file: SERVE,
        find: "return entry === undefined && timestamp <= state.horizon ? 'held' : 'lacking';",
        replace: "return entry === undefined ? 'held' : 'lacking';",
      },
    ],
    kill: { ...WITH_SESSIONS, first: 37 },
  },
  {
    number: 'K4',
    name: 'a member serves what a round found on a disk that it has no more',
    edits: [
      {
        file: SERVE,
        find: 'if (promised !== undefined && !hasKept(state, promised)) {',
        replace: 'if (promised !== undefined && promised < 0) {',
      },
    ],
    kill: {
      first: 205,
      seeds: 300,
      options: { servers: 2, minutes: 0.5, sessions: 6, faults: ['rollbacks', 'crashes'] },
    },
  },
];
