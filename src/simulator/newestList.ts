/**
 * A list that keeps the newest of what is added and counts the rest.
 *
 * For recorders of runs of unknown length. The newest, because what a reader of a failing run asks for lies before its end.
 */

/** Oldest first. */
export interface Newest<T> {
  readonly items: readonly T[];
  /** How many older ones are not among them. */
  readonly leftOut: number;
}

export interface NewestList<T> {
  add(item: T): void;
  take(): Newest<T>;
}

export function createNewestList<T>(cap: number): NewestList<T> {
  let items: T[] = [];
  let dropped = 0;
  return {
    add(item) {
      items.push(item);
      // Twice the cap before anything moves: an addition costs a constant on average.
      if (items.length < 2 * cap) return;
      dropped += items.length - cap;
      items = items.slice(-cap);
    },
    take() {
      const newest = items.slice(Math.max(0, items.length - cap));
      return { items: newest, leftOut: dropped + items.length - newest.length };
    },
  };
}
