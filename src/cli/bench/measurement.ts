/**
 * What a run has measured: latencies of each operation, of each peer and of each stretch of time, and what failed.
 *
 * Owns the counts; the arithmetic of latencies is src/client/latency.ts's. The time is cut into stretches of equal length, at most SERIES_LIMIT: when they are full, two become one, so a run of
 * any length has a picture of bounded size with exact merges. Invariant: each settled operation is counted once in each of the three; a latency is that of an operation that succeeded.
 */
import { LatencyHistogram } from '../../client/latency.ts';
import type { LatencyParts } from '../../client/latency.ts';
import type { Settled } from './loadClient.ts';

/** Length of a stretch at first, milliseconds. */
const FIRST_STRETCH_MS = 100;
const SERIES_LIMIT = 240;

interface Stretch {
  readonly latency: LatencyHistogram;
  failed: number;
}

export interface Failures {
  count: number;
  /** The text of the first one. */
  readonly example: string;
}

/** Operations of one kind, or at one peer. */
export interface Tally {
  readonly latency: LatencyHistogram;
  /** By code: the first word of an error. */
  readonly failures: Map<string, Failures>;
  /** Reads that found no value. */
  misses: number;
}

/** As one thread sends its measurement to another; times from its start. */
export interface MeasurementParts {
  readonly byOperation: readonly TallyParts[];
  readonly byPeer: readonly TallyParts[];
  readonly sentLate: LatencyParts;
  readonly stretches: readonly { readonly latency: LatencyParts; readonly failed: number }[];
  readonly stretchMs: number;
}

interface TallyParts {
  readonly latency: LatencyParts;
  readonly failures: ReadonlyMap<string, Failures>;
  readonly misses: number;
}

function createTally(): Tally {
  return { latency: new LatencyHistogram(), failures: new Map(), misses: 0 };
}

function addFailures({ failures }: Tally, { count, example }: Failures): void {
  const code = /^[A-Z]+/.exec(example)?.[0] ?? 'ERR';
  const known = failures.get(code);
  if (known === undefined) failures.set(code, { count, example });
  else known.count += count;
}

function mergeTally(tally: Tally | undefined, { latency, failures, misses }: TallyParts): void {
  if (tally === undefined) throw new Error('a measurement of another run was merged');
  tally.latency.mergeParts(latency);
  tally.misses += misses;
  for (const one of failures.values()) addFailures(tally, one);
}

function partsOf({ latency, failures, misses }: Tally): TallyParts {
  return { latency: latency.toParts(), failures, misses };
}

/** Of all codes together. */
export function failuresOf({ failures }: Tally): number {
  let sum = 0;
  for (const { count } of failures.values()) sum += count;
  return sum;
}

export class Measurement {
  readonly byOperation: readonly Tally[];
  readonly byPeer: readonly Tally[];
  /** By how much later than it was to be an operation was sent: the generator's part of the latency. */
  readonly sentLate = new LatencyHistogram();
  readonly startMs: number;
  /** When the last operation came to its end. */
  lastMs: number;
  #stretches: Stretch[] = [];
  #stretchMs = FIRST_STRETCH_MS;

  constructor(operations: number, peers: number, startMs: number) {
    this.byOperation = Array.from({ length: operations }, createTally);
    this.byPeer = Array.from({ length: peers }, createTally);
    this.startMs = startMs;
    this.lastMs = startMs;
  }

  get stretches(): readonly Stretch[] {
    return this.#stretches;
  }

  get stretchMs(): number {
    return this.#stretchMs;
  }

  /** Operations that came to an end, however. */
  get settled(): number {
    return this.byPeer.reduce((sum, tally) => sum + tally.latency.count + failuresOf(tally), 0);
  }

  record(settled: Settled): void {
    const { operation, peer, startedMs, endedMs, failure, isMiss } = settled;
    const stretch = this.#stretchAt(endedMs);
    this.lastMs = endedMs;
    const latencyMs = Math.max(0, endedMs - startedMs);
    for (const tally of [this.byOperation[operation], this.byPeer[peer]]) {
      if (tally === undefined) throw new Error(`no operation ${operation} or no peer ${peer} in this run`);
      if (failure !== undefined) addFailures(tally, { count: 1, example: failure });
      else {
        tally.latency.record(latencyMs);
        if (isMiss) tally.misses += 1;
      }
    }
    if (failure === undefined) stretch.latency.record(latencyMs);
    else stretch.failed += 1;
  }

  /** Everything, as one. */
  total(): Tally {
    const total = createTally();
    for (const tally of this.byOperation) mergeTally(total, partsOf(tally));
    return total;
  }

  toParts(): MeasurementParts {
    return {
      byOperation: this.byOperation.map(partsOf),
      byPeer: this.byPeer.map(partsOf),
      sentLate: this.sentLate.toParts(),
      stretches: this.#stretches.map(({ latency, failed }) => ({ latency: latency.toParts(), failed })),
      stretchMs: this.#stretchMs,
    };
  }

  /** Adds what another thread has measured of the same run, as if both had begun at one moment. */
  mergeParts({ byOperation, byPeer, sentLate, stretches, stretchMs }: MeasurementParts): void {
    for (const [index, parts] of byOperation.entries()) mergeTally(this.byOperation[index], parts);
    for (const [index, parts] of byPeer.entries()) mergeTally(this.byPeer[index], parts);
    this.sentLate.mergeParts(sentLate);
    // Lengths are powers of two of the first one: a stretch lies whole in one of the longer ones.
    while (this.#stretchMs < stretchMs) this.#coarsen();
    for (const [index, { latency, failed }] of stretches.entries()) {
      const stretch = this.#stretchAt(this.startMs + (index + 0.5) * stretchMs);
      stretch.latency.mergeParts(latency);
      stretch.failed += failed;
    }
  }

  #stretchAt(ms: number): Stretch {
    for (;;) {
      const index = Math.max(0, Math.floor((ms - this.startMs) / this.#stretchMs));
      if (index >= SERIES_LIMIT) {
        this.#coarsen();
        continue;
      }
      while (this.#stretches.length <= index)
        this.#stretches.push({ latency: new LatencyHistogram(), failed: 0 });
      const found = this.#stretches[index];
      if (found !== undefined) return found;
    }
  }

  #coarsen(): void {
    const merged: Stretch[] = [];
    for (let at = 0; at < this.#stretches.length; at += 2) {
      const [left, right] = [this.#stretches[at], this.#stretches[at + 1]];
      if (left === undefined) break;
      if (right !== undefined) {
        left.latency.merge(right.latency);
        left.failed += right.failed;
      }
      merged.push(left);
    }
    this.#stretches = merged;
    this.#stretchMs *= 2;
  }
}
