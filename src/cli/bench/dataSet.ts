/**
 * The keys of a run: written before it, gone after it.
 *
 * Owns that a read finds something from the first one on, at whichever peer it asks, and that nothing of the run is left: what is deleted at one peer may still be on its way from another, so
 * every peer is asked for what it still has under the prefix until none has anything. Invariant: no key that does not begin with the run's prefix is written or deleted.
 */
import { openStream } from '../../simulator/random.ts';
import { openConnection } from '../connection.ts';
import type { Connection, Reply } from '../connection.ts';
import { CommandFailure, failureLines } from '../failure.ts';
import { nameOf } from '../target.ts';
import type { Target } from '../target.ts';
import type { Plan } from './plan.ts';
import { createValues, keyName } from './requests.ts';

/** Keys and bytes of one request, at most, and requests under way. */
const CHUNK_KEYS = 500;
const CHUNK_BYTES = 2 ** 20;
const UNDER_WAY = 4;
/** Milliseconds until a key that was written at one peer must be at the others, or gone from them. */
const SPREAD_MS = 10_000;
const LOOK_MS = 50;
/** Keys of one answer to RANGE: their values come along. */
const RANGE_KEYS = 64;

type OnDone = (keys: number) => void;

/** Sends `requests` one after the other, some at a time. */
async function sendAll(
  connection: Connection,
  requests: Iterable<{ readonly words: readonly string[]; readonly keys: number }>,
  onDone: OnDone,
): Promise<void> {
  const iterator = requests[Symbol.iterator]();
  let done = 0;
  const sendNext = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      await connection.request(next.value.words);
      done += next.value.keys;
      onDone(done);
    }
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, sendNext));
}

function* fillRequests(
  plan: Plan,
  isStopped: () => boolean,
): Generator<{ words: readonly string[]; keys: number }> {
  const value = createValues(plan, openStream(plan.seed, 'fill'));
  let words = ['MSET'];
  let bytes = 0;
  for (let number = 0; number < plan.keys && !isStopped(); number += 1) {
    const text = value();
    words.push(keyName(plan, number), text);
    bytes += text.length;
    if (words.length <= 2 * CHUNK_KEYS && bytes < CHUNK_BYTES && number + 1 < plan.keys) continue;
    yield { words, keys: (words.length - 1) / 2 };
    words = ['MSET'];
    bytes = 0;
  }
}

function* deleteRequests(plan: Plan): Generator<{ words: readonly string[]; keys: number }> {
  for (let first = 0; first < plan.keys; first += CHUNK_KEYS) {
    const keys = Math.min(CHUNK_KEYS, plan.keys - first);
    const names = Array.from({ length: keys }, (_, index) => keyName(plan, first + index));
    yield { words: ['DEL', ...names], keys };
  }
}

/** Asks until `isMet`, and no longer than SPREAD_MS; answers whether it was. */
async function ask(isMet: () => Promise<boolean>): Promise<boolean> {
  const deadlineMs = performance.now() + SPREAD_MS;
  for (;;) {
    if (await isMet()) return true;
    if (performance.now() > deadlineMs) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Writes every key at the first peer, and returns when the last of them is at all, or when stopped. Rejects with CommandFailure. */
export async function fill(
  plan: Plan,
  targets: readonly Target[],
  isStopped: () => boolean,
  onDone: OnDone,
): Promise<void> {
  const connections = await Promise.all(targets.map((target) => openConnection(target)));
  try {
    const [first] = connections;
    if (first === undefined) throw new Error('there is nobody to fill');
    await sendAll(first, fillRequests(plan, isStopped), onDone);
    if (isStopped()) return;
    const last = ['GET', keyName(plan, plan.keys - 1)];
    for (const [index, connection] of connections.entries()) {
      if (await ask(async () => (await connection.request(last)) !== null)) continue;
      const target = targets[index];
      const name = target === undefined ? 'a peer' : nameOf(target);
      throw new CommandFailure(
        `${name} does not have the keys of this run ${SPREAD_MS / 1000} s after they were written; ask toposphere status what holds it up`,
      );
    }
  } finally {
    for (const connection of connections) connection.close();
  }
}

function keysOf(reply: Reply): readonly Buffer[] {
  if (!Array.isArray(reply)) return [];
  return (reply as readonly Reply[]).filter(
    (item, index): item is Buffer => index % 2 === 0 && Buffer.isBuffer(item),
  );
}

async function deleteRest(plan: Plan, connection: Connection): Promise<boolean> {
  const rest = keysOf(await connection.request(['TOPOSPHERE', 'RANGE', plan.prefix, '', String(RANGE_KEYS)]));
  if (rest.length > 0) await connection.request(['DEL', ...rest]);
  return rest.length === 0;
}

/** Deletes every key of the run at the peers that answer. Answers what is left to do, one sentence each; none when all is gone. */
export async function remove(
  plan: Plan,
  targets: readonly Target[],
  onDone: OnDone,
): Promise<readonly string[]> {
  const opened = await Promise.allSettled(targets.map((target) => openConnection(target)));
  const connections = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  try {
    const [first] = connections;
    if (first === undefined) throw new CommandFailure('no peer can be reached');
    await sendAll(first, deleteRequests(plan), onDone);
    const isGone = await ask(async () => {
      const gone = await Promise.all(connections.map((connection) => deleteRest(plan, connection)));
      return gone.every(Boolean);
    });
    return isGone ? [] : [`keys that begin with ${plan.prefix} are still there: delete them`];
  } catch (error) {
    const reasons = failureLines(error).join('; ');
    return [`keys that begin with ${plan.prefix} may be left (${reasons}): delete them`];
  } finally {
    for (const connection of connections) connection.close();
  }
}
