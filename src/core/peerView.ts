/**
 * What this peer knows of another one: when it was heard and how, whom it hears, what it claims to have.
 *
 * Heard from the other's own authentic messages only; nobody reports on a third peer.
 */
import type { HaveClaim } from './haveSet.ts';
import type { Incarnation, OriginKey, PeerId } from './types.ts';

export interface PeerView {
  readonly id: PeerId;
  /** Highest incarnation that spoke; 0 before the first word. */
  incarnation: Incarnation;
  /** Monotonic milliseconds; -Infinity for never. */
  lastHeardMs: number;
  lastMulticastMs: number;
  /** What its last KEEPALIVE said of us. */
  hearsUs: boolean;
  hearsOurMulticast: boolean;
  /** Its wall clock less ours, milliseconds: the largest of the last samples, for waiting on the way only lowers one. */
  wallOffsetMs: number;
  /** One sample a KEEPALIVE, the latest last. */
  readonly wallSamplesMs: number[];
  vectorHash: number;
  serversHash: number;
  /** Hash of its list of members; undefined before its first KEEPALIVE. */
  membershipHash: number | undefined;
  lastSequence: number;
  /** The vector of its last HEARTBEAT or HYBRID. */
  claims: ReadonlyMap<OriginKey, HaveClaim>;
  /** Live at the last judgement (section 6). */
  isLive: boolean;
  /** Monotonic milliseconds of the last HEARTBEAT sent to it out of turn. */
  lastEagerHeartbeatMs: number;
  /** The difference of servers.txt was reported. */
  isDifferenceTold: boolean;
}

/** Two seconds of KEEPALIVEs: longer than any queue that is not a stall, short enough to notice a clock that is set. */
const WALL_SAMPLES = 8;

/** Takes one reading of the other's wall clock less ours. */
export function addWallSample(view: PeerView, offsetMs: number): void {
  view.wallSamplesMs.push(offsetMs);
  if (view.wallSamplesMs.length > WALL_SAMPLES) view.wallSamplesMs.shift();
  view.wallOffsetMs = Math.max(...view.wallSamplesMs);
}

/** The own wall clock stepped by `stepMs`: every sample taken before is off by as much. */
export function shiftWallSamples(view: PeerView, stepMs: number): void {
  for (const [at, sampleMs] of view.wallSamplesMs.entries()) view.wallSamplesMs[at] = sampleMs - stepMs;
  view.wallOffsetMs -= stepMs;
}

export function createPeerView(id: PeerId): PeerView {
  return {
    id,
    incarnation: 0 as Incarnation,
    lastHeardMs: -Infinity,
    lastMulticastMs: -Infinity,
    hearsUs: false,
    hearsOurMulticast: false,
    wallOffsetMs: 0,
    wallSamplesMs: [],
    vectorHash: 0,
    serversHash: 0,
    membershipHash: undefined,
    lastSequence: 0,
    claims: new Map(),
    isLive: false,
    lastEagerHeartbeatMs: -Infinity,
    isDifferenceTold: false,
  };
}
