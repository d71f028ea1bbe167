/**
 * Clients of all hosts that write at a steady pace, whatever happens to the hosts, and keep account of what they were told.
 *
 * Owns the pace, the keys, and the judgement on each error: whether what was done to the host explains it. Each host has a client of its own with keys of its
 * own; every tenth write goes to keys that all clients share, on which they overwrite each other. Invariant: every answer is looked at; an error
 * that nothing explains is kept in words.
 */
import { setTimeout as duration } from 'node:timers/promises';
import { openConnection, type Connection } from '../../src/cli/connection.ts';
import { PeerRefusal } from '../../src/cli/failure.ts';
import { openStream, type RandomStream } from '../../src/simulator/random.ts';
import type { Host } from './host.ts';
import { Ledger } from './ledger.ts';

/** Milliseconds between two batches of a client, and between two attempts to reach its host. */
const TICK_MS = 10;
const RETRY_MS = 100;
/** Answers that a client waits for before it sends more. */
const OWED_LIMIT = 2_000;
/** Keys of each client, and keys that all share. */
const OWN_KEYS = 400;
const SHARED_KEYS = 100;
const SHARED_SHARE = 0.1;
const DELETED_SHARE = 0.1;
const VALUE_FILL = '.'.repeat(80);
/** Milliseconds until a peer has seen that there is room on its disk again: it looks each second. */
const ROOM_SEEN_MS = 2_000;
/** Each distinct error is kept once; more than so many are not told apart. */
const ERRORS_KEPT = 50;

export interface LoadOptions {
  /** Begins every key: hosts may hold what an earlier load wrote. */
  readonly name: string;
  readonly hosts: readonly Host[];
  readonly writesPerSecond: number;
  readonly seed: number;
}

export class Load {
  readonly ledger = new Ledger();
  /** Errors with what explains them, or not; numbers left out, each text once with how often. */
  readonly explained = new Map<string, number>();
  readonly unexplained = new Map<string, number>();
  readonly #options: LoadOptions;
  readonly #startedMs = performance.now();
  #isRunning = true;
  #clients: readonly Promise<void>[] = [];
  #tookMs = 0;

  private constructor(options: LoadOptions) {
    this.#options = options;
  }

  static start(options: LoadOptions): Load {
    const load = new Load(options);
    load.#clients = options.hosts.map((host) => load.#write(host));
    return load;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  get tookMs(): number {
    return this.#tookMs;
  }

  /** Sends no more; resolves when every answer is there, or lost. */
  async stop(): Promise<void> {
    if (this.#isRunning) this.#tookMs = performance.now() - this.#startedMs;
    this.#isRunning = false;
    await Promise.all(this.#clients);
  }

  async #write(host: Host): Promise<void> {
    const random = openStream(this.#options.seed, `client of ${host.id}`);
    while (this.#isRunning) {
      let connection: Connection | undefined;
      const sinceMs = performance.now();
      try {
        connection = await openConnection(host.clients);
        await connection.request(['TOPOSPHERE', 'ACK', 'durable']);
        await this.#writeOver(connection, host, random);
      } catch (error) {
        const broken = error instanceof BrokenError ? error : undefined;
        this.#judge(host, broken?.cause ?? error, broken?.sinceMs ?? sinceMs);
        await duration(RETRY_MS);
      } finally {
        connection?.close();
      }
    }
  }

  /** Rejects when the connection breaks. */
  async #writeOver(connection: Connection, host: Host, random: RandomStream): Promise<void> {
    const { hosts, writesPerSecond } = this.#options;
    const perMs = writesPerSecond / hosts.length / 1000;
    let owed = 0;
    let due = 0;
    let broken: Error | undefined;
    let lastMs = performance.now();
    while (this.#isRunning || owed > 0) {
      if (broken !== undefined) throw broken;
      const nowMs = performance.now();
      // What a host that stood still has missed is not made up for: that would be a burst of its own.
      due += Math.min(nowMs - lastMs, 10 * TICK_MS) * perMs;
      lastMs = nowMs;
      for (; this.#isRunning && due >= 1 && owed < OWED_LIMIT; due -= 1) {
        owed += 1;
        this.#send(connection, host, random, (failure) => {
          owed -= 1;
          broken ??= failure;
        });
      }
      due = Math.min(due, 1);
      await duration(TICK_MS); // the pace itself
    }
  }

  /** `onEnd` gets what broke the connection, if that is what came of it. */
  #send(connection: Connection, host: Host, random: RandomStream, onEnd: (failure?: Error) => void): void {
    const isShared = random() < SHARED_SHARE;
    const owner = `${this.#options.name}:${isShared ? 'shared' : host.id}`;
    const key = `${owner}:${Math.floor(random() * (isShared ? SHARED_KEYS : OWN_KEYS))}`;
    const value = random() < DELETED_SHARE ? undefined : `${host.id} ${this.ledger.sent} ${VALUE_FILL}`;
    const settle = isShared ? () => undefined : this.ledger.begin(key, value);
    const sinceMs = performance.now();
    connection.request(value === undefined ? ['DEL', key] : ['SET', key, value]).then(
      () => {
        settle('acknowledged');
        onEnd();
      },
      (error: unknown) => {
        const isRefusal = error instanceof PeerRefusal;
        settle(isRefusal ? 'refused' : 'unknown');
        if (isRefusal) this.#judge(host, error, sinceMs);
        onEnd(isRefusal ? undefined : new BrokenError(error, sinceMs));
      },
    );
  }

  #judge(host: Host, error: unknown, sinceMs: number): void {
    const text = error instanceof Error ? error.message : String(error);
    const why = explain(host, error, sinceMs);
    const into = why === undefined ? this.unexplained : this.explained;
    const said = `${why === undefined ? `${host.id}: ` : `${why}: `}${text.replaceAll(/\d+/g, 'N')}`;
    if (into.has(said) || into.size < ERRORS_KEPT) into.set(said, (into.get(said) ?? 0) + 1);
  }
}

/** A write whose answer never came. */
class BrokenError extends Error {
  readonly sinceMs: number;

  constructor(cause: unknown, sinceMs: number) {
    super('the connection broke', { cause });
    this.sinceMs = sinceMs;
  }
}

/** What was, and is, done to a host. */
export type HostState = Pick<
  Host,
  'isServing' | 'servingSinceMs' | 'isPaused' | 'resumedMs' | 'isDiskFull' | 'roomSinceMs'
>;

/**
 * Which fault explains an error; undefined: none. A fault explains only the errors of its own kind, and only those of what was under way (from `sinceMs` until now) while
 * it was.
 */
export function explain(host: HostState, error: unknown, sinceMs: number): string | undefined {
  const text = error instanceof Error ? error.message : String(error);
  const nowMs = performance.now();
  if (error instanceof PeerRefusal) {
    const isFull = host.isDiskFull || host.roomSinceMs + ROOM_SEEN_MS >= nowMs;
    return text.includes('DISKFULL') && isFull ? 'its disk is full' : undefined;
  }
  const wasDown = !host.isServing || host.servingSinceMs >= sinceMs;
  if (wasDown && /broke|closed the connection|cannot reach/.test(text)) return 'it was killed';
  const stoodStill = host.isPaused || host.resumedMs >= sinceMs;
  return stoodStill && /did not answer|no answer within/.test(text) ? 'it was paused' : undefined;
}
