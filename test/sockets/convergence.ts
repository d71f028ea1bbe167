/**
 * Whether peers hold the same, and since when.
 *
 * Owns the comparison: by digest (every entry with its tag), or by the values of given keys. Invariant:
 * a time that comes out ends when the last answer that shows it was in the test's hands, so it is never too short.
 */
import assert from 'node:assert/strict';
import type { ChildPeer, FullStatus } from './childPeer.ts';
import { WAIT_TIMEOUT_MS, waitUntil } from './waiting.ts';

/** Keys of one MGET. */
const MGET_KEYS = 500;

export interface Agreement {
  /** Milliseconds from the call until all peers were known to have the same updates; that their digests were equal then as well was found afterwards. */
  readonly tookMs: number;
  readonly digest: string;
  readonly visible: number;
}

/** The vector as one text, origins in order. */
function vectorText({ vector }: FullStatus): string {
  return JSON.stringify(Object.entries(vector).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Waits until the digests of all `peers` are equal. Rejects after `timeoutMs`, with what each said last.
 * Vectors are compared first, and it is them that are timed: a digest reads every entry, which takes longer than the rest. Nobody writes meanwhile, so
 * what the digests say holds for the moment at which the vectors were equal.
 */
export async function awaitEqualDigests(
  peers: readonly ChildPeer[],
  timeoutMs = WAIT_TIMEOUT_MS,
): Promise<Agreement> {
  let seen = '';
  let agreed = { digest: '', visible: 0 };
  const sinceMs = performance.now();
  let tookMs = 0;
  await waitUntil(
    'equal digests',
    async () => {
      const statuses = await Promise.all(peers.map((peer) => peer.status()));
      const isEqual = new Set(statuses.map(vectorText)).size === 1;
      seen = `vectors ${statuses.map((status) => `${status.id} ${vectorText(status)}`).join(', ')}`;
      if (!isEqual) return false;
      tookMs = performance.now() - sinceMs;
      const answers = await Promise.all(peers.map((peer) => peer.digest()));
      seen = answers
        .map(({ digest, visible }, index) => `${peers[index]?.id ?? ''} ${digest} (${visible})`)
        .join(', ');
      agreed = answers[0] ?? agreed;
      return new Set(answers.map(({ digest }) => digest)).size === 1;
    },
    timeoutMs,
    () => seen,
  );
  return { tookMs, ...agreed };
}

/** How many of `expected` (value by key) `peer` does not hold as expected. */
export async function countMissing(peer: ChildPeer, expected: ReadonlyMap<string, string>): Promise<number> {
  const keys = [...expected.keys()];
  let missing = 0;
  for (let from = 0; from < keys.length; from += MGET_KEYS) {
    const part = keys.slice(from, from + MGET_KEYS);
    const reply = await peer.ask('MGET', ...part);
    const values = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
    part.forEach((key, index) => {
      const value = values[index];
      if (!Buffer.isBuffer(value) || value.toString() !== expected.get(key)) missing += 1;
    });
  }
  return missing;
}

/** Waits until every one of `peers` holds all of `expected`; resolves with the milliseconds it took. */
export async function awaitAllPresent(
  peers: readonly ChildPeer[],
  expected: ReadonlyMap<string, string>,
  timeoutMs = WAIT_TIMEOUT_MS,
): Promise<number> {
  let missing: readonly number[] = [];
  return waitUntil(
    `${expected.size} keys on ${peers.length} peers`,
    async () => {
      missing = await Promise.all(peers.map((peer) => countMissing(peer, expected)));
      return missing.every((count) => count === 0);
    },
    timeoutMs,
    () => `missing ${peers.map(({ id }, index) => `${id} ${missing[index] ?? '?'}`).join(', ')}`,
  );
}

/** Fails unless every one of `peers` holds all of `expected` now. */
export async function assertAllPresent(
  peers: readonly ChildPeer[],
  expected: ReadonlyMap<string, string>,
): Promise<void> {
  for (const peer of peers) {
    assert.equal(await countMissing(peer, expected), 0, `keys that ${peer.id} lacks or holds differently`);
  }
}
