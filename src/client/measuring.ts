/**
 * How near each peer is: the shortest of a few round trips, of all at the same time.
 *
 * Owns the measuring and its bound. What is made of it is peerList.ts's. Invariant: it ends in time, whoever does not answer, and leaves no connection.
 */
import type { PeerAddress } from './peerList.ts';
import { createRedis } from './redis.ts';
import type { Access } from './redis.ts';

/** The first round trips of a connection take longer; chance makes any of them longer, none shorter. */
const ROUND_TRIPS = 5;

/** Milliseconds by name, for those that answered. */
export async function measurePeers(
  peers: readonly PeerAddress[],
  access: Access,
  withinMs: number,
): Promise<ReadonlyMap<string, number>> {
  if (peers.length < 2) return new Map();
  const found = new Map<string, number>();
  await Promise.all(
    peers.map(async (peer) => {
      const ms = await measure(peer, access, withinMs);
      if (ms !== undefined) found.set(peer.name, ms);
    }),
  );
  return found;
}

/** Who cannot be measured is tried last, and then says why. */
async function measure(peer: PeerAddress, access: Access, withinMs: number): Promise<number | undefined> {
  const redis = createRedis(peer, access, withinMs, () => undefined);
  let shortestMs: number | undefined;
  const timer = setTimeout(() => {
    redis.end('too far');
  }, withinMs);
  try {
    await redis.connect();
    for (let trip = 0; trip < ROUND_TRIPS; trip += 1) {
      const startMs = performance.now();
      await redis.send(['PING']);
      shortestMs = Math.min(shortestMs ?? Infinity, performance.now() - startMs);
    }
  } catch {
    // as far as it came
  }
  clearTimeout(timer);
  redis.end('measured');
  return shortestMs;
}
