/**
 * What must hold when everything has been healed and the peers have had their time (protocol.md, section 11).
 *
 * Equal have-sets, equal contents, equal to the last-writer-wins fold of the surviving updates; what was acknowledged and could not
 * be lost is there; the horizon past all tombstones, tables empty; then silence: nothing but KEEPALIVE and HEARTBEAT for three periods.
 */
import { wallMsOf } from '../core/clock.ts';
import { lastSequenceOf, missingCount } from '../core/haveSet.ts';
import { findBrokenInvariants } from '../core/invariants.ts';
import { isFolded } from '../core/closures.ts';
import { hasCollectableOrigin, rowsOf } from '../core/dropping.ts';
import { hashVector } from '../core/vectorHash.ts';
import { compareTags } from '../core/types.ts';
import type { Entry, Key, OriginKey } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import { sniff } from './sniffer.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import { hasTidyCells } from './counterChecks.ts';
import type { Checker, Observer } from './checker.ts';
import type { ClosureWatch } from './closureWatch.ts';
import { goneBy } from './truth.ts';
import type { Written } from './truth.ts';
import type { World } from './world.ts';

/** Heartbeat periods of silence asked for. */
const SILENT_PERIODS = 3;
/** Virtual time from healing to equal have-sets, milliseconds, beside what the limits alone make of it: enough for dead peers to be contacted and large differences to travel. */
const CONVERGE_WITHIN_MS = 20_000;

/** Heals everything, waits until all peers have the same, asks the checkers, listens for silence. Answers how long it took, milliseconds. */
export function comeToRest(world: World, talk: TalkCounter): number {
  world.operator.healAll();
  const startedMs = world.nowMs;
  const isEqual = (): boolean => haveSame(world.peers);
  if (!world.runUntilTrue(isEqual, CONVERGE_WITHIN_MS + longestWaitMs(world) + longestRepairMs(world)))
    throw new BrokenInvariant('convergence', describeDifference(world));
  const tookMs = world.nowMs - startedMs;
  world.note('', `equal ${Math.round(tookMs)} ms after healing`);
  world.checkAtRest();
  // With all members there rounds run, and everything that may be forgotten is.
  const withinMs = COLLECT_WITHIN_ROUNDS * (world.settings.gcIntervalMs + ROUND_MS) + longestWaitMs(world);
  if (!world.runUntilTrue(() => world.peers.every(isCollected) && isEqual(), withinMs, 100))
    throw new BrokenInvariant(
      'collection',
      `after ${withinMs} ms: ${world.peers.map(describeCollection).join('; ')}`,
    );
  // What was on its way may still arrive; then nobody may have anything to say.
  world.run(2 * world.settings.heartbeatMs);
  if (!isEqual())
    throw new BrokenInvariant('convergence', `not equal any more: ${describeDifference(world)}`);
  world.checkAtRest();
  talk.count = 0;
  talk.isListening = true;
  world.run(SILENT_PERIODS * world.settings.heartbeatMs);
  talk.isListening = false;
  if (talk.count > 0)
    throw new BrokenInvariant(
      'silence',
      `${talk.count} messages were sent when all had everything: ${talk.last}`,
    );
  return tookMs;
}

/** Rounds with all members there until nothing is left to collect, and what one takes besides its interval, milliseconds. */
const COLLECT_WITHIN_ROUNDS = 4;
const ROUND_MS = 5_000;

/** Horizons adopted, tombstones gone, tables empty, dead incarnations folded, and counters as small as they can be. */
export function isCollected(peer: VirtualPeer): boolean {
  if (!peer.isRunning) return false;
  const { state } = peer;
  return (
    state.pending.length === 0 &&
    state.alarms.size === 0 &&
    state.round === undefined &&
    state.tombstones.count === 0 &&
    state.expiries.count === 0 &&
    !hasCollectableOrigin(state) &&
    hasTidyCells(peer)
  );
}

export function describeCollection(peer: VirtualPeer): string {
  if (!peer.isRunning) return `${peer.id} is down`;
  const { id, state } = peer;
  const rows = [...state.origins.values()].reduce((sum, origin) => sum + rowsOf(origin), 0);
  return `${id} (${state.phase}) has ${state.tombstones.count} tombstones, ${state.expiries.count} values that expire, ${rows} rows, ${state.pending.length} horizons and ${state.alarms.size} alarms waiting, waits for ${[...state.rounds.waitingFor.keys()].join(' ') || 'nobody'}`;
}

/** Counts repairs on their way while it listens. */
export interface TalkCounter extends Observer {
  isListening: boolean;
  count: number;
  last: string;
}

export function createTalkCounter(): TalkCounter {
  const counter: TalkCounter = {
    isListening: false,
    count: 0,
    last: '',
    onPacket: (_atMs, _fate, from, to, bytes) => {
      if (!counter.isListening) return;
      const message = sniff(bytes);
      if (message === undefined || message.kind === 'keepalive' || message.kind === 'heartbeat') return;
      counter.count += 1;
      counter.last = `${message.kind} from ${from} to ${to}`;
    },
  };
  return counter;
}

/** Running, and equal by what each has. */
export function haveSame(peers: readonly VirtualPeer[]): boolean {
  const [first] = peers;
  if (first?.isRunning !== true) return false;
  const hash = hashVector(first.state);
  const { membershipHash } = first.state;
  return peers.every((peer) => {
    if (!peer.isRunning) return false;
    const { state } = peer;
    const isMember = state.phase === 'member' && state.membershipHash === membershipHash;
    return isMember && hashVector(state) === hash;
  });
}

/** Updates stamped ahead of time are refused until it has come (section 8); what expires is a tombstone only then. */
function longestWaitMs(world: World): number {
  let aheadMs = 0;
  for (const peer of world.peers) {
    if (!peer.isRunning) continue;
    const { wallMs } = peer.now();
    for (const [, entry] of peer.disk.store.entries({}))
      aheadMs = Math.max(aheadMs, wallMsOf(Math.max(entry.timestamp, entry.expiresAt)) - wallMs);
  }
  return aheadMs;
}

/** What one of them lacks comes in answers of so many dots, one a HEARTBEAT period where limits are so tight that nothing else brings it. */
function longestRepairMs({ peers, settings }: World): number {
  const running = peers.filter(({ isRunning }) => isRunning);
  const last = new Map<OriginKey, number>();
  for (const { state } of running)
    for (const { key, have } of state.origins.values())
      last.set(key, Math.max(last.get(key) ?? 0, lastSequenceOf(have)));
  const lacked = running.map(({ state }) =>
    [...state.origins.values()].reduce(
      (sum, { key, have }) => sum + missingCount(have, last.get(key) ?? 0),
      0,
    ),
  );
  return (Math.max(0, ...lacked) / settings.limits.maxAnswerDots) * settings.heartbeatMs;
}

function describeDifference(world: World): string {
  const vectors = world.peers.map((peer) => {
    if (!peer.isRunning) return `${peer.id} is down`;
    const parts = [...peer.state.origins.values()].map(
      ({ id, incarnation, have }) =>
        `${id}/${incarnation % 10_000}:${have.contiguous}${have.gaps.length === 0 ? '' : `+${have.gaps.join(',')}`}`,
    );
    return `${peer.id} has ${parts.sort().join(' ')}`;
  });
  return `${(world.nowMs / 1000).toFixed(1)} s, ${vectors.join('; ')}`;
}

export function createRestChecks(watch: ClosureWatch): Checker {
  return {
    atRest(world) {
      for (const peer of world.peers)
        for (const fault of findBrokenInvariants(peer.state))
          throw new BrokenInvariant(fault.slice(0, fault.indexOf(':')), `${peer.id}: ${fault}`);
      const [first] = world.peers;
      if (first === undefined) return;
      const expected = foldSurvivors(world, first, watch);
      for (const peer of world.peers) {
        assertHolds(world, peer, expected);
        assertSameValues(first, peer);
      }
      assertAcknowledged(world, first, watch);
    },
  };
}

/** What a key may hold at the end: the newest update that survived for sure, undefined for none, and newer ones that may have. */
type Candidates = readonly (Entry | undefined)[];

/**
 * The last writer of every key among the updates that survived. Of what a second process or an older disk wrote nobody can tell once its incarnation is
 * folded: where two histories met, it may have survived in one of them alone.
 */
function foldSurvivors(world: World, holder: VirtualPeer, watch: ClosureWatch): ReadonlyMap<Key, Candidates> {
  const newest = new Map<Key, Entry>();
  const uncertain: Written[] = [];
  for (const written of world.truth.all()) {
    const { key, entry, isOutside } = written;
    const known = newest.get(key);
    if (isOutside && isFolded(holder.state.closures, entry.id, entry.incarnation)) uncertain.push(written);
    else if (watch.survives(world, holder, written) && (known === undefined || compareTags(entry, known) > 0))
      newest.set(key, entry);
  }
  const candidates = new Map<Key, (Entry | undefined)[]>(
    Array.from(newest, ([key, entry]) => [key, [entry]]),
  );
  for (const { key, entry } of uncertain) {
    const sure = newest.get(key);
    if (sure !== undefined && compareTags(entry, sure) < 0) continue;
    const ofKey = candidates.get(key);
    if (ofKey === undefined) candidates.set(key, [undefined, entry]);
    else ofKey.push(entry);
  }
  return candidates;
}

function assertHolds(world: World, peer: VirtualPeer, expected: ReadonlyMap<Key, Candidates>): void {
  const assertOneOf = (key: Key, held: Entry | undefined, candidates: Candidates): void => {
    if (candidates.some((wanted) => isAs(world, peer, key, held, wanted))) return;
    throw new BrokenInvariant(
      'last writer',
      `${peer.id} holds ${key} ${describeTag(held)}; the last surviving update is ${describeTag(candidates[0])}`,
    );
  };
  for (const [key, candidates] of expected) assertOneOf(key, peer.disk.store.readEntry(key), candidates);
  for (const [key, held] of peer.disk.store.entries({}))
    if (!expected.has(key)) assertOneOf(key, held, [undefined]);
}

/** Equal digests: the same values under the same tags. Which tombstones are left may differ. */
function assertSameValues(first: VirtualPeer, other: VirtualPeer): void {
  for (const [one, another] of [
    [first, other],
    [other, first],
  ] as const)
    for (const [key, entry] of one.disk.store.entries({})) {
      const there = another.disk.store.readEntry(key);
      if (entry.kind !== 'value' || (there !== undefined && compareTags(there, entry) === 0)) continue;
      if (there === undefined && goneBy(entry) <= another.state.horizon) continue; // its clock is ahead
      throw new BrokenInvariant(
        'digests',
        `${one.id} holds ${key} ${describeTag(entry)}, and ${another.id} ${describeTag(there)}`,
      );
    }
}

/** Whether what is held is what is wanted, or nothing, or a stand-in, where that is a tombstone that may have gone (R8). */
function isAs(
  world: World,
  { state }: VirtualPeer,
  key: Key,
  held: Entry | undefined,
  wanted: Entry | undefined,
): boolean {
  if (held === undefined && wanted === undefined) return true;
  if (wanted === undefined) return false;
  if (held !== undefined && compareTags(held, wanted) === 0) return true;
  if (held !== undefined && held.kind !== 'synthetic') return false;
  const bound = Math.max(state.horizon, held?.timestamp ?? 0);
  if (goneBy(wanted) <= bound) return true;
  // A tombstone that is lost with all who had it may have been told of as an absence before (R5).
  return world.truth.hasDroppable(key, wanted, bound, 'lost');
}

function describeTag(entry: Entry | undefined): string {
  return entry === undefined ? 'nothing' : `${entry.kind} of ${entry.id} at ${entry.timestamp}`;
}

/**
 * R1: an update acknowledged as durable survives every crash, and so reaches everyone. What a disk had that was away while another process took part for its
 * peer is void when it is back: what wins by its tag is stamped anew (R9), unless that is so old that it cannot be told from what was deleted.
 */
function assertAcknowledged(world: World, holder: VirtualPeer, watch: ClosureWatch): void {
  for (const written of world.truth.all()) {
    const { key, origin, sequence, level, isAcknowledged, isOnLostDisk, isUntold } = written;
    if (!isAcknowledged || level !== 'durable' || isOnLostDisk || isUntold) continue;
    if (!watch.isLost(world, holder, written)) continue;
    throw new BrokenInvariant(
      'R1',
      `${key} (${origin}/${sequence}) was acknowledged as durable and is nowhere`,
    );
  }
}
