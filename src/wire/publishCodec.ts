/**
 * PUBLISH and MISS: messages on channels, and which of them somebody lacks.
 *
 * Owns their layouts. Channels are bytes of any kind and any length, also none, and travel as values do. Of a message that was left out its length alone travels.
 */
import type { MissMessage, PublishedRecord, PublishMessage } from '../core/publishMessages.ts';
import type { Incarnation } from '../core/types.ts';
import { writeInteger, writeRanges, writeValue } from './fieldWriter.ts';
import type { FieldWriter } from './fieldWriter.ts';
import { failReading, readCount, readInteger, readRanges, readValue } from './fieldReader.ts';
import type { FieldReader } from './fieldReader.ts';
import { MAX_RECORDS_PER_MESSAGE, MAX_VALUE_BYTES } from './limits.ts';

const MOST = Number.MAX_SAFE_INTEGER;
const REPAIR = 1;
/** A record: the difference of its sequence, what is left out of it or 0, and two lengths or none. */
const LEAST_RECORD_INTEGERS = 2;
const NO_BYTES = new Uint8Array(0);

export function writePublish(
  writer: FieldWriter,
  { oldest, oldestAgeMs, last, isRepair, records }: PublishMessage,
): void {
  if (oldest > last + 1) throw new Error(`a feed that ends at ${last} begins at ${oldest}`);
  writeInteger(writer, last);
  writeInteger(writer, last + 1 - oldest);
  writeInteger(writer, oldestAgeMs);
  writer.integers.push(isRepair ? REPAIR : 0, records.length);
  let sequence = 0;
  for (const record of records) {
    if (record.sequence <= sequence || record.sequence > last)
      throw new Error(`messages not in order: ${record.sequence} after ${sequence}, up to ${last}`);
    writeInteger(writer, record.sequence - sequence);
    sequence = record.sequence;
    const { channel, message, referenceBytes = 0 } = record;
    writeInteger(writer, referenceBytes);
    if (referenceBytes > 0) {
      if (channel.length + message.length > 0) throw new Error('a reference carries no message');
      continue;
    }
    writeValue(writer, Buffer.from(channel, 'latin1'));
    writeValue(writer, message);
  }
}

export function readPublish(reader: FieldReader): PublishMessage {
  const last = readInteger(reader, 0, MOST - 1);
  const oldest = last + 1 - readInteger(reader, 0, last);
  const oldestAgeMs = readInteger(reader, 0, MOST);
  const isRepair = readInteger(reader, 0, REPAIR) === REPAIR;
  const count = readCount(reader, MAX_RECORDS_PER_MESSAGE, LEAST_RECORD_INTEGERS);
  const records: PublishedRecord[] = [];
  let sequence = 0;
  for (let index = 0; index < count && reader.fault === undefined; index += 1) {
    sequence += readInteger(reader, 1, MOST);
    if (sequence > last) failReading(reader, 'badNumber');
    const referenceBytes = readInteger(reader, 0, 2 * MAX_VALUE_BYTES);
    if (referenceBytes > 0) {
      records.push({ sequence, channel: '', message: NO_BYTES, referenceBytes });
      continue;
    }
    const channel = Buffer.from(readValue(reader)).toString('latin1');
    records.push({ sequence, channel, message: readValue(reader) });
  }
  return { kind: 'publish', oldest, oldestAgeMs, last, isRepair, records };
}

export function writeMiss(writer: FieldWriter, { incarnation, ranges }: MissMessage): void {
  writeInteger(writer, incarnation);
  writeRanges(writer, ranges, 0);
}

export function readMiss(reader: FieldReader): MissMessage {
  const incarnation = readInteger(reader, 1, MOST) as Incarnation;
  return { kind: 'miss', incarnation, ranges: readRanges(reader, 0) };
}
