/**
 * redis-server, alone or as one primary with replicas: the other side of every ratio.
 *
 * Owns how it is configured (append-only file, fsync every second, nothing else on disk, no rewriting during a run) and the
 * wait until replicas follow. Invariant: it listens on 127.0.0.1 and writes to the workspace only; without the program a part says `skipped` and why.
 */
import { spawnSync } from 'node:child_process';
import { openConnection, replyText } from '../../src/cli/connection.ts';
import type { Connection } from '../../src/cli/connection.ts';
import type { Bench } from './budget.ts';
import type { Child } from './children.ts';
import { waitUntil } from './peers.ts';
import { HOST } from './workspace.ts';

/** Milliseconds until a server must answer, and until a replica must follow. */
const START_TIMEOUT_MS = 15_000;
/** Of a primary: replicas are fed at once instead of after the 5 s in which more of them might come. */
export const FEEDS_AT_ONCE = ['--repl-diskless-sync-delay', '0'];

export interface RedisServer {
  readonly child: Child;
  readonly port: number;
  /** Where it keeps its files. */
  readonly directory: string;
  readonly connection: Connection;
}

/** Version of redis-server, or why there is none. redis-benchmark must be there too. */
export function findRedis(): { readonly version: string } | { readonly missing: string } {
  let version = 'unknown';
  for (const program of ['redis-benchmark', 'redis-server']) {
    const { error, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
    if (error !== undefined) return { missing: `${program} is not installed` };
    version = /v=([0-9.]+)/.exec(stdout)?.[1] ?? version;
  }
  return { version };
}

/** `settings` as on redis-server's command line, each with its value in one string. */
async function startRedis(
  bench: Pick<Bench, 'children' | 'workspace'>,
  name: string,
  settings: readonly string[],
): Promise<RedisServer> {
  const port = await bench.workspace.freePort();
  const directory = await bench.workspace.folder(`redis-${port}`);
  const child = bench.children.spawn(name, 'redis-server', [
    ...['--bind', HOST, '--port', `${port}`, '--dir', directory, '--save', ''],
    ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0'],
    ...settings,
  ]);
  let connection: Connection | undefined;
  const answers = await waitUntil(async () => {
    if (child.hasEnded) throw child.failure();
    connection = await openConnection({ host: HOST, port }).catch(() => undefined);
    return connection !== undefined;
  }, START_TIMEOUT_MS);
  if (!answers || connection === undefined) throw new Error(`${name} does not answer`);
  return { child, port, directory, connection };
}

export function startRedisAlone(
  bench: Pick<Bench, 'children' | 'workspace'>,
  name = 'redis-server',
  settings: readonly string[] = [],
): Promise<RedisServer> {
  return startRedis(bench, name, settings);
}

async function replicationInfo({ connection }: RedisServer): Promise<ReadonlyMap<string, string>> {
  const text = replyText(await connection.request(['INFO', 'replication']));
  return new Map(text.split('\r\n').map((line) => line.split(':', 2) as [string, string]));
}

/** A primary (first) and `count` replicas that follow it. `settings` are for all of them. */
export async function startReplicatedRedis(
  bench: Bench,
  count: number,
  settings: readonly string[] = [],
): Promise<readonly [RedisServer, ...RedisServer[]]> {
  const primary = await startRedis(bench, 'redis primary', [...FEEDS_AT_ONCE, ...settings]);
  const replicas: RedisServer[] = [];
  for (let index = 1; index <= count; index++) {
    const words = ['--replicaof', `${HOST} ${primary.port}`, ...settings];
    replicas.push(await startRedis(bench, `redis replica ${index}`, words));
  }
  const follow = await waitUntil(async () => {
    const infos = await Promise.all(replicas.map(replicationInfo));
    return infos.every((info) => info.get('master_link_status') === 'up');
  }, START_TIMEOUT_MS);
  if (!follow) throw new Error(`the replicas do not follow within ${START_TIMEOUT_MS} ms`);
  return [primary, ...replicas];
}

/** Milliseconds until every replica has what the primary has now; undefined when `timeoutMs` do not do. */
export async function timeToFollow(
  servers: readonly RedisServer[],
  timeoutMs: number,
): Promise<number | undefined> {
  const startedMs = performance.now();
  const isEqual = await waitUntil(async () => {
    const infos = await Promise.all(servers.map(replicationInfo));
    // On a replica, master_repl_offset is how far it has got itself.
    return new Set(infos.map((info) => info.get('master_repl_offset'))).size === 1;
  }, timeoutMs);
  return isEqual ? performance.now() - startedMs : undefined;
}

/**
 * Milliseconds from REPLICAOF until `replica`, started alone and empty, is linked to `primary` and has as many keys; undefined when
 * `timeoutMs` do not do. Asked every `pollMs`.
 */
export async function timeToResync(
  primary: RedisServer,
  replica: RedisServer,
  timeoutMs: number,
  pollMs: number,
): Promise<number | undefined> {
  const keys = await primary.connection.request(['DBSIZE']);
  const startedMs = performance.now();
  await replica.connection.request(['REPLICAOF', HOST, `${primary.port}`]);
  const isEqual = await waitUntil(
    async () => {
      // First: until it is linked it is loading, and refuses DBSIZE.
      if ((await replicationInfo(replica)).get('master_link_status') !== 'up') return false;
      return (await replica.connection.request(['DBSIZE'])) === keys;
    },
    timeoutMs,
    pollMs,
  );
  return isEqual ? performance.now() - startedMs : undefined;
}
