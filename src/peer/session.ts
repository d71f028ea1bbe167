/**
 * A client's session in the embedded API: reads its own writes and never goes back in time, also when it comes with a token from another peer.
 *
 * Owns the operations. What the session has seen, and the waiting until this peer has it, is sessionKeeper.ts's. Nothing is shown, and nothing written, before.
 */
import type { Entry, Key } from '../core/types.ts';
import { acknowledged, levelOf, type Acknowledge } from './acknowledged.ts';
import { SESSION_WAIT_MS } from './backend.ts';
import { parseKey, parseValue, type KeyInput, type ValueInput } from './keys.ts';
import type { PeerBackend } from './peerBackend.ts';
import type { Runtime } from './runtime.ts';
import type { SessionKeeper } from './sessionKeeper.ts';
import { expiryOf, type SetOptions, type WriteOptions } from './writeOptions.ts';

interface SessionPorts {
  readonly runtime: Runtime;
  readonly backend: PeerBackend;
  readonly readEntry: (key: Key) => Entry | undefined;
  /** Throws CLOSED. */
  readonly assertOpen: () => void;
}

export interface SessionOptions {
  /** How long to wait for what the session has seen elsewhere, milliseconds; 1000 when left out. */
  readonly waitMs?: number;
}

/**
 * Every operation first waits until this peer has what the session has seen. It rejects with BEHIND when that does not come in time, UNDECIDED when only who
 * is away may have it, LOST_WRITE (once) when it is gone; nothing has changed then.
 */
export class Session {
  readonly #ports: SessionPorts;
  readonly #keeper: SessionKeeper;

  /** Use Peer.session. */
  constructor(ports: SessionPorts, token?: string) {
    this.#ports = ports;
    this.#keeper = ports.backend.openSession();
    if (token !== undefined) this.#keeper.merge(token);
  }

  /** To go on with at any peer: text of some 60 to 400 characters among four peers, at most 16,384. What a write adds is in it once that has resolved. */
  get token(): string {
    return this.#keeper.token();
  }

  /** From now on the session has seen what another token of the same client has. Throws BAD_ARGUMENT for what is none. */
  merge(token: string): void {
    this.#keeper.merge(token);
  }

  /** The value of a key, or undefined. The buffer is the caller's own. */
  async get(key: KeyInput, options: SessionOptions = {}): Promise<Buffer | undefined> {
    const parsed = this.#parse(key);
    await this.#served(options);
    const { readEntry, backend } = this.#ports;
    const entry = readEntry(parsed);
    this.#keeper.noteEntry(parsed, entry);
    const shown = backend.shown(parsed, entry);
    return shown === undefined ? undefined : Buffer.from(shown.value);
  }

  /** The value of a key as UTF-8 text, or undefined. */
  async getText(key: KeyInput, options: SessionOptions = {}): Promise<string | undefined> {
    return (await this.get(key, options))?.toString('utf8');
  }

  /** Sets a key; rejects as Peer.set does, too. */
  async set(key: KeyInput, value: ValueInput, options: SetOptions & SessionOptions = {}): Promise<void> {
    const { backend, runtime } = this.#ports;
    const parsed = this.#parse(key);
    const bytes = parseValue(value, runtime.state.settings.limits);
    const level = levelOf(this.#ports.runtime, options);
    await this.#served(options);
    this.#keeper.follow();
    backend.write(parsed, bytes, expiryOf(options, backend.timeMs()), level === 'fast');
    await this.#written(parsed, level);
  }

  /** Deletes a key; resolves to whether it was there. */
  async delete(key: KeyInput, options: WriteOptions & SessionOptions = {}): Promise<boolean> {
    const { backend } = this.#ports;
    const parsed = this.#parse(key);
    const level = levelOf(this.#ports.runtime, options);
    await this.#served(options);
    this.#keeper.follow();
    const wasThere = backend.remove(parsed, level === 'fast');
    if (wasThere) await this.#written(parsed, level);
    else this.#keeper.noteKey(parsed); // that there was nothing is seen as well
    return wasThere;
  }

  #parse(key: KeyInput): Key {
    this.#ports.assertOpen();
    return parseKey(key, this.#ports.runtime.state.settings.limits);
  }

  /** Resolves when what was just written of a key has reached its level, and is in the token. */
  async #written(key: Key, level: Acknowledge): Promise<void> {
    const { runtime, readEntry } = this.#ports;
    const entry = readEntry(key);
    await acknowledged(runtime, level);
    this.#keeper.noteEntry(key, entry);
  }

  #served({ waitMs = SESSION_WAIT_MS }: SessionOptions): Promise<void> {
    return this.#keeper.served(waitMs, this.#ports.assertOpen);
  }
}
