/**
 * A session token as text: `s1.` and base64url, so that any client in any language can carry it (protocol.md, section 7).
 *
 * Owns the layout behind the prefix, that of a message (fieldWriter.ts): horizon, newest, tags, parts of the vector, promises. Reads untrusted text: a token comes
 * back from whoever was given it. The 1 is the layout's version.
 */
import {
  absence,
  EMPTY_SESSION,
  MAX_SESSION_PROMISES,
  MAX_SESSION_RANGES,
  MAX_SESSION_TAGS,
  relying,
  replaceParts,
  type SeenRange,
  type SeenTag,
  type SessionToken,
} from '../core/session.ts';
import { originKey, SYNTHETIC_ID } from '../core/types.ts';
import type { Key, OriginKey } from '../core/types.ts';
import {
  failReading,
  finishReading,
  openFields,
  readCount,
  readInteger,
  readKey,
  readOrigin,
  readTimestamp,
  type DecodeFault,
  type FieldReader,
} from './fieldReader.ts';
import {
  createFieldWriter,
  finishFields,
  writeInteger,
  writeKey,
  writeOrigin,
  writeTimestamp,
  type FieldWriter,
} from './fieldWriter.ts';
import { readPromises, writePromises } from './haveCodec.ts';

const PREFIX = 's1.';
const BASE64URL = /^[A-Za-z0-9_-]*$/;
/** Characters of the longest token there is, and then some. */
export const MAX_SESSION_TEXT = 16_384;
const MOST = Number.MAX_SAFE_INTEGER;
const NO_ROOM = { before: 0, after: 0 };
/** What is said of a tag beside its dot. */
const VALUE = 1;
const EXPIRES = 2;
const ABSENT = 4;

type DecodedSession =
  | { readonly ok: true; readonly token: SessionToken }
  | { readonly ok: false; readonly reason: DecodeFault | 'notAToken' | 'tooLong' };

export function encodeSession(token: SessionToken): string {
  const writer = createFieldWriter();
  writeTimestamp(writer, token.horizon);
  writeTimestamp(writer, token.newest);
  writer.integers.push(token.tags.size);
  for (const [key, seen] of token.tags) writeTag(writer, key, seen);
  writer.integers.push(token.ranges.size);
  for (const range of token.ranges.values()) writeRange(writer, range);
  writePromises(
    writer,
    Array.from(token.promises, ([id, promised]) => ({ id, promised })),
  );
  return PREFIX + finishFields(writer, NO_ROOM, (size) => Buffer.allocUnsafe(size)).toString('base64url');
}

/** Never throws, whatever the text says. */
export function decodeSession(text: string): DecodedSession {
  if (text.length > MAX_SESSION_TEXT) return { ok: false, reason: 'tooLong' };
  const body = text.slice(PREFIX.length);
  if (!text.startsWith(PREFIX) || !BASE64URL.test(body)) return { ok: false, reason: 'notAToken' };
  const reader = openFields(Buffer.from(body, 'base64url'));
  if (typeof reader === 'string') return { ok: false, reason: reader };
  const horizon = readTimestamp(reader);
  const newest = readTimestamp(reader);
  const tags = new Map<Key, SeenTag>();
  for (let left = readCount(reader, MAX_SESSION_TAGS, 3); left > 0 && reader.fault === undefined; left -= 1) {
    const key = readKey(reader);
    if (tags.has(key)) failReading(reader, 'duplicate');
    tags.set(key, readTag(reader));
  }
  const ranges = new Map<OriginKey, SeenRange>();
  for (
    let left = readCount(reader, MAX_SESSION_RANGES, 4);
    left > 0 && reader.fault === undefined;
    left -= 1
  ) {
    const range = readRange(reader);
    const key = originKey(range.id, range.incarnation);
    if (ranges.has(key)) failReading(reader, 'duplicate');
    ranges.set(key, range);
  }
  const promises = readPromises(reader, MAX_SESSION_PROMISES);
  const reason = finishReading(reader);
  if (reason !== undefined) return { ok: false, reason };
  const demanded = replaceParts({ ...EMPTY_SESSION, horizon, newest }, tags, ranges);
  return {
    ok: true,
    token: relying(
      demanded,
      promises.map(({ id, promised }) => [id, promised]),
    ),
  };
}

function writeTag(writer: FieldWriter, key: Key, seen: SeenTag): void {
  writeKey(writer, key);
  const isAbsent = seen.id === SYNTHETIC_ID;
  writer.integers.push(
    (seen.isValue ? VALUE : 0) | (seen.expiresAt === 0 ? 0 : EXPIRES) | (isAbsent ? ABSENT : 0),
  );
  writeTimestamp(writer, seen.timestamp);
  if (isAbsent) return;
  writeOrigin(writer, seen);
  writeInteger(writer, seen.sequence);
  if (seen.expiresAt !== 0) writeInteger(writer, seen.expiresAt);
}

function readTag(reader: FieldReader): SeenTag {
  const flags = readInteger(reader, 0, VALUE | EXPIRES | ABSENT);
  const timestamp = readTimestamp(reader);
  if ((flags & ABSENT) !== 0) {
    if (flags !== ABSENT) failReading(reader, 'badNumber');
    return absence(timestamp);
  }
  const { id, incarnation } = readOrigin(reader);
  const sequence = readInteger(reader, 1, MOST);
  const expiresAt = (flags & EXPIRES) === 0 ? 0 : readInteger(reader, 1, MOST);
  return { timestamp, id, incarnation, sequence, isValue: (flags & VALUE) !== 0, expiresAt };
}

function writeRange(writer: FieldWriter, { seen, through, timestamp, ...origin }: SeenRange): void {
  writeOrigin(writer, origin);
  writeInteger(writer, through);
  writeTimestamp(writer, timestamp);
  writer.integers.push(seen === undefined ? 0 : 1);
  if (seen === undefined) return;
  writeInteger(writer, seen[0]);
  writeInteger(writer, seen[1]);
}

function readRange(reader: FieldReader): SeenRange {
  const { id, incarnation } = readOrigin(reader);
  const through = readInteger(reader, 0, MOST);
  const timestamp = readTimestamp(reader);
  if (readInteger(reader, 0, 1) === 0) return { id, incarnation, through, timestamp, seen: undefined };
  const from = readInteger(reader, 1, MOST);
  return { id, incarnation, through, timestamp, seen: [from, readInteger(reader, from, MOST)] };
}
