/**
 * A running peer as a server sees it: binary keys, synchronous reads and writes, acknowledgement by turn.
 */
import { timestampOf, wallMsOf, type Now } from '../core/clock.ts';
import { counterUpon, readCounted, shownEntries, type Shown } from '../core/counted.ts';
import type { Decimal } from '../core/decimal.ts';
import { isPast, isVisible, LATEST_EXPIRY_MS, timeMs } from '../core/expiry.ts';
import { ToposphereError } from '../core/errors.ts';
import { closeGroup, hasGroupRoom, openGroup } from '../core/groups.ts';
import { isHidden } from '../core/hiddenKeys.ts';
import type { CounterForm } from '../core/increment.ts';
import type { KeyRange, StoreSnapshot } from '../core/store.ts';
import { countKeys } from '../core/state.ts';
import type { Entry, Key, PeerId } from '../core/types.ts';
import { findLoading, findWriteRefusal } from '../core/write.ts';
import type { NetworkReport } from '../network/network.ts';
import type { LmdbStore } from '../storage/lmdbStore.ts';
import type { RequestId } from '../core/requestRecord.ts';
import { giveTicket, judgeRequest, onRequest, type Attempt, type RequestVerdict } from '../core/requests.ts';
import type {
  AcknowledgementLevel,
  Backend,
  KeyChange,
  ReloadOptions,
  ReplicaCount,
  RequestedChange,
  Subscriptions,
} from './backend.ts';
import { findBehind } from './caughtUp.ts';
import { increment, plannedWrite } from './counting.ts';
import { copyOf } from './change.ts';
import type { Checkpoints } from './checkpoints.ts';
import { assertMayBootstrap, describeBootstrap } from './bootstrapping.ts';
import { digestEntries, type Digest, type StreamingHash } from './digest.ts';
import type { Discovering } from './discovering.ts';
import type { DiskSpace } from './diskSpace.ts';
import type { Examination } from './examination.ts';
import { describeForgetting } from './forgetting.ts';
import { aroundHidden } from './keyRange.ts';
import { assertKey, assertValueLength } from './keys.ts';
import {
  digestParts,
  divideRange,
  markRange,
  type DigestRange,
  type EntryMark,
  type PartDigest,
} from './rangeDigests.ts';
import { assertReplicable, countReplicas, whenReplicated, type ReplicatedLevel } from './replicated.ts';
import type { ClusterKeysReport, FurtherFile } from './reloading.ts';
import type { Runtime } from './runtime.ts';
import type { PeerDescription } from './peerDescription.ts';
import { Registers } from './registers.ts';
import { SessionKeeper } from './sessionKeeper.ts';
import { buildStatus } from './status.ts';
import { formatTicket } from './tickets.ts';

interface PeerBackendParts {
  readonly runtime: Runtime;
  readonly store: LmdbStore;
  readonly now: () => Now;
  /** When it began to listen, monotonic milliseconds. */
  readonly startedMs: number;
  readonly createHash: () => StreamingHash;
  readonly checkpoints: Checkpoints;
  readonly space: DiskSpace;
  readonly discovering: Discovering | undefined;
  readonly examine: () => Promise<Examination>;
  /** Reads servers.txt, the cluster key file and further files again. */
  readonly reload: (how: ReloadOptions & { readonly further: readonly FurtherFile[] }) => Promise<string>;
  /** Undefined without a cluster key. */
  readonly describeKeys: () => ClusterKeysReport | undefined;
  /** What the network layer reports: buffers granted, frames dropped. */
  readonly describeNetwork: () => NetworkReport;
}

export class PeerBackend implements Backend {
  readonly #parts: PeerBackendParts;
  readonly #further: FurtherFile[] = [];

  readonly registers: Registers;

  constructor(parts: PeerBackendParts) {
    this.#parts = parts;
    this.registers = new Registers(parts.runtime, this, parts.now);
  }

  findLoading(): string | undefined {
    return findLoading(this.#parts.runtime.state);
  }

  read(key: Key): Uint8Array | undefined {
    if (isHidden(key)) return undefined;
    const value = this.#parts.store.readValue(key, this.#isPast);
    if (counterUpon(this.#parts.runtime.state, key, value) === undefined) return value;
    return this.#visible(key)?.value;
  }

  /** As `read`, in bytes that are the caller's to change. */
  readOwn(key: Key): Buffer | undefined {
    const { byKey } = this.#parts.runtime.state.cells;
    if (byKey.size > 0 && byKey.has(key)) return copyOf(this.read(key));
    return this.#parts.store.readOwnValue(key, this.#isPast);
  }

  expiryOf(key: Key): number | undefined {
    const entry = this.#visible(key);
    if (entry === undefined) return undefined;
    return entry.expiresAt === 0 ? 0 : wallMsOf(entry.expiresAt);
  }

  timeMs(): number {
    return timeMs(this.#parts.runtime.state, this.#parts.now());
  }

  /** Whether readers see this entry. */
  isVisible(entry: Entry): boolean {
    return isVisible(this.#parts.runtime.state, this.#parts.now(), entry);
  }

  #visible(key: Key): Shown | undefined {
    return isHidden(key) ? undefined : this.shown(key, this.#parts.store.readEntry(key));
  }

  /** What readers see of a key whose entry this is. */
  shown(key: Key, entry: Entry | undefined): Shown | undefined {
    const { state } = this.#parts.runtime;
    return readCounted(state, this.#parts.now(), key, entry);
  }

  readonly #isPast = (expiresAt: number): boolean =>
    isPast(this.#parts.runtime.state, this.#parts.now(), expiresAt);

  assertWritable(key: Key, valueBytes: number): void {
    const { limits } = this.#parts.runtime.state.settings;
    assertValueLength(valueBytes, limits);
    assertKey(key, limits);
    this.#parts.runtime.assertWritable(key);
  }

  assertTakesWrites(): void {
    this.#parts.runtime.attempt(findWriteRefusal);
  }

  asGroup<Result>(run: () => Result): Result {
    const { state } = this.#parts.runtime;
    openGroup(state);
    try {
      return run();
    } finally {
      closeGroup(state);
    }
  }

  hasGroupRoom(updates: number, bytes: number): boolean {
    return hasGroupRoom(this.#parts.runtime.state, updates, bytes);
  }

  write(key: Key, value: Uint8Array, expiresAtMs = 0, isFast = false): void {
    const { limits } = this.#parts.runtime.state.settings;
    assertValueLength(value.length, limits);
    assertKey(key, limits);
    assertExpiry(expiresAtMs);
    this.#parts.runtime.write(key, value, isFast, expiresAtMs === 0 ? 0 : timestampOf(expiresAtMs));
  }

  increment(key: Key, by: Decimal, form: CounterForm, isFast = false): Uint8Array {
    const { runtime } = this.#parts;
    assertKey(key, runtime.state.settings.limits);
    return increment(runtime, key, by, form, isFast);
  }

  remove(key: Key, isFast = false): boolean {
    if (this.read(key) === undefined) return false;
    this.#parts.runtime.write(key, undefined, isFast);
    return true;
  }

  keysAfter(after: Key | undefined, limit: number): Key[] {
    const keys: Key[] = [];
    if (limit <= 0) return keys;
    for (const [key] of this.visibleEntries(after === undefined ? {} : { after })) {
      keys.push(key);
      if (keys.length >= limit) break;
    }
    return keys;
  }

  /** The entries of a range that readers see. To be used up or closed within the turn. */
  *visibleEntries(range: KeyRange): IterableIterator<readonly [Key, Shown]> {
    const { runtime, now } = this.#parts;
    for (const part of aroundHidden(range)) yield* shownEntries(runtime.state, now(), part);
  }

  keyCount(): number {
    return countKeys(this.#parts.runtime.state);
  }

  acknowledge(level: AcknowledgementLevel, callback: (failure?: Error) => void): void {
    this.#parts.runtime.acknowledge(level, callback);
  }

  lastWritten(): number {
    return this.#parts.runtime.state.own.have.contiguous;
  }

  assertReplicable(level: ReplicatedLevel): void {
    assertReplicable(this.#parts.runtime, level);
  }

  whenReplicated(level: ReplicatedLevel): Promise<void> {
    return whenReplicated(this.#parts.runtime, level);
  }

  countReplicas(count: number, withinMs: number, through: number): ReplicaCount {
    return countReplicas(this.#parts.runtime, count, withinMs, through);
  }

  isBusy(): boolean {
    return this.#parts.store.isBusy();
  }

  whenReady(): Promise<void> {
    return this.#parts.store.whenReady();
  }

  get subscriptions(): Subscriptions {
    return this.#parts.runtime.publications.subscriptions;
  }

  publish(channel: string, message: Uint8Array): number {
    return this.#parts.runtime.publications.publish(channel, message);
  }

  judgeRequest(id: RequestId, attempt: Attempt): RequestVerdict {
    return judgeRequest(this.#parts.runtime.state, id, attempt);
  }

  executeRequest(
    id: RequestId,
    reply: Uint8Array,
    changes: readonly RequestedChange[],
    isFast = false,
  ): void {
    const writes = changes.map((change) => {
      if (change.kind === 'increment') return plannedWrite(this.#parts.runtime, this.#parts.now(), change);
      const { key, value, expiresAtMs } = change;
      assertExpiry(expiresAtMs);
      return { key, value, expiresAt: expiresAtMs === 0 ? 0 : timestampOf(expiresAtMs) };
    });
    this.#parts.runtime.attempt((state, now) => onRequest(state, now, id, reply, writes, isFast));
  }

  giveTicket(): string {
    return formatTicket(giveTicket(this.#parts.runtime.state));
  }

  openSession(): SessionKeeper {
    const { runtime, store, now } = this.#parts;
    return new SessionKeeper({ runtime, readEntry: (key) => store.readEntry(key), now, keys: this });
  }

  watchKeys(prefix: Key, listener: (change: KeyChange) => void): () => void {
    return this.#parts.runtime.watchers.add(prefix, listener);
  }

  tellChanges(): void {
    this.#parts.runtime.tellWatchers();
  }

  describe(): PeerDescription & Record<string, unknown> {
    const { runtime, store, now, checkpoints, space, discovering, describeKeys, describeNetwork } =
      this.#parts;
    return {
      ...buildStatus(runtime.state, now(), runtime.arrivals, runtime.faults.report()),
      wallMs: Math.round(now().wallMs),
      protocol: runtime.versions.describe(),
      network: { ...describeNetwork(), sendQueueDropped: runtime.sendQueueDropped },
      clusterKeys: describeKeys() ?? null,
      caughtUp: this.isCaughtUp(),
      storage: store.report(),
      checkpoints: checkpoints.report(),
      disk: space.report(),
      discovery: discovering?.report() ?? null,
    };
  }

  isCaughtUp(): boolean {
    return this.findBehind() === undefined;
  }

  /** Why this peer takes no part or has not caught up, in one line; undefined when it has. */
  findBehind(): string | undefined {
    const { runtime, now, startedMs } = this.#parts;
    return findBehind(runtime.state, now(), startedMs);
  }

  async digest(): Promise<Digest> {
    const { store, createHash, runtime } = this.#parts;
    const { alone } = runtime.state.cells; // as of the snapshot
    const digest = await digestEntries(store.snapshot(), createHash());
    return { ...digest, visible: digest.visible + alone };
  }

  divideRange(range: DigestRange, parts: number): Promise<readonly PartDigest[]> {
    return divideRange(this.#openSnapshot, this.#parts.createHash, range, parts);
  }

  async digestParts(range: DigestRange, bounds: readonly Key[]): Promise<readonly PartDigest[]> {
    return digestParts(this.#openSnapshot, this.#parts.createHash, range, bounds);
  }

  markRange(range: DigestRange, count: number): Promise<readonly EntryMark[]> {
    return markRange(this.#openSnapshot, this.#parts.createHash, range, count);
  }

  readonly #openSnapshot = (): StoreSnapshot => this.#parts.store.openSnapshot();

  examine(): Promise<Examination> {
    return this.#parts.examine();
  }

  describeForgetting(id: string): string {
    return describeForgetting(this.#parts.runtime.state, this.#parts.now(), id);
  }

  async forget(id: string): Promise<void> {
    const { runtime } = this.#parts;
    this.describeForgetting(id); // refuses who is no member
    runtime.forget(id as PeerId);
    await this.#whenDurable();
  }

  async admit(id: string): Promise<string> {
    const { discovering } = this.#parts;
    if (discovering === undefined)
      throw new ToposphereError(
        'BAD_ARGUMENT',
        'this peer discovers nobody: start it with --discover, or add a line to servers.txt and say toposphere reload',
      );
    const said = discovering.admit(id);
    await this.#whenDurable();
    return said;
  }

  describeBootstrap(): string {
    return describeBootstrap(this.#parts.runtime.state, this.#parts.now());
  }

  async bootstrap(): Promise<void> {
    const { runtime } = this.#parts;
    assertMayBootstrap(runtime.state);
    runtime.bootstrap();
    await this.#whenDurable();
  }

  #whenDurable(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.acknowledge('durable', (failure) => {
        if (failure === undefined) resolve();
        else reject(failure);
      });
    });
  }

  reload(options: ReloadOptions = {}): Promise<string> {
    return this.#parts.reload({ ...options, further: this.#further });
  }

  /** From now on `reload` reads this file too. */
  addFile(file: FurtherFile): void {
    this.#further.push(file);
  }

  checkpoint(): Promise<string> {
    return this.#parts.checkpoints.write();
  }

  rehearseFaults(words: readonly string[]): string {
    return this.#parts.runtime.faults.rehearse(words);
  }
}

/** Whatever a caller made of it: what cannot travel must not be stored. */
function assertExpiry(expiresAtMs: number): void {
  if (Number.isSafeInteger(expiresAtMs) && expiresAtMs >= 0 && expiresAtMs <= LATEST_EXPIRY_MS) return;
  throw new ToposphereError(
    'BAD_ARGUMENT',
    `a key cannot expire at ${expiresAtMs}: whole milliseconds since 1970, before 2089`,
  );
}
