/**
 * Writes and deletions at a steady pace, and what of them was acknowledged.
 *
 * Owns the keys it writes: each is set once, and every second one deleted once, so that what must be there and what must not
 * is known without knowing the order of anything else. Invariant: a key whose last request was not answered is neither expected
 * nor forbidden: its fate is open.
 */
import assert from 'node:assert/strict';
import type { ChildPeer } from './childPeer.ts';
import { countMissing } from './convergence.ts';
import { duration } from './waiting.ts';

/** Milliseconds between two requests of one writer. */
const PACE_MS = 8;
/** A key is deleted when so many were written after it: everybody has it by then. */
const DELETED_AFTER = 12;
/** Keys of one MGET. */
const MGET_KEYS = 500;

/** What every peer must hold, and must not, once all is quiet. */
export interface Acknowledged {
  readonly values: Map<string, string>;
  readonly deleted: Set<string>;
}

export function createAcknowledged(): Acknowledged {
  return { values: new Map(), deleted: new Set() };
}

export interface SteadyWriter {
  /** Sends no more; resolves when the last answer is there, or never will be. */
  stop(): Promise<void>;
}

/** Writes at `peer` until stopped, or until the peer ends. Keys begin with `prefix`, which no other writer has. */
export function writeSteadily(peer: ChildPeer, prefix: string, acknowledged: Acknowledged): SteadyWriter {
  let isStopped = false;
  const { values, deleted } = acknowledged;

  async function run(): Promise<void> {
    const client = await peer.connect();
    try {
      for (let index = 0; !isStopped; index += 1) {
        const key = `${prefix}:${index}`;
        await client.call('SET', key, `value ${index}`);
        values.set(key, `value ${index}`);
        if (index % 2 === 1 && index >= DELETED_AFTER) {
          const old = `${prefix}:${index - DELETED_AFTER}`;
          values.delete(old);
          await client.call('DEL', old);
          deleted.add(old);
        }
        await duration(PACE_MS); // the pace itself
      }
    } catch (error) {
      if (peer.isRunning && !client.isBroken) throw error; // a refusal: nothing here may be refused
    } finally {
      client.close();
    }
  }

  const running = run();
  running.catch(() => undefined); // judged at the stop
  return {
    stop: () => {
      isStopped = true;
      return running;
    },
  };
}

/** Fails unless every one of `peers` holds what was acknowledged, and nothing that was deleted. */
export async function assertAcknowledged(
  peers: readonly ChildPeer[],
  { values, deleted }: Acknowledged,
): Promise<void> {
  const gone = [...deleted];
  for (const peer of peers) {
    assert.equal(await countMissing(peer, values), 0, `acknowledged keys that ${peer.id} lacks`);
    for (let from = 0; from < gone.length; from += MGET_KEYS) {
      const part = gone.slice(from, from + MGET_KEYS);
      const reply = (await peer.ask('MGET', ...part)) as readonly unknown[];
      const back = part.filter((_, index) => reply[index] !== null);
      assert.deepEqual(back, [], `deleted keys that are back at ${peer.id}`);
    }
  }
}
