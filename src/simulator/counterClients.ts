/**
 * Simulated clients that count: they increment, read, set, delete and let expire a few counters on all peers, through faults; each increment is held against what it had to come to.
 *
 * What a peer must show is counterGhost.ts's, from the increments alone; what must hold at rest, counterChecks.ts's. Looked at whenever a step has changed a counter or one of its cells,
 * after each start, and where a client reads. Each client has a stream of chance of its own, and draws nothing that the schedule draws.
 */
import { formatDecimal } from '../core/decimal.ts';
import { isVisible } from '../core/expiry.ts';
import type { CounterForm } from '../core/increment.ts';
import { closeGroup, openGroup } from '../core/groups.ts';
import type { Key } from '../core/types.ts';
import { findWriteRefusal } from '../core/write.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Checker } from './checker.ts';
import { increment } from './clientIncrement.ts';
import { isForWantOfRoom, lookAtRoom } from './counterRoom.ts';
import { answerTo, decimalOf, readText } from './counterAnswers.ts';
import type { ClosureWatch } from './closureWatch.ts';
import { assertCountersAtRest } from './counterChecks.ts';
import { counterName, createCounterGhost, formatAmount, ONE, parseAmount } from './counterGhost.ts';
import type { CounterGhost } from './counterGhost.ts';
import { between, chance, openStream, pick, untilNextMs, wholeBetween } from './random.ts';
import type { RandomStream } from './random.ts';
import type { Level, Schedule } from './schedule.ts';
import { assertListed } from './counterListing.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** The last has places, so that the others stay whole. */
const WITH_PLACES = counterName(3);
const COUNTER_KEYS = [counterName(1), counterName(2), WITH_PLACES] as const;
/** Behind the point: what binary fractions are not exact for, and as many places as there may be. Each client takes one after the other. */
const FRACTIONS = ['0.25', '0.1', '0.2', '0.7', '0.33333333333333333', '0.00000000000000001'];
const READ_SHARE = 0.1;
const LEVELS: readonly Level[] = ['fast', 'committed', 'committed', 'durable'];
/** What counters are set to: numbers, the last before 64 bits end, and what is no number. */
const VALUES = ['0', '100', '-7', '5', '10', '20', '9223372036854775806', 'no number'] as const;

export interface CounterFigures {
  incremented: number;
  /** By what redis says of values that cannot be counted upon. */
  faulty: number;
  refused: number;
  /** Of those, for want of room for another cell. */
  full: number;
  /** Groups that count, as transactions do. */
  transacted: number;
  /** Looks at a range of keys and their number. */
  listed: number;
  /** SET, DEL, and such that expire: each begins a new base. */
  begun: number;
  /** At rest: keys whose total was held against the increments that survived, and those of which nobody can say. */
  judged: number;
  unsure: number;
}

interface CounterClients {
  readonly figures: CounterFigures;
  /** For others who count; undefined where nobody does. */
  readonly ghost: CounterGhost | undefined;
  /** To be called before time starts, with what tells which updates survive. */
  readonly begin: (world: World, closures: ClosureWatch) => void;
  readonly checker: Checker;
}

interface Client {
  readonly name: string;
  readonly random: RandomStream;
  readonly perSecond: number;
  readonly hopShare: number;
  /** Share of operations that begin a new base. */
  readonly resetShare: number;
  readonly longestMs: number;
  peer: string;
  /** Increments with places so far. */
  fractions: number;
}

export function createCounterClients({
  seed,
  durationMs,
  counters = 0,
  groups = 0,
}: Pick<Schedule, 'seed' | 'durationMs' | 'counters' | 'groups'>): CounterClients {
  let closures: ClosureWatch | undefined;
  const figures: CounterFigures = {
    incremented: 0,
    faulty: 0,
    refused: 0,
    full: 0,
    transacted: 0,
    listed: 0,
    begun: 0,
    judged: 0,
    unsure: 0,
  };
  const ghost = createCounterGhost();
  /** Below the numbers of those that do not count (groupClients.ts). */
  let lastGroup = 0;
  /** Checkpoints that each process had joined at the last look. */
  const joined = new WeakMap<object, number>();

  function assertShown(peer: VirtualPeer, key: Key): void {
    const [shown, wanted] = [readText(peer, key), ghost.shownAt(peer, key)];
    if (shown === wanted) return;
    throw broken(peer, key, `shows ${shown ?? 'nothing'}, and what it holds comes to ${wanted ?? 'nothing'}`);
  }

  function add(world: World, client: Client, key: Key): void {
    const { name, random, peer: id } = client;
    const whole = BigInt(wholeBetween(random, -3, 9)) * ONE;
    const by = whole + (key === WITH_PLACES && chance(random, 0.5) ? nextFraction(client) : 0n);
    const form: CounterForm = by % ONE === 0n && chance(random, 0.8) ? 'integer' : 'float';
    const level = pick(random, LEVELS);
    world.visit(id, (peer) => {
      const outcome = attempt(world, peer, { key, by, form, level });
      world.note(peer.address, `${name} adds ${formatAmount(by)} to ${key}: ${outcome}`);
      return true;
    });
  }

  /** What came of it, in a word. */
  function attempt(world: World, peer: VirtualPeer, { key, by, form, level, group }: Asked): string {
    const before = readText(peer, key);
    const wasSeen = isValueSeen(peer, key);
    const expected = answerTo(before, by, form);
    const room = lookAtRoom(peer, ghost, key);
    const outcome = increment(world, peer, { key, amount: decimalOf(by), form, level, group });
    room.assertKept(outcome);
    if (outcome.kind === 'refused') {
      figures.refused += 1;
      if (isForWantOfRoom(outcome.error)) figures.full += 1;
      return outcome.error.code;
    }
    if (outcome.kind === 'fault') {
      if (outcome.fault !== expected.fault)
        throw broken(
          peer,
          key,
          `adds to ${before ?? 'nothing'}: ${expected.fault ?? 'fine'}, and not what it says`,
        );
      figures.faulty += 1;
      return outcome.fault;
    }
    const [answer, after] = [formatDecimal(outcome.total), readText(peer, key)];
    const isOver = wasSeen && !isValueSeen(peer, key); // its time came with the timestamp of the increment
    if (expected.fault !== undefined || answer !== expected.total || (after !== answer && !isOver))
      throw broken(
        peer,
        key,
        `shows ${after ?? 'nothing'} and says ${answer} after ${before ?? 'nothing'} and ${formatAmount(by)}`,
      );
    ghost.noteIncrement(outcome.written, outcome.replaced, by);
    figures.incremented += 1;
    return expected.total;
  }

  /** As EXEC runs what was queued: one after the other, each upon what those before it have left. */
  function transact(world: World, random: RandomStream): void {
    const level = pick(random, LEVELS);
    const commands = Array.from({ length: wholeBetween(random, 2, 6) }, () => drawQueued(random));
    lastGroup -= 1;
    world.visit(pick(random, world.ids), (peer) => {
      if (findWriteRefusal(peer.state, peer.now()) !== undefined) return false;
      openGroup(peer.state);
      try {
        for (const { key, by, value } of commands)
          if (by === undefined) write(world, peer, key, value, level);
          else attempt(world, peer, { key, by, form: 'float', level, group: lastGroup });
      } finally {
        closeGroup(peer.state);
      }
      figures.transacted += 1;
      return true;
    });
  }

  /** A value, or that it is deleted, in the open group. */
  function write(world: World, peer: VirtualPeer, key: Key, value: string | undefined, level: Level): void {
    const { runtime, disk } = peer;
    runtime.write(key, value === undefined ? undefined : Buffer.from(value), level === 'fast');
    const entry = disk.store.readEntry(key);
    if (entry === undefined || readText(peer, key) !== value)
      throw broken(peer, key, `is written in a group, ${value ?? 'deleted'}, and is not that after`);
    world.acknowledge(peer, world.truth.note(key, entry, world.nowMs, lastGroup), level);
    runtime.endTurnSoon();
    figures.begun += 1;
  }

  function nextGroup(world: World, random: RandomStream, perSecond: number): void {
    const atMs = world.nowMs + untilNextMs(random, perSecond);
    if (atMs >= durationMs) return;
    world.at(atMs, () => {
      transact(world, random);
      nextGroup(world, random, perSecond);
    });
  }

  function reset(world: World, { random, peer: id, longestMs }: Client, key: Key): void {
    const level = pick(random, LEVELS);
    const how = pick(random, ['set', 'set', 'delete', 'expire', 'keep'] as const);
    const value = pick(random, VALUES);
    const expiresInMs = wholeBetween(random, 1, longestMs);
    let shown: string | undefined;
    if (how === 'keep')
      world.visit(id, (peer) => {
        shown = readText(peer, key); // as EXPIRE, APPEND and the like write the total as a new value
        return true;
      });
    const outcome = world.write(id, key, how === 'delete' ? undefined : (shown ?? value), {
      level,
      ...(how === 'expire' || how === 'keep' ? { expiresInMs } : {}),
    });
    if (outcome.kind === 'taken') figures.begun += 1;
  }

  function read(world: World, { peer: id }: Client, key: Key): void {
    world.visit(id, (peer) => {
      if (peer.state.phase !== 'member') return true;
      assertShown(peer, key);
      assertListed(peer, COUNTER_KEYS, ghost.shownAt, figures.listed);
      figures.listed += 1;
      return true;
    });
  }

  function next(world: World, client: Client): void {
    const { random } = client;
    const atMs = world.nowMs + untilNextMs(random, client.perSecond);
    if (atMs >= durationMs) return;
    world.at(atMs, () => {
      if (chance(random, client.hopShare)) client.peer = pick(random, world.ids);
      const key = counterName(wholeBetween(random, 1, COUNTER_KEYS.length));
      if (!world.ids.includes(client.peer)) client.peer = pick(random, world.ids);
      else if (chance(random, client.resetShare)) reset(world, client, key);
      else if (chance(random, READ_SHARE)) read(world, client, key);
      else add(world, client, key);
      next(world, client);
    });
  }

  return {
    figures,
    ghost: counters === 0 ? undefined : ghost,
    begin: (world, watch) => {
      closures = watch;
      for (let at = 0; at < counters; at += 1) {
        const random = openStream(seed, `counters ${at}`);
        next(world, {
          name: `counter${at}`,
          random,
          perSecond: between(random, 2, 15),
          hopShare: pick(random, [0, 0.1, 0.5]),
          resetShare: pick(random, [0.005, 0.03, 0.15]),
          longestMs: pick(random, [300, 5_000, 30_000]),
          peer: pick(random, world.ids),
          fractions: 0,
        });
      }
      for (let at = 0; counters > 0 && at < groups; at += 1) {
        const random = openStream(seed, `groups ${at} that count`);
        nextGroup(world, random, between(random, 1, 4));
      }
    },
    checker: {
      afterStep(_world, peer) {
        if (counters === 0) return;
        const { checkpointsJoined } = peer.state.counters;
        if (checkpointsJoined > (joined.get(peer.state) ?? 0)) ghost.forget(peer);
        joined.set(peer.state, checkpointsJoined);
        const changed = ghost.noteStep(peer);
        if (peer.state.phase === 'member') for (const key of changed) assertShown(peer, key);
      },
      afterStart(_world, peer) {
        if (counters === 0) return;
        ghost.noteStep(peer);
        if (peer.state.phase === 'member') for (const key of COUNTER_KEYS) assertShown(peer, key);
      },
      atRest(world) {
        if (counters === 0 || closures === undefined) return;
        for (const peer of world.peers) assertListed(peer, COUNTER_KEYS, ghost.shownAt, 0);
        for (const key of COUNTER_KEYS) {
          for (const peer of world.peers) assertShown(peer, key);
          if (assertCountersAtRest(world, key, ghost, closures)) figures.judged += 1;
          else figures.unsure += 1;
        }
      },
    },
  };
}

interface Asked {
  readonly key: Key;
  readonly by: bigint;
  readonly form: CounterForm;
  readonly level: Level;
  readonly group?: number;
}

/** One command of a transaction: an increment, or a value, or none. */
interface Queued {
  readonly key: Key;
  readonly by: bigint | undefined;
  readonly value: string | undefined;
}

function drawQueued(random: RandomStream): Queued {
  const key = pick(random, COUNTER_KEYS);
  const by = BigInt(wholeBetween(random, -3, 9)) * ONE;
  const value = chance(random, 0.3) ? undefined : pick(random, VALUES);
  return { key, by: chance(random, 0.7) ? by : undefined, value };
}

function nextFraction(client: Client): bigint {
  const text = FRACTIONS[client.fractions % FRACTIONS.length] ?? '0';
  client.fractions += 1;
  return parseAmount(text) ?? 0n;
}

function isValueSeen(peer: VirtualPeer, key: Key): boolean {
  const entry = peer.disk.store.readEntry(key);
  return entry !== undefined && isVisible(peer.state, peer.now(), entry);
}

function broken(peer: VirtualPeer, key: Key, what: string): BrokenInvariant {
  return new BrokenInvariant('counters', `${key} at ${peer.address} ${what}`);
}
