/**
 * Carries out a script on a laboratory: its statements one after the other, in real time.
 *
 * Owns what each statement does to hosts and switch, and the times: how long after which healing all hosts held the same again. Who else
 * writes meanwhile is load.ts's. Invariant: an expectation that does not come true ends the run, with its line and what was seen.
 */
import { setTimeout as duration } from 'node:timers/promises';
import { assertNever } from '../../src/core/types.ts';
import { openConnection } from '../../src/cli/connection.ts';
import { PeerRefusal } from '../../src/cli/failure.ts';
import { bytesOf, describeValue } from '../../src/simulator/clientWrite.ts';
import type { KeyWrite, SeenAs, Statement } from '../../src/simulator/scenarioStatement.ts';
import { waitUntil } from '../bench/peers.ts';
import { awaitCaughtUp, awaitEqualDigests } from './equality.ts';
import type { Host, Status } from './host.ts';
import type { Laboratory } from './laboratory.ts';
import type { Line } from './script.ts';

/** Keys of one MGET, and writes under way at once. */
const BATCH = 500;

/** After what was taken back all hosts held the same again, and how soon. */
export interface Healing {
  readonly after: string;
  /** Infinity: not within the time that the script gave. */
  readonly tookMs: number;
  /** Since the script began. */
  readonly atMs: number;
}

export interface Performance {
  readonly healings: Healing[];
}

export interface PerformOptions {
  readonly laboratory: Laboratory;
  readonly lines: readonly Line[];
  /** Whether anybody else writes now. */
  readonly isLoaded: () => boolean;
  readonly note: (text: string) => void;
  /** Notes that hosts were not equal in time, and goes on: for whoever wants to know how often. */
  readonly goesOn?: boolean;
}

/** Rejects with the first expectation that did not come true. */
export async function perform(options: PerformOptions): Promise<Performance> {
  const { lines, note } = options;
  const performance = new Performer(options);
  for (const { text, line, does } of lines) {
    note(text);
    try {
      await performance.carryOut(does);
    } catch (error) {
      throw new Error(`line ${line}, ${text}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
  return performance;
}

class Performer implements Performance {
  readonly healings: Healing[] = [];
  readonly #laboratory: Laboratory;
  readonly #isLoaded: () => boolean;
  readonly #note: (text: string) => void;
  readonly #goesOn: boolean;
  readonly #startedMs = performance.now();
  readonly #inForce = new Set<string>();
  /** What was taken back since the last time that all were equal. */
  readonly #undone = new Set<string>();

  constructor({ laboratory, isLoaded, note, goesOn = false }: PerformOptions) {
    this.#laboratory = laboratory;
    this.#isLoaded = isLoaded;
    this.#note = note;
    this.#goesOn = goesOn;
  }

  async carryOut(does: Line['does']): Promise<void> {
    switch (does.kind) {
      case 'write':
        return this.#write(does);
      case 'cut':
        return this.#cut(true, does.from, does.to, does.isOneWay);
      case 'heal':
        this.#mark('cut', false);
        return this.#cut(false, does.from, does.to, false);
      case 'links':
        return this.#setLinks(does);
      case 'rate':
        this.#mark('rate', does.bytesPerSecond > 0);
        return this.#laboratory.switch.setRate(does.bytesPerSecond, does.peers);
      case 'crash':
        this.#mark('kill', true);
        return this.#laboratory.host(does.peer).stop('SIGKILL');
      case 'stop':
        return this.#laboratory.host(does.peer).stop('SIGTERM');
      case 'start':
        this.#mark('kill', false);
        return this.#laboratory.host(does.peer).start();
      case 'pause':
        this.#mark('pause', true);
        this.#laboratory.host(does.peer).pause();
        return;
      case 'resume':
        this.#mark('pause', false);
        this.#laboratory.host(does.peer).resume();
        return;
      case 'disk':
        this.#mark('full disk', does.state === 'full');
        return this.#laboratory.host(does.peer).setDiskFull(does.state === 'full');
      case 'wipe':
        return this.#laboratory.host(does.peer).wipe();
      case 'wait':
        await duration(does.forMs);
        return;
      case 'expectValue':
        return this.#expectValues(does);
      case 'expectEqual':
        return this.#expectEqual(does.peers, does.withinMs);
      case 'expectState':
        return this.#expectState(does);
      case 'expectSeen':
        return this.#expectSeen(does);
      default:
        assertNever(does);
    }
  }

  /** A fault is in force from now on, or is taken back. */
  #mark(fault: string, isInForce: boolean): void {
    if (isInForce) this.#inForce.add(fault);
    else if (this.#inForce.delete(fault)) this.#undone.add(fault);
  }

  #hosts(ids: readonly string[] | undefined): readonly Host[] {
    return ids === undefined ? this.#laboratory.hosts : ids.map((id) => this.#laboratory.host(id));
  }

  async #cut(
    isCut: boolean,
    from: readonly string[] | undefined,
    to: readonly string[] | undefined,
    isOneWay: boolean,
  ): Promise<void> {
    if (isCut) this.#mark('cut', true);
    await this.#laboratory.switch.setLinks({ isCut }, from, to);
    if (!isOneWay) await this.#laboratory.switch.setLinks({ isCut }, to, from);
  }

  async #setLinks({ quality, from, to }: Extract<Statement, { kind: 'links' }>): Promise<void> {
    const { loss, multicastLoss, maxDelayMs, reorder, duplicate } = quality;
    const named = {
      loss,
      'no multicast': multicastLoss,
      delay: maxDelayMs,
      reordering: reorder,
      duplicates: duplicate,
    };
    for (const [name, value] of Object.entries(named)) if (value !== undefined) this.#mark(name, value > 0);
    await this.#laboratory.switch.setLinks(quality, from, to);
  }

  async #write({
    peer,
    writes,
    level,
    expiresInMs,
    isRefused,
  }: Extract<Statement, { kind: 'write' }>): Promise<void> {
    const connection = await openConnection(this.#laboratory.host(peer).clients);
    try {
      await connection.request(['TOPOSPHERE', 'ACK', level]);
      for (let from = 0; from < writes.length; from += BATCH) {
        const asked = writes
          .slice(from, from + BATCH)
          .map((one) => connection.request(wordsOf(one, expiresInMs)));
        const outcomes = await Promise.allSettled(asked);
        const refusal = outcomes.find((outcome) => outcome.status === 'rejected');
        if (refusal !== undefined && !(isRefused && refusal.reason instanceof PeerRefusal))
          throw refusal.reason;
        if (refusal === undefined && isRefused) throw new Error(`${peer} took it`);
      }
    } finally {
      connection.close();
    }
  }

  async #expectValues({ keys, peers, withinMs }: Extract<Statement, { kind: 'expectValue' }>): Promise<void> {
    const hosts = this.#hosts(peers);
    const startedMs = performance.now();
    let wrong: string | undefined;
    const isSo = async (): Promise<boolean> => {
      wrong = undefined;
      for (const host of hosts) wrong ??= await findWrong(host, keys);
      return wrong === undefined;
    };
    if (!(await waitUntil(isSo, withinMs))) throw new Error(wrong ?? '');
    this.#note(`  as expected ${Math.round(performance.now() - startedMs)} ms later`);
  }

  async #expectEqual(ids: readonly string[] | undefined, withinMs: number): Promise<void> {
    const wait = this.#isLoaded() ? awaitCaughtUp : awaitEqualDigests;
    const { isEqual, tookMs, seen } = await wait(this.#hosts(ids), withinMs);
    const missed = `not equal after ${withinMs} ms: ${seen}`;
    if (!isEqual && !this.#goesOn) throw new Error(missed);
    const after = [...this.#undone].sort().join(' + ');
    this.#undone.clear();
    this.#note(isEqual ? `  equal ${Math.round(tookMs)} ms later` : `  ${missed}`);
    if (after === '') return;
    const atMs = performance.now() - this.#startedMs;
    this.healings.push({ after, tookMs: isEqual ? tookMs : Infinity, atMs });
  }

  async #expectState({ state, peers, withinMs }: Extract<Statement, { kind: 'expectState' }>): Promise<void> {
    const hosts = this.#hosts(peers);
    let statuses: readonly Status[] = [];
    const isSo = async (): Promise<boolean> => {
      statuses = await Promise.all(hosts.map((host) => host.status()));
      return statuses.every((status) =>
        state === 'collected'
          ? status.tombstones === 0 && status.memory.tableRows.count === 0
          : status.phase === state,
      );
    };
    if (await waitUntil(isSo, withinMs)) return;
    const seen = statuses.map(
      ({ id, phase, tombstones, memory }) =>
        `${id} ${phase}, ${tombstones} tombstones, ${memory.tableRows.count} rows`,
    );
    throw new Error(`not ${state} after ${withinMs} ms: ${seen.join('; ')}`);
  }

  async #expectSeen({
    member,
    as,
    peers,
    withinMs,
  }: Extract<Statement, { kind: 'expectSeen' }>): Promise<void> {
    const hosts = this.#hosts(peers).filter(({ id, isRunning }) => id !== member && isRunning);
    let seen: readonly string[] = [];
    const isSo = async (): Promise<boolean> => {
      const all = await Promise.all(hosts.map(async (host) => seenAs(await host.status(), member)));
      seen = all.map((one, at) => `${one ?? 'unknown'} at ${hosts[at]?.id ?? ''}`);
      return all.every((one) => one === as);
    };
    if (!(await waitUntil(isSo, withinMs)))
      throw new Error(`${member} is ${seen.join(', ')} after ${withinMs} ms`);
  }
}

function seenAs({ members }: Status, id: string): SeenAs | undefined {
  const member = members.find((one) => one.id === id);
  if (member === undefined) return undefined;
  if (member.alive) return 'alive';
  return member.left ? 'left' : 'silent';
}

function wordsOf(
  { key, value }: KeyWrite,
  expiresInMs: number | undefined,
): readonly (string | Uint8Array)[] {
  if (value === undefined) return ['DEL', key];
  return ['SET', key, bytesOf(value), ...(expiresInMs === undefined ? [] : ['PX', String(expiresInMs)])];
}

/** The first key that a host does not hold as expected, in words. */
async function findWrong(host: Host, keys: readonly KeyWrite[]): Promise<string | undefined> {
  for (let from = 0; from < keys.length; from += BATCH) {
    const part = keys.slice(from, from + BATCH);
    const found = await host.values(part.map(({ key }) => key));
    for (const [at, { key, value }] of part.entries()) {
      const held = found[at] ?? null;
      const isSame =
        value === undefined || held === null
          ? value === undefined && held === null
          : Buffer.compare(held, bytesOf(value)) === 0;
      if (!isSame)
        return `${host.id} has ${key} ${held === null ? 'absent' : `= ${held.toString().slice(0, 40)}`}, not ${value === undefined ? 'absent' : describeValue(value)}`;
    }
  }
  return undefined;
}
