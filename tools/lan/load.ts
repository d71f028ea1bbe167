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
/** Milliseconds after a fault was taken back in which its errors are still its own. */
const AFTERMATH_MS = 3_000;
/** Each distinct error is kept once; more than so many are not told apart. */
const ERRORS_KEPT = 50;

export interface LoadOptions {
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
      try {
        connection = await openConnection(host.clients);
        await connection.request(['TOPOSPHERE', 'ACK', 'durable']);
        await this.#writeOver(connection, host, random);
      } catch (error) {
        this.#judge(host, error);
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
    const key = isShared
      ? `shared:${Math.floor(random() * SHARED_KEYS)}`
      : `${host.id}:${Math.floor(random() * OWN_KEYS)}`;
    const value = random() < DELETED_SHARE ? undefined : `${host.id} ${this.ledger.sent} ${VALUE_FILL}`;
    const settle = isShared ? () => undefined : this.ledger.begin(key, value);
    connection.request(value === undefined ? ['DEL', key] : ['SET', key, value]).then(
      () => {
        settle('acknowledged');
        onEnd();
      },
      (error: unknown) => {
        const isRefusal = error instanceof PeerRefusal;
        settle(isRefusal ? 'refused' : 'unknown');
        if (isRefusal) this.#judge(host, error);
        onEnd(isRefusal ? undefined : asError(error));
      },
    );
  }

  #judge(host: Host, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    const why = explain(host, error, text);
    const into = why === undefined ? this.unexplained : this.explained;
    const said = `${why === undefined ? `${host.id}: ` : `${why}: `}${text.replaceAll(/\d+/g, 'N')}`;
    if (into.has(said) || into.size < ERRORS_KEPT) into.set(said, (into.get(said) ?? 0) + 1);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Which fault of a host explains an error; undefined: none. */
function explain(host: Host, error: unknown, text: string): string | undefined {
  const nowMs = performance.now();
  if (error instanceof PeerRefusal)
    return text.includes('DISKFULL') && (host.isDiskFull || nowMs - host.roomSinceMs < AFTERMATH_MS)
      ? 'its disk is full'
      : undefined;
  if (!host.isServing || nowMs - host.servingSinceMs < AFTERMATH_MS) return 'it was killed';
  return host.isPaused || nowMs - host.resumedMs < AFTERMATH_MS ? 'it was paused' : undefined;
}
