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

export interface AddedDot {
  readonly origin: OriginKey;
  readonly sequence: number;
}

export class SyncBuilder {
  /** Estimated size of all records that were added so far. */
  bytes = 0;
  readonly #state: PeerState;
  /** By key: the sequences that it covers, of each origin. */
  readonly #byKey = new Map<Key, Map<OriginKey, number[]>>();
  /** In the order in which they came in. */
  readonly #keys: Key[] = [];

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
    if (this.bytes > maxBytes) return false;
    if (!this.#byKey.has(key)) {
      const valueBytes = this.#state.store.readEntry(key)?.value.length ?? 0;
      const bytes = RECORD_OVERHEAD_BYTES + key.length + valueBytes;
      if (this.bytes > 0 && this.bytes + bytes + COVERED_DOT_BYTES > maxBytes) return false;
      this.bytes += bytes;
    }
    this.bytes += COVERED_DOT_BYTES;
    this.#cover(key, origin, sequence);
    return true;
  }

  /** The same, however many there are: what their records take shows when they are built. */
  gather(origin: OriginKey, sequence: number): void {
    const key = this.#state.store.readRow(origin, sequence);
    if (key !== undefined) this.#cover(key, origin, sequence);
  }

  #cover(key: Key, origin: OriginKey, sequence: number): void {
    let covers = this.#byKey.get(key);
    if (covers === undefined) {
      covers = new Map();
      this.#byKey.set(key, covers);
      this.#keys.push(key);
    }
    const sequences = covers.get(origin);
    if (sequences === undefined) covers.set(origin, [sequence]);
    else sequences.push(sequence);
  }

  /** How many keys are in. */
  get size(): number {
    return this.#keys.length;
  }

  /** As the entries are now, all of them. */
  records(): SyncRecord[] {
    return this.recordsBetween(0, this.#keys.length, Infinity);
  }

  /** Of the keys from one index to another, the first at least, and as many as about `maxBytes` hold. */
  recordsBetween(start: number, end: number, maxBytes: number): SyncRecord[] {
    const records: SyncRecord[] = [];
    let bytes = 0;
    for (let at = start; at < end; at += 1) {
      const key = this.#keys[at];
      if (key === undefined) break;
      const record = this.#recordOf(key, this.#byKey.get(key) ?? new Map<OriginKey, number[]>());
      bytes += sizeOf(record);
      if (bytes > maxBytes && records.length > 0) break;
      records.push(record);
    }
    return records;
  }

  #recordOf(key: Key, coveredBy: ReadonlyMap<OriginKey, readonly number[]>): SyncRecord {
    const covers: CoveredDots[] = [];
    for (const [origin, sequences] of coveredBy) {
      const known = this.#state.origins.get(origin);
      if (known === undefined) continue; // folded since: all have it
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

/** Of the entry that would answer for a dot; 0 where there is none. */
export function timestampOf({ store }: PeerState, { origin, sequence }: AddedDot): number {
  const key = store.readRow(origin, sequence);
  return key === undefined ? 0 : (store.readEntry(key)?.timestamp ?? 0);
}

/** Bytes of a record on the wire, at most. */
export function sizeOf(record: SyncRecord): number {
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
