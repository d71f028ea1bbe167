/**
 * One cold join: a donor that holds the data and has long let go of the way it came, and a peer that starts on an empty disk.
 *
 * Owns both peers, how the donor is made ready, and what is looked at while it is joined. The donor begins as the only line of servers.txt, so that
 * its rounds end and its tables are empty: whoever comes then is given a checkpoint (a fresh peer that no round has ended without begins at once, and
 * is sent update by update). Invariant: a join has a time only if both hold the same afterwards, by digest.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Bench } from './budget.ts';
import { fillStore } from './fillStore.ts';
import type { Filling } from './fillStore.ts';
import type { PacedGets } from './pacedGets.ts';
import { forgetPeak, readMemory } from './peakMemory.ts';
import type { Memory } from './peakMemory.ts';
import { startPeer, waitForRest, waitUntil } from './peers.ts';
import type { ServedPeer } from './peers.ts';
import { HOST } from './workspace.ts';
import type { ServersText } from './workspace.ts';

/** Milliseconds that a join may take, a store may take to come to rest after it, and a digest of it. */
export const JOIN_TIMEOUT_MS = 120_000;
/** Milliseconds between two looks at the joiner: the figures are no finer. */
export const JOIN_POLL_MS = 10;
/** Rounds of the lone donor come as soon as there is something to collect; no checkpoint file is written while anything is measured. */
const SETTINGS = [`--multicast-interface=${HOST}`, '--checkpoint-interval-ms=0', '--gc-interval-ms=200'];

/** Since the joiner was ready, milliseconds; NaN for what did not come in time. */
export interface Progress {
  /** It had found the donor and asked for a checkpoint. */
  askedMs: number;
  /** The last look at which more of one had come. */
  receivedMs: number;
  /** It took part, and had the donor's number of keys. */
  joinedMs: number;
  /** All of it was in the trees of its store. */
  foldedMs: number;
}

export interface JoinFigures extends Progress {
  /** Since the process of the joiner was started, milliseconds. */
  readonly fromStartMs: number;
  /** Checkpoints that the joiner took in: none when it was caught up update by update. */
  readonly checkpoints: number;
  readonly joiner: Memory;
  readonly donorBefore: Memory;
  readonly donor: Memory;
  /** GETs on the donor before the joiner was started, and while it joined, milliseconds each. */
  readonly atRestMs: readonly number[];
  readonly meanwhileMs: readonly number[];
}

export interface Donor {
  readonly peer: ServedPeer;
  /** Where its LMDB environment lies. */
  readonly directory: string;
  readonly cluster: ServersText;
  readonly keys: number;
}

/** Starts a donor, fills it, lets it come to rest and tells it of the second peer. */
export async function startDonor(bench: Bench, fillings: readonly Filling[]): Promise<Donor> {
  const cluster = await bench.workspace.cluster(2);
  const lines = await readFile(cluster.path, 'utf8');
  await writeFile(cluster.path, lines.slice(0, lines.indexOf('\n') + 1));
  const peer = await startPeer(bench, cluster, 0, SETTINGS);
  for (const filling of fillings) await fillStore(peer.clientPort, filling);
  const isCollected = await waitUntil(async () => {
    const { collection } = await peer.status();
    return collection.learned > 0 && collection.longestTableRows === 0;
  }, JOIN_TIMEOUT_MS);
  if (!isCollected || !(await waitForRest([peer], JOIN_TIMEOUT_MS)))
    throw new Error(`the donor did not come to rest within ${JOIN_TIMEOUT_MS} ms`);
  await writeFile(cluster.path, lines);
  await peer.connection.request(['TOPOSPHERE', 'RELOAD']);
  const keys = fillings.reduce((sum, filling) => sum + filling.keys, 0);
  const held = (await peer.status()).keys;
  if (held !== keys) throw new Error(`the donor has ${held} of ${keys} keys`);
  return { peer, directory: join(cluster.dataDirectory, peer.id), cluster, keys };
}

/** Stops the donor; its disk stays until `removeDonor`. */
export async function stopDonor(bench: Bench, { peer }: Donor): Promise<void> {
  peer.connection.close();
  await bench.children.stop([peer.child]);
}

export async function removeDonor({ cluster }: Donor): Promise<void> {
  await rm(dirname(cluster.path), { recursive: true, force: true });
}

/** Looks at the joiner until it has everything, or time is up. */
async function watchJoin(joiner: ServedPeer, keys: number): Promise<Progress> {
  const progress: Progress = { askedMs: NaN, receivedMs: NaN, joinedMs: NaN, foldedMs: NaN };
  let receivedBytes = 0;
  await waitUntil(
    async () => {
      const { phase, keys: held, joining } = await joiner.status(JOIN_TIMEOUT_MS);
      const sinceReadyMs = performance.now() - joiner.readyMs;
      if (joining.asked > 0 && Number.isNaN(progress.askedMs)) progress.askedMs = sinceReadyMs;
      if (joining.bytes > receivedBytes) {
        receivedBytes = joining.bytes;
        progress.receivedMs = sinceReadyMs;
      }
      if (phase === 'member' && held === keys) progress.joinedMs = sinceReadyMs;
      return !Number.isNaN(progress.joinedMs);
    },
    JOIN_TIMEOUT_MS,
    JOIN_POLL_MS,
  );
  return progress;
}

async function digestOf({ connection }: ServedPeer): Promise<string> {
  const reply = await connection.request(['TOPOSPHERE', 'DIGEST'], JOIN_TIMEOUT_MS);
  return String(Array.isArray(reply) ? reply[0] : reply);
}

/** Starts the second peer of the donor's cluster on an empty disk, follows it until it has everything, and stops it. */
export async function measureJoin(
  bench: Bench,
  { peer: donor, cluster, keys }: Donor,
  gets: PacedGets,
  read: Filling,
  onStarted?: (joiner: ServedPeer) => void,
): Promise<JoinFigures> {
  gets.begin(donor.clientPort, read);
  await new Promise((resolve) => setTimeout(resolve, bench.sizes.joinRestMs));
  const atRestMs = await gets.end();
  const donorBefore = await readMemory(donor.child.processId);
  await forgetPeak(donor.child.processId);
  const joiner = await startPeer(bench, cluster, 1, SETTINGS);
  onStarted?.(joiner);
  gets.begin(donor.clientPort, read);
  const progress = await watchJoin(joiner, keys);
  const meanwhileMs = await gets.end();
  const isJoined = !Number.isNaN(progress.joinedMs);
  if (isJoined && (await waitForRest([joiner], JOIN_TIMEOUT_MS)))
    progress.foldedMs = performance.now() - joiner.readyMs;
  const { joining } = await joiner.status(JOIN_TIMEOUT_MS);
  const figures: JoinFigures = {
    ...progress,
    fromStartMs: progress.joinedMs + joiner.readyMs - joiner.startedMs,
    checkpoints: joining.joined,
    joiner: await readMemory(joiner.child.processId),
    donorBefore,
    donor: await readMemory(donor.child.processId),
    atRestMs,
    meanwhileMs,
  };
  const digests = isJoined ? await Promise.all([donor, joiner].map(digestOf)) : [];
  if (new Set(digests).size > 1) throw new Error('who has joined does not hold what its donor holds');
  joiner.connection.close();
  await bench.children.stop([joiner.child]);
  return figures;
}
