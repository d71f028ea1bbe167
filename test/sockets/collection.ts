/**
 * Waiting for rounds, and looking for what they should have collected.
 *
 * Owns no cluster and writes nothing but the key that makes a round due. Tombstones are counted by walking the store.
 */
import assert from 'node:assert/strict';
import type { ChildPeer } from './childPeer.ts';
import { waitUntil } from './waiting.ts';

/** Waits until a round that began after this call has ended everywhere, and no tombstone is left. A write makes one due. */
export async function awaitCollected(peers: readonly ChildPeer[]): Promise<number> {
  const sinceMs = Date.now();
  await peers[0]?.set('due', String(sinceMs));
  let seen = '';
  const isCollected = async (): Promise<boolean> => {
    const statuses = await Promise.all(peers.map((peer) => peer.status()));
    seen = statuses
      .map(
        ({ id, tombstones, collection }) =>
          `${id}: ${tombstones} tombstones, horizon ${(collection.horizonMs ?? 0) - sinceMs} ms after, ` +
          `${collection.pendingHorizons} pending, waits for [${collection.waitingFor.join(' ')}]`,
      )
      .join('; ');
    return statuses.every(
      ({ tombstones, collection }) => tombstones === 0 && (collection.horizonMs ?? 0) >= sinceMs,
    );
  };
  return waitUntil('a round, and all tombstones gone', isCollected, undefined, () => seen);
}

/** Tombstones by walking the store, not by the count that is kept. */
export async function assertNoTombstones(peers: readonly ChildPeer[]): Promise<void> {
  for (const peer of peers) assert.equal((await peer.digest()).tombstones, 0, peer.id);
}
