/**
 * Which shape should the store have on disk? (a) puts straight into the trees, or (b) one log record a turn, folded
 * into the trees in the background. Prints both sides of one run as a table, then cold reads against bare lmdb.
 *
 *     npx tsx tools/bench/storageShapes.ts [--short]
 *
 * Updates are entries of 100 bytes with a table row each, state once a turn, keys in random order. "in the trees"
 * counts the time and CPU until the trees hold everything; CPU is this whole process, LMDB's threads included.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { CommitListener } from '../../src/core/store.ts';
import type { Entry, Incarnation, Key, OriginKey, PeerId, Timestamp } from '../../src/core/types.ts';
import { openLmdbStore } from '../../src/storage/lmdbStore.ts';
import { openDirectShape } from './directShape.ts';

const isShort = process.argv.includes('--short');
/** Keys of the large store, updates of one measured run, updates a turn, single commits, reads of one round. */
const LARGE_KEYS = isShort ? 30_000 : 500_000;
const UPDATES = isShort ? 20_000 : 300_000;
const UPDATES_PER_TURN = 50;
const SINGLE_COMMITS = isShort ? 300 : 2_000;
const READS = isShort ? 20_000 : 200_000;
const READ_ROUNDS = 5;
const VALUE_BYTES = 100;
const ORIGIN = 'alpha/1000' as OriginKey;

/** What the bench does to either shape. */
interface Shape {
  readonly readEntry: (key: Key) => Entry | undefined;
  readonly write: (key: Key, entry: Entry, origin: OriginKey) => void;
  readonly writeState: (name: string, value: number) => void;
  readonly commit: (keys: readonly Key[], listener: CommitListener) => void;
  readonly isBusy: () => boolean;
  readonly whenReady: () => Promise<void>;
  readonly fold: () => Promise<void>;
  readonly close: () => Promise<void>;
}

async function openLogShape(directory: string): Promise<Shape> {
  const store = await openLmdbStore({ directory });
  return {
    readEntry: (key) => store.readEntry(key),
    write: (key, entry, origin) => {
      store.writeEntry(key, entry);
      store.writeRow(origin, entry.sequence, key);
    },
    writeState: (name, value) => {
      store.writeState(name, value);
    },
    commit: (_, listener) => {
      store.commit(listener);
    },
    isBusy: () => store.isBusy(),
    whenReady: () => store.whenReady(),
    fold: () => store.fold(),
    close: () => store.close(),
  };
}

let sequence = 0;
const value = Buffer.alloc(VALUE_BYTES, 7);

function nextEntry(): Entry {
  sequence++;
  const timestamp = (2 ** 45 + sequence) as Timestamp;
  const incarnation = 1000 as Incarnation;
  return { timestamp, id: 'alpha' as PeerId, incarnation, sequence, kind: 'value', expiresAt: 0, value };
}

let randomState = 12_345;
function randomBelow(limit: number): number {
  randomState = (Math.imul(randomState, 1_103_515_245) + 12_345) & 0x7fffffff;
  return (randomState >>> 8) % limit;
}

const keyOf = (number: number): Key => `user:${String(number).padStart(9, '0')}` as Key;

/** 0..count-1, each once, in an order that jumps about. */
function* shuffled(count: number): Generator<number, undefined> {
  const step = 7_919;
  for (let index = 0, number = 0; index < count; index++) {
    yield number;
    number = (number + step) % count;
  }
  return undefined;
}

interface Run {
  readonly updatesPerSecond: number;
  readonly foldedPerSecond: number;
  readonly cpuPerMillion: number;
  readonly latenciesMs: readonly number[];
}

/** One turn each event-loop turn, as fast as the shape takes them. */
async function runUpdates(shape: Shape, numbers: Iterable<number>): Promise<Run> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  const latenciesMs: number[] = [];
  let count = 0;
  let turnKeys: Key[] = [];
  let lastDurable: Promise<void> = Promise.resolve();
  const closeTurn = (): void => {
    shape.writeState('clock', sequence);
    const closed = performance.now();
    const keys = turnKeys;
    lastDurable = new Promise((resolve, reject) => {
      shape.commit(keys, {
        committed: () => latenciesMs.push(performance.now() - closed),
        durable: resolve,
        failed: reject,
      });
    });
    turnKeys = [];
  };
  for (const number of numbers) {
    const key = keyOf(number);
    turnKeys.push(key);
    shape.write(key, nextEntry(), ORIGIN);
    if (++count % UPDATES_PER_TURN !== 0) continue;
    closeTurn();
    await new Promise((resolve) => setImmediate(resolve));
    if (shape.isBusy()) await shape.whenReady();
  }
  if (turnKeys.length > 0) closeTurn();
  await lastDurable;
  const writtenMs = performance.now() - started;
  await shape.fold();
  const foldedMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  return {
    updatesPerSecond: (count / writtenMs) * 1000,
    foldedPerSecond: (count / foldedMs) * 1000,
    cpuPerMillion: (user + system) / count,
    latenciesMs,
  };
}

/** One update, awaited, then the next. */
async function runSingleCommits(
  shape: Shape,
): Promise<{ readonly committed: number[]; readonly durable: number[] }> {
  const committed: number[] = [];
  const durable: number[] = [];
  for (let index = 0; index < SINGLE_COMMITS; index++) {
    const key = keyOf(randomBelow(LARGE_KEYS));
    shape.write(key, nextEntry(), ORIGIN);
    const closed = performance.now();
    await new Promise<void>((resolve, reject) => {
      shape.commit([key], {
        committed: () => committed.push(performance.now() - closed),
        durable: () => {
          durable.push(performance.now() - closed);
          resolve();
        },
        failed: reject,
      });
    });
  }
  return { committed, durable };
}

function percentile(values: readonly number[], part: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) * part)] ?? NaN).toFixed(3);
}

function describeRun(run: Run): Record<string, string> {
  return {
    'updates/s': Math.round(run.updatesPerSecond).toLocaleString('en'),
    'in the trees/s': Math.round(run.foldedPerSecond).toLocaleString('en'),
    'CPU s/million': run.cpuPerMillion.toFixed(2),
    'commit p50 ms': percentile(run.latenciesMs, 0.5),
    'commit p99 ms': percentile(run.latenciesMs, 0.99),
  };
}

async function measureShape(
  name: string,
  shape: Shape,
  table: Record<string, Record<string, string>>,
): Promise<void> {
  table[`${name} fresh store, new keys`] = describeRun(await runUpdates(shape, shuffled(UPDATES)));
  await runUpdates(shape, shuffled(LARGE_KEYS));
  const overwrites = Array.from({ length: UPDATES }, () => randomBelow(LARGE_KEYS));
  table[`${name} overwrites among ${LARGE_KEYS} keys`] = describeRun(await runUpdates(shape, overwrites));
  const { committed, durable } = await runSingleCommits(shape);
  table[`${name} one at a time: committed`] = {
    'commit p50 ms': percentile(committed, 0.5),
    'commit p99 ms': percentile(committed, 0.99),
  };
  table[`${name} one at a time: durable`] = {
    'commit p50 ms': percentile(durable, 0.5),
    'commit p99 ms': percentile(durable, 0.99),
  };
  await shape.fold();
}

/** Reads a second, the best round of each side: noise of the machine only ever slows a round down. */
async function measureReads(shape: Shape, directory: string): Promise<void> {
  const bare = open<Buffer, string>({ path: directory, noSubdir: false, encoding: 'binary' });
  let last: Promise<boolean> | undefined;
  for (let number = 0; number < LARGE_KEYS; number++) last = bare.put(keyOf(number), value);
  await last;
  await bare.flushed;
  const keys = Array.from({ length: READS }, () => keyOf(randomBelow(LARGE_KEYS)));
  const sides = {
    'bare lmdb getBinaryFast': (key: Key): number => bare.getBinaryFast(key)?.length ?? 0,
    'bare lmdb getBinary (a copy)': (key: Key): number => bare.getBinary(key)?.length ?? 0,
    'cold readEntry (decoded, value copied)': (key: Key): number => shape.readEntry(key)?.value.length ?? 0,
  };
  const best: Record<string, number> = {};
  for (let round = 0; round < READ_ROUNDS; round++) {
    for (const [name, read] of Object.entries(sides)) {
      const started = performance.now();
      let bytes = 0;
      for (const key of keys) bytes += read(key);
      if (bytes !== READS * VALUE_BYTES)
        throw new Error(`${name} read ${bytes} bytes, not ${READS * VALUE_BYTES}`);
      best[name] = Math.max(best[name] ?? 0, (READS / (performance.now() - started)) * 1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const bareReads = best['bare lmdb getBinaryFast'] ?? NaN;
  console.table(
    Object.fromEntries(
      Object.entries(best).map(([name, reads]) => [
        name,
        { 'reads/s': Math.round(reads).toLocaleString('en'), ratio: (reads / bareReads).toFixed(2) },
      ]),
    ),
  );
  await bare.close();
}

const directory = mkdtempSync(join(tmpdir(), 'storage-shapes-'));
try {
  const table: Record<string, Record<string, string>> = {};
  const direct = await openDirectShape(join(directory, 'direct'));
  await measureShape('(a) trees:', direct, table);
  await direct.close();
  const log = await openLogShape(join(directory, 'log'));
  await measureShape('(b) log + fold:', log, table);
  console.table(table);
  await measureReads(log, join(directory, 'bare'));
  await log.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
