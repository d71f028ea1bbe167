/**
 * Looks whether a write that lmdb-js reported done can be read back.
 *
 * Why: on a disk that refuses writes (full, or broken) lmdb-js 3.5 has been seen to resolve the promise of a put whose
 * transaction had failed, some once in thirty such ends. Had the fold believed it, it would have cleared the log of
 * turns that no tree holds. So nothing is taken for written before a reader saw it.
 */

/** A promise may come before its transaction is visible: time given to it, and between two looks, milliseconds. */
const CONFIRM_WITHIN_MS = 1_000;
const LOOK_EVERY_MS = 20;

/** Resolves when `isThere` is true, at once if it is; rejects with an Error that names `what` when it stays false. */
export async function confirmWritten(isThere: () => boolean, what: string): Promise<void> {
  for (let waitedMs = 0; !isThere(); waitedMs += LOOK_EVERY_MS) {
    if (waitedMs >= CONFIRM_WITHIN_MS) {
      throw new Error(`${what} was reported as written, but cannot be read back`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
