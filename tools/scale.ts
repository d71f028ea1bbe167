/**
 * `npm run scale [-- --peers 10,100] [--contacts 0,1] [--short]`: how news spreads by HEARTBEAT alone among many simulated peers, and what they send at rest.
 *
 * Owns the experiment: all meet; what they send at rest is counted; then one update reaches one peer alone, and its origin dies, so that neither KEEPALIVE nor NAK
 * can tell of it, and HEARTBEAT periods are counted until everyone has it, on the ring alone and with the shuffled contact. Prints one table for
 * ARCHITECTURE.md. Invariant: runs the build, with the shipped settings but for the KEEPALIVE periods of many peers (a thousand that
 * say four times a second to all others that they live are four million datagrams a second to simulate): what a KEEPALIVE takes at rest is measured, and
 * counted as often as the shipped settings send it. A thousand need `node --max-old-space-size=18000`
 * and 14 GB; on the ring alone twenty minutes of processor time.
 */
import { parseArgs } from 'node:util';
import type * as hashModule from '../src/wire/hash.ts';
import type * as worldModule from '../src/simulator/world.ts';
import type * as generateModule from '../src/simulator/generate.ts';
import type * as snifferModule from '../src/simulator/sniffer.ts';
import type { MessageKind } from '../src/core/messages.ts';
import type { Observer } from '../src/simulator/checker.ts';
import { loadBuilt } from './bench/shipped.ts';

const { loadHashing } = (await loadBuilt('wire/hash.js')) as typeof hashModule;
const { World } = (await loadBuilt('simulator/world.js')) as typeof worldModule;
const { peerNames } = (await loadBuilt('simulator/generate.js')) as typeof generateModule;
const { kindOf } = (await loadBuilt('simulator/sniffer.js')) as typeof snifferModule;

interface Row {
  readonly peers: number;
  readonly how: string;
  readonly periods: number;
  readonly heartbeatBytes: number;
  readonly keepaliveBytes: number;
}

const HEARTBEAT_MS = 500;
const KEEPALIVE_MS = 250;
/** From so many peers on KEEPALIVEs are sent as seldom as this, milliseconds: at least once while what is sent at rest is counted. */
const MANY_PEERS = 200;
const SELDOM_MS = 120_000;
/** Virtual time for everyone to have met, milliseconds, and for bytes to be counted: every peer sends a KEEPALIVE in it. */
const MEET_MS = 3_000;
const REST_MS = 5_000;
const REST_OF_MANY_MS = 1.1 * SELDOM_MS;
const PERIODS_AT_MOST = 2_000;
const NO_ROUNDS = { gcIntervalMs: 1e9, gcUpdateCount: 1e9 } as const;

const { values } = parseArgs({
  options: {
    peers: { type: 'string', default: '10,100,1000' },
    contacts: { type: 'string', default: '0,1' },
    short: { type: 'boolean', default: false },
  },
});
const hashing = await loadHashing();

/** Bytes of packets and their number, by kind of message; a multicast counts once. */
class Tally implements Observer {
  readonly #sums = new Map<string, { count: number; bytes: number }>();
  #last: Uint8Array | undefined;

  readonly onPacket: NonNullable<Observer['onPacket']> = (_atMs, _fate, _from, _to, bytes) => {
    if (bytes === this.#last) return; // another receiver's
    this.#last = bytes;
    const kind = kindOf(bytes) ?? '';
    const sum = this.#sums.get(kind) ?? { count: 0, bytes: 0 };
    this.#sums.set(kind, { count: sum.count + 1, bytes: sum.bytes + bytes.length });
  };

  clear(): void {
    this.#sums.clear();
  }

  bytesOf(kind: MessageKind): number {
    return this.#sums.get(kind)?.bytes ?? 0;
  }

  meanOf(kind: MessageKind): number {
    return this.bytesOf(kind) / (this.#sums.get(kind)?.count ?? 1);
  }
}

function createWorld(count: number, shuffledContacts: number, tally: Tally) {
  const isMany = count >= MANY_PEERS;
  return new World({
    seed: count,
    peers: peerNames(count),
    hashing,
    // No rounds: with the origin dead none would end, and each peer that has the news would ask all others for one.
    settings: {
      keepaliveMs: isMany ? SELDOM_MS : KEEPALIVE_MS,
      heartbeatMs: HEARTBEAT_MS,
      deadAfterMs: isMany ? 3_600_000 : 2_000,
      ...NO_ROUNDS,
      limits: { shuffledContacts },
    },
    observers: [tally],
  });
}

type SimulatedWorld = ReturnType<typeof createWorld>;

/** A ring of those who have not met would be another experiment. */
function assertMet({ peers }: SimulatedWorld): void {
  for (const { id, state } of peers) {
    const live = [...state.peers.values()].filter(({ isLive }) => isLive).length;
    if (state.phase === 'member' && live === peers.length - 1) continue;
    throw new Error(`after ${MEET_MS} ms ${id} is ${state.phase} and hears ${live} of ${peers.length - 1}`);
  }
}

/** Bytes a second that a peer sends where nothing happens. */
function measureRest(
  world: SimulatedWorld,
  tally: Tally,
  count: number,
): Pick<Row, 'heartbeatBytes' | 'keepaliveBytes'> {
  tally.clear();
  const restMs = count >= MANY_PEERS ? REST_OF_MANY_MS : REST_MS;
  world.run(restMs);
  return {
    heartbeatBytes: tally.bytesOf('heartbeat') / count / (restMs / 1000),
    keepaliveBytes: (tally.meanOf('keepalive') * 1000) / KEEPALIVE_MS,
  };
}

/** HEARTBEAT periods until all have what one of them alone heard. */
function measureNews(world: SimulatedWorld, count: number): number {
  const [origin = '', ...rest] = peerNames(count);
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
  return (world.nowMs - startedMs) / HEARTBEAT_MS;
}

function measure(count: number, shuffledContacts: number): Row {
  const tally = new Tally();
  const world = createWorld(count, shuffledContacts, tally);
  world.run(MEET_MS);
  assertMet(world);
  return {
    peers: count,
    how: shuffledContacts === 0 ? 'ring alone' : `ring and ${shuffledContacts} shuffled`,
    ...measureRest(world, tally, count),
    periods: measureNews(world, count),
  };
}

process.stdout.write(
  '| peers | contacts | HEARTBEAT periods until the last has it | bytes sent a second and peer at rest: HEARTBEAT | KEEPALIVE |\n| --- | --- | --- | --- | --- |\n',
);
for (const count of (values.short ? '10,30' : values.peers).split(',').map(Number)) {
  for (const contacts of values.contacts.split(',').map(Number)) {
    const { peers, how, periods, heartbeatBytes, keepaliveBytes } = measure(count, contacts);
    process.stdout.write(
      `| ${peers} | ${how} | ${periods.toFixed(1)} | ${Math.round(heartbeatBytes)} | ${Math.round(keepaliveBytes)} |\n`,
    );
  }
}
