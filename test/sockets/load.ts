/**
 * Paced loads: writes at a given rate through several peers at once, every reply looked at.
 *
 * Owns the pace and the bookkeeping of what was acknowledged and what refused. What happens to the peers
 * meanwhile is the test's. Invariant: a load ends: by its count, its time limit or `stop`, and then when
 * every reply it is owed has come or its connection broke.
 */
import type { RespClient } from './respClient.ts';
import { duration, waitUntil } from './waiting.ts';

/** Milliseconds between two batches. */
const TICK_MS = 5;
/** Unanswered writes at which a load waits for replies, per connection. */
const OWED_LIMIT = 4000;

export interface Write {
  readonly key: string;
  readonly value: string;
}

export interface LoadOptions {
  readonly clients: readonly RespClient[];
  /** Writes per second, all clients together. */
  readonly ratePerSecond: number;
  readonly count: number;
  /** The load gives up sending after this. */
  readonly limitMs: number;
  /** The `index`-th write, from 0; it goes to client `index` modulo their number. */
  readonly write: (index: number) => Write;
  readonly onAcknowledged?: (write: Write) => void;
}

export interface LoadResult {
  readonly sent: number;
  readonly acknowledged: number;
  /** Error replies, and replies lost with their connection. */
  readonly refused: number;
  /** What they said, numbers left out, each text once with how often. */
  readonly refusals: readonly string[];
  /** From the first write to the last reply. */
  readonly tookMs: number;
}

export interface Load {
  readonly done: Promise<LoadResult>;
  /** Sends no more. */
  stop(): void;
}

export function startLoad(options: LoadOptions): Load {
  const { clients, ratePerSecond, count, limitMs, write, onAcknowledged } = options;
  let isStopped = false;
  let sent = 0;
  let settled = 0;
  let acknowledged = 0;
  let lastReplyMs = 0;
  let refused = 0;
  const refusals = new Map<string, number>();

  async function run(): Promise<LoadResult> {
    const startMs = performance.now();
    const isOpen = (): boolean => !isStopped && sent < count && performance.now() - startMs < limitMs;
    while (isOpen()) {
      const due = Math.min(count, Math.ceil(((performance.now() - startMs) / 1000) * ratePerSecond));
      while (sent < due) {
        const client = clients[sent % clients.length];
        if (client === undefined || client.owed > OWED_LIMIT) break;
        post(client, write(sent));
        sent += 1;
      }
      await duration(TICK_MS); // the pace itself
    }
    await waitUntil('all replies', () => settled === sent, limitMs);
    const said = Array.from(refusals, ([text, times]) => `${times} times: ${text}`);
    return { sent, acknowledged, refused, refusals: said, tookMs: lastReplyMs - startMs };
  }

  function post(client: RespClient, one: Write): void {
    client.post(['SET', one.key, one.value], (reply) => {
      settled += 1;
      lastReplyMs = performance.now();
      if (reply instanceof Error) {
        refused += 1;
        const text = reply.message.replaceAll(/\d+/g, 'N');
        refusals.set(text, (refusals.get(text) ?? 0) + 1);
        return;
      }
      acknowledged += 1;
      onAcknowledged?.(one);
    });
  }

  return {
    done: run(),
    stop: () => {
      isStopped = true;
    },
  };
}

/** A repeatable sequence of numbers in [0, 1) from `seed`. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
