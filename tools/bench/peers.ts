/**
 * Peers as the benchmark meets them: child processes of the shipped `toposphere serve`, asked over the Redis protocol.
 *
 * Owns their start, the wait until they hear each other, and the two questions that make runs comparable: is the
 * store at rest, do all hold the same. Leaves load to redisBenchmark.ts. Invariant: a run begins only when the work of the one before is done.
 */
import { openConnection, replyText } from '../../src/cli/connection.ts';
import type { Connection } from '../../src/cli/connection.ts';
import { DERIVED_PORT_DISTANCE } from '../../src/peer/serversFile.ts';
import type { Bench } from './budget.ts';
import type { Child } from './children.ts';
import { builtCommand } from './shipped.ts';
import { HOST } from './workspace.ts';
import type { ServersText } from './workspace.ts';

/** Milliseconds until a peer must serve clients, and until all must hear each other. */
const START_TIMEOUT_MS = 15_000;
/** Milliseconds between two questions while something is waited for that sends no news. */
const POLL_MS = 20;
/** Milliseconds a store is given to come to rest between two runs. */
const REST_TIMEOUT_MS = 5000;

/** The part of TOPOSPHERE STATUS that is read by the parts. */
export interface Status {
  readonly phase: string;
  readonly keys: number;
  readonly joining: { readonly asked: number; readonly joined: number; readonly bytes: number };
  readonly collection: { readonly learned: number; readonly longestTableRows: number };
  readonly members: readonly { readonly alive: boolean; readonly multicast: boolean }[];
  readonly vector: Readonly<Record<string, number>>;
  readonly lagUpdates: number;
  readonly drops: Readonly<Record<string, number>>;
  readonly counters: Readonly<Record<string, number>>;
  readonly network: {
    readonly datagrams: { readonly sent: { readonly bytes: number } };
    readonly streams: { readonly outgoing: { readonly bytes: number } };
  };
  readonly storage: {
    readonly activeKeys: number;
    readonly sealedKeys: number;
    readonly pendingTurns: number;
  };
}

export interface ServedPeer {
  readonly id: string;
  readonly child: Child;
  readonly clientPort: number;
  /** When its process was started, and when its `ready` came, on the clock of `performance`. */
  readonly startedMs: number;
  readonly readyMs: number;
  readonly connection: Connection;
  /** Rejects when the peer does not answer in `timeoutMs`. */
  readonly status: (timeoutMs?: number) => Promise<Status>;
}

/** Polls `isTrue` until it is, every `pollMs`; answers false when `timeoutMs` are over first. */
export async function waitUntil(
  isTrue: () => Promise<boolean>,
  timeoutMs: number,
  pollMs = POLL_MS,
): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs) return false;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return true;
}

/** Command-line settings that make the peers of `cluster` one cluster of their own. */
export function clusterWords(cluster: ServersText, id: string): readonly string[] {
  return [
    `--id=${id}`,
    `--servers=${cluster.path}`,
    `--data-directory=${cluster.dataDirectory}`,
    `--cluster-id=${cluster.clusterId}`,
    `--multicast-group=${cluster.multicast.group}`,
    `--multicast-port=${cluster.multicast.port}`,
  ];
}

/** Starts one peer of `cluster` and waits until it serves clients, whomever it hears. `words` are further settings. */
export async function startPeer(
  bench: Pick<Bench, 'children'>,
  cluster: ServersText,
  index: number,
  words: readonly string[],
  command = builtCommand(bench.children.isProfiling),
): Promise<ServedPeer> {
  const id = cluster.ids[index] ?? '';
  const startedMs = performance.now();
  const child = bench.children.spawnNode(`serve ${id} of ${cluster.ids.length}`, [
    command,
    'serve',
    ...clusterWords(cluster, id),
    ...words,
  ]);
  await child.next('ready', START_TIMEOUT_MS);
  const readyMs = performance.now();
  const clientPort = (cluster.ports[index] ?? 0) - DERIVED_PORT_DISTANCE;
  const connection = await openConnection({ host: HOST, port: clientPort });
  const status = (timeoutMs?: number): Promise<Status> => askStatus(connection, timeoutMs);
  return { id, child, clientPort, startedMs, readyMs, connection, status };
}

/** Starts every peer of a fresh servers.txt and waits until all hear all, by multicast. `words` are settings of all, `command` is another build's where it is given. */
export async function startPeers(
  bench: Bench,
  count: number,
  words: readonly string[] = [],
  command?: string,
): Promise<readonly ServedPeer[]> {
  const cluster = await bench.workspace.cluster(count);
  const peers = await Promise.all(
    cluster.ids.map((_, index) => startPeer(bench, cluster, index, words, command)),
  );
  const haveMet = await waitUntil(async () => {
    const statuses = await Promise.all(peers.map(({ status }) => status()));
    return statuses.every(
      ({ members }) =>
        members.length === count - 1 && members.every(({ alive, multicast }) => alive && multicast),
    );
  }, START_TIMEOUT_MS);
  if (!haveMet) throw new Error(`${count} peers did not all hear each other in ${START_TIMEOUT_MS} ms`);
  return peers;
}

async function askStatus(connection: Connection, timeoutMs?: number): Promise<Status> {
  // Our own peers, built from the same tree: the shape is status.ts's.
  return JSON.parse(replyText(await connection.request(['TOPOSPHERE', 'STATUS'], timeoutMs))) as Status;
}

/** Waits until the stores have folded what was written, so that the work of one run is not done in the next. False when `timeoutMs` do not do. */
export async function waitForRest(
  peers: readonly ServedPeer[],
  timeoutMs = REST_TIMEOUT_MS,
): Promise<boolean> {
  return waitUntil(async () => {
    const statuses = await Promise.all(peers.map(({ status }) => status()));
    return statuses.every(
      ({ storage }) => storage.activeKeys + storage.sealedKeys + storage.pendingTurns === 0,
    );
  }, timeoutMs);
}

function sortedVector({ vector }: Status): string {
  return JSON.stringify(Object.entries(vector).sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** Milliseconds until all peers have every update that any of them has; undefined when `timeoutMs` do not do. */
export async function timeToConverge(
  peers: readonly ServedPeer[],
  timeoutMs: number,
): Promise<number | undefined> {
  const startedMs = performance.now();
  const isConverged = await waitUntil(async () => {
    const statuses = await Promise.all(peers.map(({ status }) => status()));
    return new Set(statuses.map(sortedVector)).size === 1;
  }, timeoutMs);
  return isConverged ? performance.now() - startedMs : undefined;
}
