/**
 * How long the disk of a directory takes to make a small write safe: what every `durable` write waits for, and every round.
 *
 * Writes a file of its own, a page at a time, and takes it away again. Invariant: bounded in bytes and, as far as the system answers, in time; the
 * event loop does not wait for it.
 */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../network/tcp.ts';

export interface FlushTimes {
  /** Writes that were made safe. */
  readonly count: number;
  readonly medianMs: number;
  readonly worstMs: number;
  /** What the system answered, where not even one was; null otherwise. */
  readonly fault: string | null;
}

const PAGE_BYTES = 4096;
const WRITES = 7;
/** No further write is begun after this, milliseconds; the first that takes longer is given up. */
const BUDGET_MS = 600;
const GIVE_UP_MS = 3000;

const FILE_NAME = `doctor-${process.pid}.tmp`;

export async function measureFlushes(directory: string): Promise<FlushTimes> {
  const timesMs: number[] = [];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, GIVE_UP_MS, `no answer within ${GIVE_UP_MS} ms`);
  });
  const fault = await Promise.race([late, measure(join(directory, FILE_NAME), timesMs)]);
  clearTimeout(timer);
  const sorted = timesMs.slice().sort((a, b) => a - b);
  return {
    count: sorted.length,
    medianMs: sorted[sorted.length >> 1] ?? GIVE_UP_MS,
    worstMs: sorted[sorted.length - 1] ?? GIVE_UP_MS,
    fault: sorted.length > 0 ? null : fault,
  };
}

/** Resolves to null, or to what the system answered. */
async function measure(path: string, timesMs: number[]): Promise<string | null> {
  const page = Buffer.alloc(PAGE_BYTES, 'doctor ');
  try {
    const file = await open(path, 'w');
    try {
      const endMs = performance.now() + BUDGET_MS;
      for (let at = 0; at < WRITES && performance.now() < endMs; at += 1) {
        const startMs = performance.now();
        await file.write(page, 0, PAGE_BYTES, at * PAGE_BYTES);
        await file.datasync();
        timesMs.push(performance.now() - startMs);
      }
    } finally {
      await file.close();
      await rm(path, { force: true });
    }
    return null;
  } catch (error) {
    return errorCode(error);
  }
}
