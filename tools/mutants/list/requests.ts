/**
 * Mutants of requests at most once (I13): what may be executed, and what is remembered of it.
 */
import { SMALL } from '../mutant.ts';
import type { Kill, Mutant } from '../mutant.ts';

const REQUESTS = 'src/core/requests.ts';
const WITH_REQUESTS: Kill = { seeds: 200, options: { ...SMALL, requests: 3 } };

export const AT_MOST_ONCE: readonly Mutant[] = [
  {
    number: 'O1',
    name: 'a retry without a record is executed',
    edits: [
      {
        file: REQUESTS,
        find: "const isNew = attempt === 'first' || (attempt !== 'again' && isProof(state, attempt));",
        replace: 'const isNew = id.length > 0;',
      },
    ],
    kill: { ...WITH_REQUESTS, first: 5 },
  },
  {
    number: 'O2',
    name: 'a ticket proves something of every process of its peer',
    edits: [
      {
        file: REQUESTS,
        find: 'const isOurs = ticket.id === self.id && ticket.incarnation === self.incarnation;',
        replace: 'const isOurs = ticket.id === self.id;',
      },
    ],
    kill: { first: 27, seeds: 200, options: { ...SMALL, requests: 6, faults: ['crashes'] } },
  },
  {
    number: 'O3',
    name: 'a ticket proves something when records have been let go of',
    edits: [
      {
        file: REQUESTS,
        find: 'return isOurs && ticket.sequence >= requestsForgotten;',
        replace: 'return isOurs;',
      },
    ],
    kill: { first: 4, seeds: 200, options: { servers: 3, minutes: 1, requests: 6 } },
  },
  {
    number: 'O4',
    name: 'the record comes after what the request changed',
    edits: [
      {
        file: REQUESTS,
        find: '[{ key: recordKey(id), value, expiresAt }, ...changes]',
        replace: '[...changes, { key: recordKey(id), value, expiresAt }]',
      },
    ],
    kill: WITH_REQUESTS,
  },
  {
    number: 'O5',
    name: 'no record is written',
    edits: [
      {
        file: REQUESTS,
        find: '[{ key: recordKey(id), value, expiresAt }, ...changes]',
        replace: '[...changes]',
      },
    ],
    kill: WITH_REQUESTS,
  },
  {
    number: 'O6',
    name: 'a record ends before its client has asked again',
    edits: [
      {
        file: REQUESTS,
        find: 'timestampOf(timeMs(state, now) + requestsKeptMs)',
        replace: 'timestampOf(timeMs(state, now) + requestsKeptMs / 200)',
      },
    ],
    kill: WITH_REQUESTS,
  },
  {
    number: 'O7',
    name: 'ids are compared by their beginnings',
    edits: [
      {
        file: 'src/core/requestRecord.ts',
        find: 'return `${HIDDEN_PREFIX}q${id}` as Key;',
        replace: 'return `${HIDDEN_PREFIX}q${id.slice(0, 11)}` as Key;',
      },
    ],
    kill: WITH_REQUESTS,
  },
  {
    number: 'O8',
    name: 'a record answers before what the request changed has come',
    edits: [
      {
        file: REQUESTS,
        find: "if (fate === 'arriving') return { kind: 'unsure', why: 'arriving' };",
        replace: '',
      },
    ],
    kill: {
      first: 7,
      seeds: 200,
      options: { servers: 2, minutes: 1, requests: 10, faults: ['links', 'partitions'] },
    },
  },
];
