/**
 * Being told to stop: SIGINT, SIGTERM, SIGHUP where it means nothing else, or the end of the npm that started us.
 *
 * Owns the handlers for long-running commands. The first signal asks for a clean stop; another one ends
 * the process at once. Invariant: one Ctrl-C counts once, however many times it is delivered: the
 * terminal signals the whole process group, and npm forwards the same signal again.
 */
import { constants } from 'node:os';

/** Milliseconds after the first signal within which another is taken for the same one. */
const SAME_SIGNAL_MS = 500;
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type StopSignal = (typeof STOP_SIGNALS)[number];

/** Milliseconds between two looks at whether npm still runs. */
const PARENT_POLL_MS = 200;

export interface Stop {
  /** Resolves at the first signal, and when npm is gone. */
  readonly requested: Promise<void>;
}

/**
 * Started by `npm start`, between npm and us there may be a shell that dies of npm's SIGTERM and does not
 * pass it on. Then we have another parent, and nobody left to stop us.
 */
function watchNpm(onGone: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, PARENT_POLL_MS);
  timer.unref();
}

/** Takes the signals over for the rest of the process's life. */
export function listenForStop(signals: readonly StopSignal[] = STOP_SIGNALS): Stop {
  let firstAtMs: number | undefined;
  return {
    requested: new Promise((resolve) => {
      watchNpm(resolve);
      for (const signal of signals) {
        process.on(signal, () => {
          const nowMs = performance.now();
          if (firstAtMs === undefined) {
            firstAtMs = nowMs;
            resolve();
          } else if (nowMs - firstAtMs > SAME_SIGNAL_MS) {
            process.exit(128 + constants.signals[signal]);
          }
        });
      }
    }),
  };
}
