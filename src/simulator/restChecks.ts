/**
 * What must hold when everything has been healed and the peers have had their time (protocol.md, section 11).
 *
 * Equal have-sets, equal contents, equal to the last-writer-wins fold of the surviving updates; what was acknowledged and could not
 * be lost is there; then silence: no SYNC and no NAK for three heartbeat periods. Gaps of dead incarnations are nobody's to
 * fill until rounds exist.
 */
import { findBrokenInvariants } from '../core/invariants.ts';
import { hasSequence } from '../core/haveSet.ts';
import { hashVector } from '../core/state.ts';
import { compareTags } from '../core/types.ts';
import type { Entry, Key } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import { sniff } from './sniffer.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { Checker, Observer } from './checker.ts';
import type { World } from './world.ts';

/** Heartbeat periods of silence asked for. */
const SILENT_PERIODS = 3;
/** Virtual time from healing to equal have-sets, milliseconds: enough for dead peers to be contacted and large differences to travel. */
const CONVERGE_WITHIN_MS = 20_000;

/** Heals everything, waits until all peers have the same, asks the checkers, listens for silence. Answers how long it took, milliseconds. */
export function comeToRest(world: World, talk: TalkCounter): number {
  world.healAll();
  const startedMs = world.nowMs;
  const isEqual = (): boolean => haveSame(world.peers);
  if (!world.runUntilTrue(isEqual, CONVERGE_WITHIN_MS + longestWaitMs(world)))
    throw new BrokenInvariant('convergence', describeDifference(world));
  const tookMs = world.nowMs - startedMs;
  world.note('', `equal ${Math.round(tookMs)} ms after healing`);
  // What was on its way may still arrive; then nobody may have anything to say.
  world.run(2 * world.settings.heartbeatMs);
  if (!isEqual())
    throw new BrokenInvariant('convergence', `not equal any more: ${describeDifference(world)}`);
  world.checkAtRest();
  talk.count = 0;
  talk.isListening = true;
  world.run(SILENT_PERIODS * world.settings.heartbeatMs);
  talk.isListening = false;
  if (talk.count > 0 && !world.peers.some(claimsLess))
    throw new BrokenInvariant(
      'silence',
      `${talk.count} repairs were sent when all had everything: ${talk.last}`,
    );
  return tookMs;
}

/** A peer with more gaps than a vector may claim is sent again what it does not claim; gaps of dead incarnations stay until rounds exist. */
function claimsLess({ state }: VirtualPeer): boolean {
  let gaps = 0;
  for (const { have } of state.origins.values()) gaps += have.gaps.length / 2;
  return gaps > state.settings.limits.maxVectorGaps;
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
  const [first, ...rest] = peers;
  if (first?.isRunning !== true) return false;
  const hash = hashVector(first.state);
  return rest.every((peer) => peer.isRunning && hashVector(peer.state) === hash);
}

/** Updates stamped ahead of time are refused until it has come (section 8). */
function longestWaitMs(world: World): number {
  let aheadMs = 0;
  for (const peer of world.peers) {
    if (!peer.isRunning) continue;
    const { wallMs } = peer.now();
    for (const [, entry] of peer.disk.store.entries({}))
      aheadMs = Math.max(aheadMs, entry.timestamp / 4096 - (wallMs - Date.UTC(2020, 0, 1)));
  }
  return aheadMs;
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

export function createRestChecks(): Checker {
  /** Writes that no crash may take: acknowledged as durable, by a disk that is still there. */
  return {
    atRest(world) {
      for (const peer of world.peers)
        for (const fault of findBrokenInvariants(peer.state))
          throw new BrokenInvariant(fault.slice(0, 2), `${peer.id}: ${fault}`);
      const [first, ...rest] = world.peers;
      if (first === undefined) return;
      const expected = foldSurvivors(world, first);
      for (const peer of [first, ...rest]) assertHolds(peer, expected);
      assertAcknowledged(world, first);
    },
  };
}

/** The last writer of every key among the updates that survived. */
function foldSurvivors(world: World, holder: VirtualPeer): ReadonlyMap<Key, Entry> {
  const newest = new Map<Key, Entry>();
  for (const { origin, sequence, key, entry } of world.truth.all()) {
    const have = holder.state.origins.get(origin)?.have;
    if (have === undefined || !hasSequence(have, sequence)) continue;
    const known = newest.get(key);
    if (known === undefined || compareTags(entry, known) > 0) newest.set(key, entry);
  }
  return newest;
}

function assertHolds(peer: VirtualPeer, expected: ReadonlyMap<Key, Entry>): void {
  let count = 0;
  for (const [key, entry] of peer.disk.store.entries({})) {
    const wanted = expected.get(key);
    count += 1;
    if (wanted === undefined || compareTags(wanted, entry) !== 0)
      throw new BrokenInvariant(
        'last writer',
        `${peer.id} holds ${key} of ${entry.id} at ${entry.timestamp}; the last surviving update is ${wanted === undefined ? 'none' : `of ${wanted.id} at ${wanted.timestamp}`}`,
      );
  }
  if (count !== expected.size)
    throw new BrokenInvariant(
      'last writer',
      `${peer.id} holds ${count} keys, not the ${expected.size} that were written`,
    );
}

/** R1: an update acknowledged as durable survives every crash, and so reaches everyone. */
function assertAcknowledged(world: World, holder: VirtualPeer): void {
  for (const { origin, sequence, key, level, isAcknowledged, isOnLostDisk } of world.truth.all()) {
    if (!isAcknowledged || level !== 'durable' || isOnLostDisk) continue;
    const have = holder.state.origins.get(origin)?.have;
    if (have === undefined || !hasSequence(have, sequence))
      throw new BrokenInvariant(
        'R1',
        `${key} (${origin}/${sequence}) was acknowledged as durable and is nowhere`,
      );
  }
}
