/**
 * A client that does nothing wrong, in a process of its own: it reads and writes, one after the other, and says how long its peer took.
 *
 * Owns one connection. A reply that does not come within PATIENCE_MS is the attack's success, and is told. Invariant: between two questions every operation counts once.
 */
import { openConnection } from '../../src/cli/connection.ts';
import { percentile } from '../bench/statistics.ts';
import { HOST } from '../bench/workspace.ts';

/** Milliseconds between two operations, so that this client itself is no load. */
const PAUSE_MS = 2;
const PATIENCE_MS = 10_000;

/** Since the last such message. */
export interface Latencies {
  readonly kind: 'latencies';
  readonly operations: number;
  readonly failures: readonly string[];
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maximumMs: number;
}

const connection = await openConnection({ host: HOST, port: Number(process.argv[2]) });
/** When the operation began that is under way: one that never ends must not hide. */
let startedMs: number | undefined;
let took: number[] = [];
let failures: string[] = [];

/** 0 where there was no operation; JSON has no NaN. */
function percentileOf(share: number): number {
  return took.length === 0 ? 0 : percentile(took, share);
}

process.on('message', () => {
  const latencies: Latencies = {
    kind: 'latencies',
    operations: took.length,
    failures,
    p50Ms: percentileOf(0.5),
    p99Ms: percentileOf(0.99),
    maximumMs: Math.max(0, ...took, startedMs === undefined ? 0 : performance.now() - startedMs),
  };
  took = [];
  failures = [];
  process.send?.(latencies);
});
process.on('disconnect', () => {
  process.exit();
});

for (let turn = 0; ; turn += 1) {
  const words = turn % 2 === 0 ? ['SET', 'innocent', `${turn}`] : ['GET', 'innocent'];
  startedMs = performance.now();
  try {
    await connection.request(words, PATIENCE_MS);
    took.push(performance.now() - startedMs);
  } catch (error) {
    failures.push(`${words.join(' ')}: ${error instanceof Error ? error.message : String(error)}`);
  }
  startedMs = undefined;
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
