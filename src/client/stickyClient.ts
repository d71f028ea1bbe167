/**
 * The sticky-session client: reads its own writes and never goes back in time, also when its peer dies and it goes to another.
 *
 * Owns the operations that an application has, and their words. Going from peer to peer, with the token, is roaming.ts's. Invariant: an operation resolves, or
 * rejects with a ToposphereError that says whether anything was changed.
 */
import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { ToposphereError, type ErrorCode } from '../core/errors.ts';
import { Account } from './account.ts';
import type { LatencySummary } from './latency.ts';
import {
  assertReadLevel,
  assertWriteLevel,
  chooseRead,
  chooseWrite,
  isOwnLevel,
  sayChoices,
} from './levels.ts';
import type { OwnLevel, ReadLevel, WriteLevel } from './levels.ts';
import { measurePeers } from './measuring.ts';
import type { Request, Word } from './operation.ts';
import { NearCache, type NearCacheCounts } from './nearCache.ts';
import { readClientOptions } from './options.ts';
import type { BufferOptions, ClientSettings, StickyClientOptions } from './options.ts';
import { orderPeers, parsePeers, readPeers } from './peerList.ts';
import { Roaming } from './roaming.ts';
import { WriteBuffer } from './writeBuffer.ts';
import type { BufferFailure } from './writeBuffer.ts';
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
  /** It is sent under an id that all peers know: in doubt it is asked again, and never carried out twice. MAYBE_APPLIED only where nobody knows. */
  readonly once?: boolean;
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
  /** Answered operations by name: how many, and how long they took. */
  readonly operations: Readonly<Record<string, LatencySummary>>;
  /** Errors that operations ended with. */
  readonly errors: Readonly<Partial<Record<ErrorCode, number>>>;
  /** Undefined without a near cache. */
  readonly nearCache: NearCacheCounts | undefined;
}

export interface StickyClientEvents {
  readonly failover: [Failover];
  /** Buffered writes that had resolved have failed: `flush` rejects with the first such error, too. */
  readonly writesFailed: [BufferFailure];
}

/** The level that connections are given where the client's own is said with each write. */
const STANDING: OwnLevel = 'committed';

/** Of chance, so that no two are alike. */
const REQUEST_ID_BYTES = 16;

export class StickyClient extends EventEmitter<StickyClientEvents> {
  readonly #settings: ClientSettings;
  readonly #standing: OwnLevel;
  readonly #roaming: Roaming;
  readonly #session: ClientSession;
  readonly #account = new Account();
  readonly #buffer: WriteBuffer | undefined;
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
    const going = roaming((failover) => {
      this.#tell('failover', failover);
    });
    this.#roaming = going;
    const { buffer } = settings;
    if (buffer !== undefined) this.#buffer = this.#createBuffer(buffer);
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
    const { servers, tlsPort, peers: texts, affinity, deadlineMs, measureMs, access } = settings;
    const listed = servers === undefined ? parsePeers(texts) : await readPeers(servers, tlsPort);
    const peers = orderPeers(listed, await measurePeers(listed, access, measureMs), affinity);
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
    const nearCache = this.#nearCache?.counts();
    return { peer: this.peer, ...this.#roaming.counts, ...this.#account.summary(), nearCache };
  }

  /** The value of a key, or undefined. The bytes are the caller's own. */
  get(key: Bytes, options: ReadOptions = {}): Promise<Buffer | undefined> {
    return this.#account.time('get', () => {
      const { read = this.#settings.read } = options;
      // A read that asks others first sends what is buffered.
      const buffered = read === this.#nearLevel ? this.#buffer?.find(nameOf(key)) : undefined;
      if (buffered !== undefined) return Promise.resolve(buffered.value && Buffer.from(buffered.value));
      return this.#getNear(key, options);
    });
  }

  async #getNear(key: Bytes, options: ReadOptions): Promise<Buffer | undefined> {
    const { read = this.#settings.read } = options;
    if (this.#nearCache === undefined || read !== this.#nearLevel)
      return asValue(await this.#read('GET', [key], options));
    const name = nameOf(key);
    const kept = this.#nearCache.find(name);
    if (kept !== undefined) return kept.value && Buffer.from(kept.value);
    const fetch = this.#nearCache.expect(name);
    try {
      const value = asValue(await this.#read('GET', [key], options));
      this.#nearCache.settle(fetch, value && Buffer.from(value));
      return value;
    } finally {
      this.#nearCache.abandon(fetch);
    }
  }

  /** The value of a key as UTF-8 text, or undefined. */
  async getText(key: Bytes, options: ReadOptions = {}): Promise<string | undefined> {
    return (await this.get(key, options))?.toString('utf8');
  }

  /** The values of several keys in one command, in their order. */
  getMany(keys: readonly Bytes[], options: ReadOptions = {}): Promise<readonly (Buffer | undefined)[]> {
    return this.#account.time('getMany', async () => {
      const reply = keys.length === 0 ? [] : await this.#read('MGET', keys, options);
      if (!Array.isArray(reply)) throw unexpected();
      return reply.map(asValue);
    });
  }

  /** Whether a key has a value. */
  has(key: Bytes, options: ReadOptions = {}): Promise<boolean> {
    return this.#account.time('has', async () => (await this.#read('EXISTS', [key], options)) === 1);
  }

  /** Sets a key. With a buffer it resolves once it is in there, unless it asks for a level or `once`. */
  set(key: Bytes, value: Bytes, options: SetOptions = {}): Promise<void> {
    return this.#account.time('set', async () => {
      const { expiresInMs, write, once } = options;
      if (this.#buffer === undefined || write !== undefined || once === true) {
        await this.#write(sayWrite(key, value, expiresInMs), [key], options);
        return;
      }
      const expiresAtMs = expiresInMs === undefined ? undefined : performance.now() + expiresInMs;
      await this.#buffer.set(nameOf(key), { key: bytesOf(key), value: bytesOf(value), expiresAtMs });
    });
  }

  /** Sends what is buffered; resolves when the peers have taken it. Rejects with the first failure of a buffered write since the last time; what changed nothing is kept. */
  async flush(): Promise<void> {
    await this.#buffer?.flush();
  }

  /** Sets several keys in one command. */
  setMany(entries: Iterable<readonly [key: Bytes, value: Bytes]>, options: WriteOptions = {}): Promise<void> {
    return this.#account.time('setMany', async () => {
      const pairs = [...entries];
      const words = pairs.flatMap(([key, value]) => [wordOf(key), wordOf(value)]);
      const keys = pairs.map(([key]) => key);
      if (keys.length > 0) await this.#write(['MSET', ...words], keys, options);
    });
  }

  /** Adds bytes to the end of a key's value; resolves to how many it has then. Appended once where `once` is asked for: twice would show. */
  append(key: Bytes, value: Bytes, options: WriteOptions = {}): Promise<number> {
    return this.#account.time('append', async () =>
      Number(await this.#write(['APPEND', wordOf(key), wordOf(value)], [key], options)),
    );
  }

  /** Deletes a key; resolves to whether it was there. */
  delete(key: Bytes, options: WriteOptions = {}): Promise<boolean> {
    return this.#account.time(
      'delete',
      async () => (await this.#write(['DEL', wordOf(key)], [key], options)) === 1,
    );
  }

  /** Waits for what was asked, and ends. Nothing is left that keeps the process. Rejects as `flush` does: what is buffered then is lost. */
  async close(): Promise<void> {
    try {
      await this.flush();
      await this.#roaming.settled();
    } finally {
      this.#roaming.end();
    }
  }

  /** By itself: what a listener throws is the application's, and must not stop this client in the middle of something. */
  #tell(event: 'failover', told: Failover): void;
  #tell(event: 'writesFailed', told: BufferFailure): void;
  #tell(event: keyof StickyClientEvents, told: Failover | BufferFailure): void {
    queueMicrotask(() => {
      (this as EventEmitter).emit(event, told);
    });
  }

  #createBuffer(bounds: Required<BufferOptions>): WriteBuffer {
    const { deadlineMs } = this.#settings;
    return new WriteBuffer({
      ...bounds,
      deadlineMs,
      send: async ({ key, value, expiresAtMs }) => {
        const leftMs =
          expiresAtMs === undefined ? undefined : Math.max(1, Math.ceil(expiresAtMs - performance.now()));
        const words = sayWrite(key, value, leftMs);
        const request = { words, isRead: false, keys: [nameOf(key)], allowanceMs: 0 };
        this.#nearCache?.invalidate(request.keys); // before it is sent
        await this.#roaming.request(request, deadlineMs);
      },
      onFailed: (failure) => {
        this.#tell('writesFailed', failure);
      },
    });
  }

  async #read(command: string, keys: readonly Bytes[], options: ReadOptions): Promise<unknown> {
    const { read = this.#settings.read, deadlineMs = this.#settings.deadlineMs } = options;
    assertReadLevel(read);
    // It may show something newer than the peer that tells of changes has.
    if (read !== this.#nearLevel) this.#nearCache?.invalidate(keys.map(nameOf));
    const { words: choices, allowanceMs } = chooseRead(read, this.#settings.hasSession);
    const words = sayChoices<Word>(choices, [command, ...keys.map(wordOf)]);
    if (this.#buffer !== undefined) await this.#buffer.settle(keys.map(nameOf));
    return this.#roaming.request({ words, allowanceMs, isRead: true, keys: keys.map(nameOf) }, deadlineMs);
  }

  async #write(words: readonly Word[], keys: readonly Bytes[], options: WriteOptions): Promise<unknown> {
    const { write = this.#settings.write, deadlineMs = this.#settings.deadlineMs, once = false } = options;
    assertWriteLevel(write);
    const { words: choices, allowanceMs } = chooseWrite(write, this.#standing);
    const id = once ? ['ID', randomBytes(REQUEST_ID_BYTES).toString('base64url')] : [];
    const request: Request = {
      words: sayChoices<Word>([...choices, ...id], words),
      ...(once ? { again: sayChoices<Word>([...choices, ...id, 'AGAIN'], words) } : {}),
      isRead: false,
      keys: keys.map(nameOf),
      allowanceMs,
    };
    this.#nearCache?.invalidate(request.keys); // whoever reads now reads behind it
    if (this.#buffer !== undefined) {
      await this.#buffer.settle(request.keys);
      this.#nearCache?.invalidate(request.keys); // before it is sent
    }
    return this.#roaming.request(request, deadlineMs);
  }
}

function sayWrite(key: Bytes, value: Bytes, expiresInMs: number | undefined): readonly Word[] {
  const expiry = expiresInMs === undefined ? [] : ['PX', `${expiresInMs}`];
  return ['SET', wordOf(key), wordOf(value), ...expiry];
}

function asValue(reply: unknown): Buffer | undefined {
  if (reply === null) return undefined;
  if (Buffer.isBuffer(reply)) return reply;
  throw unexpected();
}

/** Bytes of its own: the application may go on changing what it gave. */
function wordOf(bytes: Bytes): Word {
  return typeof bytes === 'string' ? bytes : bytesOf(bytes);
}

function nameOf(key: Bytes): string {
  return bytesOf(key).toString('latin1');
}

/** Throws BAD_ARGUMENT: what node-redis cannot send looks like a connection that broke. */
function bytesOf(bytes: Bytes): Buffer {
  if (typeof bytes === 'string' || (bytes as unknown) instanceof Uint8Array) return Buffer.from(bytes);
  throw new ToposphereError(
    'BAD_ARGUMENT',
    `keys and values are strings or Uint8Arrays; this is ${typeof bytes}`,
  );
}

function unexpected(): ToposphereError {
  return new ToposphereError(
    'BAD_ARGUMENT',
    'the peer answered in an unexpected shape; is it of the same release as this client?',
  );
}
