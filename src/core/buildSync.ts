/**
 * R5: for a missing dot, the entry of its key as it is now, with its true tag; one record for all the dots
 * of one key.
 *
 * Never says "superseded, nothing to see", and never passes the winner off as the missing dot: the receiver
 * marks the covered dots and the winner's own.
 */
import type { CoveredDots, SyncRecord } from './messages.ts';
import type { PeerState } from './state.ts';
import type { Key, OriginKey, SequenceRange } from './types.ts';

/** Bytes a record takes in a SYNC besides key, value and covered ranges, at most. */
const RECORD_OVERHEAD_BYTES = 112;
/** Bytes one covered dot adds, at most: when it lies alone, in a range of its own. */
const COVERED_DOT_BYTES = 20;

interface Building {
  readonly key: Key;
  readonly covers: Map<OriginKey, number[]>;
  bytes: number;
}

export interface AddedDot {
  readonly origin: OriginKey;
  readonly sequence: number;
}

export class SyncBuilder {
  /** Estimated size of all records so far. */
  bytes = 0;
  /** The first and the last dot that were added. */
  firstDot: AddedDot | undefined;
  lastDot: AddedDot | undefined;
  readonly #state: PeerState;
  readonly #byKey = new Map<Key, Building>();

  constructor(state: PeerState) {
    this.#state = state;
  }

  /**
   * Adds a dot that this peer has, unless its row is gone. False when its record would lengthen the answer beyond `maxBytes`: it travels alone or
   * later, so that no frame holds more than the longest value and a little. To cover one more dot of a key that is in costs next to nothing.
   */
  add(origin: OriginKey, sequence: number, maxBytes = Infinity): boolean {
    const key = this.#state.store.readRow(origin, sequence);
    if (key === undefined) return true;
    let building = this.#byKey.get(key);
    if (this.bytes > maxBytes) return false;
    if (building === undefined) {
      const valueBytes = this.#state.store.readEntry(key)?.value.length ?? 0;
      const bytes = RECORD_OVERHEAD_BYTES + key.length + valueBytes;
      if (this.bytes > 0 && this.bytes + bytes + COVERED_DOT_BYTES > maxBytes) return false;
      building = { key, covers: new Map(), bytes };
      this.#byKey.set(key, building);
      this.bytes += bytes;
    }
    this.lastDot = { origin, sequence };
    this.firstDot ??= this.lastDot;
    const sequences = building.covers.get(origin);
    if (sequences === undefined) building.covers.set(origin, [sequence]);
    else sequences.push(sequence);
    building.bytes += COVERED_DOT_BYTES;
    this.bytes += COVERED_DOT_BYTES;
    return true;
  }

  /** Of the entry that would answer for a dot; 0 where there is none. */
  timestampOf({ origin, sequence }: AddedDot): number {
    const { store } = this.#state;
    const key = store.readRow(origin, sequence);
    return key === undefined ? 0 : (store.readEntry(key)?.timestamp ?? 0);
  }

  records(): SyncRecord[] {
    const records: SyncRecord[] = [];
    for (const { key, covers } of this.#byKey.values()) records.push(this.#recordOf(key, covers));
    return records;
  }

  #recordOf(key: Key, coveredBy: ReadonlyMap<OriginKey, readonly number[]>): SyncRecord {
    const covers: CoveredDots[] = [];
    for (const [origin, sequences] of coveredBy) {
      const known = this.#state.origins.get(origin);
      if (known === undefined) throw new Error(`update table row of an origin that is not known: ${origin}`);
      covers.push({ id: known.id, incarnation: known.incarnation, ranges: rangesOf(sequences) });
    }
    const entry = this.#state.store.readEntry(key);
    if (entry === undefined) return { kind: 'absent', key, horizon: this.#state.horizon, covers };
    const { timestamp, id, incarnation, sequence, kind, expiresAt, value } = entry;
    return {
      kind: 'entry',
      key,
      timestamp,
      id,
      incarnation,
      sequence,
      entryKind: kind,
      expiresAt,
      value,
      covers,
    };
  }

  /** Splits records into datagrams of at most `budgetBytes`; what is too large for any stands apart. */
  static split(
    records: readonly SyncRecord[],
    budgetBytes: number,
  ): { readonly datagrams: SyncRecord[][]; readonly oversized: SyncRecord[] } {
    const datagrams: SyncRecord[][] = [];
    const oversized: SyncRecord[] = [];
    let batch: SyncRecord[] = [];
    let bytes = 0;
    for (const record of records) {
      const recordBytes = sizeOf(record);
      if (recordBytes > budgetBytes) {
        oversized.push(record);
        continue;
      }
      if (bytes + recordBytes > budgetBytes) {
        datagrams.push(batch);
        batch = [];
        bytes = 0;
      }
      batch.push(record);
      bytes += recordBytes;
    }
    if (batch.length > 0) datagrams.push(batch);
    return { datagrams, oversized };
  }
}

function sizeOf(record: SyncRecord): number {
  let ranges = 0;
  for (const covered of record.covers) ranges += covered.ranges.length + 3;
  const valueBytes = record.kind === 'entry' ? record.value.length : 0;
  return RECORD_OVERHEAD_BYTES + record.key.length + valueBytes + ranges * COVERED_DOT_BYTES;
}

/** Ascending sequences as inclusive ranges. Unsorted input is sorted first. */
function rangesOf(sequences: readonly number[]): SequenceRange[] {
  const sorted = [...sequences].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const sequence of sorted) {
    const last = ranges[ranges.length - 1];
    if (last !== undefined && sequence <= last[1] + 1) last[1] = sequence;
    else ranges.push([sequence, sequence]);
  }
  return ranges;
}
