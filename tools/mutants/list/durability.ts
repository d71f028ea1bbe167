/**
 * Mutants of R1 (log before send), R2 (apply means record) and R3 (stamp): what must be on the disk before what is said, what goes
 * together, and what a process must know again after its start.
 */
import type { Mutant } from '../mutant.ts';
import { RESTARTS, SMALL } from '../mutant.ts';

export const DURABILITY: readonly Mutant[] = [
  {
    number: 'R1',
    name: 'multicast before the commit',
    edits: [
      {
        file: 'src/core/write.ts',
        find: "const after = state.isTurnFast ? 'nothing' : 'committed';",
        replace: "const after = 'nothing';",
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/commit-before-word.txt' },
  },
  {
    number: 'R1b',
    name: 'committed acknowledged before the commit',
    edits: [
      {
        file: 'src/peer/runtime.ts',
        find: 'for (const callback of fast) callback(this.#failure);',
        replace: 'for (const callback of [...fast, ...turn.onCommitted.splice(0)]) callback(this.#failure);',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/commit-before-word.txt' },
  },
  {
    number: 'R1c',
    name: 'durable acknowledged at the commit',
    edits: [
      {
        file: 'src/peer/runtime.ts',
        find: 'for (const callback of turn.onCommitted.splice(0)) callback();',
        replace:
          'for (const callback of [...turn.onCommitted.splice(0), ...turn.onDurable.splice(0)]) callback();',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R1d',
    name: 'a failed commit acknowledged',
    edits: [
      {
        file: 'src/peer/runtime.ts',
        find: 'for (const callback of owed) callback(failure);',
        replace: 'for (const callback of owed) callback();',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R1e',
    name: 'speaks when its incarnation is committed, not durable',
    edits: [
      {
        file: 'src/peer/runtime.ts',
        find: "this.acknowledge('durable', (failure) => {",
        replace: "this.acknowledge('committed', (failure) => {",
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/incarnation-before-word.txt' },
  },
  {
    number: 'R1f',
    name: 'own incarnation not kept',
    edits: [
      {
        file: 'src/core/state.ts',
        find: 'state.store.writeState(`incarnation/${id}`, incarnation);',
        replace: 'if (id !== state.self.id) state.store.writeState(`incarnation/${id}`, incarnation);',
      },
    ],
    kill: { seeds: 100, options: RESTARTS },
  },
  {
    number: 'R1g',
    name: 'an incarnation drawn below a known one',
    edits: [
      {
        file: 'src/core/clock.ts',
        find: 'const least = isWallAhead ? byWall : highestKnown + 1;',
        replace: 'const least = byWall;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/clock-back-at-boot.txt' },
  },
  {
    number: 'R2',
    name: 'a dot recorded without its entry',
    edits: [
      {
        file: 'src/core/onUpdate.ts',
        find: '  applyEntry(state, record.key, { timestamp, id, incarnation, sequence, kind, expiresAt, value });\n',
        replace: '',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R2b',
    name: 'vectors in a later commit than their rows',
    edits: [
      {
        file: 'src/core/core.ts',
        find: '  saveTurn(state);\n',
        replace: '  if (!state.store.hasChanges()) saveTurn(state);\n',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R2c',
    name: 'gap sets forgotten at a start',
    edits: [
      {
        file: 'src/core/loadState.ts',
        find: 'createHaveSet(contiguous, gaps), trim',
        replace: 'createHaveSet(contiguous, gaps.slice(0, 0)), trim',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/gaps-over-a-crash.txt' },
  },
  {
    number: 'R2d',
    name: 'a reference recorded before its value is here',
    edits: [
      {
        file: 'src/core/onUpdate.ts',
        find: 'if (record.referenceBytes !== undefined) return;',
        replace: 'if (record.referenceBytes === 0) return;',
      },
    ],
    kill: { seeds: 200, options: SMALL },
  },
  {
    number: 'R3',
    name: 'remote clock rule left out',
    edits: [
      {
        file: 'src/core/apply.ts',
        find: 'if (incoming.timestamp > state.clock) state.clock = incoming.timestamp;',
        replace: 'if (incoming.timestamp < 0) state.clock = incoming.timestamp;',
      },
      {
        file: 'src/core/onKeepalive.ts',
        find: 'if (!isAheadOfClock(state, now, message.timestamp) && message.timestamp > state.clock)',
        replace: 'if (!isAheadOfClock(state, now, message.timestamp) && message.timestamp < 0)',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R3b',
    name: 'remote clock rule for KEEPALIVE alone, not for tags',
    edits: [
      {
        file: 'src/core/apply.ts',
        find: 'if (incoming.timestamp > state.clock) state.clock = incoming.timestamp;',
        replace: 'if (incoming.timestamp < 0) state.clock = incoming.timestamp;',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R3c',
    name: 'the clock forgotten at a start',
    edits: [
      {
        file: 'src/core/loadState.ts',
        find: "clock: Math.max(readNumber(store, 'clock'), promised, horizon) as Timestamp,",
        replace: 'clock: Math.max(promised, horizon) as Timestamp,',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/clock-back-at-boot.txt' },
  },
  {
    number: 'R3d',
    name: 'two stamps of one millisecond alike',
    edits: [
      {
        file: 'src/core/clock.ts',
        find: 'return Math.max(clock + 1, timestampOf(wallMs), horizon + 1, promised + 1) as Timestamp;',
        replace: 'return Math.max(clock, timestampOf(wallMs), horizon + 1, promised + 1) as Timestamp;',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
];
