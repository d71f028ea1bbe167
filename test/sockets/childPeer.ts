/**
 * One peer as a child process (`serve`), with a connection to ask it things.
 *
 * Owns the process over its restarts, its log and that one connection. Clusters of them are cluster.ts's;
 * loads bring connections of their own. Invariant: a start resolves only when clients are served.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildArguments } from '../../src/cli/settingsOptions.ts';
import type { Settings } from '../../src/peer/tunables.ts';
import type { DiskSpaceReport } from '../../src/peer/diskSpace.ts';
import type { CheckpointsReport } from '../../src/peer/checkpoints.ts';
import type { ClusterKeysReport } from '../../src/peer/reloading.ts';
import type { PeerStatus } from '../../src/peer/status.ts';
import { Command, describeEnd } from './command.ts';
import type { Ended } from './command.ts';
import { RespClient } from './respClient.ts';
import type { Reply, Word } from './respClient.ts';

/** Milliseconds that a clean stop may take. */
const STOP_TIMEOUT_MS = 15_000;

/** What TOPOSPHERE STATUS says: the peer's own view, and what its Redis server counts. */
export interface FullStatus extends PeerStatus {
  readonly checkpoints: CheckpointsReport;
  readonly disk: DiskSpaceReport;
  readonly clients: Readonly<Record<string, number>>;
  readonly clusterKeys: ClusterKeysReport | null;
  readonly network: {
    readonly datagrams: {
      readonly received: { readonly multicast: number; readonly unicast: number };
      readonly sent: { readonly multicast: number; readonly unicast: number; readonly bytes: number };
    };
    readonly faults: Readonly<Record<string, number>>;
  };
}

export interface DigestReply {
  readonly digest: string;
  readonly visible: number;
  readonly tombstones: number;
}

export class ChildPeer {
  readonly id: string;
  readonly port: number;
  readonly clientPort: number;
  readonly settings: Settings;
  readonly #host: string | undefined;
  readonly #program: readonly string[] | undefined;
  readonly #pastLines: string[] = [];
  #command: Command | undefined;
  #client: RespClient | undefined;

  /** `program`: what node runs in place of the built command line; it gets the same words. `host`: where it serves clients, 127.0.0.1 when left out. */
  constructor(id: string, port: number, settings: Settings, program?: readonly string[], host?: string) {
    this.#host = settings.clientHost ?? host;
    this.id = id;
    this.#program = program;
    this.port = port;
    this.clientPort = Number(settings.clientPort ?? port - 1000);
    this.settings = { ...settings, id };
  }

  /** Starts the process, again after an end, and waits until it serves clients. */
  async start(): Promise<void> {
    this.#keepLog();
    this.#command = new Command(['serve', ...buildArguments(this.settings)], true, this.#program);
    await this.#command.awaitLine(/^ready /);
  }

  get isRunning(): boolean {
    return this.#command?.hasEnded === false;
  }

  get pid(): number {
    return this.#command?.pid ?? -1;
  }

  /** All that this peer has printed, over its restarts. */
  get log(): readonly string[] {
    return [...this.#pastLines, ...(this.#command?.lines ?? [])];
  }

  /** The data directory of this peer alone. */
  get dataDirectory(): string {
    return join(this.settings.dataDirectory ?? '', this.id);
  }

  /** Says something to the program over its channel; resolves when it prints a line like `answer`. */
  async tell(message: Readonly<Record<string, string | number>>, answer: RegExp): Promise<void> {
    this.#command?.send(message);
    await this.#command?.awaitLine(answer);
  }

  /** Asks for a clean stop, and waits for it. */
  async stop(): Promise<void> {
    this.signal('SIGTERM');
    const ended = await this.awaitEnd(STOP_TIMEOUT_MS);
    if (ended.code !== 0) throw new Error(`${this.id} did not stop cleanly: ${describeEnd(ended)}`);
  }

  signal(name: NodeJS.Signals): void {
    this.#command?.signal(name);
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#disconnect();
    await this.#command?.kill();
  }

  /** Waits for the end that a signal asked for. */
  async awaitEnd(timeoutMs: number): Promise<Ended> {
    this.#disconnect();
    if (this.#command === undefined) throw new Error(`${this.id} was never started`);
    return this.#command.awaitEnd(timeoutMs);
  }

  /** The same peer with other settings, to be started when this one has stopped. */
  withSettings(changed: Settings): ChildPeer {
    return new ChildPeer(this.id, this.port, { ...this.settings, ...changed }, undefined, this.#host);
  }

  /** A connection of its own, authenticated if the peer was started with a password; the caller closes it. */
  async connect(): Promise<RespClient> {
    const client = await RespClient.connect(this.clientPort, this.#host);
    const { clientPasswordFile } = this.settings;
    if (clientPasswordFile !== undefined)
      await client.call('AUTH', (await readFile(clientPasswordFile, 'utf8')).trimEnd());
    return client;
  }

  /** One request over the peer's common connection. Rejects with the error reply. */
  async ask(...words: readonly Word[]): Promise<Exclude<Reply, Error>> {
    if (this.#client === undefined || this.#client.isBroken) this.#client = await this.connect();
    return this.#client.call(...words);
  }

  async set(key: Word, value: Word): Promise<void> {
    const reply = await this.ask('SET', key, value);
    if (String(reply) !== 'OK') throw new Error(`SET answered ${String(reply)}`);
  }

  async get(key: Word): Promise<string | null> {
    const reply = await this.getBytes(key);
    return reply?.toString() ?? null;
  }

  async getBytes(key: Word): Promise<Buffer | null> {
    const reply = await this.ask('GET', key);
    if (reply === null || Buffer.isBuffer(reply)) return reply;
    throw new Error('GET answered in an unexpected shape');
  }

  async status(): Promise<FullStatus> {
    return JSON.parse(String(await this.ask('TOPOSPHERE', 'STATUS'))) as FullStatus;
  }

  async digest(): Promise<DigestReply> {
    const reply = await this.ask('TOPOSPHERE', 'DIGEST');
    const [digest, visible, tombstones] = Array.isArray(reply) ? (reply as readonly Reply[]) : [];
    return { digest: String(digest), visible: Number(visible), tombstones: Number(tombstones) };
  }

  /** Words as in `faults cut beta`. The peer must have been started with faults allowed. */
  async faults(...words: readonly string[]): Promise<string> {
    return String(await this.ask('TOPOSPHERE', 'FAULTS', ...words));
  }

  /** Resident memory of the process, bytes. */
  async residentBytes(): Promise<number> {
    const text = String(await this.ask('INFO', 'memory'));
    return Number(/^used_memory_rss:(\d+)/m.exec(text)?.[1] ?? Number.NaN);
  }

  #disconnect(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  #keepLog(): void {
    if (this.#command === undefined) return;
    this.#pastLines.push(...this.#command.lines, '--- started again ---');
  }

  /** For a failed test: the last lines, and how it ended. */
  async describe(lineCount: number): Promise<string> {
    const ended = this.isRunning ? 'running' : describeEnd((await this.#command?.ended) ?? NEVER_RAN);
    return [`${this.id} (${ended}):`, ...this.log.slice(-lineCount)].join('\n  | ');
  }
}

const NEVER_RAN: Ended = { code: null, signal: null };
