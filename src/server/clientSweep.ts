/**
 * Looks over all clients twice a second, and closes those that are silent, stand still, or hold too much between them.
 *
 * Owns these three rules; the limits are ServerLimits', closing is connection.ts's, each reason is counted. What one client alone may hold is bounded where it is written
 * (connection.ts); this is for what many make of it. A client is not silent that waits for messages, or whose command still waits or is held back.
 * Invariant: whoever takes anything of its replies, however slowly, does not stand still.
 */
import { isBlocked, isListening } from './clientList.ts';
import type { Connection } from './connection.ts';
import type { ServerCounters } from './serverCounters.ts';
import type { ServerLimits } from './serverLimits.ts';

const SWEEP_MS = 500;
/** Replies that wait for all clients together, bytes: beyond, whoever has most of them is closed. */
const OUTPUT_TOTAL_LIMIT_BYTES = 1024 * 1024 * 1024;

interface Swept {
  readonly connections: ReadonlyMap<number, Connection>;
  readonly limits: ServerLimits;
  readonly counters: ServerCounters;
  readonly outputTotalLimitBytes?: number | undefined;
}

/** Answers the function that ends it. */
export function startClientSweep(swept: Swept): () => void {
  const timer = setInterval(() => {
    sweepClients(swept);
  }, SWEEP_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}

function sweepClients({ connections, limits, counters, outputTotalLimitBytes }: Swept): void {
  const nowMs = performance.now();
  const holders: { readonly connection: Connection; readonly bytes: number }[] = [];
  let total = 0;
  for (const connection of connections.values()) {
    const { client } = connection;
    const bytes = client.pendingOutputBytes();
    if (bytes > 0) {
      total += bytes;
      holders.push({ connection, bytes });
      if (limits.clientStalledMs > 0) connection.watchOutput(limits.clientStalledMs);
    } else if (limits.clientIdleMs > 0 && nowMs - client.lastCommandAtMs >= limits.clientIdleMs) {
      if (isListening(client) || client.watches.length > 0 || isBlocked(client)) continue;
      counters.idleClosed += 1;
      connection.destroy();
    }
  }
  const limit = outputTotalLimitBytes ?? OUTPUT_TOTAL_LIMIT_BYTES;
  if (total <= limit) return;
  holders.sort((one, other) => other.bytes - one.bytes);
  for (const { connection, bytes } of holders) {
    if (total <= limit) return;
    total -= bytes;
    counters.outputTotalClosed += 1;
    connection.destroy();
  }
}
