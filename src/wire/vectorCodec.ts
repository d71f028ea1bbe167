/**
 * Version vectors with their gap sets, as HEARTBEAT and HYBRID carry them.
 *
 * Owns the layout: count, then origin, last contiguous sequence and gaps of each. Keeps what VectorEntry
 * promises: gaps ascend, are disjoint and leave out at least one sequence above `contiguous`; no origin comes twice.
 */
import { originKey } from '../core/types.ts';
import type { OriginKey, VectorEntry } from '../core/types.ts';
import { writeInteger, writeOrigin, writeRanges } from './fieldWriter.ts';
import type { FieldWriter } from './fieldWriter.ts';
import { failReading, readCount, readInteger, readOrigin, readRanges } from './fieldReader.ts';
import type { FieldReader } from './fieldReader.ts';
import { MAX_VECTOR_ENTRIES_PER_MESSAGE } from './limits.ts';

/** Origin, incarnation, contiguous, number of gaps. */
const LEAST_ENTRY_INTEGERS = 4;

export function writeVector(writer: FieldWriter, vector: readonly VectorEntry[]): void {
  writer.integers.push(vector.length);
  for (const entry of vector) {
    writeOrigin(writer, entry);
    writeInteger(writer, entry.contiguous);
    writeRanges(writer, entry.gaps, entry.contiguous + 1);
  }
}

export function readVector(reader: FieldReader): VectorEntry[] {
  const count = readCount(reader, MAX_VECTOR_ENTRIES_PER_MESSAGE, LEAST_ENTRY_INTEGERS);
  const vector: VectorEntry[] = [];
  const seen = new Set<OriginKey>();
  for (let index = 0; index < count && reader.fault === undefined; index++) {
    const { id, incarnation } = readOrigin(reader);
    const contiguous = readInteger(reader, 0, Number.MAX_SAFE_INTEGER);
    const gaps = readRanges(reader, contiguous + 1);
    const key = originKey(id, incarnation);
    // Two entries for one origin would leave it to their order which of them counts.
    if (seen.has(key)) failReading(reader, 'duplicate');
    seen.add(key);
    vector.push({ id, incarnation, contiguous, gaps });
  }
  return vector;
}
