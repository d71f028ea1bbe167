/**
 * The acknowledgement of what was written so far in this turn, as a promise.
 */
import type { AcknowledgementLevel } from './backend.ts';
import type { Runtime } from './runtime.ts';

/** Resolves when it has reached `level`, and ends the turn at once: whoever awaits it has nothing to batch. Rejects when it never will. */
export function acknowledged(runtime: Runtime, level: AcknowledgementLevel): Promise<void> {
  return new Promise((resolve, reject) => {
    runtime.acknowledge(level, (failure) => {
      if (failure === undefined) resolve();
      else reject(failure);
    });
    runtime.endTurnSoon();
  });
}
