/**
 * The changed rows of one origin's update table: sequence -> key.
 *
 * Owns the trade between an array and a map: sequences mostly come one after another, and an array takes them at a
 * tenth of a map's cost; what lies far from the others goes into a map.
 */
import type { Key } from '../core/types.ts';

/** Longest run of missing sequences that is kept as holes in the array. */
const MAXIMUM_HOLE = 1024;

export interface RowTable {
  get(sequence: number): Key | undefined;
  set(sequence: number, key: Key): void;
  /** Lets go of the rows up to and with `through`; answers how many there were. */
  dropThrough(through: number): number;
  /** Rows, those of the array in order of sequence. */
  rows(): IterableIterator<readonly [sequence: number, key: Key]>;
}

export function createRowTable(): RowTable {
  let first = 0;
  let dense: (Key | undefined)[] = [];
  const sparse = new Map<number, Key>();

  return {
    get(sequence) {
      return dense[sequence - first] ?? sparse.get(sequence);
    },
    set(sequence, key) {
      if (dense.length === 0) first = sequence;
      const index = sequence - first;
      if (index < 0 || index > dense.length + MAXIMUM_HOLE) {
        sparse.set(sequence, key);
        return;
      }
      while (dense.length < index) dense.push(undefined);
      dense[index] = key;
      // A row that came early lies in the map: the array's would hide it, and come before it in `rows`.
      if (sparse.size > 0) sparse.delete(sequence);
    },
    dropThrough(through) {
      let dropped = 0;
      for (const sequence of sparse.keys()) {
        if (sequence > through) continue;
        sparse.delete(sequence);
        dropped += 1;
      }
      const count = Math.min(dense.length, Math.max(0, through - first + 1));
      for (let index = 0; index < count; index++) if (dense[index] !== undefined) dropped += 1;
      dense = dense.slice(count);
      first += count;
      return dropped;
    },
    *rows() {
      for (let index = 0; index < dense.length; index++) {
        const key = dense[index];
        if (key !== undefined) yield [first + index, key];
      }
      yield* sparse;
    },
  };
}
