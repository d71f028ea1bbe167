/**
 * A LAN of some hosts with a peer on each: their wires, the switch between them, the files that an operator would have copied to each.
 *
 * Owns putting it together and taking it down. What is done to it is perform.ts's, who writes to it load.ts's. Invariant: peers are started as the
 * README says, with one servers.txt, one key file and one password of clients for all; each finds its own line by its address.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../../src/peer/tunables.ts';
import { waitUntil } from '../bench/peers.ts';
import { COMMAND, Host } from './host.ts';
import { GROUP, lanCard, PEER_PORT, runCommand, takeDown, wireUp, type Card } from './namespaces.ts';
import { SwitchControl } from './switchControl.ts';

const READY_TIMEOUT_MS = 60_000;

export interface LaboratoryOptions {
  /** An empty folder. */
  readonly directory: string;
  readonly ids: readonly string[];
  readonly seed: number;
  readonly settings?: Settings;
  /** Those whose disk will be filled. */
  readonly smallDisks?: readonly string[];
  /** Cards on the LAN that no servers.txt knows. */
  readonly strangers?: readonly string[];
}

export class Laboratory {
  readonly hosts: readonly Host[];
  readonly directory: string;
  readonly strangers: readonly Card[];
  readonly serversPath: string;
  readonly clusterKeyPath: string;
  readonly #passwordPath: string;
  readonly #password = randomBytes(16).toString('hex');
  readonly #cards: readonly Card[];
  #switch: SwitchControl | undefined;

  private constructor({ directory, ids, settings, smallDisks = [], strangers = [] }: LaboratoryOptions) {
    this.directory = directory;
    this.#cards = [...ids, ...strangers].map(lanCard);
    this.strangers = this.#cards.slice(ids.length);
    this.serversPath = join(directory, 'servers.txt');
    this.clusterKeyPath = join(directory, 'cluster.key');
    this.#passwordPath = join(directory, 'client.password');
    const common: Settings = {
      ...settings,
      servers: this.serversPath,
      clusterKeyFile: this.clusterKeyPath,
      clientPasswordFile: this.#passwordPath,
      multicastGroup: GROUP.address,
      multicastPort: GROUP.port,
      checkpointIntervalMs: 0,
    };
    this.hosts = this.#cards.slice(0, ids.length).map(
      (card) =>
        new Host({
          card,
          settings: common,
          password: this.#password,
          directory: join(directory, 'disks'),
          hasSmallDisk: smallDisks.includes(card.name),
        }),
    );
  }

  /** Resolves when all peers take part. Whatever was made by then is taken down again when that fails. */
  static async open(options: LaboratoryOptions): Promise<Laboratory> {
    const laboratory = new Laboratory(options);
    try {
      await laboratory.#open(options);
      return laboratory;
    } catch (error) {
      await laboratory.close().catch(() => undefined); // what led here is what counts
      throw error;
    }
  }

  get switch(): SwitchControl {
    if (this.#switch === undefined) throw new Error('the laboratory has no switch yet');
    return this.#switch;
  }

  host(id: string): Host {
    const found = this.hosts.find((host) => host.id === id);
    if (found === undefined) throw new Error(`no host ${id}`);
    return found;
  }

  /** What a command prints that an operator types, say `status`. */
  type(...words: readonly string[]): Promise<string> {
    return runCommand(process.execPath, [COMMAND, ...words]);
  }

  /** The same of one that asks the peers. */
  ask(...words: readonly string[]): Promise<string> {
    const options = [`--servers=${this.serversPath}`, `--client-password-file=${this.#passwordPath}`];
    return this.type(...words, ...options);
  }

  async close(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.stop('SIGKILL')));
    await this.#switch?.stop();
    for (const host of this.hosts) await host.removeDisk();
    await takeDown(this.#cards);
  }

  async #open({ directory, seed }: LaboratoryOptions): Promise<void> {
    await mkdir(directory, { recursive: true });
    const lines = this.hosts.map(({ id, card }) => `${id} ${card.address} ${PEER_PORT}\n`);
    await writeFile(this.serversPath, `# id host port\n${lines.join('')}`);
    await this.type('key', 'generate', this.clusterKeyPath);
    await writeFile(this.#passwordPath, `${this.#password}\n`, { mode: 0o600 });
    await wireUp(this.#cards);
    this.#switch = await SwitchControl.start(this.#cards, seed);
    for (const host of this.hosts) await host.prepareDisk();
    await Promise.all(this.hosts.map((host) => host.start()));
    const takePart = async (): Promise<boolean> => {
      const statuses = await Promise.all(this.hosts.map((host) => host.status()));
      return statuses.every(
        ({ phase, members }) =>
          phase === 'member' && members.every(({ alive, multicast }) => alive && multicast),
      );
    };
    if (!(await waitUntil(takePart, READY_TIMEOUT_MS)))
      throw new Error(`not all peers take part ${READY_TIMEOUT_MS} ms after their start`);
  }
}
