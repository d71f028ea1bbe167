/**
 * `npm run scale`: how news spreads by HEARTBEAT alone among many simulated peers, and what they send at rest.
 *
 * Owns the experiment: one update reaches one peer and its origin dies, so that neither KEEPALIVE nor NAK can tell of it; then HEARTBEAT
 * periods are counted until everyone has it, on the ring alone and with the shuffled contact. Prints one table for
 * ARCHITECTURE.md. Invariant: runs the build, with the shipped settings but for the KEEPALIVE periods it prints (a thousand peers that
 * say four times a second to all others that they live are a million datagrams a second to simulate).
 */
import { parseArgs } from 'node:util';
import type * as hashModule from '../src/wire/hash.ts';
import type * as worldModule from '../src/simulator/world.ts';
import type * as generateModule from '../src/simulator/generate.ts';

async function loadBuilt(name: string): Promise<unknown> {
  return import(new URL(`../dist/${name}`, import.meta.url).href);
}
const { loadHashing } = (await loadBuilt('wire/hash.js')) as typeof hashModule;
const { World } = (await loadBuilt('simulator/world.js')) as typeof worldModule;
const { peerNames } = (await loadBuilt('simulator/generate.js')) as typeof generateModule;

interface Row {
  readonly peers: number;
  readonly how: string;
  readonly periods: number;
  readonly bytesPerSecond: number;
  readonly keepaliveMs: number;
}

const HEARTBEAT_MS = 500;
/** Virtual time for everyone to have met, milliseconds, and for bytes to be counted. */
const MEET_MS = 3_000;
const REST_MS = 5_000;
const PERIODS_AT_MOST = 2_000;

const { values } = parseArgs({
  options: { peers: { type: 'string', default: '10,100,1000' }, short: { type: 'boolean', default: false } },
});
const hashing = await loadHashing();

function measure(count: number, shuffledContacts: number): Row {
  const keepaliveMs = count > 200 ? 10_000 : 250;
  const deadAfterMs = count > 200 ? 3_600_000 : 2_000;
  const peers = peerNames(count);
  const world = new World({
    seed: count,
    peers,
    hashing,
    settings: { keepaliveMs, heartbeatMs: HEARTBEAT_MS, deadAfterMs, limits: { shuffledContacts } },
  });
  world.run(MEET_MS);
  const before = world.network.figures.bytes;
  world.run(REST_MS);
  const bytesPerSecond = (world.network.figures.bytes - before) / count / (REST_MS / 1000);
  const [origin = '', ...rest] = peers;
  const witness = rest[Math.floor(rest.length / 2)] ?? '';
  world.cut(
    [origin],
    rest.filter((peer) => peer !== witness),
  );
  world.write(origin, 'news', '1');
  world.run(3);
  world.crash(origin, false);
  const isEverywhere = (): boolean => rest.every((peer) => world.read(peer, 'news') !== undefined);
  if (world.read(witness, 'news') === undefined) throw new Error('the witness did not hear it');
  const startedMs = world.nowMs;
  if (!world.runUntilTrue(isEverywhere, PERIODS_AT_MOST * HEARTBEAT_MS, HEARTBEAT_MS / 5))
    throw new Error(`${count} peers: not everywhere after ${PERIODS_AT_MOST} periods`);
  return {
    peers: count,
    how: shuffledContacts === 0 ? 'ring alone' : `ring and ${shuffledContacts} shuffled`,
    periods: (world.nowMs - startedMs) / HEARTBEAT_MS,
    bytesPerSecond,
    keepaliveMs,
  };
}

process.stdout.write(
  '| peers | contacts | HEARTBEAT periods until the last has it | bytes sent a second and peer at rest | KEEPALIVE every |\n| --- | --- | --- | --- | --- |\n',
);
for (const count of (values.short ? '10,30' : values.peers).split(',').map(Number)) {
  for (const contacts of [0, 1]) {
    const { peers, how, periods, bytesPerSecond, keepaliveMs } = measure(count, contacts);
    process.stdout.write(
      `| ${peers} | ${how} | ${periods.toFixed(1)} | ${Math.round(bytesPerSecond)} | ${keepaliveMs} ms |\n`,
    );
  }
}
