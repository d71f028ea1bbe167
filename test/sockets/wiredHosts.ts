/**
 * Hosts as network namespaces, each with a card on one or several switches, in which the shipped command runs as an operator types it.
 *
 * Owns namespaces, bridges and addresses, and says why there are none where root does not allow it. What is typed is the test's. Invariant: nothing of
 * it is left after `takeDown`, which also removes what an earlier run that was killed has left.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureBuilt, MAIN } from './command.ts';
import { ShellHost } from './shellHost.ts';

const run = promisify(execFile);

/** One card of each host; `network` is the first three numbers of its addresses. */
export interface Card {
  readonly name: string;
  readonly network: string;
}

export class WiredHosts {
  readonly #prefix: string;
  readonly #cards: readonly Card[];
  readonly #hosts: ShellHost[] = [];

  /** `prefix` begins the names of the namespaces. The last card has the default route. */
  constructor(prefix: string, cards: readonly Card[]) {
    this.#prefix = prefix;
    this.#cards = cards;
  }

  get hosts(): readonly ShellHost[] {
    return this.#hosts;
  }

  /** Why there can be none; undefined when they are there. `folder` gets one folder a host. */
  async wireUp(count: number, folder: string): Promise<string | undefined> {
    if (process.getuid?.() !== 0) return 'only root can make network namespaces';
    await this.takeDown();
    const commands = await installCommand(folder);
    try {
      await ip(`netns add ${this.#switch}`);
      for (const { name } of this.#cards)
        await this.onSwitch(`link add ${name} type bridge mcast_snooping 0`, `link set ${name} up`);
      for (let index = 0; index < count; index += 1) await this.#addHost(index);
    } catch (error) {
      return String(error);
    }
    for (let index = 0; index < count; index += 1) {
      const home = join(folder, `host-${index}`);
      await mkdir(home, { recursive: true });
      this.#hosts.push(new ShellHost(home, commands, ['ip', 'netns', 'exec', this.#nameOf(index)]));
    }
    return undefined;
  }

  async takeDown(): Promise<void> {
    await Promise.all(this.#hosts.splice(0).map((host) => host.end()));
    const { stdout } = await run('ip', ['netns', 'list']);
    const names = stdout.split('\n').map((line) => line.split(' ')[0] ?? '');
    for (const name of names.filter((one) => one.startsWith(this.#prefix))) await ip(`netns del ${name}`);
  }

  addressOf(index: number, card: string): string {
    const network = this.#cards.find(({ name }) => name === card)?.network ?? '';
    return `${network}.${index + 1}`;
  }

  /** `ip` on the machine that the switches are. */
  async onSwitch(...lines: readonly string[]): Promise<void> {
    for (const line of lines) await ip(`-n ${this.#switch} ${line}`);
  }

  async onHost(index: number, ...lines: readonly string[]): Promise<void> {
    for (const line of lines) await ip(`-n ${this.#nameOf(index)} ${line}`);
  }

  /** Packets that a host has sent by a card since it is there. */
  async sentBy(index: number, card: string): Promise<number> {
    const { stdout } = await run('ip', ['-n', this.#nameOf(index), '-j', '-s', 'link', 'show', card]);
    const [link] = JSON.parse(stdout) as { stats64: { tx: { packets: number } } }[];
    return link?.stats64.tx.packets ?? Number.NaN;
  }

  /** A switch that passes multicast on to nobody, as one does that snoops IGMP and hears no querier; or one that passes it on to all. */
  async setMulticast(card: string, isDelivered: boolean): Promise<void> {
    for (const index of this.#hosts.keys())
      await this.onSwitch(
        `link set ${card}-${index} type bridge_slave mcast_flood ${isDelivered ? 'on' : 'off'}`,
      );
  }

  get #switch(): string {
    return `${this.#prefix}switch`;
  }

  #nameOf(index: number): string {
    return `${this.#prefix}${index}`;
  }

  async #addHost(index: number): Promise<void> {
    const host = this.#nameOf(index);
    await ip(`netns add ${host}`);
    // What the system says by itself over IPv6 would be taken for the peers'.
    await run('ip', [
      'netns',
      'exec',
      host,
      'sh',
      '-c',
      'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6',
    ]);
    await this.onHost(index, 'link set lo up');
    for (const { name } of this.#cards) {
      await this.onSwitch(
        `link add ${name}-${index} type veth peer name ${name} netns ${host}`,
        `link set ${name}-${index} master ${name} up`,
      );
      await this.onHost(
        index,
        `link set ${name} up`,
        `addr add ${this.addressOf(index, name)}/24 dev ${name}`,
        `route replace default dev ${name}`,
      );
    }
  }
}

function ip(words: string): Promise<unknown> {
  return run('ip', words.split(' '));
}

/** A folder that holds `toposphere`, which runs what was built. */
async function installCommand(folder: string): Promise<string> {
  ensureBuilt();
  const commands = join(folder, 'bin');
  await mkdir(commands, { recursive: true });
  const command = join(commands, 'toposphere');
  await writeFile(command, `#!/bin/sh\nexec node ${MAIN} "$@"\n`);
  await chmod(command, 0o755);
  return commands;
}

/** The part of the README that begins with **`title`**, up to the next such title or heading. */
export async function readmeRecipe(title: string): Promise<string> {
  const text = await readFile('README.md', 'utf8');
  const [, after] = text.split(`**${title}**`);
  if (after === undefined) throw new Error(`the README has no recipe '${title}'`);
  return after.split(/\n\*\*|\n## /)[0] ?? '';
}

/** What it tells to type: whole lines, and `words` that begin with the command or an option. */
export function typedIn(recipe: string): readonly string[] {
  const lines = recipe.split('\n').filter((line) => line.startsWith('    '));
  const inline = [...recipe.matchAll(/`((?:toposphere|--)[^`]*)`/g)].map(([, words = '']) => words);
  return [...lines.map((line) => line.replace(/ +# .*$/, '').trim()), ...inline];
}

/** The line of the README that starts a peer, and those that make its key and its password. */
export async function readmeStart(): Promise<{
  readonly secrets: readonly string[];
  readonly serve: string;
}> {
  const [, section = ''] = (await readFile('README.md', 'utf8')).split('\n## On several machines\n');
  const lines = section.split('\n').filter((line) => line.startsWith('    '));
  const typed = lines.map((line) => line.trim());
  const serve = typed.find((line) => line.startsWith('toposphere serve '));
  const secrets = typed.filter((line) => /^toposphere key generate |> client\.password/.test(line));
  if (serve === undefined || secrets.length !== 2) throw new Error('the README starts no peer');
  return { secrets, serve };
}
