/**
 * Child process: one Redis client that GETs small values, one at a time, at a steady pace, and times each.
 *
 * Owns the pace and the clock readings. A GET that took longer than the pace stands also for those that were due meanwhile, as other clients would
 * have sent them, each with what was left of the wait: a server that stands still for a second is late for all who come in it, not for one.
 * Invariant: a timer of this process that fires late is not held against the server.
 */
import { openConnection } from '../../src/cli/connection.ts';
import { numberedKey } from './fillStore.ts';
import type { BeginGetsMessage, EndGetsMessage, LatenciesMessage, StandsByMessage } from './joinMessages.ts';
import { HOST } from './workspace.ts';

/** The GET that is under way then is waited for: it may be the slowest. */
let isEnding = false;

async function get({ port, prefix, keys, perSecond }: BeginGetsMessage): Promise<void> {
  const connection = await openConnection({ host: HOST, port });
  const paceMs = 1000 / perSecond;
  const latenciesMs: number[] = [];
  while (!isEnding) {
    const key = numberedKey(prefix, Math.floor(Math.random() * keys));
    const sentMs = performance.now();
    if ((await connection.request(['GET', key])) === null) throw new Error(`${key} is not there`);
    const tookMs = performance.now() - sentMs;
    for (let waitedMs = tookMs; waitedMs > 0; waitedMs -= paceMs) latenciesMs.push(waitedMs);
    if (tookMs < paceMs) await new Promise((resolve) => setTimeout(resolve, paceMs - tookMs));
  }
  connection.close();
  process.send?.({ kind: 'latencies', latenciesMs } satisfies LatenciesMessage);
}

process.on('message', (message: BeginGetsMessage | EndGetsMessage) => {
  if (message.kind === 'endGets') {
    isEnding = true;
    return;
  }
  isEnding = false;
  void get(message);
});
process.once('disconnect', () => process.exit(0));
// An orderly end lets a profile be written.
process.once('SIGTERM', () => process.exit(0));
process.send?.({ kind: 'standsBy' } satisfies StandsByMessage);
