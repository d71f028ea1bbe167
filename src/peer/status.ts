/**
 * The peer as one JSON-able picture: whom it hears, how far it lags, what it dropped and why.
 *
 * Read by `toposphere status`, INFO and the status page. Only reads; every number is this peer's own view.
 */
import type { Now } from '../core/clock.ts';
import { lastSequenceOf } from '../core/haveSet.ts';
import { isHeard, multicastHeardSinceMs } from '../core/liveness.ts';
import { isSameServers } from '../core/onKeepalive.ts';
import { countKeys, countRequests, type PeerState } from '../core/state.ts';
import { hashVector } from '../core/vectorHash.ts';
import { findWriteRefusal, type WriteRefusal } from '../core/write.ts';
import type { Arrivals } from './arrivals.ts';
import type { FaultsReport } from './faults.ts';
import {
  buildCollection,
  buildMemory,
  type CollectionStatus,
  type MemoryStatus,
} from './collectionStatus.ts';
import { countLag } from './lag.ts';
import { formatAddress } from '../network/tcp.ts';

export interface MemberStatus {
  readonly id: string;
  /** Heard lately, and it hears us. */
  readonly alive: boolean;
  readonly heard: boolean;
  /** Its process has stopped, and said so: it is not awaited. */
  readonly left: boolean;
  readonly hearsMe: boolean;
  /** Its multicast reaches us, and ours it. */
  readonly multicast: boolean;
  /** Whether it takes part, by its last KEEPALIVE; null if never heard. */
  readonly phase: string | null;
  /** It was started apart from this peer, and both hold data: nothing passes between them. */
  readonly apart: boolean;
  /** Its have-set equalled ours at its last KEEPALIVE. */
  readonly converged: boolean;
  /** Same servers.txt, by hash. */
  readonly sameServers: boolean;
  /** Its wall clock less ours, milliseconds. */
  readonly clockOffsetMs: number;
  /** Since it was last heard, milliseconds; null if never. */
  readonly silentMs: number | null;
}

export interface PeerStatus {
  readonly id: string;
  readonly incarnation: number;
  readonly members: readonly MemberStatus[];
  /** Last sequence without a gap below it, by `id/incarnation`. */
  readonly vector: Readonly<Record<string, number>>;
  /** Updates that are known to exist and this peer has not. */
  readonly lagUpdates: number;
  /** Whether it takes part, or is still to join. */
  readonly phase: string;
  /** Requests for a checkpoint since this process started, whom the last one went to, and checkpoints joined. */
  /** Checkpoints asked for and joined, of whom the last was asked, and what has come of it so far (parts, bytes). */
  readonly joining: {
    readonly asked: number;
    readonly askedOf: string | null;
    readonly joined: number;
    readonly parts: number;
    readonly bytes: number;
  };
  /** Who is given a checkpoint, and how many parts have arrived there. */
  readonly giving: readonly { readonly to: string; readonly parts: number }[];
  readonly keys: number;
  /** Requests with an id that are remembered here. */
  readonly requests: number;
  readonly tombstones: number;
  readonly collection: CollectionStatus;
  readonly memory: MemoryStatus;
  readonly clock: { readonly verdict: string; readonly medianOffsetMs: number };
  readonly writes: { readonly accepted: number; readonly refusedClockAhead: number };
  /** Why a write would be refused now; null when it would be taken. */
  readonly writesRefused: WriteRefusal | null;
  /** What was refused or lost on arrival, by reason. Only reasons that occurred. */
  readonly drops: Readonly<Record<string, number>>;
  /** Where the last datagram or frame of each reason came from, `address:port` or `[address]:port`, as far as it was refused unread. */
  readonly dropSources: Readonly<Record<string, string>>;
  readonly counters: Readonly<Record<string, number>>;
  readonly faults: FaultsReport;
}

export function buildStatus(
  state: PeerState,
  now: Now,
  { drops, dropSources }: Pick<Arrivals, 'drops' | 'dropSources'>,
  faults: FaultsReport,
): PeerStatus {
  const vector: Record<string, number> = {};
  for (const origin of state.origins.values()) {
    if (lastSequenceOf(origin.have) > 0) vector[origin.key] = origin.have.contiguous;
  }
  return {
    id: state.self.id,
    incarnation: state.self.incarnation,
    members: buildMembers(state, now),
    vector,
    lagUpdates: countLag(state),
    phase: state.phase,
    joining: {
      asked: state.counters.checkpointsAsked,
      askedOf: state.joining.askedOf?.id ?? null,
      joined: state.counters.checkpointsJoined,
      parts: state.joining.arrived,
      bytes: state.joining.bytes,
    },
    giving: Array.from(state.giving, ([to, { parts }]) => ({ to, parts: parts.arrived })),
    keys: countKeys(state),
    requests: countRequests(state),
    tombstones: state.tombstones.count,
    collection: buildCollection(state, now),
    memory: buildMemory(state),
    clock: { verdict: state.clockVerdict, medianOffsetMs: Math.round(state.medianOffsetMs) },
    writes: {
      accepted: state.counters.writesAccepted,
      refusedClockAhead: state.counters.writesRefusedClockAhead,
    },
    writesRefused: findWriteRefusal(state, now) ?? null,
    drops: { ...Object.fromEntries(drops), ...coreDrops(state) },
    dropSources: Object.fromEntries(
      Array.from(dropSources, ([reason, { address, port }]) => [reason, formatAddress(address, port)]),
    ),
    counters: { ...state.counters },
    faults,
  };
}

function buildMembers(state: PeerState, now: Now): MemberStatus[] {
  const ownHash = hashVector(state);
  const sinceMs = multicastHeardSinceMs(state, now);
  return [...state.peers.values()].map((view) => ({
    id: view.id,
    alive: view.isLive,
    heard: isHeard(state, view, now),
    left: view.hasLeft,
    hearsMe: view.hearsUs,
    multicast: view.hearsOurMulticast && view.lastMulticastMs >= sinceMs,
    phase: Number.isFinite(view.lastHeardMs) ? view.phase : null,
    apart: view.isSeparate,
    converged: view.vectorHash === ownHash,
    sameServers: isSameServers(view.serversHash, state.serversHash),
    clockOffsetMs: Math.round(view.wallOffsetMs),
    silentMs: Number.isFinite(view.lastHeardMs) ? Math.round(now.monotonicMs - view.lastHeardMs) : null,
  }));
}

function coreDrops(state: PeerState): Record<string, number> {
  const drops: Record<string, number> = {};
  for (const [name, count] of Object.entries(state.counters) as [string, number][]) {
    if (name.startsWith('dropped') && count > 0) {
      drops[name.charAt(7).toLowerCase() + name.slice(8)] = count;
    }
  }
  return drops;
}
