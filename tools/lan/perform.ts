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
import type { KeyWrite, Statement } from '../../src/simulator/scenarioStatement.ts';
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
  readonly #startedMs = performance.now();
  /** What was taken back since the last time that all were equal. */
  #undone: string[] = [];

  constructor({ laboratory, isLoaded, note }: PerformOptions) {
    this.#laboratory = laboratory;
    this.#isLoaded = isLoaded;
    this.#note = note;
  }

  async carryOut(does: Line['does']): Promise<void> {
    switch (does.kind) {
      case 'write':
        return this.#write(does);
      case 'cut':
        return this.#cut(true, does.from, does.to, does.isOneWay);
      case 'heal':
        this.#undone.push('cut');
        return this.#cut(false, does.from, does.to, false);
      case 'links':
        return this.#setLinks(does);
      case 'rate':
        if (does.bytesPerSecond === 0) this.#undone.push('rate');
        return this.#laboratory.switch.setRate(does.bytesPerSecond, does.peers);
      case 'crash':
        return this.#laboratory.host(does.peer).stop('SIGKILL');
      case 'start':
        this.#undone.push('kill');
        return this.#laboratory.host(does.peer).start();
      case 'pause':
        this.#laboratory.host(does.peer).pause();
        return;
      case 'resume':
        this.#undone.push('pause');
        this.#laboratory.host(does.peer).resume();
        return;
      case 'disk':
        if (does.state === 'ok') this.#undone.push('full disk');
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
      case 'loseKind':
      case 'powerOff':
      case 'backUp':
      case 'rollBack':
      case 'admit':
      case 'bootstrap':
      case 'forget':
      case 'twin':
      case 'endTwin':
      case 'clock':
      case 'stray':
        throw new Error(`${does.kind} was let in by the script`);
      default:
        assertNever(does);
    }
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
    await this.#laboratory.switch.setLinks({ isCut: isCut }, from, to);
    if (!isOneWay) await this.#laboratory.switch.setLinks({ isCut: isCut }, to, from);
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
    for (const [name, value] of Object.entries(named)) if (value === 0) this.#undone.push(name);
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
    if (!isEqual) throw new Error(`not equal after ${withinMs} ms: ${seen}`);
    const after = [...new Set(this.#undone)].sort().join(' + ');
    this.#undone = [];
    this.#note(`  equal ${Math.round(tookMs)} ms later`);
    if (after !== '') this.healings.push({ after, tookMs, atMs: performance.now() - this.#startedMs });
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
