/**
 * TOPOSPHERE DOCTOR, DIGESTS and MARKS: what `toposphere doctor` asks a peer.
 *
 * Owns the words and the shapes of these replies. What is measured, and how a range is divided, is the peer's. All three only read; a reply is an
 * array without nesting, so that any client can take it. Invariant: counts are bounded before anything is read for them.
 */
import { ToposphereError } from '../core/errors.ts';
import type { Key } from '../core/types.ts';
import type { DigestRange, EntryMark, PartDigest } from '../peer/backend.ts';
import type { Command } from './command.ts';
import { argumentKey, argumentText, LOCAL_TO_PEER, NO_KEYS, readInteger } from './command.ts';
import type { ReplyWriter } from './reply.ts';
import type { Request } from './requestParser.ts';

/** Parts, or bounds, of one TOPOSPHERE DIGESTS. */
export const PARTS_LIMIT = 1024;
/** Entries of one TOPOSPHERE MARKS. */
export const MARKS_LIMIT = 1000;

/** Where the words that say how to divide begin. */
const FIRST_WORD = 5;

const ADMIN = {
  flags: ['admin', 'noscript', 'loading', 'stale'],
  group: 'server',
  keys: NO_KEYS,
} as const;

export const examineSubcommands: readonly Command[] = [
  {
    ...ADMIN,
    name: 'toposphere|doctor',
    arity: 2,
    syntax: '',
    summary: 'Measure this machine and its surroundings, as JSON: disk, buffers, interface, who is heard how',
    partition: LOCAL_TO_PEER,
    run: async ({ backend }) => {
      const examination = await backend.examine();
      return (reply) => {
        reply.bulkUtf8(JSON.stringify(examination));
      };
    },
  },
  {
    ...ADMIN,
    name: 'toposphere|digests',
    arity: -6,
    syntax: 'from before above parts|AT [bound ...]',
    summary:
      'Hash what lies between two keys, part by part: TOPOSPHERE DIGESTS from|"" before|"" above parts|AT bound...',
    partition: 'As DIGEST: parts differ while a cut keeps updates from one of two peers.',
    run: async ({ backend }, request) => {
      const range = readRange(request);
      const word = argumentText(request, FIRST_WORD);
      const parts =
        word.toLowerCase() === 'at'
          ? await backend.digestParts(range, readBounds(request))
          : await backend.divideRange(range, readCount(word, PARTS_LIMIT));
      return (reply) => {
        writeParts(reply, parts);
      };
    },
  },
  {
    ...ADMIN,
    name: 'toposphere|marks',
    arity: 6,
    syntax: 'from before above count',
    summary:
      'List keys with tag, kind and hash, without values: TOPOSPHERE MARKS from|"" before|"" above count',
    partition: 'Tells what this peer holds.',
    run: async ({ backend }, request) => {
      const count = readCount(argumentText(request, FIRST_WORD), MARKS_LIMIT);
      const marks = await backend.markRange(readRange(request), count);
      return (reply) => {
        writeMarks(reply, marks);
      };
    },
  },
];

function readRange(request: Request): DigestRange {
  const above = readInteger(argumentText(request, 4));
  if (above === undefined || above < 0)
    throw new ToposphereError('BAD_ARGUMENT', 'above is a timestamp, a whole number from 0');
  const [from, before] = [2, 3].map((at): Key | undefined => {
    const key = argumentKey(request, at);
    return key === '' ? undefined : key;
  });
  return { from, before, above };
}

function readCount(text: string, limit: number): number {
  const count = readInteger(text);
  if (count !== undefined && count >= 1 && count <= limit) return count;
  throw new ToposphereError('BAD_ARGUMENT', `the last word is a whole number from 1 to ${limit}`);
}

function readBounds(request: Request): readonly Key[] {
  const count = request.count - FIRST_WORD - 1;
  if (count < 1 || count > PARTS_LIMIT)
    throw new ToposphereError('BAD_ARGUMENT', `AT is followed by 1 to ${PARTS_LIMIT} bounds`);
  return Array.from({ length: count }, (_, at) => argumentKey(request, FIRST_WORD + 1 + at));
}

/** Three elements a part: where it begins, its hash, its number of keys. */
function writeParts(reply: ReplyWriter, parts: readonly PartDigest[]): void {
  reply.array(3 * parts.length);
  for (const { from, digest, count } of parts) {
    reply.bulkText(from);
    reply.bulkText(digest);
    reply.integer(count);
  }
}

/** Four elements an entry: key, kind, tag (timestamp, id, incarnation, sequence, expiry, with blanks between), hash. */
function writeMarks(reply: ReplyWriter, marks: readonly EntryMark[]): void {
  reply.array(4 * marks.length);
  for (const { key, kind, timestamp, id, incarnation, sequence, expiresAt, digest } of marks) {
    reply.bulkText(key);
    reply.bulkText(kind);
    reply.bulkUtf8(`${timestamp} ${id} ${incarnation} ${sequence} ${expiresAt}`);
    reply.bulkText(digest);
  }
}
