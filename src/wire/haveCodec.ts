/**
 * What a peer has: version vector with gap sets, closures, promises; lists of members, and a lineage.
 *
 * Owns the layout of the reports that HEARTBEAT, HYBRID, the messages of a round and checkpoints carry. Keeps what VectorEntry
 * promises: gaps ascend, are disjoint and leave out at least one sequence above `contiguous`; `trim` ≤ `contiguous`; no origin and no id comes twice.
 */
import { originKey } from '../core/types.ts';
import type { ClosureReport, HaveReport, Lineage, MembersReport, PromiseReport } from '../core/messages.ts';
import type { Incarnation, Origin, OriginKey, PeerId, Timestamp, VectorEntry } from '../core/types.ts';
import { writeId, writeInteger, writeOrigin, writeRanges } from './fieldWriter.ts';
import type { FieldWriter } from './fieldWriter.ts';
import { failReading, readCount, readId, readInteger, readOrigin, readRanges } from './fieldReader.ts';
import type { FieldReader } from './fieldReader.ts';
import { MAX_IDS_PER_LIST, MAX_VECTOR_ENTRIES_PER_MESSAGE } from './limits.ts';

/** Origin, incarnation, contiguous, what is above the trim, number of gaps. */
const LEAST_ENTRY_INTEGERS = 4;
const MOST = Number.MAX_SAFE_INTEGER;
const MAX_LINEAGE = 0xffff_ffff;

export function writeVector(writer: FieldWriter, vector: readonly VectorEntry[]): void {
  writer.integers.push(vector.length);
  for (const entry of vector) {
    writeOrigin(writer, entry);
    writeInteger(writer, entry.contiguous);
    if (entry.trim > entry.contiguous) throw new Error(`trim ${entry.trim} above ${entry.contiguous}`);
    writeInteger(writer, entry.contiguous - entry.trim);
    writeRanges(writer, entry.gaps, entry.contiguous + 1);
  }
}

export function readVector(reader: FieldReader): VectorEntry[] {
  const count = readCount(reader, MAX_VECTOR_ENTRIES_PER_MESSAGE, LEAST_ENTRY_INTEGERS);
  const vector: VectorEntry[] = [];
  const seen = new Set<OriginKey>();
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const { id, incarnation } = readOrigin(reader);
    const contiguous = readInteger(reader, 0, MOST);
    const trim = contiguous - readInteger(reader, 0, contiguous);
    const gaps = readRanges(reader, contiguous + 1);
    const key = originKey(id, incarnation);
    // Two entries for one origin would leave it to their order which of them counts.
    if (seen.has(key)) failReading(reader, 'duplicate');
    seen.add(key);
    vector.push({ id, incarnation, contiguous, gaps, trim });
  }
  return vector;
}

export function writeHave(writer: FieldWriter, { vector, closures, promises }: HaveReport): void {
  writeVector(writer, vector);
  writeClosures(writer, closures);
  writePromises(writer, promises);
}

export function readHave(reader: FieldReader): HaveReport {
  return { vector: readVector(reader), closures: readClosures(reader), promises: readPromises(reader) };
}

export function writeClosures(writer: FieldWriter, closures: readonly ClosureReport[]): void {
  writer.integers.push(closures.length);
  for (const { id, closedBelow, foldedBelow, foldedHash, kept } of closures) {
    writeId(writer, id);
    writeInteger(writer, closedBelow);
    writeInteger(writer, foldedBelow);
    writeInteger(writer, foldedHash);
    writer.integers.push(kept.length);
    for (const { incarnation, ranges } of kept) {
      writeInteger(writer, incarnation);
      writeRanges(writer, ranges, 0);
    }
  }
}

export function readClosures(reader: FieldReader): ClosureReport[] {
  const closures: ClosureReport[] = [];
  const seen = new Set<PeerId>();
  const count = readCount(reader, MAX_IDS_PER_LIST, 5);
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const id = readUniqueId(reader, seen);
    const closedBelow = readInteger(reader, 0, MOST) as Incarnation;
    const foldedBelow = readInteger(reader, 0, closedBelow) as Incarnation;
    const foldedHash = readInteger(reader, 0, MOST);
    const kept = readKept(reader, foldedBelow, closedBelow);
    closures.push({ id, closedBelow, foldedBelow, foldedHash, kept });
  }
  return closures;
}

/** Of incarnations that are closed and not folded. */
function readKept(reader: FieldReader, foldedBelow: number, closedBelow: number): ClosureReport['kept'] {
  const kept = new Map<Incarnation, ClosureReport['kept'][number]>();
  const count = readCount(reader, MAX_VECTOR_ENTRIES_PER_MESSAGE, 2);
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const incarnation = readInteger(reader, foldedBelow, closedBelow) as Incarnation;
    if (kept.has(incarnation) || incarnation === closedBelow) failReading(reader, 'duplicate');
    kept.set(incarnation, { incarnation, ranges: readRanges(reader, 0) });
  }
  return [...kept.values()];
}

export function writePromises(writer: FieldWriter, promises: readonly PromiseReport[]): void {
  writer.integers.push(promises.length);
  for (const { id, promised } of promises) {
    writeId(writer, id);
    writeInteger(writer, promised);
  }
}

export function readPromises(reader: FieldReader, most = MAX_IDS_PER_LIST): PromiseReport[] {
  const promises: PromiseReport[] = [];
  const seen = new Set<PeerId>();
  const count = readCount(reader, most, 2);
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const id = readUniqueId(reader, seen);
    promises.push({ id, promised: readInteger(reader, 0, MOST) as Timestamp });
  }
  return promises;
}

/** Incarnations by id. */
export function writeOrigins(writer: FieldWriter, origins: readonly Origin[]): void {
  writer.integers.push(origins.length);
  for (const { id, incarnation } of origins) {
    writeId(writer, id);
    writeInteger(writer, incarnation);
  }
}

export function readOrigins(reader: FieldReader): Origin[] {
  const origins: Origin[] = [];
  const seen = new Set<PeerId>();
  const count = readCount(reader, MAX_IDS_PER_LIST, 2);
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const id = readUniqueId(reader, seen);
    origins.push({ id, incarnation: readInteger(reader, 1, MOST) as Incarnation });
  }
  return origins;
}

export function writeMembers(writer: FieldWriter, { admitted, forgotten }: MembersReport): void {
  for (const ids of [admitted, forgotten]) {
    writer.integers.push(ids.length);
    for (const id of ids) writeId(writer, id);
  }
}

export function readMembers(reader: FieldReader): MembersReport {
  return { admitted: readIds(reader), forgotten: readIds(reader) };
}

export function writeLineage(writer: FieldWriter, { present, former, isSettled }: Lineage): void {
  writeInteger(writer, 2 * present + (isSettled ? 1 : 0));
  writeInteger(writer, former);
}

export function readLineage(reader: FieldReader): Lineage {
  const code = readInteger(reader, 0, 2 * MAX_LINEAGE + 1);
  const former = readInteger(reader, 0, MAX_LINEAGE);
  return { present: Math.floor(code / 2), former, isSettled: code % 2 === 1 };
}

function readIds(reader: FieldReader): PeerId[] {
  const seen = new Set<PeerId>();
  const count = readCount(reader, MAX_IDS_PER_LIST, 1);
  for (let index = 0; index < count && reader.fault === undefined; index++) readUniqueId(reader, seen);
  return [...seen];
}

function readUniqueId(reader: FieldReader, seen: Set<PeerId>): PeerId {
  const id = readId(reader);
  if (seen.has(id)) failReading(reader, 'duplicate');
  seen.add(id);
  return id;
}
