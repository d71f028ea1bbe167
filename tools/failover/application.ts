/**
 * An application behind a sticky client: writes keys of its own, reads them back, and reads those of the others, as fast as it is let.
 *
 * Owns its loops, the judgement on every answer, and the account of them. What is done to peers is course.ts's. Invariant: every operation is counted once, and every read that
 * shows less than the client knew is kept in words.
 */
import { setTimeout as duration } from 'node:timers/promises';
import type * as clientModule from '../../src/client/index.ts';
import { loadBuilt } from '../bench/shipped.ts';
import { Witness } from './witness.ts';

const { StickyClient, ToposphereError } = (await loadBuilt('client/index.js')) as typeof clientModule;

/** Between two operations of one loop, milliseconds: what is tried is going from peer to peer, not the machine. */
const PACE_MS = 4;
/** Violations kept in words. */
const KEPT = 20;

/** What clients of one run were told, together. */
export class Account {
  answered = 0;
  readonly errors = new Map<string, number>();
  readonly violations: string[] = [];
  violationCount = 0;

  get failed(): number {
    let failed = 0;
    for (const count of this.errors.values()) failed += count;
    return failed;
  }

  noteError(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  noteViolation(text: string): void {
    this.violationCount += 1;
    if (this.violations.length < KEPT) this.violations.push(text);
  }
}

export interface ApplicationOptions {
  readonly name: string;
  /** Of all applications: whose keys are read. */
  readonly names: readonly string[];
  readonly keys: number;
  readonly account: Account;
  /** Plants the fault that is looked for: a client that takes no session along. */
  readonly isWithoutToken: boolean;
  readonly client: clientModule.StickyClientOptions;
}

export class Application {
  readonly #options: ApplicationOptions;
  readonly #client: clientModule.StickyClient;
  readonly #witnesses = new Map<string, Witness>();
  readonly #answers: ((beganAtMs: number) => void)[] = [];
  #isRunning = true;
  #loops: readonly Promise<void>[] = [];

  private constructor(options: ApplicationOptions, client: clientModule.StickyClient) {
    this.#options = options;
    this.#client = client;
  }

  static async start(options: ApplicationOptions): Promise<Application> {
    const session = options.isWithoutToken ? ({ session: false, read: 'local' } as const) : {};
    const client = await StickyClient.connect({ ...options.client, ...session, affinity: options.name });
    const application = new Application(options, client);
    application.#loops = Array.from({ length: options.keys }, (_, index) => application.#loop(index));
    return application;
  }

  /** `host:port` of its present peer. */
  get peer(): string | undefined {
    return this.#client.peer;
  }

  /** Changes of peers that the client saw, and how long the last one took, milliseconds. */
  onFailover(listener: (tookMs: number) => void): void {
    this.#client.on('failover', ({ tookMs }) => {
      listener(tookMs);
    });
  }

  /** Resolves with the milliseconds until an operation that was begun after now has been answered. */
  nextAnswer(): Promise<number> {
    const fromMs = performance.now();
    return new Promise((resolve) => {
      const look = (beganAtMs: number): void => {
        if (beganAtMs >= fromMs) resolve(performance.now() - fromMs);
        else this.#answers.push(look);
      };
      this.#answers.push(look);
    });
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await Promise.all(this.#loops);
  }

  /** What no peer may lack once all is well again: the least number of each key of its own. */
  *floors(): Generator<readonly [key: string, floor: number]> {
    for (const [key, witness] of this.#witnesses)
      if (key.startsWith(`${this.#options.name}/`)) yield [key, witness.floor];
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** One key of its own: writes it, reads it back, reads the same key of another application. */
  async #loop(index: number): Promise<void> {
    const { name, names } = this.#options;
    for (let turn = 0; this.#isRunning; turn += 1) {
      await this.#write(`${name}/${index}`);
      await this.#read(`${name}/${index}`);
      await this.#read(`${names[turn % names.length] ?? name}/${index}`);
    }
  }

  #write(key: string): Promise<void> {
    const witness = this.#witness(key);
    const number = witness.next();
    return this.#operate(async () => {
      await this.#client.set(key, `${number}`);
      witness.acknowledge(number);
    });
  }

  #read(key: string): Promise<void> {
    return this.#operate(async () => {
      const found = Number((await this.#client.getText(key)) ?? '0');
      const violation = this.#witness(key).read(found);
      const { name, account } = this.#options;
      if (violation !== undefined)
        account.noteViolation(
          `${name} read ${key} = ${found} at ${this.peer ?? 'no peer'}: ${violation} (${this.#witness(key).floor})`,
        );
    });
  }

  async #operate(operation: () => Promise<void>): Promise<void> {
    const { account } = this.#options;
    const beganAtMs = performance.now();
    try {
      await operation();
      account.answered += 1;
      for (const look of this.#answers.splice(0)) look(beganAtMs);
    } catch (error) {
      if (!(error instanceof ToposphereError)) throw error;
      account.noteError(error.code);
      if (error.code === 'LOST_WRITE') for (const witness of this.#witnesses.values()) witness.forgive();
    }
    await duration(PACE_MS);
  }

  #witness(key: string): Witness {
    const witness = this.#witnesses.get(key) ?? new Witness();
    this.#witnesses.set(key, witness);
    return witness;
  }
}
