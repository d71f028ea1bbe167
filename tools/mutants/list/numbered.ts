/**
 * The mutants that protocol.md, section 11 numbers.
 *
 * A letter tells the ways apart in which one can be planted.
 */
import type { Mutant } from '../mutant.ts';
import { SMALL } from '../mutant.ts';

export const NUMBERED: readonly Mutant[] = [
  {
    number: '1',
    name: 'a round that accepts a quorum instead of all',
    edits: [
      {
        file: 'src/core/onCheckpointRound.ts',
        find: '  for (const id of round.incarnations.keys()) if (!round.answers.has(id)) return;\n',
        replace: '  if (2 * round.answers.size <= round.incarnations.size) return;\n',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/round-needs-every-member.txt' },
  },
  {
    number: '2',
    name: 'H adopted before have ⊇ Q',
    edits: [
      {
        file: 'src/core/facts.ts',
        find: 'state.pending.find(({ known }) => hasAllOf(state, known))',
        replace: 'state.pending.find(({ horizon, known }) => horizon > 0 || hasAllOf(state, known))',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/horizon-waits-for-what-was-known.txt' },
  },
  {
    // The clock is set to the promise and written with it, so it would carry the promise over a start by itself: both are left out.
    number: '3a',
    name: 'promise not durable',
    edits: [
      {
        file: 'src/core/onCheckpointRound.ts',
        find: `  state.store.writeState('promised', state.promised);
  state.store.writeState('clock', state.clock);
}`,
        replace: '}',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/promise-over-a-power-cut.txt' },
  },
  {
    // The stored clock is never below the promise: it is ignored too, and R3's largest stored tag stands in its place.
    number: '3b',
    name: 'promise ignored at boot',
    edits: [
      {
        file: 'src/core/loadState.ts',
        find: "const promised = readNumber(store, 'promised') as Timestamp;",
        replace: 'const promised = 0 as Timestamp;',
      },
      {
        file: 'src/core/loadState.ts',
        find: "clock: Math.max(readNumber(store, 'clock'), promised, horizon) as Timestamp,",
        replace:
          'clock: Math.max(0, ...Array.from(store.entries({}), ([, entry]) => entry.timestamp), horizon) as Timestamp,',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/promise-over-a-power-cut.txt' },
  },
  {
    // Stamps nothing too low, for the clock carries the promise; but takes its own disk for one that was rolled back, and waits to join.
    number: '3c',
    name: 'promise ignored at boot, the clock kept',
    edits: [
      {
        file: 'src/core/loadState.ts',
        find: "const promised = readNumber(store, 'promised') as Timestamp;",
        replace: 'const promised = 0 as Timestamp;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/restart-needs-no-join.txt' },
  },
  {
    number: '4',
    name: 'a checkpoint union-merged',
    edits: [
      {
        file: 'src/core/joinParts.ts',
        find: '    if (isGone) gone.push([key, entry]);\n    else if',
        replace: '    if',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/zombie-of-a-rolled-back-disk.txt' },
  },
  {
    number: '5',
    name: 'superseded sent as void',
    edits: [
      {
        file: 'src/core/buildSync.ts',
        find: '    const { timestamp, id, incarnation, sequence, kind, expiresAt, value } = entry;\n',
        replace: `    const { timestamp, id, incarnation, sequence, kind, expiresAt, value } = entry;
    const isWinnerCovered = covers.some(
      (one) =>
        one.id === id &&
        one.incarnation === incarnation &&
        one.ranges.some(([from, to]) => from <= sequence && sequence <= to),
    );
    if (!isWinnerCovered) return { kind: 'absent', key, horizon: 0, covers };
`,
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    // At horizon 0 it says: nothing to see, mark the dots. Clients' own keys are held until all have the tombstone; records of requests are not.
    number: '6',
    name: 'a dropped tombstone sent as void',
    edits: [
      {
        file: 'src/core/buildSync.ts',
        find: "if (entry === undefined) return { kind: 'absent', key, horizon: this.#state.horizon, covers };",
        replace: "if (entry === undefined) return { kind: 'absent', key, horizon: 0 as Timestamp, covers };",
      },
    ],
    kill: { first: 32, seeds: 200, options: { ...SMALL, requests: 3 } },
  },
  {
    number: '7',
    name: 'no R4 guard',
    edits: [
      {
        file: 'src/core/apply.ts',
        find: "if (incoming.timestamp <= state.horizon && incoming.kind !== 'synthetic') {",
        replace: "if (incoming.timestamp < 0 && incoming.kind !== 'synthetic') {",
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/write-below-the-horizon.txt' },
  },
  {
    number: '8',
    name: 'no join gate',
    edits: [
      {
        file: 'src/core/loadState.ts',
        find: "(options.isBootstrap === true ? 'member' : 'fresh')",
        replace: "'member'",
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/wiped-disk-stamps-nothing.txt' },
  },
  {
    number: '9',
    name: 'index reuse after a crash',
    edits: [
      {
        file: 'src/core/loadState.ts',
        find: 'const incarnation = drawIncarnation(now.wallMs, incarnations.get(id) ?? 0, options.random);',
        replace:
          'const incarnation = incarnations.get(id) ?? drawIncarnation(now.wallMs, 0, options.random);',
      },
      {
        file: 'src/core/loadState.ts',
        find: 'const own = createOriginState({ id, incarnation });',
        replace:
          'const own = [...origins.values()].find((one) => one.id === id && one.incarnation === incarnation) ?? createOriginState({ id, incarnation });',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: '10a',
    name: 'no fence',
    edits: [
      {
        file: 'src/core/core.ts',
        find: 'if (isFenced(state, now, from, incarnation)) return;',
        replace: 'if (incarnation < 0 && isFenced(state, now, from, incarnation)) return;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/late-word-of-a-dead-process.txt' },
  },
  {
    number: '10b',
    name: 'a fence on UPDATE only',
    edits: [
      {
        file: 'src/core/core.ts',
        find: 'if (isFenced(state, now, from, incarnation)) return;',
        replace: "if (message.kind === 'update' && isFenced(state, now, from, incarnation)) return;",
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/late-word-of-a-dead-process.txt' },
  },
  {
    number: '11',
    name: 'PREPARED before fsync',
    edits: [
      {
        file: 'src/core/onCheckpointRound.ts',
        find: "promised: state.promised, have: buildHave(state, 'whole') },\n    'durable',",
        replace: "promised: state.promised, have: buildHave(state, 'whole') },\n    'committed',",
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/answer-before-the-flush.txt' },
  },
  {
    // Its own incarnation is compared by the coordinator once more; that of a third member by nobody else.
    number: '12',
    name: 'incarnation mismatch ignored in PREPARE',
    edits: [
      {
        file: 'src/core/onCheckpointRound.ts',
        find: 'if (isOutdated || named.get(state.self.id) !== state.self.incarnation) {',
        replace: 'if (isOutdated && named.get(state.self.id) === undefined) {',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/round-that-names-a-dead-process.txt' },
  },
  {
    number: '13',
    name: "a SYNC sender's vector merged",
    edits: [
      {
        file: 'src/core/onSync.ts',
        find: "import { hasSequence } from './haveSet.ts';",
        replace: "import { addSequence, hasSequence } from './haveSet.ts';",
      },
      {
        file: 'src/core/onSync.ts',
        find: '  const recorded = recordArrived(state, now, arrived);\n',
        replace: `  const recorded = recordArrived(state, now, arrived);
  for (const { id, incarnation, contiguous } of message.have?.vector ?? []) {
    const origin = originOf(state, id, incarnation);
    for (let sequence = 1; sequence <= contiguous; sequence += 1)
      if (addSequence(origin.have, sequence)) touchOrigin(state, origin);
  }
`,
      },
      {
        file: 'src/core/onSync.ts',
        find: "import { isSettled, originOf, type PeerState } from './state.ts';",
        replace: "import { isSettled, originOf, touchOrigin, type PeerState } from './state.ts';",
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: '14',
    name: 'no tie-break',
    edits: [
      {
        file: 'src/core/apply.ts',
        find: 'compareTags(incoming, present) <= 0',
        replace: 'incoming.timestamp <= present.timestamp',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/same-millisecond.txt' },
  },
  {
    number: '15',
    name: 'ring-only contact',
    edits: [
      {
        file: 'src/core/onHeartbeat.ts',
        find: 'const contact = nextContact(state);',
        replace: 'const contact = nextContact(state) === undefined ? undefined : successor;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/bridge-between-two-rings.txt' },
  },
  {
    number: '16a',
    name: 'expiry as a hard delete',
    edits: [
      {
        file: 'src/core/onExpiryTimer.ts',
        find: "  replaceEntry(state, key, entry, { ...entry, kind: 'tombstone', value: EMPTY });",
        replace: '  dropEntry(state, key, entry);',
      },
      {
        file: 'src/core/onExpiryTimer.ts',
        find: "import { replaceEntry } from './apply.ts';",
        replace: "import { dropEntry } from './dropping.ts';",
      },
      { file: 'src/core/onExpiryTimer.ts', find: 'const EMPTY = new Uint8Array(0);\n', replace: '' },
    ],
    kill: { scenario: 'test/simulator/scenarios/expired-is-a-tombstone.txt' },
  },
  {
    number: '16b',
    name: 'an expired entry goes by its tag alone',
    edits: [
      {
        file: 'src/core/dropping.ts',
        find: "entry.kind === 'value' || Math.max(entry.timestamp, entry.expiresAt) > state.horizon",
        replace: "entry.kind === 'value' || entry.timestamp > state.horizon",
      },
    ],
    kill: { seeds: 60, options: SMALL },
  },
  {
    number: '16c',
    name: 'expired by a clock that the others contradict',
    edits: [
      {
        file: 'src/core/expiry.ts',
        find: '  if (peers.size === 0) return now.wallMs;',
        replace: '  if (peers.size >= 0) return now.wallMs;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/expiry-by-a-wrong-clock.txt' },
  },
  {
    // Trim and vector are written in one transaction, so on the disk the one cannot run ahead of the other: it is the vector itself that is passed over.
    number: '17',
    name: 'trim above the vector',
    edits: [
      {
        file: 'src/core/dropping.ts',
        find: 'const trim = Math.min(through, origin.have.contiguous);',
        replace: 'const trim = through;',
      },
      {
        file: 'src/core/dropping.ts',
        find: 'dropRows(state, origin, origin.have.contiguous - Math.floor(limit / 2));',
        replace:
          'dropRows(state, origin, (origin.have.gaps.at(-1) ?? origin.have.contiguous) - Math.floor(limit / 2));',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/trim-below-a-gap.txt' },
  },
  {
    number: '18',
    name: "an answer sent to the packet's source address",
    edits: [
      {
        file: 'src/peer/outbox.ts',
        find: 'export class Outbox {\n',
        replace: 'export class Outbox {\n  readonly sources = new Map<PeerId, PeerId>();\n',
      },
      {
        file: 'src/peer/runtime.ts',
        find: '      this.#onAuthentic(arrival,',
        replace:
          "      if (channel !== 'stream') this.#outbox.sources.set(arrival.sender, source.address as PeerId);\n      this.#onAuthentic(arrival,",
      },
      {
        file: 'src/peer/outbox.ts',
        find: 'this.#ports.transport.unicast(to, packet);',
        replace: 'this.#ports.transport.unicast(this.sources.get(to) ?? to, packet);',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: '19',
    name: "void judged by the present fence instead of the COMMIT's incarnations",
    edits: [
      {
        file: 'src/core/onCheckpointRound.ts',
        find: '  learnClosures(state, now, closures);\n  for (const { id, incarnation, trim } of known) {',
        replace: `  const byFence = closures.map((closure) => ({
    ...closure,
    closedBelow: Math.max(closure.closedBelow, state.fences.get(closure.id) ?? 0) as Incarnation,
  }));
  learnClosures(state, now, byFence);
  for (const { id, incarnation, trim } of known) {`,
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/late-commit-of-an-earlier-round.txt' },
  },
  {
    number: '20',
    name: 'ABSENT marks the dot without a synthetic tombstone',
    edits: [
      {
        file: 'src/core/onSync.ts',
        find: '  applySynthetic(state, record.key, syntheticTombstone(record.horizon));\n',
        replace:
          '  if (record.horizon < 0) applySynthetic(state, record.key, syntheticTombstone(record.horizon));\n',
      },
    ],
    kill: { first: 32, seeds: 200, options: { ...SMALL, requests: 3 } },
  },
  {
    number: '21a',
    name: "a checkpoint without the donor's clock",
    edits: [
      {
        file: 'src/core/buildCheckpoint.ts',
        find: `    clock: state.clock,
    promised: state.promised,
`,
        replace: `    clock: 0 as Timestamp,
    promised: 0 as Timestamp,
`,
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/checkpoint-brings-the-clock.txt' },
  },
  {
    // What of a finished round makes void is in its closures (21c). A horizon that waits may be adopted or not, to the harm of nobody: without it the tombstones stay until the next round.
    number: '21b',
    name: 'a checkpoint without the horizons that wait',
    edits: [
      {
        file: 'src/core/buildCheckpoint.ts',
        find: '    pending: state.pending,\n',
        replace: '    pending: [],\n',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/horizon-waits-over-a-join.txt' },
  },
  {
    number: '21c',
    name: 'a checkpoint without what finished rounds closed',
    edits: [
      {
        file: 'src/core/buildCheckpoint.ts',
        find: "    have: buildHave(state, 'whole'),\n    horizon",
        replace: "    have: { ...buildHave(state, 'whole'), closures: [] },\n    horizon",
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/join-after-a-fold.txt' },
  },
  {
    number: '22',
    name: 'a checkpoint joined chunk by chunk',
    edits: [
      {
        file: 'src/core/join.ts',
        find: "if (state.phase !== 'member') {\n    joinSlice",
        replace: "if (state.phase !== 'forgotten') {\n    joinSlice",
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/member-joins-at-once.txt' },
  },
];
