/**
 * Real histories of registers: four peers of the build on 127.0.0.1, clients of all of them at once, and in each history something that goes wrong.
 *
 * Owns the peers over their deaths and starts, the clients, and what is written down of them. One process calls and is answered, so the order of all moments is its own. Keeps: who was
 * killed serves again before the next is, and each history has keys of its own.
 */
import { setTimeout as duration } from 'node:timers/promises';
import { openConnection, type Connection } from '../../src/cli/connection.ts';
import { PeerRefusal } from '../../src/cli/failure.ts';
import { Children } from '../bench/children.ts';
import { startPeer, waitUntil, type ServedPeer } from '../bench/peers.ts';
import { HOST, Workspace, type ServersText } from '../bench/workspace.ts';
import { findViolation, type Operation } from '../linearizability/register.ts';
import { Tally } from './tally.ts';

const PEERS = 4;
const CLIENTS = 6;
const KEYS = 2;
const HISTORY_MS = 1_200;
/** From the beginning of a history, and until what broke is mended, milliseconds. */
const BREAK_MS = 200;
const BROKEN_MS = 500;
const WITHIN_MS = 300;
const MEET_TIMEOUT_MS = 15_000;
const PAUSE_MS = 4;
const INCIDENTS = ['a kill', 'a cut', 'lost updates', 'loss of anything'] as const;

/** In the order of all moments: `returnedAt` is set when an answer comes. */
type Called = { -readonly [Name in keyof Operation]: Operation[Name] };

interface RealReport {
  readonly tally: Tally;
  readonly faults: readonly string[];
  readonly incidents: string;
}

class Ground {
  readonly #children: Children;
  readonly #cluster: ServersText;
  readonly running: ServedPeer[] = [];
  #starting: Promise<void> = Promise.resolve();

  constructor(children: Children, cluster: ServersText) {
    this.#children = children;
    this.#cluster = cluster;
  }

  async startAll(): Promise<void> {
    await Promise.all(this.#cluster.ids.map((_, index) => this.#start(index)));
    await this.meet();
  }

  async meet(): Promise<void> {
    const haveMet = await waitUntil(async () => {
      const statuses = await Promise.all(this.running.map(({ status }) => status()));
      return statuses.every(
        ({ phase, members }) => phase === 'member' && members.every(({ alive }) => alive),
      );
    }, MEET_TIMEOUT_MS);
    if (!haveMet) throw new Error(`the peers did not all hear each other in ${MEET_TIMEOUT_MS} ms`);
  }

  /** Resolves when whoever was killed serves again. */
  async settled(): Promise<void> {
    await this.#starting;
  }

  kill(index: number): void {
    const peer = this.running[index];
    if (peer === undefined) return;
    peer.child.kill();
    this.#starting = (async () => {
      await peer.child.ended;
      await duration(BROKEN_MS);
      await this.#start(index);
    })();
  }

  /** `cut alpha`, `drop 30 update`, `heal`. */
  async fault(index: number, words: string): Promise<void> {
    await this.running[index]?.connection.request(['TOPOSPHERE', 'FAULTS', ...words.split(' ')]);
  }

  async #start(index: number): Promise<void> {
    this.running[index] = await startPeer({ children: this.#children }, this.#cluster, index, [
      '--allow-faults',
    ]);
  }
}

/** One client: one operation after the other, at a peer drawn anew now and then. */
class RegisterClient {
  readonly #ground: Ground;
  readonly #name: string;
  readonly #history: Called[];
  readonly #moment: () => number;
  #connection: Connection | undefined;
  #index: number;

  constructor(ground: Ground, name: string, history: Called[], moment: () => number) {
    this.#ground = ground;
    this.#name = name;
    this.#history = history;
    this.#moment = moment;
    this.#index = Math.floor(Math.random() * PEERS);
  }

  async run(untilMs: number): Promise<void> {
    for (let number = 1; performance.now() < untilMs; number += 1) {
      if (Math.random() < 0.2) this.#leave();
      await this.#operate(`${this.#name}.${number}`, `register${1 + Math.floor(Math.random() * KEYS)}`);
      await duration(Math.random() * PAUSE_MS);
    }
    this.#leave();
  }

  #leave(): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#index = Math.floor(Math.random() * PEERS);
  }

  async #operate(value: string, key: string): Promise<void> {
    const draw = Math.random();
    const kind = draw < 0.5 ? 'write' : draw < 0.9 ? 'read' : 'majority';
    const isDeletion = kind === 'write' && Math.random() < 0.1;
    const name = `${this.#name.split(' ', 1)[0] ?? ''}/${key}`;
    const words = kind !== 'write' ? ['GET', name] : isDeletion ? ['DEL', name] : ['SET', name, value];
    const level = kind === 'majority' ? 'MAJORITY' : 'LINEARIZABLE';
    const written = kind === 'write' && !isDeletion ? value : undefined;
    const called: Called = {
      key: name,
      kind,
      value: written,
      calledAt: this.#moment(),
      returnedAt: Infinity,
    };
    if (kind === 'write') this.#history.push(called);
    try {
      this.#connection ??= await openConnection({ host: HOST, port: this.#portOf(this.#index) });
      const reply = await this.#connection.request(
        ['TOPOSPHERE', 'DO', 'READ', level, 'WITHIN', String(WITHIN_MS), 'RUN', ...words],
        10 * WITHIN_MS,
      );
      if (kind !== 'write') called.value = Buffer.isBuffer(reply) ? reply.toString('utf8') : undefined;
      called.returnedAt = this.#moment();
      if (kind !== 'write') this.#history.push(called);
    } catch (error) {
      if (!(error instanceof PeerRefusal)) this.#leave();
      if (kind === 'write' && changedNothing(error))
        this.#history.splice(this.#history.lastIndexOf(called), 1);
    }
  }

  #portOf(index: number): number {
    return this.#ground.running[index]?.clientPort ?? 0;
  }
}

/** A refusal that says so; all else leaves a write's outcome open. */
function changedNothing(error: unknown): boolean {
  return error instanceof PeerRefusal && /NOMAJORITY|LOADING|CLOCKAHEAD/.test(error.message);
}

/** Breaks something, and mends it. */
async function breakSomething(ground: Ground, turn: number): Promise<string> {
  const incident = INCIDENTS[turn % INCIDENTS.length] ?? 'a kill';
  const index = turn % PEERS;
  await duration(BREAK_MS);
  if (incident === 'a kill') {
    ground.kill(index);
    return incident;
  }
  const others = ground.running.filter((_, at) => at !== index).map(({ id }) => id);
  // Of four a pair is cut from the other pair now and then: then nobody has a majority.
  const cut = turn % 8 < 4 ? others : others.slice(0, 2);
  const words =
    incident === 'a cut'
      ? `cut ${cut.join(' ')}`
      : incident === 'lost updates'
        ? 'drop 90 update'
        : 'drop 40';
  await Promise.all(
    ground.running.map((_, at) =>
      incident === 'a cut' && at !== index ? Promise.resolve() : ground.fault(at, words),
    ),
  );
  await duration(BROKEN_MS);
  await Promise.all(ground.running.map((_, at) => ground.fault(at, 'heal')));
  return incident;
}

/** As many histories one after the other. Rejects when peers do not start. */
export async function runReal(histories: number): Promise<RealReport> {
  const children = new Children(undefined);
  const workspace = await Workspace.create();
  const tally = new Tally();
  const faults: string[] = [];
  const counts = new Map<string, number>();
  try {
    const ground = new Ground(children, await workspace.cluster(PEERS));
    await ground.startAll();
    for (let turn = 0; turn < histories; turn += 1) {
      const history: Called[] = [];
      let moments = 0;
      const clients = Array.from(
        { length: CLIENTS },
        (_, at) => new RegisterClient(ground, `h${turn} c${at}`, history, () => (moments += 1)),
      );
      const untilMs = performance.now() + HISTORY_MS;
      const [incident] = await Promise.all([
        breakSomething(ground, turn),
        ...clients.map((client) => client.run(untilMs)),
      ]);
      counts.set(incident, (counts.get(incident) ?? 0) + 1);
      await ground.settled();
      tally.add(history);
      const violation = findViolation(history);
      if (violation !== undefined)
        faults.push(`history ${turn + 1} (${incident}): ${violation.key}: ${violation.why}`);
    }
    await ground.meet();
  } finally {
    await children.stopAll();
    await workspace.remove();
  }
  const incidents = Array.from(counts, ([incident, times]) => `${incident} in ${times}`).join(', ');
  return { tally, faults, incidents };
}
