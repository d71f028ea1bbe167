/**
 * Messages to bytes and back, one pair of functions a kind.
 *
 * Owns the layout of every message (fieldWriter.ts says how fields become bytes). Leaves the outside of a
 * packet, who sent it and whether it was damaged, to envelope.ts, and the meaning to the core. Keeps the
 * core's promise: what `decodeMessage` lets through has every count, length, range and type in
 * bounds, shares no memory with the packet, and no bytes whatever make it throw.
 */
import { assertNever } from '../core/types.ts';
import type { Incarnation } from '../core/types.ts';
import type {
  HeartbeatMessage,
  HeldMessage,
  Message,
  MessageKind,
  NakMessage,
  PullMessage,
  UpdateMessage,
  UpdateRecord,
} from '../core/messages.ts';
import {
  createFieldWriter,
  finishFields,
  writeInteger,
  writeKey,
  writeOrigin,
  writeRanges,
  writeTimestamp,
  writeValue,
} from './fieldWriter.ts';
import type { FieldWriter, Room } from './fieldWriter.ts';
import {
  failReading,
  finishReading,
  openFields,
  readCount,
  readInteger,
  readKey,
  readOrigin,
  readRanges,
  readTimestamp,
  readValue,
} from './fieldReader.ts';
import type { DecodeFault, FieldReader } from './fieldReader.ts';
import { readCatchUp, readSync, writeCatchUp, writeSync } from './syncCodec.ts';
import { readFetch, readFetched, writeFetch, writeFetched } from './quorumCodec.ts';
import { readHave, readMembers, writeHave, writeMembers } from './haveCodec.ts';
import { readKeepalive, writeKeepalive } from './keepaliveCodec.ts';
import { readMiss, readPublish, writeMiss, writePublish } from './publishCodec.ts';
import { readCheckpoint, writeCheckpoint } from './checkpointCodec.ts';
import {
  readAlarm,
  readCommit,
  readFenced,
  readPrepare,
  readPrepared,
  readRefuse,
  writeAlarm,
  writeCommit,
  writeFenced,
  writePrepare,
  writePrepared,
  writeRefuse,
} from './roundCodec.ts';
import { MAX_RECORDS_PER_MESSAGE, MAX_VALUE_BYTES } from './limits.ts';

type DecodeResult =
  { readonly ok: true; readonly message: Message } | { readonly ok: false; readonly reason: DecodeFault };

/** First integer of a message. Numbers are never reused for another kind or another layout. */
const KIND_NUMBERS: Readonly<Record<MessageKind, number>> = {
  update: 1,
  keepalive: 2,
  heartbeat: 3,
  sync: 4,
  nak: 5,
  prepare: 6,
  prepared: 7,
  refuse: 8,
  commit: 9,
  join: 10,
  checkpoint: 11,
  fenced: 12,
  alarm: 13,
  pull: 14,
  leaving: 15,
  ask: 16,
  held: 17,
  fetch: 18,
  fetched: 19,
  publish: 20,
  miss: 21,
};
const KINDS = new Map(Object.entries(KIND_NUMBERS).map(([kind, number]) => [number, kind as MessageKind]));

const HAVE = 1;
const MEMBERS = 2;

const TOMBSTONE = 1;
const EXPIRES = 2;
const REFERENCE = 4;
const LEAST_UPDATE_INTEGERS = 4;
const NO_BYTES = new Uint8Array(0);

const NO_ROOM: Room = { before: 0, after: 0 };
const allocateAnew = (sizeBytes: number): Buffer => Buffer.allocUnsafe(sizeBytes);

/**
 * The message's bytes, and `room` around them, in memory that `allocate` gives for them: of its own when left out. Throws on a message that no peer would
 * accept: a fault of our own.
 */
export function encodeMessage(message: Message, room = NO_ROOM, allocate = allocateAnew): Buffer {
  const writer = createFieldWriter();
  writer.integers.push(KIND_NUMBERS[message.kind]);
  switch (message.kind) {
    case 'update':
      writeUpdate(writer, message);
      break;
    case 'keepalive':
      writeKeepalive(writer, message);
      break;
    case 'heartbeat':
      writeHeartbeat(writer, message);
      break;
    case 'sync':
      writeSync(writer, message);
      break;
    case 'nak':
      writeOrigin(writer, message.origin);
      writeRanges(writer, message.ranges, 0);
      break;
    case 'pull':
      writeCatchUp(writer, message);
      writer.integers.push(message.have === undefined ? 0 : HAVE);
      if (message.have !== undefined) writeHave(writer, message.have);
      break;
    case 'prepare':
      writePrepare(writer, message);
      break;
    case 'prepared':
      writePrepared(writer, message);
      break;
    case 'refuse':
      writeRefuse(writer, message);
      break;
    case 'commit':
      writeCommit(writer, message);
      break;
    case 'join':
      writeInteger(writer, message.snapshot);
      writeInteger(writer, message.part);
      break;
    case 'checkpoint':
      writeCheckpoint(writer, message);
      break;
    case 'fenced':
      writeFenced(writer, message);
      break;
    case 'alarm':
      writeAlarm(writer, message);
      break;
    case 'leaving': // which process it is the envelope says
      break;
    case 'fetch':
      writeFetch(writer, message);
      break;
    case 'fetched':
      writeFetched(writer, message);
      break;
    case 'ask':
      writeInteger(writer, message.sequence);
      break;
    case 'held':
      writeInteger(writer, message.of);
      writeInteger(writer, message.sequence);
      break;
    case 'publish':
      writePublish(writer, message);
      break;
    case 'miss':
      writeMiss(writer, message);
      break;
    default:
      assertNever(message);
  }
  return finishFields(writer, room, allocate);
}

/** The message that `bytes` hold, or why they hold none. Never throws; the result shares no memory with `bytes`. */
export function decodeMessage(bytes: Uint8Array): DecodeResult {
  const reader = openFields(bytes);
  if (typeof reader === 'string') return { ok: false, reason: reader };
  const kind = KINDS.get(readInteger(reader, 0, Number.MAX_SAFE_INTEGER));
  if (kind === undefined) return { ok: false, reason: 'unknownKind' };
  const message = readMessage(reader, kind);
  const fault = finishReading(reader);
  return fault === undefined ? { ok: true, message } : { ok: false, reason: fault };
}

/** For a capture: which kind of message begins here, without decoding it. */
export function peekKind(payload: Uint8Array): MessageKind | undefined {
  const head = payload[0] ?? 0;
  const kindAt = head === 0xdc ? 3 : head === 0xdd ? 5 : 1;
  return KINDS.get(payload[kindAt] ?? 0);
}

function readMessage(reader: FieldReader, kind: MessageKind): Message {
  switch (kind) {
    case 'update':
      return readUpdate(reader);
    case 'keepalive':
      return readKeepalive(reader);
    case 'heartbeat':
      return readHeartbeat(reader);
    case 'sync':
      return readSync(reader);
    case 'nak':
      return readNak(reader);
    case 'pull':
      return readPull(reader);
    case 'prepare':
      return readPrepare(reader);
    case 'prepared':
      return readPrepared(reader);
    case 'refuse':
      return readRefuse(reader);
    case 'commit':
      return readCommit(reader);
    case 'join':
      return {
        kind: 'join',
        snapshot: readInteger(reader, 0, Number.MAX_SAFE_INTEGER),
        part: readInteger(reader, 0, Number.MAX_SAFE_INTEGER),
      };
    case 'checkpoint':
      return readCheckpoint(reader);
    case 'fenced':
      return readFenced(reader);
    case 'alarm':
      return readAlarm(reader);
    case 'leaving':
      return { kind };
    case 'fetch':
      return readFetch(reader);
    case 'fetched':
      return readFetched(reader);
    case 'ask':
      return { kind, sequence: readInteger(reader, 1, Number.MAX_SAFE_INTEGER) };
    case 'held':
      return readHeld(reader);
    case 'publish':
      return readPublish(reader);
    case 'miss':
      return readMiss(reader);
    default:
      return assertNever(kind);
  }
}

function writeUpdate(writer: FieldWriter, { records }: UpdateMessage): void {
  writer.integers.push(records.length);
  let sequence = 0;
  for (const record of records) {
    if (record.sequence <= sequence)
      throw new Error(`updates not in order: ${record.sequence} after ${sequence}`);
    const isTombstone = record.kind === 'tombstone';
    const { referenceBytes } = record;
    if ((isTombstone || referenceBytes !== undefined) && record.value.length > 0) {
      throw new Error('a tombstone or a reference carries no value');
    }
    writer.integers.push(
      (isTombstone ? TOMBSTONE : 0) |
        (record.expiresAt === 0 ? 0 : EXPIRES) |
        (referenceBytes === undefined ? 0 : REFERENCE),
    );
    writeInteger(writer, record.sequence - sequence);
    sequence = record.sequence;
    writeTimestamp(writer, record.timestamp);
    writeKey(writer, record.key);
    if (record.expiresAt !== 0) writeInteger(writer, record.expiresAt);
    if (referenceBytes !== undefined) writeInteger(writer, referenceBytes);
    else if (!isTombstone) writeValue(writer, record.value);
  }
}

function readUpdate(reader: FieldReader): UpdateMessage {
  const count = readCount(reader, MAX_RECORDS_PER_MESSAGE, LEAST_UPDATE_INTEGERS);
  const records: UpdateRecord[] = [];
  let previous = 0;
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const flags = readInteger(reader, 0, TOMBSTONE | EXPIRES | REFERENCE);
    const isTombstone = (flags & TOMBSTONE) !== 0;
    const isReference = (flags & REFERENCE) !== 0;
    if (isTombstone && isReference) failReading(reader, 'badNumber');
    const sequence = previous + readInteger(reader, 1, Number.MAX_SAFE_INTEGER);
    if (sequence > Number.MAX_SAFE_INTEGER) failReading(reader, 'badNumber');
    previous = sequence;
    const timestamp = readTimestamp(reader);
    const key = readKey(reader);
    const expiresAt = (flags & EXPIRES) === 0 ? 0 : readInteger(reader, 1, Number.MAX_SAFE_INTEGER);
    const kind = isTombstone ? 'tombstone' : 'value';
    if (isReference) {
      const referenceBytes = readInteger(reader, 0, MAX_VALUE_BYTES);
      records.push({ sequence, key, timestamp, kind, expiresAt, value: NO_BYTES, referenceBytes });
    } else {
      const value = isTombstone ? NO_BYTES : readValue(reader);
      records.push({ sequence, key, timestamp, kind, expiresAt, value });
    }
  }
  return { kind: 'update', records };
}

function writeHeartbeat(writer: FieldWriter, { vectorHash, have, members }: HeartbeatMessage): void {
  writeInteger(writer, vectorHash);
  writer.integers.push((have === undefined ? 0 : HAVE) | (members === undefined ? 0 : MEMBERS));
  if (have !== undefined) writeHave(writer, have);
  if (members !== undefined) writeMembers(writer, members);
}

function readHeartbeat(reader: FieldReader): HeartbeatMessage {
  const vectorHash = readInteger(reader, 0, Number.MAX_SAFE_INTEGER);
  const flags = readInteger(reader, 0, HAVE | MEMBERS);
  const have = (flags & HAVE) === 0 ? {} : { have: readHave(reader) };
  const members = (flags & MEMBERS) === 0 ? {} : { members: readMembers(reader) };
  return { kind: 'heartbeat', vectorHash, ...have, ...members };
}

function readPull(reader: FieldReader): PullMessage {
  const part = readCatchUp(reader);
  const have = (readInteger(reader, 0, HAVE) & HAVE) === 0 ? {} : { have: readHave(reader) };
  return { kind: 'pull', ...part, ...have };
}

function readHeld(reader: FieldReader): HeldMessage {
  const of = readInteger(reader, 1, Number.MAX_SAFE_INTEGER) as Incarnation;
  return { kind: 'held', of, sequence: readInteger(reader, 0, Number.MAX_SAFE_INTEGER) };
}

function readNak(reader: FieldReader): NakMessage {
  return { kind: 'nak', origin: readOrigin(reader), ranges: readRanges(reader, 0) };
}
