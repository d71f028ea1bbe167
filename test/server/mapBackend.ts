/**
 * A Backend over a Map, for tests and for measuring the server alone.
 *
 * Owns the hand on the tap: acknowledgements can be held, released or failed, and the disk can be made busy.
 * Leaves tags, peers and storage out. Keys are sorted only when someone walks over them.
 */
import { ToposphereError } from '../../src/core/errors.ts';
import type { Key } from '../../src/core/types.ts';
import { countedBytes } from '../../src/peer/backend.ts';
import type {
  AcknowledgementLevel,
  Backend,
  KeyChange,
  ReplicatedLevel,
  RequestId,
} from '../../src/peer/backend.ts';
import { Subscriptions } from '../../src/peer/subscriptions.ts';

export interface PendingAcknowledgement {
  readonly level: AcknowledgementLevel;
  readonly callback: (failure?: Error) => void;
}

export interface MapBackend extends Backend {
  readonly values: Map<Key, Uint8Array>;
  /** 'prompt' answers each acknowledge in the next turn; 'held' keeps them in `pending`. */
  mode: 'prompt' | 'held';
  readonly pending: PendingAcknowledgement[];
  /** Number of calls of `acknowledge`. */
  acknowledgeCalls: number;
  /** Resolves when `pending` holds at least `count`. */
  readonly whenPending: (count: number) => Promise<void>;
  readonly setBusy: (isBusy: boolean) => void;
  /** Watches are told when `tellChanges` asks for it, and not at once. */
  tellsLate: boolean;
  /** Requests that are answered from a record were executed by another process. */
  recordsAreOthers: boolean;
  /** Goals of `whenReplicated`, each reached in the next turn; undefined: there are no other disks. */
  replicated: ReplicatedLevel[] | undefined;
  /** What `assertTakesWrites` throws. */
  refusal: ToposphereError | undefined;
  /** Watches that have not ended, count. */
  readonly watchCount: () => number;
  /** As if it had come from elsewhere. */
  readonly tell: (change: KeyChange) => void;
  /** Calls of `asGroup`. */
  groups: number;
  /** Updates of which a group takes so many. */
  groupRoom: number;
  /** What `findLoading` answers. */
  loading: string | undefined;
}

/** Keys longer than this are refused, as a peer does, characters. */
const KEY_LIMIT = 1900;
/** Messages longer than this are refused, as a peer does, bytes. */
const PUBLISH_LIMIT = 1024 * 1024;

export function createMapBackend(): MapBackend {
  const values = new Map<Key, Uint8Array>();
  /** Milliseconds since 1970. */
  const expiries = new Map<Key, number>();
  const requests = new Map<RequestId, Uint8Array>();
  const watches = new Set<{ readonly prefix: Key; readonly listener: (change: KeyChange) => void }>();
  let untold: KeyChange[] = [];
  const pending: PendingAcknowledgement[] = [];
  let sorted: Key[] | undefined;
  let isBusy = false;
  let isGroupOpen = false;
  const readyListeners: (() => void)[] = [];
  let pendingListeners: { readonly count: number; readonly resolve: () => void }[] = [];

  function tell(change: KeyChange): void {
    untold.push(change);
    if (!backend.tellsLate) tellChanges();
  }

  function tellChanges(): void {
    const changes = untold;
    untold = [];
    for (const change of changes)
      for (const { prefix, listener } of watches) if (change.key.startsWith(prefix)) listener(change);
  }

  function endIfExpired(key: Key): void {
    if ((expiries.get(key) ?? Infinity) > Date.now()) return;
    expiries.delete(key);
    const previous = values.get(key);
    if (previous === undefined) return;
    values.delete(key);
    sorted = undefined;
    tell({ key, previous, value: undefined, how: 'expired', hadExpired: false });
  }

  function assertWritable(key: Key): void {
    if (key.length > KEY_LIMIT) throw new ToposphereError('KEY_TOO_LONG', `a key of ${key.length} bytes`);
    if (key === 'ahead') throw new ToposphereError('CLOCK_AHEAD', 'this clock is an hour ahead');
  }

  const backend: MapBackend = {
    values,
    loading: undefined,
    refusal: undefined,
    groups: 0,
    groupRoom: Infinity,
    findLoading: () => backend.loading,
    mode: 'prompt',
    tellsLate: false,
    recordsAreOthers: false,
    replicated: undefined,
    pending,
    acknowledgeCalls: 0,
    whenPending: (count) =>
      new Promise((resolve) => {
        if (pending.length >= count) resolve();
        else pendingListeners.push({ count, resolve });
      }),
    setBusy: (value) => {
      isBusy = value;
      if (value) return;
      for (const listener of readyListeners.splice(0)) listener();
    },
    read: (key) => {
      endIfExpired(key);
      return values.get(key);
    },
    expiryOf: (key) => {
      endIfExpired(key);
      return values.has(key) ? (expiries.get(key) ?? 0) : undefined;
    },
    timeMs: () => Date.now(),
    assertWritable,
    assertTakesWrites: () => {
      if (backend.refusal !== undefined) throw backend.refusal;
    },
    hasGroupRoom: (updates) => updates <= backend.groupRoom,
    asGroup: (run) => {
      if (isGroupOpen) throw new Error('a group was opened inside another');
      isGroupOpen = true;
      backend.groups += 1;
      try {
        return run();
      } finally {
        isGroupOpen = false;
      }
    },
    write: (key, value, expiresAtMs = 0) => {
      assertWritable(key);
      const hadExpired = (expiries.get(key) ?? Infinity) <= Date.now();
      if (expiresAtMs === 0) expiries.delete(key);
      else expiries.set(key, expiresAtMs);
      const previous = watches.size > 0 ? values.get(key) : undefined;
      const sizeBefore = values.size;
      values.set(key, value);
      if (values.size !== sizeBefore) sorted = undefined;
      if (watches.size > 0) tell({ key, previous, value, how: 'written', hadExpired });
    },
    remove: (key) => {
      endIfExpired(key);
      const previous = values.get(key);
      if (previous === undefined) return false;
      values.delete(key);
      expiries.delete(key);
      sorted = undefined;
      tell({ key, previous, value: undefined, how: 'deleted', hadExpired: false });
      return true;
    },
    increment: (key, by, form) => {
      const total = countedBytes(backend.read(key), by, form);
      backend.write(key, total, expiries.get(key));
      return total;
    },
    keysAfter: (after, limit) => {
      sorted ??= [...values.keys()].sort((a, b) => (a < b ? -1 : 1));
      let low = 0;
      let high = after === undefined ? 0 : sorted.length;
      while (after !== undefined && low < high) {
        const middle = (low + high) >> 1;
        if ((sorted[middle] ?? '') <= after) low = middle + 1;
        else high = middle;
      }
      return sorted.slice(low, low + limit);
    },
    keyCount: () => values.size,
    acknowledge: (level, callback) => {
      backend.acknowledgeCalls += 1;
      if (backend.mode === 'prompt') {
        setImmediate(callback);
        return;
      }
      pending.push({ level, callback });
      pendingListeners = pendingListeners.filter(({ count, resolve }) => {
        if (pending.length >= count) resolve();
        return pending.length < count;
      });
    },
    lastWritten: () => 0,
    assertReplicable: () => {
      if (backend.replicated === undefined)
        throw new ToposphereError('BAD_ARGUMENT', 'a map has no other disks');
    },
    whenReplicated: (level) => {
      backend.replicated?.push(level);
      return Promise.resolve();
    },
    countReplicas: (count) => ({ counted: Promise.resolve(count), end: () => undefined }),
    isBusy: () => isBusy,
    whenReady: () =>
      new Promise((resolve) => {
        if (isBusy) readyListeners.push(resolve);
        else resolve();
      }),
    watchKeys: (prefix, listener) => {
      const watch = { prefix, listener };
      watches.add(watch);
      return () => {
        watches.delete(watch);
      };
    },
    watchCount: () => watches.size,
    tellChanges,
    tell,
    subscriptions: new Subscriptions(),
    publish: (channel, message) => {
      if (message.length > PUBLISH_LIMIT)
        throw new ToposphereError('VALUE_TOO_LONG', `a message of ${message.length} bytes`);
      return backend.subscriptions.deliver(channel, message);
    },
    judgeRequest: (id, attempt) => {
      const reply = requests.get(id);
      if (reply !== undefined) return { kind: 'executed', reply, isOwn: !backend.recordsAreOthers };
      return attempt === 'again' ? { kind: 'unsure', why: 'noRecord' } : { kind: 'new' };
    },
    executeRequest: (id, reply, changes) => {
      requests.set(id, reply);
      for (const change of changes)
        if (change.kind === 'increment') backend.increment(change.key, change.by, change.form);
        else if (change.value === undefined) backend.remove(change.key);
        else backend.write(change.key, change.value, change.expiresAtMs);
    },
    giveTicket: () => 'alpha:1:0',
    openSession() {
      throw new ToposphereError('BAD_ARGUMENT', 'a map has no sessions');
    },
    registers: {
      read: (key) => Promise.resolve(values.get(key)),
      write: (key, value) => {
        const wasThere = values.has(key);
        if (value === undefined) backend.remove(key);
        else backend.write(key, value);
        return Promise.resolve(wasThere);
      },
    },
    describe: () => ({ id: 'alpha', lagUpdates: 0, peers: [{ id: 'beta', isAlive: true }] }),
    digest: () => Promise.resolve({ digest: 'c0ffee', visible: values.size, tombstones: 0 }),
    divideRange: (range) =>
      Promise.resolve([{ from: range.from ?? ('' as Key), digest: 'c0', count: values.size }]),
    digestParts: (_, bounds) => Promise.resolve(bounds.map((from) => ({ from, digest: 'c0', count: 0 }))),
    markRange: () => Promise.resolve([]),
    examine: () => Promise.resolve({ id: 'alpha' }),
    describeForgetting: (id) => `${id} was last heard 5 s ago`,
    forget: () => Promise.resolve(),
    admit: (id) => Promise.resolve(`${id} is a member now`),
    describeBootstrap: () => 'beta was last heard 5 s ago',
    bootstrap: () => Promise.resolve(),
    reload: () => Promise.resolve('nothing new'),
    checkpoint: () => Promise.resolve('checkpoints/beta-20260101T000000000Z.checkpoint'),
    rehearseFaults: (words) => {
      if (words[0] !== 'heal') {
        throw new ToposphereError('BAD_ARGUMENT', 'this peer was not started with --allow-faults');
      }
      return 'healed';
    },
  };
  return backend;
}
