/**
 * An example for the embedded API: feature flags, asked thousands of times a second on every machine and changed anywhere.
 *
 * A flag is a key: what share of the users has it. `isOn` asks nobody: rules are kept ready in this process and replaced when a change arrives, so a machine that is cut off goes on with the
 * last it heard, and takes changes of its own. When the cut heals, the later change holds everywhere. In a project of your own, import from 'toposphere'.
 */
import { createHash } from 'node:crypto';
import type { Peer } from '../../src/index.ts';

const PREFIX = 'flag/';

export class FeatureFlags {
  readonly #peer: Peer;
  /** Percent of the users, by flag. */
  readonly #shares = new Map<string, number>();
  readonly #stop: () => void;

  constructor(peer: Peer) {
    this.#peer = peer;
    // The watch first: a change between the two is in both.
    this.#stop = peer.watch(PREFIX, ({ key, value }) => {
      this.#note(key, value);
    });
    for (const { key, value } of peer.range({ prefix: PREFIX })) this.#note(key, value);
  }

  /** Whether the user has the feature: the same answer on every machine that has heard the same rules. */
  isOn(flag: string, user: string): boolean {
    return placeOf(flag, user) < (this.#shares.get(flag) ?? 0);
  }

  /** Turns a feature on for a share of the users, 0 to 100 percent; who had it keeps it when the share grows. */
  async turnOn(flag: string, percent = 100): Promise<void> {
    await this.#peer.set(PREFIX + flag, String(percent));
  }

  async turnOff(flag: string): Promise<void> {
    await this.#peer.delete(PREFIX + flag);
  }

  close(): void {
    this.#stop();
  }

  #note(key: Buffer, value: Buffer | undefined): void {
    const flag = key.toString().slice(PREFIX.length);
    if (value === undefined) this.#shares.delete(flag);
    else this.#shares.set(flag, Number(value.toString()));
  }
}

/** Where a user stands for a flag, from 0 up to 100: elsewhere for each flag, so that not always the same users try what is new. */
function placeOf(flag: string, user: string): number {
  const hash = createHash('sha256').update(`${flag}\0${user}`).digest();
  return (hash.readUInt32BE() / 2 ** 32) * 100;
}
