/**
 * The acknowledgement of what was written so far in this turn, as a promise.
 */
import type { AcknowledgementLevel } from './backend.ts';
import { assertReplicable, whenReplicated, type ReplicatedLevel } from './replicated.ts';
import type { Runtime } from './runtime.ts';

export type Acknowledge = AcknowledgementLevel | ReplicatedLevel;

/** The level that is asked for. To be called before the write: throws for one that cannot be waited for. */
export function levelOf(
  runtime: Runtime,
  { acknowledge = 'committed' }: { readonly acknowledge?: Acknowledge },
): Acknowledge {
  if (typeof acknowledge === 'object') assertReplicable(runtime, acknowledge);
  return acknowledge;
}

/** Resolves when it has reached `level`, and ends the turn at once: whoever awaits it has nothing to batch. Rejects when it never will. */
export function acknowledged(runtime: Runtime, level: Acknowledge): Promise<void> {
  if (typeof level === 'object') return whenReplicated(runtime, level);
  return new Promise((resolve, reject) => {
    runtime.acknowledge(level, (failure) => {
      if (failure === undefined) resolve();
      else reject(failure);
    });
    runtime.endTurnSoon();
  });
}
