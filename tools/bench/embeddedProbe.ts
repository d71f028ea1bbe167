/**
 * Child process: one peer alone and a bare lmdb database, the same operations on both in turn.
 *
 * Owns the measurements of the embedded part; what is made of them is embedded.ts's. Cold means folded: the peer was
 * closed and opened again, so nothing is left in its working set (the pages may well be in the system's cache, for both
 * sides alike). Invariant: the same keys, values, order and group size on both sides, and every answer is looked at.
 */
import { open } from 'lmdb';
import type { RootDatabase } from 'lmdb';
import type { Key } from '../../src/core/types.ts';
import type { Peer } from '../../src/peer/peer.ts';
import type { EmbeddedAnswer, EmbeddedRow, EmbeddedTask } from './embeddedMessages.ts';
import { loadPeer } from './shipped.ts';

const VALUE_BYTES = 100;
/** Writes awaited together. */
const GROUP_WRITES = 50;
/** Keys that one hot round writes and reads, within one turn of the event loop: nothing is folded meanwhile. */
const HOT_KEYS = 10_000;
/** Reads of one round. */
const READS = 100_000;
const SEED = 12_345;

const { Peer: BuiltPeer } = await loadPeer();
const task = JSON.parse(process.argv[2] ?? '{}') as EmbeddedTask;
const value = Buffer.alloc(VALUE_BYTES, 'v');
const keys = Array.from({ length: task.keys }, (_, index) => `key:${String(index).padStart(9, '0')}`);
const shuffled = shuffle(keys);

/** The same order at every run (linear congruence modulo 2^32). */
function shuffle(values: readonly string[]): string[] {
  const order = [...values];
  let state = SEED;
  for (let last = order.length - 1; last > 0; last--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = state % (last + 1);
    [order[last], order[other]] = [order[other] ?? '', order[last] ?? ''];
  }
  return order;
}

const openPeer = (): Promise<Peer> =>
  BuiltPeer.open({
    id: 'alpha',
    servers: task.servers,
    dataDirectory: task.dataDirectory,
    clusterId: task.clusterId,
    multicastGroup: task.multicastGroup,
    multicastPort: task.multicastPort,
  });
const openBare = (): RootDatabase<Buffer, string> =>
  open<Buffer, string>({ path: task.bareDirectory, encoding: 'binary' });

/** Reads per second of `reads` reads over `order`, again and again from its start. */
function measureReads(order: readonly string[], reads: number, read: (key: string) => number): number {
  let sizeBytes = 0;
  const started = performance.now();
  for (let done = 0; done < reads;) {
    for (const key of order) {
      sizeBytes += read(key);
      if (++done === reads) break;
    }
  }
  const elapsedMs = performance.now() - started;
  if (sizeBytes !== reads * VALUE_BYTES) throw new Error(`read ${sizeBytes} bytes in ${reads} reads`);
  return (reads / elapsedMs) * 1000;
}

/** Writes per second, `group` awaited together, for `task.writeMs`. */
async function measureWrites(group: number, write: (key: string) => Promise<unknown>): Promise<number> {
  let done = 0;
  const started = performance.now();
  while (performance.now() - started < task.writeMs) {
    const writes: Promise<unknown>[] = [];
    for (let index = 0; index < group; index++) writes.push(write(shuffled[done++ % shuffled.length] ?? ''));
    await Promise.all(writes);
  }
  return (done / (performance.now() - started)) * 1000;
}

interface Case {
  readonly name: string;
  readonly bareName: string;
  readonly peer: () => number | Promise<number>;
  readonly bare: () => number | Promise<number>;
}

/** Each case round by round, peer and bare in turn; one round more than asked for, whose figures are dropped, warms up. */
async function runCases(cases: readonly Case[]): Promise<EmbeddedRow[]> {
  const rows: EmbeddedRow[] = [];
  for (const { name, bareName, peer, bare } of cases) {
    const figures = { peer: [] as number[], bare: [] as number[] };
    for (let round = 0; round <= task.rounds; round++) {
      const pair = { peer: await peer(), bare: await bare() };
      if (round === 0) continue;
      figures.peer.push(pair.peer);
      figures.bare.push(pair.bare);
    }
    rows.push({ name, bareName, ...figures });
  }
  return rows;
}

function writeCases(peer: Peer, bare: RootDatabase<Buffer, string>): Case[] {
  return [GROUP_WRITES, 1].flatMap((group) =>
    (['committed', 'durable'] as const).map((acknowledge) => ({
      name: `set ${acknowledge}, ${group === 1 ? 'one awaited at a time' : `${group} awaited together`}`,
      bareName: 'put (resolves when on disk)',
      peer: () => measureWrites(group, (key) => peer.set(key, value, { acknowledge })),
      bare: () => measureWrites(group, (key) => bare.put(key, value)),
    })),
  );
}

function hotCase(peer: Peer, bare: RootDatabase<Buffer, string>): Case {
  const hot = shuffled.slice(0, HOT_KEYS);
  return {
    name: 'get, hot (just written)',
    bareName: 'getBinaryFast',
    async peer() {
      const writes = hot.map((key) => peer.set(key, value));
      const figure = measureReads(hot, READS, (key) => peer.get(key)?.length ?? 0);
      await Promise.all(writes);
      return figure;
    },
    bare: () => measureReads(hot, READS, (key) => bare.getBinaryFast(key)?.length ?? 0),
  };
}

function coldCases(peer: Peer, bare: RootDatabase<Buffer, string>): Case[] {
  const bareSide = (): number => measureReads(shuffled, READS, (key) => bare.getBinaryFast(key)?.length ?? 0);
  return [
    {
      name: 'get, cold (folded)',
      bareName: 'getBinaryFast',
      peer: () => measureReads(shuffled, READS, (key) => peer.get(key)?.length ?? 0),
      bare: bareSide,
    },
    {
      name: 'backend.read, cold (as servers read)',
      bareName: 'getBinaryFast',
      // These keys are ASCII: their binary string is the same string.
      peer: () => measureReads(shuffled, READS, (key) => peer.backend.read(key as Key)?.length ?? 0),
      bare: bareSide,
    },
  ];
}

async function fill(write: (key: string) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < shuffled.length; from += 1000) {
    await Promise.all(shuffled.slice(from, from + 1000).map(write));
  }
}

async function run(): Promise<void> {
  let peer = await openPeer();
  let bare = openBare();
  await fill((key) => peer.set(key, value));
  await fill((key) => bare.put(key, value));
  const rows = await runCases([...writeCases(peer, bare), hotCase(peer, bare)]);
  await peer.close();
  await bare.close();
  peer = await openPeer();
  bare = openBare();
  const cold = await runCases(coldCases(peer, bare));
  await peer.close();
  await bare.close();
  const [coldGet] = cold;
  if (coldGet === undefined) throw new Error('no cold get was measured');
  const answer: EmbeddedAnswer = { kind: 'embedded', rows: [...rows, ...cold], coldGet };
  process.send?.(answer);
}

process.once('disconnect', () => process.exit(0));
// An orderly end lets a profile be written.
process.once('SIGTERM', () => process.exit(0));
await run();
