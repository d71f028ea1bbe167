/** Says in one line why a commit failed and what to do; nothing may be written to that environment afterwards. */
import { statfs } from 'node:fs/promises';
import { ToposphereError } from '../core/errors.ts';

/** Longest wait for lmdb-js to name the cause, milliseconds. */
const CAUSE_WAIT_MS = 100;

/** A disk with less free is taken to be full: the write that failed did not fit, bytes. */
const FULL_BYTES = 8 * 1024 * 1024;

/** Names the cause of a failed commit. lmdb-js tells it by a second promise, a little later and not in every case. */
export async function commitError(directory: string, reason: unknown): Promise<ToposphereError> {
  if (reason instanceof ToposphereError) return reason;
  const { commitError: told } = reason as { readonly commitError?: Promise<unknown> };
  const cause: unknown = await Promise.race([
    told?.then(undefined, (why: unknown) => why),
    delay(CAUSE_WAIT_MS).then(() => undefined),
  ]);
  return new ToposphereError(
    'STORAGE_FAILED',
    `committing to ${directory} failed: ${String(cause ?? reason)}. ${await adviseOn(directory)}, then start the peer again`,
    { changed: 'unknown', cause: cause ?? reason },
  );
}

/** LMDB calls a write that did not fit an input/output error. */
async function adviseOn(directory: string): Promise<string> {
  const freeBytes = await statfs(directory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Infinity, // the disk is gone, or does not say
  );
  return freeBytes < FULL_BYTES
    ? `The disk is full (${Math.floor(freeBytes / 1024)} KiB free): free some space`
    : 'Check the disk';
}

export function delay(timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, timeoutMs);
  });
}
