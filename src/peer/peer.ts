/**
 * A peer to embed: opens its sockets and its store, and gives an application all the data at memory speed.
 *
 * Reads are synchronous and local. Writes take effect here at once and resolve when they are as safe as
 * their acknowledgement level says (R1). There is no leader to ask: a peer that hears nobody takes writes
 * like any other, and what it took reaches the others when they are back.
 */
import { ToposphereError } from '../core/errors.ts';
import type { CoreSettings } from '../core/settings.ts';
import type { PeerId } from '../core/types.ts';
import { openNetwork } from '../network/network.ts';
import type { LmdbStore } from '../storage/lmdbStore.ts';
import { createEnvelope } from '../wire/envelope.ts';
import { loadHashing } from '../wire/hash.ts';
import { acknowledged, levelOf, type Acknowledge } from './acknowledged.ts';
import type { ReloadOptions } from './backend.ts';
import { resolvePeerOptions, type PeerOptions } from './configuration.ts';
import { countOn } from './counting.ts';
import { copying, type Change } from './change.ts';
import { createLog, silentLogger, type Logger } from './logger.ts';
import type { PeerSettings } from './tunables.ts';
import type { Digest } from './digest.ts';
import { coreSettings } from './coreSettings.ts';
import { listenTo, publishTo, type Published } from './channels.ts';
import { Checkpoints } from './checkpoints.ts';
import { Discovering } from './discovering.ts';
import { DiskSpace } from './diskSpace.ts';
import { createExaminer } from './examination.ts';
import { Faults } from './faults.ts';
import { parseKey, parsePrefix, parseValue, type KeyInput, type ValueInput } from './keys.ts';
import { readRange, type RangeEntry, type RangeOptions } from './keyRange.ts';
import { createNoticeLog } from './noticeLog.ts';
import { PeerBackend } from './peerBackend.ts';
import type { PeerParts } from './peerParts.ts';
import { AddressBook } from './addressBook.ts';
import { createMachinePorts } from './machinePorts.ts';
import { openStore } from './openStore.ts';
import { ClusterKeyRing, describeClusterKeys, reload } from './reloading.ts';
import { Runtime } from './runtime.ts';
import { Register } from './register.ts';
import { Session } from './session.ts';
import { createVersionsLog } from './versionsApart.ts';
import type { PeerStatus } from './status.ts';
import { expiryOf, type SetOptions, type WriteOptions } from './writeOptions.ts';

/** Milliseconds between two looks while `caughtUp` waits. */
const CAUGHT_UP_POLL_MS = 50;

export class Peer {
  /** The peer as a protocol server sees it. */
  readonly backend: PeerBackend;
  readonly #parts: PeerParts;
  #closing: Promise<void> | undefined;

  private constructor(parts: PeerParts) {
    this.#parts = parts;
    this.backend = parts.backend;
  }

  /**
   * Opens a peer from these settings and their defaults alone: no configuration file and no variable of the environment is read, only the files that settings name (servers.txt, keys).
   * Throws BAD_CONFIGURATION (all faults together), ADDRESS_IN_USE, STORE_LOCKED, STORE_DAMAGED, STORAGE_FAILED.
   */
  static async open(settings: PeerSettings, logger: Logger = silentLogger): Promise<Peer> {
    return Peer.openWith(await resolvePeerOptions(settings, logger));
  }

  /** Opens a peer from checked options. Sockets come first, so that a taken port leaves the disk untouched. */
  static async openWith(options: PeerOptions): Promise<Peer> {
    const hashing = await loadHashing();
    const own = options.servers.servers.find(({ id }) => id === options.id);
    if (own === undefined) {
      throw new ToposphereError(
        'BAD_CONFIGURATION',
        `${options.id} is not in ${options.servers.name}: add its line, or correct --id`,
      );
    }
    const addresses = new AddressBook(options.id, options.servers, options.known);
    let runtime: Runtime | undefined;
    const log = createLog(options.logger, () => ({
      peer: options.id,
      ...(runtime === undefined ? {} : { incarnation: runtime.state.self.incarnation }),
    }));
    const network = await openNetwork({
      self: { host: own.address, port: own.port },
      peers: addresses.peers,
      multicast: options.multicast,
      receiveBufferBytes: options.receiveBufferBytes,
      onDatagram: (bytes, channel, source) => runtime?.receive(bytes, channel, source),
      onFrame: (bytes, source) => runtime?.receive(bytes, 'stream', source) ?? false,
      onFault: (description, fault, count) => {
        log('networkFault', description, { fault, count });
      },
    });
    let discovering: Discovering | undefined;
    let store: LmdbStore | undefined;
    let space: DiskSpace | undefined;
    try {
      store = await openStore(options, log);
      space = await DiskSpace.watch(options.dataDirectory, options.minFreeBytes, log);
      const failureListeners = new Set<(failure: ToposphereError) => void>();
      const ports = createMachinePorts(network, options.clockOffsetMs);
      const members = [...options.servers.servers, ...options.known].map(({ id }) => id);
      const others = (): Iterable<PeerId> => runtime?.state.peers.keys() ?? [];
      const faults = new Faults(options.allowFaults, others, ports.random);
      const logNotice = createNoticeLog(log, options.maxDriftMs, () => ports.now().monotonicMs);
      runtime = new Runtime(
        {
          id: options.id,
          members,
          settings: coreSettings(options),
          store,
          random: ports.random,
          isBootstrap: options.bootstrap,
        },
        ports,
        faults,
        {
          onNotice: (notice) => {
            logNotice(notice);
            if (notice.name === 'admitted') discovering?.adoptAddresses();
          },
          onFailure: (failure) => {
            for (const listener of failureListeners) listener(failure);
          },
          onVersions: createVersionsLog(log, { id: options.id, reads: options.versions }),
          findRefusal: space.findRefusal,
        },
      );
      const { clusterKeys, multicast } = options;
      const envelope = createEnvelope({
        hashing,
        clusterId: options.clusterId,
        self: runtime.state.self,
        membershipHash: runtime.state.membershipHash,
        keys: clusterKeys?.keys ?? [],
        versions: options.versions,
      });
      const keys = clusterKeys && new ClusterKeyRing(clusterKeys, envelope);
      await runtime.start(envelope);
      const [opened, now] = [runtime, ports.now];
      const checkpoints = await Checkpoints.start({
        options,
        log,
        state: runtime.state,
        store,
        wallMs: () => ports.now().wallMs,
        after: ports.after,
        whenCommitted: () => acknowledged(opened, 'committed'),
      });
      discovering = Discovering.start({ options, log, runtime, addresses, now });
      const backend = new PeerBackend({
        runtime,
        store,
        checkpoints,
        space,
        discovering,
        now,
        startedMs: ports.now().monotonicMs,
        createHash: () => hashing.createHash64(),
        examine: createExaminer({ options, addresses, state: opened.state, keys, network, space, now }),
        reload: (how) =>
          reload({ ...how, addresses, runtime: opened, keys, discovering, multicast, now, log }),
        describeKeys: () => describeClusterKeys(envelope, opened.state.peers.keys()),
        describeNetwork: () => network.report(),
      });
      const parts = { options, runtime, store, space, network, backend, checkpoints, discovering };
      return new Peer({ ...parts, failureListeners });
    } catch (error) {
      space?.stop();
      await discovering?.stop();
      await network.close();
      await store?.close();
      throw error;
    }
  }

  get id(): string {
    return this.#parts.options.id;
  }

  /** The value of a key, or undefined. The buffer is the caller's own. Throws on a key that cannot be. */
  get(key: KeyInput): Buffer | undefined {
    this.#assertOpen();
    return this.backend.readOwn(parseKey(key, this.#limits));
  }

  /** The value of a key as UTF-8 text, or undefined. */
  getText(key: KeyInput): string | undefined {
    return this.get(key)?.toString('utf8');
  }

  has(key: KeyInput): boolean {
    this.#assertOpen();
    return this.backend.read(parseKey(key, this.#limits)) !== undefined;
  }

  /**
   * Sets a key. Visible here at once; the promise resolves when the acknowledgement level is reached.
   * Rejects with CLOCK_AHEAD, KEY_TOO_LONG, VALUE_TOO_LONG, BAD_ARGUMENT, BUSY, CLOSED (nothing changed),
   * STORAGE_FAILED (unknown whether it changed), or UNKNOWN (it stands here; whether the others have it is not known in time).
   */
  async set(key: KeyInput, value: ValueInput, options: SetOptions = {}): Promise<void> {
    this.#assertOpen();
    const level = levelOf(this.#parts.runtime, options);
    const expiresAtMs = expiryOf(options, this.backend.timeMs());
    this.backend.write(
      parseKey(key, this.#limits),
      parseValue(value, this.#limits),
      expiresAtMs,
      level === 'fast',
    );
    await this.#acknowledged(level);
  }

  /** Milliseconds until a key expires: Infinity for one that does not, undefined for one that is not there. */
  timeToLive(key: KeyInput): number | undefined {
    this.#assertOpen();
    const expiresAtMs = this.backend.expiryOf(parseKey(key, this.#limits));
    if (expiresAtMs === undefined) return undefined;
    return expiresAtMs === 0 ? Infinity : expiresAtMs - this.backend.timeMs();
  }

  /** Deletes a key; resolves to whether it was there. Errors as `set`. */
  async delete(key: KeyInput, options: WriteOptions = {}): Promise<boolean> {
    this.#assertOpen();
    const level = levelOf(this.#parts.runtime, options);
    const wasThere = this.backend.remove(parseKey(key, this.#limits), level === 'fast');
    if (wasThere) await this.#acknowledged(level);
    return wasThere;
  }

  /**
   * Counts: adds a whole number. What two sides of a cut count adds up once they meet; set and delete begin anew. Resolves to what the key stands at here, beyond 2^53 only nearly (getText has all
   * digits). Rejects as `set`, and with BAD_ARGUMENT for a value that is no whole number of 64 bits, or would not stay one.
   */
  async increment(key: KeyInput, by = 1, options: WriteOptions = {}): Promise<number> {
    this.#assertOpen();
    const level = levelOf(this.#parts.runtime, options);
    const total = countOn(this.backend, parseKey(key, this.#limits), by, level === 'fast');
    await this.#acknowledged(level);
    return total;
  }

  /** The visible entries of a range in byte order of keys. May be left off, and awaited between entries, at any time. */
  range(options: RangeOptions = {}): Generator<RangeEntry, void, undefined> {
    return readRange(options, (bounds) => {
      this.#assertOpen();
      return this.backend.visibleEntries(bounds);
    });
  }

  /** Tells of every change of a visible key with the prefix, wherever it was written. Returns the function that ends it. */
  watch(prefix: KeyInput, listener: (change: Change) => void): () => void {
    this.#assertOpen();
    return this.backend.watchKeys(parsePrefix(prefix), copying(listener));
  }

  /** Tells all who listen to a channel, at any peer that is not cut off for longer than `publishKeptMs`; answers how many listen here. Throws VALUE_TOO_LONG, FORGOTTEN, CLOSED: nobody was told. */
  publish(channel: KeyInput, message: ValueInput): number {
    this.#assertOpen();
    return publishTo(this.backend, channel, message, this.#limits);
  }

  /** Tells of every message on a channel, wherever it was published: of each peer in order, none twice. Returns the function that ends it. */
  subscribe(channel: KeyInput, listener: (published: Published) => void): () => void {
    this.#assertOpen();
    return listenTo(this.backend, channel, listener);
  }

  /**
   * A client's session: it reads its own writes and never goes back in time. `token` is the `token` of its session at another peer, or at this one earlier;
   * left out, the session begins. Throws BAD_ARGUMENT for what is no token.
   */
  session(token?: string): Session {
    const { backend } = this;
    const { runtime, store } = this.#parts;
    return new Session(
      { runtime, backend, readEntry: (key) => store.readEntry(key), assertOpen: this.#assertOpen },
      token,
    );
  }

  /** A key as a register: linearizable reads and writes, answered by a majority of the members. Throws on a key that cannot be. */
  register(key: KeyInput): Register {
    const { backend } = this;
    return new Register(
      { backend, limits: this.#limits, assertOpen: this.#assertOpen },
      parseKey(key, this.#limits),
    );
  }

  /** This peer's own view of the cluster. */
  status(): PeerStatus & Record<string, unknown> {
    return this.backend.describe();
  }

  /** A hash over everything held: equal on peers that converged. */
  digest(): Promise<Digest> {
    this.#assertOpen();
    return this.backend.digest();
  }

  /** What would be lost or unknown if a member were forgotten, in one sentence. Throws BAD_ARGUMENT for who is none. */
  describeForgetting(id: string): string {
    this.#assertOpen();
    return this.backend.describeForgetting(id);
  }

  /** Forgets a member for good, everywhere; resolves when that is durable here. Throws like `describeForgetting`. */
  async forget(id: string): Promise<void> {
    this.#assertOpen();
    await this.backend.forget(id);
  }

  /** What is known of the others and what `bootstrap` would mean, in lines. Throws BAD_ARGUMENT if there is no need, or the peer was forgotten. */
  describeBootstrap(): string {
    this.#assertOpen();
    return this.backend.describeBootstrap();
  }

  /** Takes part with what this disk holds, when nobody is left to join from; resolves when that is durable. Rejects with BAD_ARGUMENT if there is no need, or the peer was forgotten. */
  async bootstrap(): Promise<void> {
    this.#assertOpen();
    await this.backend.bootstrap();
  }

  /** Admits a peer that discovery found as a member; resolves to what it does next. Rejects with BAD_ARGUMENT for who may not be. */
  async admit(id: string): Promise<string> {
    this.#assertOpen();
    return this.backend.admit(id);
  }

  /**
   * Reads servers.txt (new lines are admitted, missing ones are kept) and the cluster key file again. Resolves to what changed, in words. Rejects with BAD_CONFIGURATION,
   * and nothing changed then; also, unless `force` is given, where a member that is heard seals with a key that the file has no more.
   */
  async reload(options: ReloadOptions = {}): Promise<string> {
    this.#assertOpen();
    return this.backend.reload(options);
  }

  /**
   * Writes a checkpoint file, a compact copy of everything held here, to be kept or restored (`toposphere restore`); resolves to its path. Other
   * work goes on meanwhile. Rejects with DISK_FULL, STORAGE_FAILED: the earlier files are as they were then.
   */
  async checkpoint(): Promise<string> {
    this.#assertOpen();
    return this.backend.checkpoint();
  }

  /** Resolves when this peer takes part and lacks nothing of what those that it hears have; after a start, also when nobody is heard. Rejects with CLOSED. */
  async caughtUp(): Promise<void> {
    for (;;) {
      this.#assertOpen();
      if (this.backend.isCaughtUp()) return;
      await new Promise((resolve) => setTimeout(resolve, CAUGHT_UP_POLL_MS));
    }
  }

  /** Called when the peer cannot go on (a commit failed): close it and open it again once the cause is mended. */
  onFailure(listener: (failure: ToposphereError) => void): void {
    this.#parts.failureListeners.add(listener);
  }

  /** Stops taking part, commits what is under way, tells the others of it and that this peer leaves, and closes sockets and store. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Before a clean stop: a checkpoint file, if they are written unasked and anything changed. Never rejects for a disk. */
  async saveUnasked(): Promise<void> {
    await this.#parts.checkpoints.writeUnasked();
  }

  async #close(): Promise<void> {
    await this.#parts.discovering?.stop();
    await new Promise<void>((resolve) => {
      this.#parts.runtime.leave(resolve);
    });
    this.#parts.space.stop();
    await this.#parts.checkpoints.stop();
    await this.#parts.network.close();
    await this.#parts.store.close();
  }

  get #limits(): CoreSettings['limits'] {
    return this.#parts.runtime.state.settings.limits;
  }

  #acknowledged(level: Acknowledge): Promise<void> {
    return acknowledged(this.#parts.runtime, level);
  }

  readonly #assertOpen = (): void => {
    if (this.#closing !== undefined)
      throw new ToposphereError('CLOSED', 'this peer is closed: open it again');
  };
}
