/**
 * What a server in front of a peer asks of it (the Redis protocol today). Tests may use a map.
 *
 * All reads and writes are synchronous and take effect at once on this peer; `acknowledge` tells when the
 * writes made so far in this event-loop turn have reached an acknowledgement level (R1).
 */
import type { Decimal } from '../core/decimal.ts';
import type { CounterForm } from '../core/increment.ts';
import type { RequestId } from '../core/requestRecord.ts';
import type { ReplicatedLevel } from './replicated.ts';
import type { Attempt, RequestVerdict } from '../core/requests.ts';
import type { Key } from '../core/types.ts';
import type { DigestRange, EntryMark, PartDigest } from './rangeDigests.ts';
import type { Subscriptions } from './subscriptions.ts';

export { addDecimals, parseFloating, parseInteger, type Decimal } from '../core/decimal.ts';
export { countedBytes } from './counting.ts';
export type { CounterForm } from '../core/increment.ts';
export type { DigestRange, EntryMark, PartDigest } from './rangeDigests.ts';
export { LATEST_EXPIRY_MS } from '../core/expiry.ts';
export { LONGEST_WITHIN_MS, type ReplicatedLevel } from './replicated.ts';
export { MAX_REQUEST_ID_BYTES, type RequestId } from '../core/requestRecord.ts';
export type { Attempt, RequestVerdict } from '../core/requests.ts';
export type { Subscriber, Subscriptions } from './subscriptions.ts';
export { EVENT_CLASSES, EVENT_LETTERS, formatEventClasses, parseEventClasses } from './eventClasses.ts';
export { parseTicket } from './tickets.ts';
export type { ClientRight, ClientUser } from './clientUsers.ts';
export { hashPassword } from './clientUsers.ts';
export type { TlsMaterial } from '../network/tls.ts';
export { isLoopback } from './serversFile.ts';
export type { PeerDescription } from './peerDescription.ts';

export interface ReloadOptions {
  /** Retire keys also where members that are heard seal with them: they are cut off until they have the file too. */
  readonly force?: boolean;
}

/** `fast`: nothing is waited for. `committed`: survives this process's death. `durable`: survives a power cut here. */
export type AcknowledgementLevel = 'fast' | 'committed' | 'durable';

export interface KeyChange {
  readonly key: Key;
  /** Visible value before, undefined when there was none. */
  readonly previous: Uint8Array | undefined;
  /** Visible value now, undefined when it was deleted. */
  readonly value: Uint8Array | undefined;
  readonly how: ChangeKind;
  /** What was there was past its time already, and nobody has been told. */
  readonly hadExpired: boolean;
}

/** A value came, or a deletion; what was there was found to be past its time; or cells of a counter changed, and not its entry. */
export type ChangeKind = 'written' | 'deleted' | 'expired' | 'counted';

/** Keys as a client reads and writes them: as they are here, or in its session. */
export interface KeyAccess {
  /** Visible value of a key; the bytes must not be changed by the caller. */
  read(key: Key): Uint8Array | undefined;
  /**
   * Keeps `value`: the caller never writes to it again. It expires at `expiresAtMs` (milliseconds since 1970; 0 or left out: never). Throws
   * ToposphereError when refused; nothing was changed then.
   */
  write(key: Key, value: Uint8Array, expiresAtMs?: number): void;
  /** When the visible value of a key expires, milliseconds since 1970; 0 for never, undefined without one. */
  expiryOf(key: Key): number | undefined;
  /** True when a visible value was there. Throws like `write`. */
  remove(key: Key): boolean;
  /**
   * Counts (protocol.md, section 10); answers what the key stands at here. Throws like `write`, and BAD_ARGUMENT in redis's words for a value that is no number of this
   * form or does not stay one; nothing was changed then.
   */
  increment(key: Key, by: Decimal, form: CounterForm): Uint8Array;
}

/** One of the changes that a request makes: a key is written, or counted on. */
export type RequestedChange = RequestedWrite | RequestedIncrement;

export interface RequestedIncrement {
  readonly kind: 'increment';
  readonly key: Key;
  readonly by: Decimal;
  readonly form: CounterForm;
}

export interface RequestedWrite {
  readonly kind: 'write';
  readonly key: Key;
  /** Undefined: it is deleted. The caller never writes to it again. */
  readonly value: Uint8Array | undefined;
  /** Milliseconds since 1970; 0 for never. */
  readonly expiresAtMs: number;
}

/** How long is waited by default for what a session has seen elsewhere, milliseconds. */
export const SESSION_WAIT_MS = 1_000;

/** A client's session at this peer (section 7). */
export interface ClientSession {
  /** What it reads and writes through these is noted. Only once `served` has resolved. */
  readonly keys: KeyAccess;
  /** To go on with elsewhere. What was written is in it at once: it is to be given to the client behind the acknowledgement. */
  token(): string;
  /** `served` has resolved, and still holds: a peer that has joined a checkpoint since may have let go of something (R9). */
  isServed(): boolean;
  /** From now on the session has seen what another token of the same client has. Throws BAD_ARGUMENT for what is none. */
  merge(token: string): void;
  /** What is written next is stamped above all that the session has seen: for whoever writes past `keys`. */
  follow(): void;
  /** The session has seen, or written, what the key holds now. */
  noteKey(key: Key): void;
  /** Resolves when this peer has what the session has seen. Rejects with BEHIND, UNDECIDED, and LOST_WRITE once. */
  served(waitMs: number): Promise<void>;
}

/** What a read of one key may be: the newest that a majority of the members has; or linearizable; or no staler than so many milliseconds. */
export type ReadLevel = 'majority' | 'linearizable' | { readonly staleMs: number };

/** How long is waited by default for a majority to answer, milliseconds. */
export const MAJORITY_WAIT_MS = 1_000;

/** Keys as registers (protocol.md, section 7). */
export interface RegisterAccess {
  /** The caller must not change the bytes. Rejects with NO_MAJORITY, BEHIND (a stale read), BAD_ARGUMENT (a linearizable read of a key that expires); nothing changed. */
  read(key: Key, level: ReadLevel, withinMs: number): Promise<Uint8Array | undefined>;
  /**
   * Writes, or without a value deletes, linearizably; resolves to whether there was a value. Rejects with NO_MAJORITY and what `write` throws (nothing changed then), and with UNKNOWN:
   * the write stands here, and may take effect for all or not.
   */
  write(key: Key, value: Uint8Array | undefined, withinMs: number): Promise<boolean>;
}

/** `counted` resolves once. */
export interface ReplicaCount {
  readonly counted: Promise<number>;
  readonly end: () => void;
}

export interface Backend extends KeyAccess {
  readonly registers: RegisterAccess;
  /** Why clients are told LOADING: this peer has no data yet, or not all that there is. Undefined when it serves. */
  findLoading(): string | undefined;
  /** Throws what `write` would throw for such a key and value, and changes nothing: ask for all before writing the first. */
  assertWritable(key: Key, valueBytes: number): void;
  /** Throws what every write would be refused with now, whatever its key. */
  assertTakesWrites(): void;
  /** What `run` writes, at once, is one for everybody else (core/groups.ts). Not to be called within itself. */
  asGroup<Result>(run: () => Result): Result;
  /** Whether so many updates, of so many bytes of keys and values, have room in one group: more than that it refuses with NO_ROOM, half way. */
  hasGroupRoom(updates: number, bytes: number): boolean;
  /** The time that expiry goes by, milliseconds since 1970: this peer's clock, or the others' where it disagrees with them. */
  timeMs(): number;
  /** Up to `limit` visible keys in byte order, strictly after `after` (from the first key when undefined). */
  keysAfter(after: Key | undefined, limit: number): Key[];
  /** Number of visible keys. */
  keyCount(): number;
  /** Calls back once everything written so far has reached `level`; with an error when it never will. */
  acknowledge(level: AcknowledgementLevel, callback: (failure?: Error) => void): void;
  /** The number of the last update made here: what is written next has a larger one. */
  lastWritten(): number;
  /** Before a write that is to be replicated. Throws BAD_ARGUMENT, also for more disks than there are members, and BUSY. */
  assertReplicable(level: ReplicatedLevel): void;
  /** Resolves when everything written so far is on so many members' disks; rejects with UNKNOWN when that is not known in time. */
  whenReplicated(level: ReplicatedLevel): Promise<void>;
  /** Counts the other members that have everything through an update of this peer's on disk: when there are `count`, or so many milliseconds have passed (Infinity: ever), or `end` is called. */
  countReplicas(count: number, withinMs: number, through: number): ReplicaCount;
  /** Writes outrun the disk: stop reading from clients until `whenReady` resolves. */
  isBusy(): boolean;
  whenReady(): Promise<void>;
  /** Calls `listener` after every visible change of a key that starts with `prefix`; returns the function that ends it. */
  watchKeys(prefix: Key, listener: (change: KeyChange) => void): () => void;
  /** Tells those who watch keys at once of what was written so far: otherwise they hear of it when the turn ends. */
  tellChanges(): void;
  /** Who listens on this peer to which channels. */
  readonly subscriptions: Subscriptions;
  /** Publishes on a channel (one character a byte) to all peers; answers how many subscriptions of this one were told. Throws VALUE_TOO_LONG, FORGOTTEN; nobody was told then. The bytes are never changed again. */
  publish(channel: string, message: Uint8Array): number;
  /** Whether a client's request may be executed here, or what became of it (I13). */
  judgeRequest(id: RequestId, attempt: Attempt): RequestVerdict;
  /** Executes a request that was judged to be new: records `reply` for its id and makes the changes, all of it or, where it throws as `write` does, nothing. Changes are asked for with `assertWritable` before. */
  executeRequest(id: RequestId, reply: Uint8Array, changes: readonly RequestedChange[]): void;
  /** To be given to a client before its first attempt: with it this very process can prove that it has not executed one. */
  giveTicket(): string;
  /** Begins a session. */
  openSession(): ClientSession;
  /** JSON-able picture of the peer for INFO and `toposphere status`. */
  describe(): Record<string, unknown>;
  /** Hex digest over all entries with their tags: equal on peers that converged. */
  digest(): Promise<{ readonly digest: string; readonly visible: number; readonly tombstones: number }>;
  /** What is held in each of at most `parts` parts of a range, of about as many keys each; the parts are this peer's choice. */
  divideRange(range: DigestRange, parts: number): Promise<readonly PartDigest[]>;
  /** The same for parts that begin at `bounds`, which ascend. Throws BAD_ARGUMENT where they do not. */
  digestParts(range: DigestRange, bounds: readonly Key[]): Promise<readonly PartDigest[]>;
  /** The first entries of a range, without their values. */
  markRange(range: DigestRange, count: number): Promise<readonly EntryMark[]>;
  /** What the peer measures of its machine and its surroundings, JSON-able; takes up to a few seconds. */
  examine(): Promise<object>;
  /** What would be lost or unknown if the member were forgotten, in one sentence; throws BAD_ARGUMENT for who is none. */
  describeForgetting(id: string): string;
  /** Forgets a member for good; resolves when that is durable here. Throws like `describeForgetting`. */
  forget(id: string): Promise<void>;
  /** Admits a peer that discovery found, as a member; resolves, when that is durable here, to what it does next. Rejects with BAD_ARGUMENT for who may not be. */
  admit(id: string): Promise<string>;
  /** What is known of the others and what it would mean if this peer took part with what its disk holds, in lines; throws like `bootstrap`. */
  describeBootstrap(): string;
  /** Takes part with what this disk holds, when nobody is left to join from; resolves when that is durable. Throws BAD_ARGUMENT for a peer that need not, or may not. */
  bootstrap(): Promise<void>;
  /** Reads servers.txt, the cluster key file, the client password file and the users file again; resolves to what changed, in a sentence each. Rejects with BAD_CONFIGURATION, and nothing changed then. */
  reload(options?: ReloadOptions): Promise<string>;
  /** Writes a checkpoint file; resolves to its path. Rejects with DISK_FULL, STORAGE_FAILED. */
  checkpoint(): Promise<string>;
  /** Sets or clears rehearsed faults; throws BAD_ARGUMENT unless the peer was started with faults allowed. `words` as in `faults cut beta gamma`. */
  rehearseFaults(words: readonly string[]): string;
}
