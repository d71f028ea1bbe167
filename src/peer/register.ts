/**
 * One key of an embedded peer as a register: reads and writes that a majority of the members answers for.
 *
 * Owns the operations as a program calls them; how they are done is registers.ts's. Linearizable unless said otherwise, for all who use the key in this way.
 */
import type { Key } from '../core/types.ts';
import { MAJORITY_WAIT_MS, type ReadLevel } from './backend.ts';
import { parseValue, type ValueInput } from './keys.ts';
import type { PeerBackend } from './peerBackend.ts';
import type { CoreSettings } from '../core/settings.ts';

export interface RegisterOptions {
  /** How long to wait for a majority, milliseconds; 1000 when left out. */
  readonly withinMs?: number;
}

export interface RegisterReadOptions extends RegisterOptions {
  /**
   * linearizable (default): the last write before, and no later reader sees an older one. majority: the newest of a majority, without that. staleMs: what is here, if it is known to
   * be no older than that.
   */
  readonly read?: ReadLevel;
}

interface RegisterPorts {
  readonly backend: PeerBackend;
  readonly limits: CoreSettings['limits'];
  /** Throws CLOSED. */
  readonly assertOpen: () => void;
}

/**
 * Operations reject with NO_MAJORITY when a majority of the members does not answer in time: nothing has changed then. A write rejects with UNKNOWN when it was made here and a majority
 * has not confirmed it in time: it may take effect for all, or be overtaken. Linearizable while all who use the key use it as a register; a key that expires is refused.
 */
export class Register {
  readonly #ports: RegisterPorts;
  readonly #key: Key;

  /** Use Peer.register. */
  constructor(ports: RegisterPorts, key: Key) {
    this.#ports = ports;
    this.#key = key;
  }

  /** The value, or undefined. The buffer is the caller's own. A stale read rejects with BEHIND where this peer cannot know. */
  async get({ read = 'linearizable', withinMs = MAJORITY_WAIT_MS }: RegisterReadOptions = {}): Promise<
    Buffer | undefined
  > {
    const value = await this.#registers().read(this.#key, read, withinMs);
    return value === undefined ? undefined : Buffer.from(value);
  }

  /** The value as UTF-8 text, or undefined. */
  async getText(options: RegisterReadOptions = {}): Promise<string | undefined> {
    return (await this.get(options))?.toString('utf8');
  }

  async set(value: ValueInput, { withinMs = MAJORITY_WAIT_MS }: RegisterOptions = {}): Promise<void> {
    await this.#registers().write(this.#key, parseValue(value, this.#ports.limits), withinMs);
  }

  /** Resolves to whether there was a value when it was deleted, as far as a majority knew: another write may have come in between. */
  async delete({ withinMs = MAJORITY_WAIT_MS }: RegisterOptions = {}): Promise<boolean> {
    return this.#registers().write(this.#key, undefined, withinMs);
  }

  #registers(): PeerBackend['registers'] {
    this.#ports.assertOpen();
    return this.#ports.backend.registers;
  }
}
