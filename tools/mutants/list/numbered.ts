/**
 * The mutants that protocol.md, section 11 numbers, as far as their rules are built.
 *
 * Not here yet, for want of rounds, checkpoints and expiry: 1 to 4, 6 to 8, 10 to 12, 16, 17, 19 to 22.
 */
import type { Mutant } from '../mutant.ts';
import { SMALL } from '../mutant.ts';

export const NUMBERED: readonly Mutant[] = [
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
    number: '9',
    name: 'index reuse after a crash',
    edits: [
      {
        file: 'src/core/state.ts',
        find: 'const incarnation = drawIncarnation(now.wallMs, incarnations.get(id) ?? 0, options.random);',
        replace:
          'const incarnation = incarnations.get(id) ?? drawIncarnation(now.wallMs, 0, options.random);',
      },
      {
        file: 'src/core/state.ts',
        find: 'const own = createOriginState({ id, incarnation });',
        replace:
          'const own = origins.get(originKey(id, incarnation)) ?? createOriginState({ id, incarnation });',
      },
    ],
    kill: { seeds: 100, options: SMALL },
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
        find: '  const progress = recordArrived(state, arrived);\n',
        replace: `  const progress = recordArrived(state, arrived);
  for (const { id, incarnation, contiguous } of message.vector ?? []) {
    const origin = originOf(state, id, incarnation);
    for (let sequence = 1; sequence <= contiguous; sequence += 1)
      if (addSequence(origin.have, sequence)) origin.isDirty = origin.isHashStale = true;
  }
`,
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
    number: '18',
    name: "an answer sent to the packet's source address",
    edits: [
      {
        file: 'src/peer/runtime.ts',
        find: '  readonly #waiting = new Set<Turn>();\n',
        replace: '  readonly #waiting = new Set<Turn>();\n  readonly #sources = new Map<PeerId, PeerId>();\n',
      },
      {
        file: 'src/peer/runtime.ts',
        find: '    this.#onAuthentic(opened.sender,',
        replace:
          "    if (channel !== 'stream') this.#sources.set(opened.sender, source.address as PeerId);\n    this.#onAuthentic(opened.sender,",
      },
      {
        file: 'src/peer/runtime.ts',
        find: 'this.#ports.transport.unicast(to, packet);',
        replace: 'this.#ports.transport.unicast(this.#sources.get(to) ?? to, packet);',
      },
    ],
    kill: { seeds: 100, options: SMALL },
  },
];
