/**
 * Resident memory of a child process: now, and at its highest.
 *
 * Owns the reading of /proc, which Linux alone has; elsewhere there is no figure. Pages of LMDB's file that are mapped and were touched
 * count, though they are the system's cache. Invariant: what cannot be told is NaN.
 */
import { readFile, writeFile } from 'node:fs/promises';

const KIBIBYTES_PER_MEBIBYTE = 1024;
/** Written to /proc/<id>/clear_refs, it makes what is resident now the highest so far (proc(5)). */
const FORGET_PEAK = '5';

/** Milliseconds between two looks of `watchOwnMemory`. */
const LOOK_EVERY_MS = 50;

export interface Memory {
  readonly nowMiB: number;
  /** Since the process began, or since `forgetPeak`. */
  readonly peakMiB: number;
  /** Of what is resident now, what belongs to no file: without the pages of LMDB's. */
  readonly ownMiB: number;
}

/** From the text of /proc/<id>/status; NaN what is not there. */
export function parseMemory(status: string): Memory {
  const figure = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? NaN) / KIBIBYTES_PER_MEBIBYTE;
  return { nowMiB: figure('VmRSS'), peakMiB: figure('VmHWM'), ownMiB: figure('RssAnon') };
}

export async function readMemory(processId: number | undefined): Promise<Memory> {
  return parseMemory(await readFile(`/proc/${processId ?? 0}/status`, 'latin1').catch(() => ''));
}

/** From now on the highest is counted anew, where the system can do that. */
export async function forgetPeak(processId: number | undefined): Promise<void> {
  await writeFile(`/proc/${processId ?? 0}/clear_refs`, FORGET_PEAK).catch(() => undefined);
}

/** Looks at a child's own memory until it is asked for the highest that was seen, MiB; NaN where it cannot be told. */
export function watchOwnMemory(processId: number | undefined): () => number {
  let highestMiB = -Infinity;
  const timer = setInterval(() => {
    void readMemory(processId).then(({ ownMiB }) => {
      if (ownMiB > highestMiB) highestMiB = ownMiB;
    });
  }, LOOK_EVERY_MS).unref(); // a run that fails must not wait for it
  return () => {
    clearInterval(timer);
    return Number.isFinite(highestMiB) ? highestMiB : NaN;
  };
}
