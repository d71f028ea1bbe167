/**
 * How fast a disk fills, and so how long what is free will last.
 *
 * Remembers the free space of the last ten minutes, a sample every ten seconds. Leaves the looking to diskSpace.ts. Invariant: nothing is
 * foretold from less than a minute, or from a fall that one write may have made.
 */

interface Sample {
  /** Monotonic milliseconds. */
  readonly atMs: number;
  readonly freeBytes: number;
}

interface DiskTrend {
  note(atMs: number, freeBytes: number): void;
  /** Milliseconds until `minimumBytes` are left; null when it does not fill, or nobody knows yet. */
  lastsMs(minimumBytes: number): number | null;
}

const SAMPLE_EVERY_MS = 10_000;
const SAMPLES_KEPT = 61;
const LEAST_SPAN_MS = 60_000;
const LEAST_FALL_BYTES = 4 * 1024 * 1024;

export function createDiskTrend(): DiskTrend {
  const samples: Sample[] = [];
  let newest: Sample | undefined;
  return {
    note(atMs, freeBytes) {
      newest = { atMs, freeBytes };
      const last = samples[samples.length - 1];
      if (last !== undefined && atMs - last.atMs < SAMPLE_EVERY_MS) return;
      samples.push(newest);
      if (samples.length > SAMPLES_KEPT) samples.shift();
    },
    lastsMs(minimumBytes) {
      const [oldest] = samples;
      if (oldest === undefined || newest === undefined) return null;
      const spanMs = newest.atMs - oldest.atMs;
      const fallBytes = oldest.freeBytes - newest.freeBytes;
      if (spanMs < LEAST_SPAN_MS || fallBytes < LEAST_FALL_BYTES) return null;
      return Math.max(0, Math.round(((newest.freeBytes - minimumBytes) * spanMs) / fallBytes));
    },
  };
}
