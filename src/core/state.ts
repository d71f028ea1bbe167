/**
 * What a peer remembers: the one state that every on… file reads and changes.
 *
 * Owns its shape and the few ways to look something up in it. How it is loaded is loadState.ts's, how a turn is written back
 * saveTurn.ts's. Decides nothing about messages.
 */
import { isDrawable } from './clock.ts';
import type { Alarm, AlarmName } from './alarms.ts';
import { isFolded, buildClosureReports, type Closures } from './closures.ts';
import type { Cells } from './cells.ts';
import type { CoreCounters } from './counters.ts';
import type { Effect, EntryChange, TimerName } from './effects.ts';
import type { OpenGroup, StreamedGroup } from './groups.ts';
import { gapRanges, lastSequenceOf } from './haveSet.ts';
import type { HaveReport, Lineage, PendingHorizon, Phase, PromiseReport, UpdateRecord } from './messages.ts';
import { createOriginState, type OriginState } from './originState.ts';
import type { Everywhere } from './everywhere.ts';
import type { Expiries } from './expiry.ts';
import type { CatchUp } from './giveCatchUp.ts';
import type { Giving } from './giveCheckpoint.ts';
import type { PeerView } from './peerView.ts';
import type { OpenAsks } from './heldUpdates.ts';
import type { PendingRepairs } from './repairQueue.ts';
import type { PromisesMade } from './promisesMade.ts';
import type { Publishing } from './publishing.ts';
import type { QuorumState } from './quorum.ts';
import type { Replication } from './replication.ts';
import type { OpenRound, RoundsState } from './rounds.ts';
import type { CoreSettings } from './settings.ts';
import type { Store } from './store.ts';
import type { Joining } from './spool.ts';
import type { Taking } from './takeCatchUp.ts';
import type { Tombstones } from './tombstones.ts';
import {
  originKey,
  type Incarnation,
  type Origin,
  type OriginKey,
  type PeerId,
  type Timestamp,
  type VectorEntry,
} from './types.ts';

export interface PeerState {
  readonly settings: CoreSettings;
  readonly store: Store;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly self: Origin;
  /** Whether this peer takes part, or is still to join (R10). */
  phase: Phase;
  /** Which history its data belongs to. */
  lineage: Lineage;
  /** Largest timestamp issued or seen. */
  clock: Timestamp;
  /** Up to here entries may lie above the clock: a checkpoint brought them (`join.ts`). */
  aheadThrough: Timestamp;
  /** Bound promised in a round: nothing is stamped at or below (R6). */
  promised: Timestamp;
  promisesMade: PromisesMade;
  /** No member remembers a larger promise of this peer than this process does (R10): it may promise. */
  isVouchedFor: boolean;
  /** Every update at or below is known to all members (R6). */
  horizon: Timestamp;
  /** Own origin: the last sequence issued. */
  readonly own: OriginState;
  readonly origins: Map<OriginKey, OriginState>;
  /** Origins whose have-set or trim changed: in this turn, and since the hash was last taken. A turn costs what it changed, however many there are. */
  readonly unsaved: Set<OriginState>;
  readonly unhashed: Set<OriginState>;
  /** Origins with dots that have not aged yet (onHeartbeat.ts). */
  readonly young: Set<OriginState>;
  /** No origin has anything to collect: found so, and nothing that could end it has happened since. */
  isTidy: boolean;
  /** Highest incarnation known of each peer. */
  readonly incarnations: Map<PeerId, Incarnation>;
  /** Lowest incarnation still believed (R7). */
  readonly fences: Map<PeerId, Incarnation>;
  /** What finished rounds said of dead incarnations. */
  readonly closures: Closures;
  readonly staleClosures: Set<PeerId>;
  readonly closureHashes: Map<PeerId, number>;
  /** The bound that each member promised in the last round known of. */
  readonly promises: Map<PeerId, Timestamp>;
  /** Horizons of finished rounds that wait until all known then has arrived. */
  pending: readonly PendingHorizon[];
  /** What finished rounds found on every disk, as far as tombstones may be dropped for it. */
  readonly everywhere: Everywhere;
  /** Ids ever admitted, this one included, and ids forgotten: both only grow (section 8). */
  readonly admitted: Set<PeerId>;
  readonly forgotten: Set<PeerId>;
  /** The other members, in order of id. */
  readonly peers: Map<PeerId, PeerView>;
  /** Hash of what servers.txt says: it may be read again. */
  serversHash: number;
  /** Hash of the admitted and the forgotten (unsigned 32 bits). */
  membershipHash: number;
  /** Sum of the origins' and closures' parts, as far as they are not stale. */
  vectorHash: number;
  /** The shuffled round over all other members (section 5): who is still to be drawn. */
  contacts: PeerId[];
  contactTurns: number;
  /** The round that this peer coordinates, and when the next one is due. */
  round: OpenRound | undefined;
  readonly rounds: RoundsState;
  /** Questions about one key each that a majority is to answer. */
  readonly quorum: QuorumState;
  readonly tombstones: Tombstones;
  readonly expiries: Expiries;
  readonly cells: Cells;
  /** Updates that came too late here, and that their origins have not seen to; by dot, the next to be told of first (R4). */
  readonly alarms: Map<AlarmName, Alarm>;
  /** Checkpoints on their way out, by who joins. */
  readonly giving: Map<PeerId, Giving>;
  /** The checkpoint that is being taken in, while there is one. */
  readonly joining: Joining;
  /** Before this no part of a checkpoint leaves here, monotonic milliseconds. */
  transferDueMs: number;
  /** Catch-ups on their way out, by who takes them, and the one that is taken in. */
  readonly catchUps: Map<PeerId, CatchUp>;
  readonly taking: Taking;
  /** What is written now is one group, if any is open; and groups that left by stream a moment ago, the oldest first. */
  group: OpenGroup | undefined;
  readonly streamed: StreamedGroup[];
  /** Own updates of this turn, not yet made into UPDATEs. */
  pendingUpdates: UpdateRecord[];
  /** False once anything in this turn asked for more than `fast`. */
  isTurnFast: boolean;
  readonly repairs: PendingRepairs;
  /** Who waits for other disks here, and which members have asked for what this one has. */
  readonly replication: Replication;
  readonly asks: OpenAsks;
  /** Messages on channels, of this process and of others. */
  readonly publishing: Publishing;
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
  /** Monotonic milliseconds. */
  lastClockJudgedMs: number;
  /** Milliseconds by which the median of the live walls is ahead of this one. */
  medianOffsetMs: number;
  /** Whether any other peer's wall was heard lately: without one there is nothing to judge ours by. */
  hasMedian: boolean;
  /** Since when this wall was set, or nobody was heard to compare it with, monotonic milliseconds. */
  wallUnsureSinceMs: number;
  clockVerdict: 'right' | 'ahead' | 'behind';
  /** When FENCED last went to whom, monotonic milliseconds. */
  readonly lastFencedMs: Map<PeerId, number>;
  /** Monotonic milliseconds of the last notice of a record ahead of the clock. */
  lastAheadNoticeMs: number;
  /** Values held, of all keys; and of those the ones of hidden keys: records of requests, and cells of counters. */
  visibleKeys: number;
  hiddenKeys: number;
  /** Own updates up to this sequence may have been records of requests that are not here any more (requests.ts). */
  requestsForgotten: number;
  /** The counts of keys and tombstones changed in this turn. */
  areCountsDirty: boolean;
  readonly counters: CoreCounters;
}

/** The state of an origin, made when first heard of. Not to be asked for a folded one. */
export function originOf(state: PeerState, id: PeerId, incarnation: Incarnation): OriginState {
  const known = state.origins.get(originKey(id, incarnation));
  if (known !== undefined) return known;
  const origin = createOriginState({ id, incarnation });
  state.origins.set(origin.key, origin);
  state.isTidy = false;
  noteIncarnation(state, id, incarnation);
  return origin;
}

/** Marks that the have-set or the trim changed: to be saved with the turn, hashed anew, and to age. */
export function touchOrigin(state: PeerState, origin: OriginState): void {
  state.unsaved.add(origin);
  state.young.add(origin);
  state.unhashed.add(origin);
  state.isTidy = false;
}

/** Whether dots of this incarnation are all had or void: there is nothing to record any more. */
export function isSettled(state: PeerState, id: PeerId, incarnation: Incarnation): boolean {
  return isFolded(state.closures, id, incarnation);
}

/** Remembers the highest incarnation known of a peer (I4: only grows). */
export function noteIncarnation(state: PeerState, id: PeerId, incarnation: Incarnation): void {
  if (incarnation <= (state.incarnations.get(id) ?? 0)) return;
  if (incarnation !== state.self.incarnation && !isCredibleIncarnation(state, incarnation)) return;
  state.incarnations.set(id, incarnation);
  state.isTidy = false;
  state.store.writeState(`incarnation/${id}`, incarnation);
}

/** Keys held that clients see. */
export function countKeys({ visibleKeys, hiddenKeys, cells }: PeerState): number {
  return visibleKeys - hiddenKeys + cells.alone;
}

/** Records of requests that are held. */
export function countRequests({ hiddenKeys, cells }: PeerState): number {
  return hiddenKeys - cells.count;
}

/** Whether it is to be believed; counts it if not. */
export function isCredibleIncarnation(state: PeerState, incarnation: Incarnation): boolean {
  if (isDrawable(incarnation)) return true;
  state.counters.incarnationsRefused += 1;
  return false;
}

/**
 * The version vector with its gap sets, origins without any update left out. Gaps beyond the limit are left out too,
 * the highest first: to claim less than one has is always safe.
 */
function buildVector(state: PeerState, maxGaps: number): VectorEntry[] {
  const vector: VectorEntry[] = [];
  let room = maxGaps;
  for (const { id, incarnation, have, trim } of state.origins.values()) {
    if (lastSequenceOf(have) === 0) continue;
    const gaps = gapRanges(have, room);
    room -= gaps.length;
    vector.push({ id, incarnation, contiguous: have.contiguous, gaps, trim });
  }
  return vector;
}

/** Gaps claimed while a catch-up closes them by the thousand: what is lacked is on its way. */
const GAPS_WHILE_TAKING = 256;

/**
 * What this peer has, with the facts that others need to read it. `whole`: every gap, however many: a round must not take for void
 * what somebody has (I7).
 */
export function buildHave(state: PeerState, howMuch: 'bounded' | 'whole' = 'bounded'): HaveReport {
  const { maxVectorGaps } = state.settings.limits;
  const most = state.taking.from === undefined ? maxVectorGaps : Math.min(maxVectorGaps, GAPS_WHILE_TAKING);
  return {
    vector: buildVector(state, howMuch === 'whole' ? Infinity : most),
    closures: buildClosureReports(state.closures),
    promises: buildPromises(state),
  };
}

/**
 * The bounds that members promised, this one's own with them (seed 642): who learns from here what a round folded must also learn what shows a disk
 * that was rolled back behind that round.
 */
export function buildPromises(state: PeerState): PromiseReport[] {
  const promises = Array.from(state.promises, ([id, promised]) => ({ id, promised }));
  const own = { id: state.self.id, promised: state.promised };
  return [...promises.filter(({ id }) => id !== own.id), own];
}
