/**
 * Learns early that a transaction of lmdb-js has become visible: a quarter of a millisecond before its promise.
 *
 * Why: with overlapping sync (the default) lmdb-js 3.5 resolves a put only after the fdatasync, yet from the moment
 * a transaction is visible to readers it survives the death of this process. The native writer announces that
 * moment by calling the callback of the internal `startWriting(address, callback)` with status 1 (0: flushed). That
 * announcement is taken as a mere *hint*: whoever is hinted asks a reader what is there. So nothing is reported that
 * is not so; a hint that is missed (the announcement is dropped when the main thread is late) or an lmdb-js without
 * this internal costs time, not truth: the put's promise does the job.
 */

type WriteCallback = (status: number) => unknown;

interface NativeEnvironment {
  readonly startWriting?: (this: unknown, address: number, callback: WriteCallback) => unknown;
}

/**
 * Calls `hint` whenever something may have become visible, or may have failed. Answers false when this lmdb-js
 * has no such announcement. `database` is what lmdb's `open` returned.
 */
export function hintWhenVisible(database: object, hint: () => void): boolean {
  const native = (database as { readonly env?: NativeEnvironment }).env;
  const startWriting = native?.startWriting;
  if (native === undefined || typeof startWriting !== 'function') return false;
  try {
    // The method is not writable: an assignment would throw.
    Object.defineProperty(native, 'startWriting', {
      configurable: true,
      value: (address: number, callback: WriteCallback) =>
        startWriting.call(native, address, (status) => {
          // The answer tells the writer whether to wait for a transaction callback: hand it on.
          let answer: unknown;
          try {
            hint();
          } finally {
            answer = callback(status);
          }
          return answer;
        }),
    });
    return true;
  } catch {
    return false;
  }
}
