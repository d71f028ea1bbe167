/**
 * Simulated clients of registers: linearizable reads and writes of a few keys, at whichever peer, through faults; and what came of each.
 *
 * Only writes down: what a client called, what it was told, in which order. Whether that can have been one register is judged elsewhere (tools/linearizability), from
 * this alone. A client whose peer ends while it waits is told nothing: its write may take effect at any time after. Each client has a stream of chance of its own.
 */
import { ToposphereError } from '../core/errors.ts';
import type { Entry, Key } from '../core/types.ts';
import { readByMajority, writeByMajority } from '../peer/registerOperations.ts';
import { between, chance, openStream, pick, untilNextMs, wholeBetween } from './random.ts';
import type { RandomStream } from './random.ts';
import type { Schedule } from './schedule.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** One call of a client. Those that changed nothing and told nothing are left out. */
export interface RegisterOperation {
  readonly client: string;
  readonly peer: string;
  readonly key: string;
  /** `majority`: a read that does not write back. A deletion is a write of undefined. */
  readonly kind: 'read' | 'majority' | 'write';
  /** Written, or read; no two writes have the same. */
  value: string | undefined;
  /** Place of the call, and of the answer, in the order of all; Infinity for an answer that never came. */
  readonly calledAt: number;
  returnedAt: number;
}

interface RegisterClients {
  /** Grows while the world runs. */
  readonly history: readonly RegisterOperation[];
  /** To be called before time starts. */
  readonly begin: (world: World) => void;
}

interface Client {
  readonly name: string;
  readonly random: RandomStream;
  readonly perSecond: number;
  readonly hopShare: number;
  readonly writeShare: number;
  peer: string;
  written: number;
}

/** A client that hears nothing for so much longer than it asked to wait gives up, milliseconds. */
const GRACE_MS = 100;
/** Of values so many have to go by stream. */
const LONG_SHARE = 0.05;
const LONG_BYTES = 3_000;
const DELETE_SHARE = 0.1;
const MAJORITY_SHARE = 0.15;

export function createRegisterClients({
  seed,
  durationMs,
  registers = 0,
}: Pick<Schedule, 'seed' | 'durationMs' | 'registers'>): RegisterClients {
  const history: RegisterOperation[] = [];
  let events = 0;

  /** Calls back once with the outcome, or with nothing when none came in time. */
  function call(
    world: World,
    client: Client,
    begin: (peer: VirtualPeer, done: Done) => void,
    done: Done,
  ): void {
    let isOver = false;
    const end: Done = (failure, entry) => {
      if (isOver) return;
      isOver = true;
      done(failure, entry);
    };
    const { peer: id } = client;
    const isThere =
      world.ids.includes(id) &&
      world.visit(id, (peer) => {
        begin(peer, end);
        return true;
      });
    if (!isThere) end(new ToposphereError('CLOSED', 'nobody answers'));
  }

  function operate(world: World, client: Client, next: () => void): void {
    const { random, name } = client;
    const withinMs = pick(random, [100, 500, 2_000]);
    const key = `register${wholeBetween(random, 1, 2)}`;
    const kind = chance(random, client.writeShare)
      ? 'write'
      : chance(random, MAJORITY_SHARE)
        ? 'majority'
        : 'read';
    const isDeletion = chance(random, DELETE_SHARE);
    const isLong = chance(random, LONG_SHARE);
    client.written += 1;
    const value = kind === 'write' && !isDeletion ? `${name}.${client.written}` : undefined;
    events += 1;
    const operation: RegisterOperation = {
      client: name,
      peer: client.peer,
      key,
      kind,
      value,
      calledAt: events,
      returnedAt: Infinity,
    };
    if (kind === 'write') history.push(operation); // taken out again if it is told that nothing changed
    let isTold = false;
    const told: Done = (failure, entry) => {
      if (isTold) return;
      isTold = true;
      conclude(world, operation, failure, entry);
      next();
    };
    world.at(world.nowMs + withinMs + GRACE_MS, () => {
      if (isTold) return;
      isTold = true;
      world.note(name, `${kind} ${key} at ${operation.peer}: no word`);
      next();
    });
    call(
      world,
      client,
      (peer, done) => {
        if (kind !== 'write')
          readByMajority(
            peer.runtime,
            kind === 'read' ? 'linearizable' : 'majority',
            key as Key,
            withinMs,
            done,
          );
        else {
          const text = value === undefined || !isLong ? value : `${value} ${'x'.repeat(LONG_BYTES)}`;
          writeByMajority(
            peer.runtime,
            key as Key,
            () => {
              writeAt(world, peer, key, text);
            },
            withinMs,
            done,
          );
        }
      },
      told,
    );
  }

  function conclude(
    world: World,
    operation: RegisterOperation,
    failure: Error | undefined,
    entry: Entry | undefined,
  ): void {
    events += 1;
    const { client, kind, key, peer } = operation;
    const isCertain = failure === undefined;
    world.note(client, `${kind} ${key} at ${peer}: ${isCertain ? 'done' : describe(failure)}`);
    if (kind === 'write') {
      if (isCertain) operation.returnedAt = events;
      else if (changedNothing(failure)) history.splice(history.lastIndexOf(operation), 1);
      return;
    }
    if (!isCertain) return;
    operation.value = entry?.kind === 'value' ? wordOf(entry.value) : undefined;
    operation.returnedAt = events;
    history.push(operation);
  }

  function next(world: World, client: Client): void {
    const { random } = client;
    const atMs = world.nowMs + untilNextMs(random, client.perSecond);
    if (atMs >= durationMs) return;
    world.at(atMs, () => {
      if (chance(random, client.hopShare)) client.peer = pick(random, world.ids);
      operate(world, client, () => {
        next(world, client);
      });
    });
  }

  return {
    history,
    begin: (world) => {
      for (let at = 0; at < registers; at += 1) {
        const random = openStream(seed, `register ${at}`);
        next(world, {
          name: `r${at}`,
          random,
          perSecond: between(random, 5, 60),
          hopShare: pick(random, [0, 0.1, 0.5]),
          writeShare: pick(random, [0.2, 0.5, 0.8]),
          peer: pick(random, world.ids),
          written: 0,
        });
      }
    },
  };
}

type Done = (failure: Error | undefined, entry?: Entry) => void;

/** Throws what the client would be told. */
function writeAt(world: World, peer: VirtualPeer, key: string, value: string | undefined): void {
  const outcome = world.write(peer.address, key, value, { level: 'durable' });
  if (outcome.kind === 'refused') throw outcome.error;
  if (outcome.kind === 'unreachable') throw new ToposphereError('CLOSED', 'nobody answers');
}

function changedNothing(failure: Error): boolean {
  return failure instanceof ToposphereError && failure.changed === false;
}

function describe(failure: Error): string {
  return failure instanceof ToposphereError ? failure.code : failure.message;
}

function wordOf(value: Uint8Array): string {
  return Buffer.from(value).toString('utf8').split(' ', 1)[0] ?? '';
}
