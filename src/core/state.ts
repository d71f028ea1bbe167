/**
 * What a peer remembers: the one state that every on… file reads and changes.
 *
 * Owns its shape, how it is loaded from the store at start (R3: the clock resumes at or above everything
 * ever stamped; a fresh incarnation is drawn) and how what changed in a turn is written back (R2: vectors in
 * the same turn as their rows). Decides nothing about messages.
 */
import { drawIncarnation, type Now } from './clock.ts';
import { createCounters, type CoreCounters } from './counters.ts';
import type { Effect, EntryChange, TimerName } from './effects.ts';
import { createHaveSet, gapRanges, lastSequenceOf, type HaveSet } from './haveSet.ts';
import type { UpdateRecord } from './messages.ts';
import { createPeerView, type PeerView } from './peerView.ts';
import type { PendingRepairs } from './repairQueue.ts';
import type { CoreSettings } from './settings.ts';
import type { StateValue, Store } from './store.ts';
import {
  originKey,
  type Incarnation,
  type Origin,
  type OriginKey,
  type PeerId,
  type Timestamp,
  type VectorEntry,
} from './types.ts';

/** One origin's have-set and the repair of its gaps. */
export interface OriginState extends Origin {
  readonly key: OriginKey;
  readonly have: HaveSet;
  /** Highest sequence that the origin itself said it issued; what is missing below is asked for by NAK. */
  announced: number;
  /** Dots at or below were asked for already; above are fresh gaps. */
  askedThrough: number;
  /** Monotonic milliseconds at which fresh gaps are asked for; Infinity when there are none. */
  askFreshAtMs: number;
  /** Monotonic milliseconds at which what was asked for is asked for again. */
  askAgainAtMs: number;
  /** NAKs since anything missing arrived. */
  silentTries: number;
  /** True when `have` changed in this turn. */
  isDirty: boolean;
  /** Its part of the have-set's hash, and whether `have` changed since that was taken. */
  hash: number;
  isHashStale: boolean;
  /** Last sequence had a while ago, and since when: what came later may still be on its way to others. */
  settledThrough: number;
  markedThrough: number;
  markedAtMs: number;
}

export interface PeerState {
  readonly settings: CoreSettings;
  readonly store: Store;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly self: Origin;
  /** Largest timestamp issued or seen. */
  clock: Timestamp;
  /** Bound promised in a round: nothing is stamped at or below (R6). */
  promised: Timestamp;
  /** Every update at or below is known to all members (R6). */
  horizon: Timestamp;
  /** Own origin: the last sequence issued. */
  readonly own: OriginState;
  readonly origins: Map<OriginKey, OriginState>;
  /** Highest incarnation known of each peer. */
  readonly incarnations: Map<PeerId, Incarnation>;
  /** The other members, in order of id. */
  readonly peers: Map<PeerId, PeerView>;
  /** Hash of the list of members (unsigned 32 bits). */
  readonly membershipHash: number;
  /** Sum of the origins' parts, as far as they are not stale. */
  vectorHash: number;
  /** The shuffled round over all other members (section 5): who is still to be drawn. */
  contacts: PeerId[];
  contactTurns: number;
  /** Own updates of this turn, not yet made into UPDATEs. */
  pendingUpdates: UpdateRecord[];
  /** False once anything in this turn asked for more than `fast`. */
  isTurnFast: boolean;
  readonly repairs: PendingRepairs;
  effects: Effect[];
  /** Entries that changed since the driver last took them. */
  changes: EntryChange[];
  /** Token of the armed timer of each name; 0 when none is armed. */
  readonly timers: Record<TimerName, { token: number; dueMs: number }>;
  /** Wall milliseconds at the last input: a step of the own clock shows against the monotonic one. */
  lastWallMs: number;
  /** Monotonic milliseconds of the last input, and of the last one that came after a stall of this process. */
  lastInputMs: number;
  lastStallMs: number;
  /** Monotonic milliseconds of the last KEEPALIVE. */
  lastKeepaliveMs: number;
  /** Milliseconds by which the median of the live walls is ahead of this one. */
  medianOffsetMs: number;
  /** Whether any other peer's wall was heard lately: without one there is nothing to judge ours by. */
  hasMedian: boolean;
  clockVerdict: 'right' | 'ahead' | 'behind';
  /** Monotonic milliseconds of the last notice of a record ahead of the clock. */
  lastAheadNoticeMs: number;
  /** Visible keys and tombstones held. */
  visibleKeys: number;
  tombstones: number;
  readonly counters: CoreCounters;
}

export interface CoreOptions {
  readonly id: PeerId;
  /** All members of servers.txt, this one included or not. */
  readonly members: readonly PeerId[];
  readonly settings: CoreSettings;
  readonly store: Store;
  readonly random: () => number;
}

/** Loads a peer from its store and draws its incarnation. The turn must be durable before anything is sent: index reuse loses data. */
export function createPeerState(options: CoreOptions, now: Now): PeerState {
  const { store, id } = options;
  const incarnations = new Map<PeerId, Incarnation>();
  for (const [name, value] of store.states('incarnation/')) {
    incarnations.set(name.slice('incarnation/'.length) as PeerId, value as Incarnation);
  }
  const incarnation = drawIncarnation(now.wallMs, incarnations.get(id) ?? 0, options.random);
  const origins = new Map<OriginKey, OriginState>();
  for (const [, value] of store.states('vector/')) {
    const [originId, originIncarnation, contiguous, gaps] = value as [PeerId, Incarnation, number, number[]];
    const origin = createOriginState(
      { id: originId, incarnation: originIncarnation },
      createHaveSet(contiguous, gaps),
    );
    origins.set(origin.key, origin);
  }
  const own = createOriginState({ id, incarnation });
  origins.set(own.key, own);
  const counts = (store.readState('counts') as [number, number] | undefined) ?? [0, 0];
  const promised = ((store.readState('promised') as number | undefined) ?? 0) as Timestamp;
  const horizon = ((store.readState('horizon') as number | undefined) ?? 0) as Timestamp;
  const clock = ((store.readState('clock') as number | undefined) ?? 0) as Timestamp;
  const others = [...new Set(options.members)].filter((member) => member !== id).sort();
  const state: PeerState = {
    settings: options.settings,
    store,
    random: options.random,
    self: { id, incarnation },
    clock: Math.max(clock, promised, horizon) as Timestamp,
    promised,
    horizon,
    own,
    origins,
    incarnations,
    peers: new Map(others.map((member) => [member, createPeerView(member)])),
    membershipHash: hashMembers([...others, id]),
    vectorHash: 0,
    contacts: [],
    contactTurns: 0,
    pendingUpdates: [],
    isTurnFast: true,
    repairs: new Map(),
    effects: [],
    changes: [],
    timers: {
      keepalive: { token: 0, dueMs: Infinity },
      heartbeat: { token: 0, dueMs: Infinity },
      liveness: { token: 0, dueMs: Infinity },
      nak: { token: 0, dueMs: Infinity },
      repair: { token: 0, dueMs: Infinity },
    },
    lastWallMs: now.wallMs,
    lastInputMs: now.monotonicMs,
    lastStallMs: -Infinity,
    lastKeepaliveMs: -Infinity,
    medianOffsetMs: 0,
    hasMedian: false,
    clockVerdict: 'right',
    lastAheadNoticeMs: -Infinity,
    visibleKeys: counts[0],
    tombstones: counts[1],
    counters: createCounters(),
  };
  noteIncarnation(state, id, incarnation);
  return state;
}

function createOriginState(origin: Origin, have: HaveSet = createHaveSet()): OriginState {
  return {
    id: origin.id,
    incarnation: origin.incarnation,
    key: originKey(origin.id, origin.incarnation),
    have,
    announced: 0,
    askedThrough: 0,
    askFreshAtMs: Infinity,
    askAgainAtMs: Infinity,
    silentTries: 0,
    isDirty: false,
    hash: 0,
    isHashStale: true,
    settledThrough: lastSequenceOf(have),
    markedThrough: lastSequenceOf(have),
    markedAtMs: -Infinity,
  };
}

/** The state of an origin, made when first heard of. */
export function originOf(state: PeerState, id: PeerId, incarnation: Incarnation): OriginState {
  const known = state.origins.get(originKey(id, incarnation));
  if (known !== undefined) return known;
  const origin = createOriginState({ id, incarnation });
  state.origins.set(origin.key, origin);
  noteIncarnation(state, id, incarnation);
  return origin;
}

/** Remembers the highest incarnation known of a peer (I4: only grows). */
export function noteIncarnation(state: PeerState, id: PeerId, incarnation: Incarnation): void {
  if (incarnation <= (state.incarnations.get(id) ?? 0)) return;
  state.incarnations.set(id, incarnation);
  state.store.writeState(`incarnation/${id}`, incarnation);
}

/** Writes what this turn changed besides entries and rows: vectors (R2: one transaction with their rows), clock, counts. */
export function saveTurn(state: PeerState): void {
  let changed = false;
  for (const origin of state.origins.values()) {
    if (!origin.isDirty) continue;
    origin.isDirty = false;
    changed = true;
    const value: StateValue = [origin.id, origin.incarnation, origin.have.contiguous, [...origin.have.gaps]];
    state.store.writeState(`vector/${origin.key}`, value);
  }
  if (!changed) return;
  state.store.writeState('clock', state.clock);
  state.store.writeState('counts', [state.visibleKeys, state.tombstones]);
}

/**
 * The version vector with its gap sets, origins without any update left out. Gaps beyond the limit are left out too,
 * the highest first: to claim less than one has is always safe.
 */
export function buildVector(state: PeerState): VectorEntry[] {
  const vector: VectorEntry[] = [];
  let room = state.settings.limits.maxVectorGaps;
  for (const { id, incarnation, have } of state.origins.values()) {
    if (lastSequenceOf(have) === 0) continue;
    const gaps = gapRanges(have, room);
    room -= gaps.length;
    vector.push({ id, incarnation, contiguous: have.contiguous, gaps });
  }
  return vector;
}

/** Sums of hashes are kept below this: a safe integer, 53 bits, so that two have-sets never share one by chance. */
const HASH_MODULUS = 2 ** 53;

/** Hash of the have-set (safe integer): equal have-sets hash alike whatever the order in which origins were met. */
export function hashVector(state: PeerState): number {
  for (const origin of state.origins.values()) {
    if (!origin.isHashStale) continue;
    const { key, have } = origin;
    const isEmpty = lastSequenceOf(have) === 0;
    const hash = isEmpty ? 0 : hash53(`${key}:${have.contiguous}:${have.gaps.join(',')}`);
    state.vectorHash = addModulo(state.vectorHash, hash - origin.hash);
    origin.hash = hash;
    origin.isHashStale = false;
  }
  return state.vectorHash;
}

/** Sum modulo HASH_MODULUS without leaving the safe integers. */
function addModulo(sum: number, change: number): number {
  if (change < 0) return sum >= -change ? sum + change : sum + change + HASH_MODULUS;
  return sum < HASH_MODULUS - change ? sum + change : sum - (HASH_MODULUS - change);
}

/** Hash of a list of members (unsigned 32 bits), whatever their order. */
export function hashMembers(members: readonly PeerId[]): number {
  return fnv1a([...members].sort().join(' '));
}

/** 53 bits from two runs of FNV-1a. */
function hash53(text: string): number {
  return fnv1a(text) + (fnv1a(`${text} again`) % 2 ** 21) * 2 ** 32;
}

/** FNV-1a, 32 bits, over character codes. Source: Fowler, Noll, Vo. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}
