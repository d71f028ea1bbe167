/**
 * FETCH and FETCHED: a question about one key, and what a member holds of it (core/quorum.ts).
 *
 * Owns their layouts; records are syncCodec.ts's. As there, the synthetic id never travels: the tag of what is gone is a timestamp alone. A record is of the
 * question's key and says it, so a question with one does not say it twice.
 */
import { SYNTHETIC_ID } from '../core/types.ts';
import type { Incarnation, Tag } from '../core/types.ts';
import type { FetchedMessage, FetchMessage, SyncRecord } from '../core/messages.ts';
import { writeInteger, writeKey, writeOrigin, writeTimestamp } from './fieldWriter.ts';
import type { FieldWriter } from './fieldWriter.ts';
import { failReading, readInteger, readKey, readOrigin, readTimestamp } from './fieldReader.ts';
import type { FieldReader } from './fieldReader.ts';
import { readRecord, writeRecord } from './syncCodec.ts';

const MAX_32_BITS = 0xffff_ffff;
const MOST = Number.MAX_SAFE_INTEGER;

const RECORD = 1;
const TAG_ALONE = 2;
const TAG = 2;
/** The tag is of an update, and not of what is gone. */
const DOT = 4;
const NO_INCARNATION = 0 as Incarnation;

function hasDot({ id }: Tag): boolean {
  return id !== SYNTHETIC_ID;
}

function writeTag(writer: FieldWriter, tag: Tag): void {
  writeTimestamp(writer, tag.timestamp);
  if (!hasDot(tag)) return;
  writeOrigin(writer, tag);
  writeInteger(writer, tag.sequence);
}

function readTag(reader: FieldReader, isOfDot: boolean): Tag {
  const timestamp = readTimestamp(reader);
  if (!isOfDot) return { timestamp, id: SYNTHETIC_ID, incarnation: NO_INCARNATION, sequence: 0 };
  const { id, incarnation } = readOrigin(reader);
  return { timestamp, id, incarnation, sequence: readInteger(reader, 1, MOST) };
}

export function writeFetch(writer: FieldWriter, message: FetchMessage): void {
  const { number, membershipHash, key, tag, wants, record } = message;
  if (record !== undefined && record.key !== key) throw new Error('a record of another key');
  writeInteger(writer, number);
  writeInteger(writer, membershipHash);
  writer.integers.push(
    (record === undefined ? 0 : RECORD) | (wants === 'tag' ? TAG_ALONE : 0) | (hasDot(tag) ? DOT : 0),
  );
  writeTag(writer, tag);
  if (record === undefined) writeKey(writer, key);
  else writeRecord(writer, record);
}

export function readFetch(reader: FieldReader): FetchMessage {
  const number = readInteger(reader, 1, MOST);
  const membershipHash = readInteger(reader, 0, MAX_32_BITS);
  const flags = readInteger(reader, 0, RECORD | TAG_ALONE | DOT);
  const tag = readTag(reader, (flags & DOT) !== 0);
  const wants = (flags & TAG_ALONE) === 0 ? 'record' : 'tag';
  const about = { kind: 'fetch', number, membershipHash, tag, wants } as const;
  if ((flags & RECORD) === 0) return { ...about, key: readKey(reader) };
  const record: SyncRecord = readRecord(reader);
  return { ...about, key: record.key, record };
}

export function writeFetched(writer: FieldWriter, message: FetchedMessage): void {
  const { asker, number, membershipHash, tag, record } = message;
  if (tag === undefined && record !== undefined) throw new Error('a record without its tag');
  writeInteger(writer, asker);
  writeInteger(writer, number);
  writeInteger(writer, membershipHash);
  writer.integers.push(
    (record === undefined ? 0 : RECORD) |
      (tag === undefined ? 0 : TAG) |
      (tag !== undefined && hasDot(tag) ? DOT : 0),
  );
  if (tag !== undefined) writeTag(writer, tag);
  if (record !== undefined) writeRecord(writer, record);
}

export function readFetched(reader: FieldReader): FetchedMessage {
  const asker = readInteger(reader, 1, MOST) as Incarnation;
  const number = readInteger(reader, 1, MOST);
  const membershipHash = readInteger(reader, 0, MAX_32_BITS);
  const flags = readInteger(reader, 0, RECORD | TAG | DOT);
  const about = { kind: 'fetched', asker, number, membershipHash } as const;
  if ((flags & TAG) === 0) {
    if (flags !== 0) failReading(reader, 'badNumber');
    return about;
  }
  const told = { ...about, tag: readTag(reader, (flags & DOT) !== 0) };
  return (flags & RECORD) === 0 ? told : { ...told, record: readRecord(reader) };
}
