/**
 * Mutants of writes that wait for other peers' disks (I12): what a member says, and whose word is counted how often.
 */
import { SMALL } from '../mutant.ts';
import type { Kill, Mutant } from '../mutant.ts';

const WAITING = 'src/core/replication.ts';
const ANSWERING = 'src/core/heldUpdates.ts';
const WITH_REPLICAS: Kill = { seeds: 40, options: { ...SMALL, replicas: 3 } };

export const REPLICATION: readonly Mutant[] = [
  {
    number: 'W1',
    name: 'HELD before what it speaks of is durable',
    edits: [
      {
        file: ANSWERING,
        find: "by: 'unicast', message, after: 'durable' });",
        replace: "by: 'unicast', message, after: 'committed' });",
      },
    ],
    kill: WITH_REPLICAS,
  },
  {
    number: 'W2',
    name: 'the own disk is counted twice',
    edits: [
      {
        file: WAITING,
        find: 'const all = [...others, replication.onOwnDisk]',
        replace: 'const all = [...others, replication.onOwnDisk, replication.onOwnDisk]',
      },
    ],
    kill: WITH_REPLICAS,
  },
  {
    number: 'W3',
    name: 'the own disk counts before it has flushed',
    edits: [
      {
        file: WAITING,
        find: 'const all = [...others, replication.onOwnDisk]',
        replace: 'const all = [...others, state.own.have.contiguous]',
      },
    ],
    kill: WITH_REPLICAS,
  },
  {
    number: 'W4',
    name: 'what a former process of a member said is counted',
    edits: [
      {
        file: WAITING,
        find: 'return held !== undefined && held.incarnation >= highestKnown(state, id) ? held.sequence : 0;',
        replace: 'return held?.sequence ?? 0;',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/former-process-of-a-member.txt' },
  },
  {
    number: 'W5',
    name: 'what is said of a former process of this peer is counted for the present one',
    edits: [
      {
        file: WAITING,
        find: 'of !== self.incarnation || incarnation < view.incarnation',
        replace: 'of > self.incarnation || incarnation < view.incarnation',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/former-process-of-the-writer.txt' },
  },
  {
    number: 'W5b',
    name: 'the own disk is not counted',
    edits: [
      {
        file: WAITING,
        find: 'const all = [...others, replication.onOwnDisk]',
        replace: 'const all = [...others, 0]',
      },
    ],
    kill: { scenario: 'test/simulator/scenarios/former-process-of-the-writer.txt' },
  },
  {
    number: 'W6',
    name: 'what is had above a gap is said to be held',
    edits: [
      {
        file: ANSWERING,
        find: 'let through = have.contiguous;',
        replace: 'let through = have.gaps.at(-1) ?? have.contiguous;',
      },
    ],
    kill: WITH_REPLICAS,
  },
];
