/**
 * The sticky-session client: reads its own writes and never goes back in time, also when its peer dies and it goes to another.
 *
 * Owns the operations that an application has, and their words. Going from peer to peer, with the token, is roaming.ts's. Invariant: an operation resolves, or
 * rejects with a ToposphereError that says whether anything was changed.
 */
import { EventEmitter } from 'node:events';
import { ToposphereError } from '../core/errors.ts';
import { assertReadLevel, assertWriteLevel, isOwnLevel, wordRead, wordWrite } from './levels.ts';
import type { OwnLevel, ReadLevel, WriteLevel } from './levels.ts';
import { measurePeers } from './measuring.ts';
import type { Word } from './operation.ts';
import { NearCache, type NearCacheCounts } from './nearCache.ts';
import { readClientOptions } from './options.ts';
import type { ClientSettings, StickyClientOptions } from './options.ts';
import { orderPeers, parsePeers, readPeers } from './peerList.ts';
import { Roaming } from './roaming.ts';
import type { Failover } from './roaming.ts';

/** Text stands for its UTF-8 bytes. */
type Bytes = string | Uint8Array;

interface OperationOptions {
  /** How long to look for a peer that takes it, milliseconds. */
  readonly deadlineMs?: number;
}

export interface ReadOptions extends OperationOptions {
  readonly read?: ReadLevel;
}

export interface WriteOptions extends OperationOptions {
  readonly write?: WriteLevel;
}

export interface SetOptions extends WriteOptions {
  /** The key is gone after so long, everywhere, milliseconds. */
  readonly expiresInMs?: number;
}

/** All that one client does is one session, over all peers that it goes to. */
export interface ClientSession {
  /** What the client has seen, as text: another one, at any peer, goes on from there. What an operation adds is in it once that has resolved; empty without a session. */
  readonly token: string;
  /** From now on the client has seen what another token stands for, too. */
  merge(token: string): void;
}

export interface ClientStats {
  /** `host:port` of the peer that serves. */
  readonly peer: string | undefined;
  readonly failovers: number;
  /** How long the last one took, from seeing that the peer is gone, milliseconds; NaN when there was none. */
  readonly lastFailoverMs: number;
  /** Operations that were asked again. */
  readonly retries: number;
  /** Undefined without a near cache. */
  readonly nearCache: NearCacheCounts | undefined;
}

export interface StickyClientEvents {
  readonly failover: [Failover];
}

/** The level that connections are given where the client's own is said with each write. */
const STANDING: OwnLevel = 'committed';

export class StickyClient extends EventEmitter<StickyClientEvents> {
  readonly #settings: ClientSettings;
  readonly #standing: OwnLevel;
  readonly #roaming: Roaming;
  readonly #session: ClientSession;
  readonly #nearCache: NearCache | undefined;
  /** The level at which what is read is kept, and served from there: it is all of one session, or of none. */
  readonly #nearLevel: ReadLevel;

  private constructor(
    settings: ClientSettings,
    standing: OwnLevel,
    nearCache: NearCache | undefined,
    roaming: (onFailover: (failover: Failover) => void) => Roaming,
  ) {
    super();
    this.#settings = settings;
    this.#standing = standing;
    this.#nearCache = nearCache;
    this.#nearLevel = settings.hasSession ? 'session' : 'local';
    const going = roaming((failover) => this.emit('failover', failover));
    this.#roaming = going;
    this.#session = {
      get token() {
        return going.token ?? '';
      },
      merge: (token) => {
        if (!settings.hasSession)
          throw new ToposphereError(
            'BAD_ARGUMENT',
            'this client has no session (session: false) to merge a token into',
          );
        going.merge(token);
      },
    };
  }

  /**
   * Goes to the nearest peer; resolves when it serves this session. Rejects with BAD_ARGUMENT, BAD_CONFIGURATION (servers.txt), and when no peer serves within
   * `deadlineMs` with NO_PEER, BEHIND or UNDECIDED.
   */
  static async connect(options: StickyClientOptions): Promise<StickyClient> {
    const settings = readClientOptions(options);
    const { servers, peers: texts, affinity, deadlineMs, measureMs, password } = settings;
    const listed = servers === undefined ? parsePeers(texts) : await readPeers(servers);
    const peers = orderPeers(listed, await measurePeers(listed, password, measureMs), affinity);
    const standing = isOwnLevel(settings.write) ? settings.write : STANDING;
    const nearCache = settings.nearCache && new NearCache(settings.nearCache, () => performance.now());
    const client = new StickyClient(
      settings,
      standing,
      nearCache,
      (onFailover) =>
        new Roaming({ ...settings, peers, standing, nearCache }, settings.sessionToken, onFailover),
    );
    await client.#roaming.start(deadlineMs);
    return client;
  }

  /** `host:port` of the peer that serves; undefined while one is sought. */
  get peer(): string | undefined {
    return this.#roaming.peer;
  }

  /** What this client has seen. */
  get session(): ClientSession {
    return this.#session;
  }

  /** How it went so far. */
  stats(): ClientStats {
    return { peer: this.peer, ...this.#roaming.counts, nearCache: this.#nearCache?.counts() };
  }

  /** The value of a key, or undefined. The bytes are the caller's own. */
  async get(key: Bytes, options: ReadOptions = {}): Promise<Buffer | undefined> {
    const { read = this.#settings.read } = options;
    if (this.#nearCache === undefined || read !== this.#nearLevel) return this.#get(key, options);
    const name = nameOf(key);
    const kept = this.#nearCache.find(name);
    if (kept !== undefined) return kept.value && Buffer.from(kept.value);
    const fetch = this.#nearCache.expect(name);
    try {
      const value = await this.#get(key, options);
      this.#nearCache.settle(fetch, value && Buffer.from(value));
      return value;
    } finally {
      this.#nearCache.abandon(fetch);
    }
  }

  async #get(key: Bytes, options: ReadOptions): Promise<Buffer | undefined> {
    const reply = await this.#read('GET', [key], options);
    if (reply === null) return undefined;
    if (Buffer.isBuffer(reply)) return reply;
    throw unexpected('GET');
  }

  /** The value of a key as UTF-8 text, or undefined. */
  async getText(key: Bytes, options: ReadOptions = {}): Promise<string | undefined> {
    return (await this.get(key, options))?.toString('utf8');
  }

  /** Whether a key has a value. */
  async has(key: Bytes, options: ReadOptions = {}): Promise<boolean> {
    return (await this.#read('EXISTS', [key], options)) === 1;
  }

  /** Sets a key. */
  async set(key: Bytes, value: Bytes, options: SetOptions = {}): Promise<void> {
    const { expiresInMs } = options;
    const expiry = expiresInMs === undefined ? [] : ['PX', `${expiresInMs}`];
    await this.#write(['SET', wordOf(key), wordOf(value), ...expiry], [key], options);
  }

  /** Deletes a key; resolves to whether it was there. */
  async delete(key: Bytes, options: WriteOptions = {}): Promise<boolean> {
    return (await this.#write(['DEL', wordOf(key)], [key], options)) === 1;
  }

  /** Waits for what was asked, and ends. Nothing is left that keeps the process. */
  async close(): Promise<void> {
    await this.#roaming.settled();
    this.#roaming.end();
  }

  #read(command: string, keys: readonly Bytes[], options: ReadOptions): Promise<unknown> {
    const { read = this.#settings.read, deadlineMs = this.#settings.deadlineMs } = options;
    assertReadLevel(read);
    // It may show something newer than the peer that tells of changes has.
    if (read !== this.#nearLevel) this.#nearCache?.invalidate(keys.map(nameOf));
    const words = wordRead<Word>([command, ...keys.map(wordOf)], read, this.#settings.hasSession);
    return this.#roaming.request({ ...words, isRead: true, keys: keys.map(nameOf) }, deadlineMs);
  }

  #write(words: readonly Word[], keys: readonly Bytes[], options: WriteOptions): Promise<unknown> {
    const { write = this.#settings.write, deadlineMs = this.#settings.deadlineMs } = options;
    assertWriteLevel(write);
    this.#nearCache?.invalidate(keys.map(nameOf)); // before it is sent
    const levelled = wordWrite(words, write, this.#standing);
    return this.#roaming.request({ ...levelled, isRead: false, keys: keys.map(nameOf) }, deadlineMs);
  }
}

/** Bytes of its own: the application may go on changing what it gave. */
function wordOf(bytes: Bytes): Word {
  return typeof bytes === 'string' ? bytes : Buffer.from(bytes);
}

function nameOf(key: Bytes): string {
  return Buffer.from(key).toString('latin1');
}

function unexpected(command: string): ToposphereError {
  return new ToposphereError(
    'BAD_ARGUMENT',
    `the peer answered ${command} in an unexpected shape; is it of the same release as this client?`,
  );
}
