/**
 * Mutants of messages on channels: told twice, out of order, to who was not there; or not repaired.
 */
import { SMALL } from '../mutant.ts';
import type { Kill, Mutant } from '../mutant.ts';

const LISTENING = 'src/core/onPublish.ts';
const PUBLISHING = 'src/core/publishing.ts';
/** Packets are lost, repeated and disordered, and nothing else is wrong. */
const LOSS_ALONE: Kill = { seeds: 40, options: { servers: 3, minutes: 0.2, faults: [], publishers: 2 } };
const WITH_RESTARTS: Kill = { seeds: 40, options: { ...SMALL, faults: ['crashes', 'links'], publishers: 2 } };

export const PUBLISH: readonly Mutant[] = [
  {
    number: 'P1',
    name: 'a message that has come before is told again',
    edits: [
      {
        file: LISTENING,
        find: 'if (sequence < feed.next || feed.waiting.has(sequence)) {',
        replace: 'if (feed.waiting.has(sequence)) {',
      },
    ],
    kill: LOSS_ALONE,
  },
  {
    number: 'P2',
    name: 'a message is told as it comes, whatever is missing before it',
    edits: [{ file: LISTENING, find: 'if (sequence > feed.next) {', replace: 'if (sequence < 0) {' }],
    kill: LOSS_ALONE,
  },
  {
    number: 'P3',
    name: 'what is missing is not said again',
    edits: [{ file: PUBLISHING, find: 'addRepair(publishing.wanted, own.key, at, from);', replace: '' }],
    kill: LOSS_ALONE,
  },
  {
    number: 'P4',
    name: 'who begins to listen is told what was published before',
    edits: [
      {
        file: LISTENING,
        find: 'now.monotonicMs - beganMs >= message.oldestAgeMs + UNDER_WAY_MS;',
        replace: 'beganMs >= 0;',
      },
    ],
    kill: WITH_RESTARTS,
  },
];
