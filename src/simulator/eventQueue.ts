/**
 * Virtual time: what is to happen, in order of time, and among equals in the order in which it was asked for.
 *
 * A binary heap. Owns the present instant; nothing else in the simulator has a clock.
 */

interface Pending {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

interface EventQueue {
  /** Virtual milliseconds since the start of the run. */
  readonly nowMs: number;
  after(delayMs: number, run: () => void): void;
  /** Moves to the next event at or before `untilMs` and answers it; without one moves to `untilMs`. */
  next(untilMs: number): (() => void) | undefined;
  readonly size: number;
}

export function createEventQueue(): EventQueue {
  const heap: Pending[] = [];
  let nowMs = 0;
  let order = 0;

  function isBefore(a: Pending, b: Pending): boolean {
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
  }

  function push(pending: Pending): void {
    let at = heap.length;
    heap.push(pending);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(pending, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = pending;
  }

  function pop(): void {
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const a = heap[left];
      const b = heap[left + 1];
      if (a === undefined) break;
      const [child, smaller] = b !== undefined && isBefore(b, a) ? [left + 1, b] : [left, a];
      if (!isBefore(smaller, last)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
  }

  return {
    get nowMs() {
      return nowMs;
    },
    get size() {
      return heap.length;
    },
    after(delayMs, run) {
      if (!(delayMs >= 0)) throw new Error(`an event ${delayMs} ms ahead`);
      push({ atMs: nowMs + delayMs, order: (order += 1), run });
    },
    next(untilMs) {
      const first = heap[0];
      if (first === undefined || first.atMs > untilMs) {
        nowMs = Math.max(nowMs, untilMs);
        return undefined;
      }
      pop();
      nowMs = first.atMs;
      return first.run;
    },
  };
}
