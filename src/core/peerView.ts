/**
 * What this peer knows of another one: when it was heard and how, whom it hears, what it claims to have.
 *
 * Heard from the other's own authentic messages only; nobody reports on a third peer.
 */
import type { KeepaliveMessage, Lineage, Phase } from './messages.ts';
import type { Incarnation, OriginKey, PeerId, Timestamp, VectorEntry } from './types.ts';

export interface PeerView {
  readonly id: PeerId;
  /** Highest incarnation that spoke; 0 before the first word. */
  incarnation: Incarnation;
  /** The process of that incarnation has said that it stops (leaving.ts). */
  hasLeft: boolean;
  /** Monotonic milliseconds; -Infinity for never. */
  lastHeardMs: number;
  lastMulticastMs: number;
  /** What its last KEEPALIVE said of us. */
  hearsUs: boolean;
  hearsOurMulticast: boolean;
  /** Whom it hears, by its last KEEPALIVE. */
  hearing: Pick<KeepaliveMessage, 'others' | 'listed'>;
  /** Its wall clock less ours, milliseconds, as far as it is certain. */
  wallOffsetMs: number;
  /** One sample a KEEPALIVE, the latest last: its wall as it spoke less ours as we heard it. */
  readonly wallSamplesMs: number[];
  /** How far ours is ahead of its, as it last said. */
  aheadOfItMs: number;
  /** Monotonic milliseconds until which what it says of our clock may be of before that was set. */
  wallClaimsHeldUntilMs: number;
  vectorHash: number;
  serversHash: number;
  /** Hash of its list of members; undefined before its first KEEPALIVE. */
  membershipHash: number | undefined;
  lastSequence: number;
  /** What its last KEEPALIVE announced; and when all was here that it had announced by then (staleness.ts), monotonic milliseconds. */
  announced: { readonly sequence: number; readonly incarnation: Incarnation; readonly atMs: number };
  hadAllAtMs: number;
  /** The last incarnation of it that was seen to have the same as this peer. */
  wasSame: Incarnation;
  /** The vector of its last HEARTBEAT or HYBRID. */
  claims: ReadonlyMap<OriginKey, VectorEntry>;
  /** It has told what it has since its present incarnation was heard. */
  hasReported: boolean;
  /** Whether it takes part, and what it last promised; by its last KEEPALIVE. */
  phase: Phase;
  promised: Timestamp;
  /** Its history, and whether that is another one than ours, by its last KEEPALIVE; whether the operator was told. */
  lineage: Lineage;
  isSeparate: boolean;
  isSeparateTold: boolean;
  /** Live at the last judgement (section 6). */
  isLive: boolean;
  /** Monotonic milliseconds of the last HEARTBEAT sent to it out of turn. */
  lastEagerHeartbeatMs: number;
  /** The difference of servers.txt was reported. */
  isDifferenceTold: boolean;
}

/** Whether it says that it hears `id`. */
export function doesHear({ hearing }: PeerView, id: PeerId): boolean {
  return (hearing.listed.find((listed) => listed.id === id)?.how ?? hearing.others) !== 'unheard';
}

/** Two seconds of KEEPALIVEs: short enough to notice a clock that is set. */
export const WALL_SAMPLES = 8;

/**
 * Takes one reading of the other's wall clock less ours, and what it says of ours. Waiting on the way, in a busy process above all, only lowers a
 * sample: the largest proves that the other is ahead, none that we are. That the other's own samples prove.
 */
export function addWallSample(view: PeerView, offsetMs: number, aheadOfItMs: number | undefined): void {
  view.wallSamplesMs.push(offsetMs);
  if (view.wallSamplesMs.length > WALL_SAMPLES) view.wallSamplesMs.shift();
  if (aheadOfItMs !== undefined) view.aheadOfItMs = aheadOfItMs;
  view.wallOffsetMs = certainOffset(view);
}

/** The own wall clock stepped by `stepMs`: every sample taken before is off by as much, here and there. */
export function shiftWallSamples(view: PeerView, stepMs: number): void {
  for (const [at, sampleMs] of view.wallSamplesMs.entries()) view.wallSamplesMs[at] = sampleMs - stepMs;
  view.aheadOfItMs = Math.max(0, stepMs - view.wallOffsetMs);
  view.wallOffsetMs = certainOffset(view);
}

/** Nothing is known of the other's clock, nor by it of ours: what was said of another process, or before a silence, proves nothing of now. */
export function clearWallSamples(view: PeerView): void {
  view.wallSamplesMs.length = 0;
  view.aheadOfItMs = 0;
  view.wallOffsetMs = 0;
}

function certainOffset({ wallSamplesMs, aheadOfItMs }: PeerView): number {
  const leastMs = Math.max(...wallSamplesMs);
  return leastMs > 0 ? leastMs : 0 - aheadOfItMs;
}

export function createPeerView(id: PeerId): PeerView {
  return {
    id,
    incarnation: 0 as Incarnation,
    hasLeft: false,
    lastHeardMs: -Infinity,
    lastMulticastMs: -Infinity,
    hearsUs: false,
    hearsOurMulticast: false,
    hearing: { others: 'unheard', listed: [] },
    wallOffsetMs: 0,
    wallSamplesMs: [],
    aheadOfItMs: 0,
    wallClaimsHeldUntilMs: -Infinity,
    vectorHash: 0,
    serversHash: 0,
    membershipHash: undefined,
    lastSequence: 0,
    announced: { sequence: 0, incarnation: 0 as Incarnation, atMs: -Infinity },
    hadAllAtMs: -Infinity,
    wasSame: 0 as Incarnation,
    claims: new Map(),
    hasReported: false,
    phase: 'fresh',
    promised: 0 as Timestamp,
    lineage: { present: 0, former: 0, isSettled: false },
    isSeparate: false,
    isSeparateTold: false,
    isLive: false,
    lastEagerHeartbeatMs: -Infinity,
    isDifferenceTold: false,
  };
}
