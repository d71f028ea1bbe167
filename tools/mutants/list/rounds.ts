/**
 * Mutants of R6 (rounds), R7 (fences), R9 and R10 (joining) and of membership (section 8) that have no number: what a round finds out,
 * who is told of it, and who must join.
 */
import { SMALL, type Mutant } from '../mutant.ts';

export const ROUNDS: readonly Mutant[] = [
  {
    number: 'R6',
    name: 'C as far as anybody has it',
    edits: [
      {
        file: 'src/core/concludeRound.ts',
        find: '  let common = Infinity;\n',
        replace: '  let common = 0;\n',
      },
      {
        file: 'src/core/concludeRound.ts',
        find: 'common = Math.min(common,',
        replace: 'common = Math.max(common,',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/horizon-waits-for-what-was-known.txt' },
  },
  {
    number: 'R6b',
    name: 'facts of rounds not taken from HEARTBEAT',
    edits: [
      {
        file: 'src/core/facts.ts',
        find: '  learnClosures(state, now, have.closures);\n',
        replace: '',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/facts-by-heartbeat.txt' },
  },
  {
    number: 'R6c',
    name: "neither the sender's own promise among those it reports, nor folds compared",
    edits: [
      {
        file: 'src/core/facts.ts',
        find: '!== closure.foldedHash) return true;',
        replace: '> Number.MAX_SAFE_INTEGER) return true;',
      },
      {
        file: 'src/core/state.ts',
        find: 'return [...promises.filter(({ id }) => id !== own.id), own];',
        replace: 'return promises.filter(({ id }) => id !== own.id);',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/rolled-back-behind-a-fold.txt' },
  },
  {
    number: 'R6d',
    name: 'what is above a gap left out of an answer to PREPARE',
    edits: [
      {
        file: 'src/core/onCheckpointRound.ts',
        find: "promised: state.promised, have: buildHave(state, 'whole') },",
        replace:
          'promised: state.promised, have: { ...buildHave(state), vector: buildHave(state).vector.map((entry) => ({ ...entry, gaps: [] })) } },',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/gap-of-a-dead-process-kept.txt' },
  },
  {
    number: 'R7',
    name: 'a forgotten member not fenced',
    edits: [
      {
        file: 'src/core/members.ts',
        find: '  raiseFence(state, id, ABOVE_ALL);\n',
        replace: '',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/forgotten-while-it-runs.txt' },
  },
  {
    number: 'R10',
    name: 'a promise that FENCED tells of ignored',
    edits: [
      {
        file: 'src/core/fence.ts',
        find: 'if (message.promised > state.promised)',
        replace: 'if (message.promised < 0)',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/told-of-its-own-promise.txt' },
  },
  {
    number: 'R10b',
    name: 'an incarnation without chance where the clock is behind',
    edits: [
      {
        file: 'src/core/clock.ts',
        find: 'isWallAhead ? TICKS_PER_MS : INCARNATION_LEAP',
        replace: 'isWallAhead ? TICKS_PER_MS : INCARNATION_LEAP ** 0',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/two-starts-of-one-backup.txt' },
  },
  {
    number: 'R9b',
    name: 'what only the joining disk has not stamped anew',
    edits: [
      {
        file: 'src/core/join.ts',
        find: '  for (const [key, entry] of join.unknown) stampAnew(state, now, key, entry);\n',
        replace: '',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/write-that-only-one-disk-has.txt' },
  },
  {
    number: 'R10c',
    name: 'a promise beyond the own clock ignored, whatever the clocks of the others',
    edits: [
      {
        file: 'src/core/facts.ts',
        find: 'if (promised > latestConceivable(state, now)) {',
        replace: 'if (isAheadOfClock(state, now, promised)) {',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/older-disk-and-slow-clock.txt' },
  },
  {
    number: 'R9c',
    name: "the donor's promise cut to the joiner's clock",
    edits: [
      {
        file: 'src/core/joinFacts.ts',
        find: 'isBelieved ? facts.promised : credible',
        replace: 'isBelieved ? Math.min(facts.promised, credible) : credible',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/newcomer-with-a-slow-clock.txt' },
  },
  {
    number: 'S8d',
    name: 'a promise made that nobody would believe',
    edits: [
      {
        file: 'src/core/onCheckpointRound.ts',
        find: '  if (isStampAhead(state, now)) {\n    refuse',
        replace: '  if (isStampAhead(state, now) && now.wallMs < 0) {\n    refuse',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/fast-clock-promises-nothing.txt' },
  },
  {
    number: 'R9d',
    name: 'what an older disk wrote below a horizon dropped at the join',
    edits: [
      {
        file: 'src/core/joinParts.ts',
        find: ' || (isGone && isTooLate(state, closures, entry, isTheirs))',
        replace: '',
      },
      {
        file: 'src/core/joinParts.ts',
        find: "if (entry.kind === 'value' && isGone !== isTheirs(entry)) state.counters.joinDisagreements += 1;",
        replace: '',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/late-writes-of-an-older-disk.txt' },
  },
  {
    number: 'R9f',
    name: 'a late write whose dot others have recorded alone dropped at the join',
    edits: [
      {
        file: 'src/core/joinParts.ts',
        find: 'return dot.incarnation > (theirs.get(self.id)?.closedBelow ?? 0) || !isTheirs(dot);',
        replace: 'return !isTheirs(dot);',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/late-write-recorded-with-an-alarm.txt' },
  },
  {
    number: 'S8e',
    name: 'what came by way of a forgotten peer kept without a join',
    edits: [
      {
        file: 'src/core/facts.ts',
        find: 'state.forgotten.has(id) || isDrawable(closedBelow)',
        replace: '!state.forgotten.has(id) && isDrawable(closedBelow)',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/newcomer-by-way-of-the-forgotten.txt' },
  },
  {
    number: 'R6h',
    name: 'called had by all what a peer has never had',
    edits: [
      {
        file: 'src/core/facts.ts',
        find: '!== closure.foldedHash) return true;',
        replace: '> Number.MAX_SAFE_INTEGER) return true;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/joined-from-an-older-disk.txt' },
  },
  {
    number: 'R7b',
    name: 'who speaks with an incarnation that was let go is told nothing',
    edits: [
      {
        file: 'src/core/fence.ts',
        find: 'if (from !== state.self.id) isFenced(state, now, from, incarnation);',
        replace: 'if (from === state.self.id) isFenced(state, now, from, incarnation);',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/many-starts-then-empty-and-slow.txt' },
  },
  {
    number: 'R6e',
    name: 'new rows begin no round after one that left nothing to collect',
    edits: [
      {
        file: 'src/core/state.ts',
        find: '  state.unhashed.add(origin);\n  state.isTidy = false;\n',
        replace: '  state.unhashed.add(origin);\n',
      },
    ],
    kill: { seeds: 40, options: SMALL },
  },
  {
    number: 'R6f',
    name: 'a new incarnation begins no round after one that left nothing to collect',
    edits: [
      {
        file: 'src/core/state.ts',
        find: '  state.incarnations.set(id, incarnation);\n  state.isTidy = false;\n',
        replace: '  state.incarnations.set(id, incarnation);\n',
      },
      {
        file: 'src/core/state.ts',
        find: '  state.origins.set(origin.key, origin);\n  state.isTidy = false;\n',
        replace: '  state.origins.set(origin.key, origin);\n',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/tidy-then-started-anew.txt' },
  },
  {
    number: 'R6g',
    name: 'a forgotten member begins no round after one that left nothing to collect',
    edits: [
      {
        file: 'src/core/members.ts',
        find: '  raiseFence(state, id, ABOVE_ALL);\n  state.isTidy = false;\n',
        replace: '  raiseFence(state, id, ABOVE_ALL);\n',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/tidy-then-forgotten.txt' },
  },
  {
    number: 'R10d',
    name: 'a promise before all have told what they remember of the peer',
    edits: [
      {
        file: 'src/core/onCheckpointRound.ts',
        find: '  if (!learnRemembered(state, message.remembered)) {',
        replace: '  if (!learnRemembered(state, message.remembered) && message.number < 0) {',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/rolled-back-and-not-told.txt' },
  },
  {
    number: 'R9e',
    name: 'parts of a checkpoint read from the store as it is when they are sent, with the facts of before',
    edits: [
      {
        file: 'src/core/buildCheckpoint.ts',
        find: '    snapshot: state.store.openSnapshot(),',
        replace: '    snapshot: { entries: (range) => state.store.entries(range), close: () => undefined },',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/transfer-resumed.txt' },
  },
  {
    number: 'R9g',
    name: 'what a join that broke off brought never claimed',
    edits: [
      {
        file: 'src/core/join.ts',
        find: '  recordUnclaimed(state, join.unclaimed);\n',
        replace: '',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/half-a-join-and-another-donor.txt' },
  },
];
