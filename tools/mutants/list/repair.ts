/**
 * Mutants of R4 (receive), R5 (serve), section 5 (repair) and section 8 (drift), and of the limits: what a peer takes, what it
 * gives, and that it gets everywhere; and of sections 3 and 6, who is live.
 */
import type { Mutant } from '../mutant.ts';
import { SMALL } from '../mutant.ts';

export const REPAIR: readonly Mutant[] = [
  {
    number: 'R4',
    name: 'the last to arrive wins',
    edits: [
      {
        file: 'src/core/apply.ts',
        find: 'compareTags(incoming, present) <= 0',
        replace: 'compareTags(incoming, present) === 0',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R5',
    name: 'relabelled winner',
    edits: [
      {
        file: 'src/core/buildSync.ts',
        find: "      kind: 'entry',\n      key,\n      timestamp,\n      id,\n      incarnation,\n      sequence,\n",
        replace: `      kind: 'entry',
      key,
      timestamp,
      id: covers[0]?.id ?? id,
      incarnation: covers[0]?.incarnation ?? incarnation,
      sequence: covers[0]?.ranges[0]?.[0] ?? sequence,
`,
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R5b',
    name: "the winner's own dot not marked",
    edits: [
      {
        file: 'src/core/onSync.ts',
        find: '  applyEntry(state, key, entry);\n  noteArrived(arrived, origin, sequence, key);\n',
        replace: '  applyEntry(state, key, entry);\n',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R5c',
    name: "a winner's dot refused for want of room",
    edits: [
      {
        file: 'src/core/onSync.ts',
        find: 'recorded += recordDots(state, origin, dots);',
        replace:
          'for (const dot of dots) if (hasRoomFor(state, origin, dot.sequence)) recorded += recordDots(state, origin, [dot]);',
      },
    ],
    kill: { seeds: 200, options: SMALL },
  },
  {
    number: 'R5d',
    name: 'a vector that claims what lies above a gap',
    edits: [
      {
        file: 'src/core/state.ts',
        find: 'vector.push({ id, incarnation, contiguous: have.contiguous, gaps, trim });',
        replace: 'vector.push({ id, incarnation, contiguous: lastSequenceOf(have), gaps: [], trim });',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R5e',
    name: 'a repair that covers a dot in between as well',
    edits: [
      {
        file: 'src/core/buildSync.ts',
        find: 'sequence <= last[1] + 1',
        replace: 'sequence <= last[1] + 2',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'R5f',
    name: 'answers that always begin with what must be refused',
    edits: [
      {
        file: 'src/core/lacked.ts',
        find: 'const begin = Math.floor(state.random() * origins.length);',
        replace: 'const begin = Math.floor(state.random());',
      },
      {
        file: 'src/core/lacked.ts',
        find: 'if (!isAnyEarly || timestampOf(state, dot) <= latest) yield dot;',
        replace: 'if (!isAnyEarly || timestampOf(state, dot) > 0) yield dot;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/refused-records-first.txt' },
  },
  {
    number: 'R5g',
    name: 'what is ahead of most clocks kept back',
    edits: [
      {
        file: 'src/core/lacked.ts',
        find: '  yield* early.slice(0, MAX_EARLY);\n',
        replace: '',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/ahead-for-most.txt' },
  },
  {
    number: 'R5h',
    name: 'what arrives never ages: HEARTBEAT leaves it to NAK for as long as its origin is heard',
    edits: [
      {
        file: 'src/core/state.ts',
        find: '  state.young.add(origin);\n',
        replace: '',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/heartbeat-alone.txt' },
  },
  {
    number: 'S3',
    name: 'a KEEPALIVE that announces an update not yet issued',
    edits: [
      {
        file: 'src/core/onKeepalive.ts',
        find: 'lastSequence: state.own.have.contiguous,',
        replace: 'lastSequence: state.own.have.contiguous + 1,',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'S5',
    name: 'no anti-entropy: NAK alone',
    edits: [
      {
        file: 'src/core/onHeartbeat.ts',
        find: 'export function sendHeartbeat(state: PeerState, to: PeerId): void {\n',
        replace:
          "export function sendHeartbeat(state: PeerState, to: PeerId): void {\n  if (to !== '') return;\n",
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
  {
    number: 'S5b',
    name: 'no NAK: anti-entropy alone',
    edits: [
      {
        file: 'src/core/gaps.ts',
        find: 'if (ranges.length > 0) sendNak(state, now, origin, ranges);',
        replace: 'if (ranges.length < 0) sendNak(state, now, origin, ranges);',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/nak-alone.txt' },
  },
  {
    number: 'S8',
    name: 'drift limit ignored',
    edits: [
      {
        file: 'src/core/apply.ts',
        find: 'return timestamp > latestCredible(state, now);',
        replace: 'return timestamp > latestCredible(state, now) + Infinity;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/clock-ahead-alone.txt' },
  },
  {
    number: 'S8b',
    name: 'own writes taken that nobody would take',
    edits: [
      {
        file: 'src/core/write.ts',
        find: 'if (!isStampAhead(state, now)) return undefined;',
        replace: 'if (!isStampAhead(state, now) || now.wallMs > 0) return undefined;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/fast-clock.txt' },
  },
  {
    number: 'S8c',
    name: 'a record refused, its dots recorded',
    edits: [
      {
        file: 'src/core/onSync.ts',
        find: '    return false; // section 8: refused whole',
        replace: `    for (const { id, incarnation, ranges } of record.covers)
      for (const [first, last] of ranges)
        for (let sequence = first; sequence <= last; sequence += 1)
          noteArrived(arrived, originOf(state, id, incarnation), sequence, record.key);
    return false; // section 8: refused whole`,
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/clock-ahead-alone.txt' },
  },
  {
    number: 'I14',
    name: 'repairs without a cap',
    edits: [
      {
        file: 'src/core/onNak.ts',
        find: 'limits.maxPendingRepairs - pendingCount(state.repairs)',
        replace: 'limits.maxNakDots + pendingCount(state.repairs)',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/nak-alone.txt' },
  },
  {
    number: 'I14b',
    name: 'an answer in datagrams without a cap',
    edits: [
      {
        file: 'src/core/buildSync.ts',
        find: 'if (bytes + recordBytes > budgetBytes) {',
        replace: 'if (bytes > budgetBytes) {',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/middle-sized-values.txt' },
  },
  {
    number: 'L1',
    name: 'a word said before LEAVING, and overtaken by it, revives',
    edits: [
      {
        file: 'src/core/liveness.ts',
        find: 'if (view.hasLeft && incarnation <= view.incarnation) return',
        replace: 'view.hasLeft = false;\n  if (view.hasLeft) return',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/word-before-leaving.txt' },
  },
  {
    number: 'L2',
    name: 'LEAVING of an earlier process counts for the one that is there',
    edits: [
      { file: 'src/core/leaving.ts', find: 'if (incarnation < view.incarnation) {', replace: 'if (false) {' },
    ],
    kill: { scenario: 'test/simulator/scenarios/leaving-of-an-earlier-process.txt' },
  },
  {
    number: 'L3',
    name: 'the next process of who has left is not live',
    edits: [{ file: 'src/core/liveness.ts', find: '    view.hasLeft = false;\n', replace: '' }],
    kill: { seeds: 100, options: { ...SMALL, faults: ['stops'] } },
  },
  {
    number: 'L4',
    name: 'goes on talking after LEAVING',
    edits: [
      {
        file: 'src/peer/outbox.ts',
        find: '    this.close();\n    return words;',
        replace: '    return words;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/leaving-is-the-last-word.txt' },
  },
  {
    number: 'L5',
    name: 'LEAVING said before the last updates',
    edits: [
      {
        file: 'src/peer/leaving.ts',
        find: '  settle(speak);\n',
        replace: '  speak();\n  settle(speak);\n',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/clean-stop.txt' },
  },
];
