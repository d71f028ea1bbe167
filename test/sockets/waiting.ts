/**
 * Waiting for a condition, with a deadline that says what did not happen.
 *
 * Owns the only timers by which socket tests wait. A duration that is part of a scenario (ten seconds
 * of SIGSTOP) is `duration`; nothing else sleeps. Invariant: every wait ends, and one that failed names
 * what was awaited and what was seen last.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds between two looks at a condition. */
const LOOK_INTERVAL_MS = 15;
/** Milliseconds that a wait takes at most unless it says otherwise. */
export const WAIT_TIMEOUT_MS = 15_000;

/** Resolves with the milliseconds it took until `isMet`; rejects after `timeoutMs`, with what `seen` says. */
export async function waitUntil(
  what: string,
  isMet: () => boolean | Promise<boolean>,
  timeoutMs = WAIT_TIMEOUT_MS,
  seen: () => string = () => '',
): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    if (await isMet()) return performance.now() - startMs;
    if (performance.now() - startMs > timeoutMs) {
      throw new Error(`not within ${timeoutMs} ms: ${what}${seen() === '' ? '' : `; seen last: ${seen()}`}`);
    }
    await delay(LOOK_INTERVAL_MS);
  }
}

/** Rejects when `promise` has not settled within `timeoutMs`. */
export async function withDeadline<T>(
  what: string,
  promise: Promise<T>,
  timeoutMs = WAIT_TIMEOUT_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`not within ${timeoutMs} ms: ${what}`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A length of time that belongs to the scenario itself. */
export async function duration(lengthMs: number): Promise<void> {
  await delay(lengthMs);
}

/** One line with a measured figure, for the reader of the test's output. */
export function report(figure: string): void {
  console.log(`      measured: ${figure}`);
}
