/** Says in one line why a commit failed and what to do; nothing may be written to that environment afterwards. */
import { ToposphereError } from '../core/errors.ts';

/** Longest wait for lmdb-js to name the cause, milliseconds. */
const CAUSE_WAIT_MS = 100;

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
    `committing to ${directory} failed: ${String(cause ?? reason)}. Check free space and the disk, then start the peer again`,
    { changed: 'unknown', cause: cause ?? reason },
  );
}

export function delay(timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, timeoutMs);
  });
}
