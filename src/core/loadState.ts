/**
 * Loads a peer from its store and draws its incarnation.
 *
 * R3: the clock resumes at or above everything ever stamped or promised. R10: a peer whose disk holds nothing does not take part
 * before it has joined, or has found that nobody has anything. The turn that this begins must be durable before anything is sent:
 * index reuse loses data.
 */
import type { Alarm, AlarmName } from './alarms.ts';
import { createCells, loadCells } from './cells.ts';
import { drawIncarnation, type Now } from './clock.ts';
import { createClosure, type Closures } from './closures.ts';
import { createCounters } from './counters.ts';
import { becomeMember } from './facts.ts';
import { createEverywhere } from './everywhere.ts';
import { createExpiries } from './expiry.ts';
import { createHaveSet } from './haveSet.ts';
import type { PendingHorizon, Phase } from './messages.ts';
import { createOriginState, type OriginState } from './originState.ts';
import { createPeerView } from './peerView.ts';
import { loadPromisesMade } from './promisesMade.ts';
import { createPublishing } from './publishing.ts';
import { createQuorum } from './quorum.ts';
import { createReplication } from './replication.ts';
import { createRoundsState } from './rounds.ts';
import type { CoreSettings } from './settings.ts';
import { createJoining } from './spool.ts';
import { createTaking } from './takeCatchUp.ts';
import { loadLineage } from './lineage.ts';
import { noteIncarnation, type PeerState } from './state.ts';
import type { StateValue, Store } from './store.ts';
import { createTombstones } from './tombstones.ts';
import { hashMembers } from './vectorHash.ts';
import type { Incarnation, OriginKey, PeerId, Timestamp } from './types.ts';

export interface CoreOptions {
  readonly id: PeerId;
  /** All members of servers.txt, this one included or not. */
  readonly members: readonly PeerId[];
  readonly settings: CoreSettings;
  readonly store: Store;
  readonly random: () => number;
  /** A disk that holds nothing begins at once: the very first start of a cluster, without the others (R10). No other disk heeds it. */
  readonly isBootstrap?: boolean;
}

export function createPeerState(options: CoreOptions, now: Now): PeerState {
  const { store, id } = options;
  const incarnations = loadMap<Incarnation>(store, 'incarnation/');
  const incarnation = drawIncarnation(now.wallMs, incarnations.get(id) ?? 0, options.random);
  const origins = loadOrigins(store);
  const own = createOriginState({ id, incarnation });
  origins.set(own.key, own);
  const { admitted, forgotten } = loadMembers(store, [...options.members, id]);
  const others = [...admitted].filter((member) => member !== id && !forgotten.has(member)).sort();
  const promised = readNumber(store, 'promised') as Timestamp;
  const horizon = readNumber(store, 'horizon') as Timestamp;
  const [visibleKeys, tombstones, tombstoneBytes, expiring, hiddenKeys] =
    (store.readState('counts') as number[] | undefined) ?? [];
  const state: PeerState = {
    settings: options.settings,
    store,
    random: options.random,
    self: { id, incarnation },
    phase: loadPhase(options, others.length === 0, forgotten),
    lineage: loadLineage(store),
    clock: Math.max(readNumber(store, 'clock'), promised, horizon) as Timestamp,
    aheadThrough: readNumber(store, 'aheadThrough') as Timestamp,
    promised,
    promisesMade: loadPromisesMade(store.readState('promisesMade'), promised),
    isVouchedFor: false,
    horizon,
    own,
    origins,
    unsaved: new Set(),
    unhashed: new Set(origins.values()),
    young: new Set(),
    isTidy: false,
    incarnations,
    fences: loadMap<Incarnation>(store, 'fence/'),
    closures: loadClosures(store),
    staleClosures: new Set(),
    closureHashes: new Map(),
    promises: loadMap<Timestamp>(store, 'promise/'),
    pending: (store.readState('pending') as PendingHorizon[] | undefined) ?? [],
    everywhere: createEverywhere(),
    admitted,
    forgotten,
    peers: new Map(others.map((member) => [member, createPeerView(member)])),
    serversHash: options.settings.serversHash,
    membershipHash: hashMembers(admitted, forgotten),
    vectorHash: 0,
    contacts: [],
    contactTurns: 0,
    round: undefined,
    rounds: createRoundsState(now),
    quorum: createQuorum(readNumber(store, 'unsureThrough') as Timestamp),
    tombstones: createTombstones(tombstones ?? 0, tombstoneBytes ?? 0),
    expiries: createExpiries(expiring ?? 0, now),
    cells: createCells(),
    alarms: loadAlarms(store),
    giving: new Map(),
    transferDueMs: -Infinity,
    catchUps: new Map(),
    taking: createTaking(),
    joining: createJoining(),
    group: undefined,
    streamed: [],
    pendingUpdates: [],
    isTurnFast: true,
    repairs: new Map(),
    replication: createReplication(),
    asks: new Map(),
    publishing: createPublishing(now),
    effects: [],
    changes: [],
    timers: {
      keepalive: { token: 0, dueMs: Infinity },
      heartbeat: { token: 0, dueMs: Infinity },
      liveness: { token: 0, dueMs: Infinity },
      nak: { token: 0, dueMs: Infinity },
      repair: { token: 0, dueMs: Infinity },
      catchUp: { token: 0, dueMs: Infinity },
      give: { token: 0, dueMs: Infinity },
      join: { token: 0, dueMs: Infinity },
      round: { token: 0, dueMs: Infinity },
      sweep: { token: 0, dueMs: Infinity },
      expiry: { token: 0, dueMs: Infinity },
      questions: { token: 0, dueMs: Infinity },
      ask: { token: 0, dueMs: Infinity },
      miss: { token: 0, dueMs: Infinity },
      republish: { token: 0, dueMs: Infinity },
    },
    lastWallMs: now.wallMs,
    lastInputMs: now.monotonicMs,
    lastStallMs: -Infinity,
    lastKeepaliveMs: -Infinity,
    lastClockJudgedMs: -Infinity,
    medianOffsetMs: 0,
    hasMedian: false,
    wallUnsureSinceMs: now.monotonicMs,
    clockVerdict: 'right',
    lastFencedMs: new Map(),
    lastAheadNoticeMs: -Infinity,
    visibleKeys: visibleKeys ?? 0,
    hiddenKeys: hiddenKeys ?? 0,
    requestsForgotten: 0,
    areCountsDirty: false,
    counters: createCounters(),
  };
  for (const closed of state.closures.keys()) state.staleClosures.add(closed);
  noteIncarnation(state, id, incarnation);
  loadCells(state);
  if (state.phase === 'member') becomeMember(state);
  return state;
}

function loadPhase(options: CoreOptions, isAlone: boolean, forgotten: ReadonlySet<PeerId>): Phase {
  if (forgotten.has(options.id)) return 'forgotten';
  if (isAlone && !options.settings.isUnlisted) return 'member';
  const kept = options.store.readState('phase') as Phase | undefined;
  return kept ?? (options.isBootstrap === true ? 'member' : 'fresh');
}

/** Members only grow: what servers.txt lists is admitted, what it leaves out stays (section 8). */
function loadMembers(
  store: Store,
  listed: readonly PeerId[],
): { readonly admitted: Set<PeerId>; readonly forgotten: Set<PeerId> } {
  const stored = store.readState('members') as readonly [PeerId[], PeerId[]] | undefined;
  const admitted = new Set([...(stored?.[0] ?? []), ...listed]);
  const forgotten = new Set(stored?.[1] ?? []);
  if (admitted.size > (stored?.[0].length ?? 0))
    store.writeState('members', [[...admitted].sort(), [...forgotten].sort()]);
  return { admitted, forgotten };
}

function loadOrigins(store: Store): Map<OriginKey, OriginState> {
  const origins = new Map<OriginKey, OriginState>();
  for (const [, value] of store.states('vector/')) {
    const [id, incarnation, contiguous, gaps, trim] = value as [
      PeerId,
      Incarnation,
      number,
      number[],
      number,
    ];
    const origin = createOriginState({ id, incarnation }, createHaveSet(contiguous, gaps), trim);
    origins.set(origin.key, origin);
  }
  return origins;
}

type StoredClosure = [Incarnation, Incarnation, [Incarnation, number[]][], number];

function loadClosures(store: Store): Closures {
  const closures: Closures = new Map();
  for (const [name, value] of store.states('closure/')) {
    const [closedBelow, foldedBelow, kept, foldedHash] = value as StoredClosure;
    const closure = { ...createClosure(), closedBelow, foldedBelow, foldedHash };
    for (const [incarnation, ranges] of kept) closure.kept.set(incarnation, ranges);
    closures.set(name.slice('closure/'.length) as PeerId, closure);
  }
  return closures;
}

function loadAlarms(store: Store): Map<AlarmName, Alarm> {
  const alarms = new Map<AlarmName, Alarm>();
  for (const [name, value] of store.states('alarm/'))
    alarms.set(name.slice('alarm/'.length), value as unknown as Alarm);
  return alarms;
}

function loadMap<Value extends StateValue>(store: Store, prefix: string): Map<PeerId, Value> {
  const map = new Map<PeerId, Value>();
  for (const [name, value] of store.states(prefix))
    map.set(name.slice(prefix.length) as PeerId, value as Value);
  return map;
}

function readNumber(store: Store, name: string): number {
  return (store.readState(name) as number | undefined) ?? 0;
}
