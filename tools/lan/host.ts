/**
 * One host of the laboratory: its peer as users start it, over kills and pauses, and its disk.
 *
 * Owns the process `node dist/bin/toposphere.js serve`, the connection that asks it things, and the file system under its data. Invariant: an end
 * that nobody asked for is remembered (`unexpectedEnds`), and so is what the peer said on its way.
 */
import { mkdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  openConnection,
  replyText,
  type Address,
  type Connection,
  type Reply,
} from '../../src/cli/connection.ts';
import { buildArguments } from '../../src/cli/settingsOptions.ts';
import type { DiskSpaceReport } from '../../src/peer/diskSpace.ts';
import type { PeerStatus } from '../../src/peer/status.ts';
import type { Settings } from '../../src/peer/tunables.ts';
import { CLIENT_PORT, runCommand, type Card } from './namespaces.ts';
import { Program } from './program.ts';

export const COMMAND = fileURLToPath(new URL('../../dist/bin/toposphere.js', import.meta.url));
const MEBIBYTE = 2 ** 20;
const START_TIMEOUT_MS = 60_000;
const ASK_TIMEOUT_MS = 5_000;
/** A disk small enough to be filled: its size, the watermark of its peer, and what is left when it is full, MiB. */
const SMALL_DISK = { size: 96, minimumFree: 32, left: 24 } as const;

/** What the laboratory reads of TOPOSPHERE STATUS. */
export type Status = PeerStatus & {
  readonly disk: DiskSpaceReport;
  readonly clients: Readonly<Record<string, number>>;
  readonly network: {
    readonly faults: Readonly<Record<string, number>>;
    readonly streams: {
      readonly incoming: { readonly connections: number; readonly unfinishedBytes: number };
    };
  };
};

export interface DigestReply {
  readonly digest: string;
  readonly visible: number;
  readonly tombstones: number;
}

export interface HostOptions {
  readonly card: Card;
  readonly settings: Settings;
  /** Of Redis clients; its file is among the settings. */
  readonly password: string;
  readonly directory: string;
  readonly hasSmallDisk: boolean;
}

export class Host {
  readonly card: Card;
  readonly id: string;
  readonly dataDirectory: string;
  /** Ends of its process that nobody asked for, with its last words. */
  readonly unexpectedEnds: string[] = [];
  /** What its past processes wrote to standard error. */
  readonly warnings: string[] = [];
  readonly #settings: Settings;
  readonly #password: string;
  readonly #hasSmallDisk: boolean;
  #program: Program | undefined;
  #connection: Connection | undefined;
  #isEndExpected = false;
  #isPaused = false;
  #isDiskFull = false;
  #isServing = false;
  #servingSinceMs = -Infinity;
  #resumedMs = -Infinity;
  #roomSinceMs = -Infinity;

  /** `settings` without those that follow from the host. */
  constructor({ card, settings, password, directory, hasSmallDisk }: HostOptions) {
    this.card = card;
    this.#password = password;
    this.id = card.name;
    this.dataDirectory = join(directory, card.name);
    this.#hasSmallDisk = hasSmallDisk;
    this.#settings = {
      ...settings,
      dataDirectory: this.dataDirectory,
      ...(hasSmallDisk ? { minFreeBytes: SMALL_DISK.minimumFree * MEBIBYTE } : {}),
    };
  }

  /** Where its Redis clients come in, with the password that they are asked for. */
  get clients(): Address {
    return { host: this.card.address, port: CLIENT_PORT, password: this.#password };
  }

  get isRunning(): boolean {
    return this.#program?.hasEnded === false;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isDiskFull(): boolean {
    return this.#isDiskFull;
  }

  /** Between its word that it is ready and its end. */
  get isServing(): boolean {
    return this.#isServing;
  }

  /** When it was last ready, went on, had room again, on the clock of `performance`. */
  get servingSinceMs(): number {
    return this.#servingSinceMs;
  }

  get resumedMs(): number {
    return this.#resumedMs;
  }

  get roomSinceMs(): number {
    return this.#roomSinceMs;
  }

  get processId(): number {
    return this.#program?.processId ?? -1;
  }

  async prepareDisk(): Promise<void> {
    await mkdir(this.dataDirectory, { recursive: true });
    if (!this.#hasSmallDisk) return;
    await runCommand('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK.size}m`, 'tmpfs', this.dataDirectory]);
  }

  async removeDisk(): Promise<void> {
    if (this.#hasSmallDisk) await runCommand('umount', ['--lazy', this.dataDirectory]);
  }

  /** Starts the peer, again after an end; resolves when clients are served. */
  async start(): Promise<void> {
    if (this.isRunning) throw new Error(`${this.id} runs already`);
    this.#isEndExpected = false;
    const words = [process.execPath, COMMAND, 'serve', ...buildArguments(this.#settings)];
    const program = new Program(this.id, this.card.name, words);
    this.#program = program;
    void program.ended.then((how) => {
      this.#isServing = false;
      this.warnings.push(...program.errorLines);
      if (!this.#isEndExpected)
        this.unexpectedEnds.push(
          `${this.id} ended by itself (${how}): ${program.errorLines.slice(-3).join(' | ')}`,
        );
    });
    await program.awaitLine(/^ready /, START_TIMEOUT_MS);
    this.#isServing = true;
    this.#servingSinceMs = performance.now();
  }

  /** kill -9, or a clean stop. */
  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#isEndExpected = true;
    this.#isServing = false;
    this.#isPaused = false;
    this.#disconnect();
    await this.#program?.stop(signal);
  }

  pause(): void {
    this.#isPaused = true;
    this.#program?.signal('SIGSTOP');
  }

  resume(): void {
    this.#program?.signal('SIGCONT');
    this.#isPaused = false;
    this.#resumedMs = performance.now();
  }

  /** Fills its disk beyond the watermark, or makes room again. */
  async setDiskFull(isFull: boolean): Promise<void> {
    if (!this.#hasSmallDisk) throw new Error(`${this.id} has no small disk that could be filled`);
    const filler = join(this.dataDirectory, 'filler');
    if (isFull) {
      this.#isDiskFull = true; // from now on: the peer may notice before this process does
      const { bavail, bsize } = await statfs(this.dataDirectory);
      const bytes = bavail * bsize - SMALL_DISK.left * MEBIBYTE;
      if (bytes > 0) await runCommand('fallocate', ['--length', String(bytes), filler]);
    } else {
      await rm(filler, { force: true });
      this.#roomSinceMs = performance.now();
      this.#isDiskFull = false;
    }
  }

  /** An empty disk in place of the one that it had. */
  async wipe(): Promise<void> {
    if (this.isRunning) throw new Error(`${this.id} runs: crash it before its disk is wiped`);
    await rm(join(this.dataDirectory, this.id), { recursive: true, force: true });
  }

  /** One request over the connection that is kept for such. Rejects with the error reply, or when nothing answers. */
  async ask(...words: readonly string[]): Promise<Reply> {
    this.#connection ??= await openConnection(this.clients);
    const connection = this.#connection;
    try {
      return await connection.request(words, ASK_TIMEOUT_MS);
    } catch (error) {
      if (this.#connection === connection) this.#disconnect();
      throw error;
    }
  }

  async status(): Promise<Status> {
    return JSON.parse(replyText(await this.ask('TOPOSPHERE', 'STATUS'))) as Status;
  }

  async digest(): Promise<DigestReply> {
    const [digest, visible, tombstones] = (await this.ask('TOPOSPHERE', 'DIGEST')) as readonly Reply[];
    return { digest: String(digest), visible: Number(visible), tombstones: Number(tombstones) };
  }

  /** The values of some keys; null where there is none. */
  async values(keys: readonly string[]): Promise<readonly (Buffer | null)[]> {
    return (await this.ask('MGET', ...keys)) as readonly (Buffer | null)[];
  }

  #disconnect(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }
}
