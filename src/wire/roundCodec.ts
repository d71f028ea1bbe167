/**
 * The messages of checkpoint rounds (R6), and the two short ones beside them: FENCED (R7) and the alarm of R4.
 *
 * Owns their layouts; what they hold of have-sets and closures is haveCodec.ts's.
 */
import type {
  AlarmMessage,
  CommitMessage,
  FencedMessage,
  PreparedMessage,
  PrepareMessage,
  RefuseMessage,
  RoundName,
} from '../core/messages.ts';
import type { Incarnation, Timestamp } from '../core/types.ts';
import { writeInteger, writeKey, writeOrigin } from './fieldWriter.ts';
import type { FieldWriter } from './fieldWriter.ts';
import { readInteger, readKey, readOrigin } from './fieldReader.ts';
import type { FieldReader } from './fieldReader.ts';
import {
  readClosures,
  readHave,
  readOrigins,
  readPromises,
  readVector,
  writeClosures,
  writeHave,
  writeOrigins,
  writePromises,
  writeVector,
} from './haveCodec.ts';

const REASONS = [
  'members',
  'incarnations',
  'joining',
  'clock',
  'unvouched',
] as const satisfies readonly RefuseMessage['reason'][];
const MAX_32_BITS = 0xffff_ffff;
const MOST = Number.MAX_SAFE_INTEGER;

function writeRound(writer: FieldWriter, round: RoundName): void {
  writeOrigin(writer, round);
  writeInteger(writer, round.number);
}

function readRound(reader: FieldReader): RoundName {
  const { id, incarnation } = readOrigin(reader);
  return { id, incarnation, number: readInteger(reader, 1, MOST) };
}

export function writePrepare(writer: FieldWriter, message: PrepareMessage): void {
  writeInteger(writer, message.number);
  writeInteger(writer, message.membershipHash);
  writeOrigins(writer, message.incarnations);
  writer.integers.push(message.remembered === undefined ? 0 : 1);
  if (message.remembered !== undefined) writeInteger(writer, message.remembered);
}

export function readPrepare(reader: FieldReader): PrepareMessage {
  const number = readInteger(reader, 1, MOST);
  const membershipHash = readInteger(reader, 0, MAX_32_BITS);
  const prepare = { kind: 'prepare', number, membershipHash, incarnations: readOrigins(reader) } as const;
  if (readInteger(reader, 0, 1) === 0) return prepare;
  return { ...prepare, remembered: readInteger(reader, 0, MOST) as Timestamp };
}

export function writePrepared(writer: FieldWriter, { round, promised, have }: PreparedMessage): void {
  writeRound(writer, round);
  writeInteger(writer, promised);
  writeHave(writer, have);
}

export function readPrepared(reader: FieldReader): PreparedMessage {
  const round = readRound(reader);
  const promised = readInteger(reader, 1, MOST) as Timestamp;
  return { kind: 'prepared', round, promised, have: readHave(reader) };
}

export function writeRefuse(
  writer: FieldWriter,
  { round, reason, incarnations, promises }: RefuseMessage,
): void {
  writeRound(writer, round);
  writer.integers.push(REASONS.indexOf(reason));
  writeOrigins(writer, incarnations);
  writePromises(writer, promises);
}

export function readRefuse(reader: FieldReader): RefuseMessage {
  const round = readRound(reader);
  const reason = REASONS[readInteger(reader, 0, REASONS.length - 1)] ?? 'members';
  const incarnations = readOrigins(reader);
  return { kind: 'refuse', round, reason, incarnations, promises: readPromises(reader) };
}

export function writeCommit(writer: FieldWriter, message: CommitMessage): void {
  writeInteger(writer, message.number);
  writeInteger(writer, message.horizon);
  writeVector(writer, message.known);
  writeClosures(writer, message.closures);
  writePromises(writer, message.promises);
}

export function readCommit(reader: FieldReader): CommitMessage {
  const number = readInteger(reader, 1, MOST);
  const horizon = readInteger(reader, 1, MOST) as Timestamp;
  const known = readVector(reader);
  const closures = readClosures(reader);
  return { kind: 'commit', number, horizon, known, closures, promises: readPromises(reader) };
}

export function writeFenced(
  writer: FieldWriter,
  { incarnation, promised, isForgotten }: FencedMessage,
): void {
  writeInteger(writer, incarnation);
  writeInteger(writer, promised);
  writer.integers.push(isForgotten ? 1 : 0);
}

export function readFenced(reader: FieldReader): FencedMessage {
  const incarnation = readInteger(reader, 0, MOST) as Incarnation;
  const promised = readInteger(reader, 0, MOST) as Timestamp;
  return { kind: 'fenced', incarnation, promised, isForgotten: readInteger(reader, 0, 1) === 1 };
}

export function writeAlarm(writer: FieldWriter, { incarnation, sequence, key, horizon }: AlarmMessage): void {
  writeInteger(writer, incarnation);
  writeInteger(writer, sequence);
  writeKey(writer, key);
  writeInteger(writer, horizon);
}

export function readAlarm(reader: FieldReader): AlarmMessage {
  const incarnation = readInteger(reader, 1, MOST) as Incarnation;
  const sequence = readInteger(reader, 1, MOST);
  const key = readKey(reader);
  return { kind: 'alarm', incarnation, sequence, key, horizon: readInteger(reader, 0, MOST) as Timestamp };
}
