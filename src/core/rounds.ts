/**
 * What a peer remembers of checkpoint rounds besides their facts: the one it coordinates, and when the next is due.
 *
 * In memory alone: a round that dies with its coordinator leaves nothing in doubt (R6).
 */
import type { Now } from './clock.ts';
import type { HaveReport } from './messages.ts';
import type { Incarnation, PeerId, Timestamp } from './types.ts';

/** A member's answer to PREPARE. */
export interface RoundAnswer {
  readonly promised: Timestamp;
  readonly have: HaveReport;
}

/** A round that this peer coordinates and that has not ended. */
export interface OpenRound {
  readonly number: number;
  readonly membershipHash: number;
  readonly incarnations: ReadonlyMap<PeerId, Incarnation>;
  readonly answers: Map<PeerId, RoundAnswer>;
  readonly startedMs: number;
  /** Wall time of the start, for people. */
  readonly startedWallMs: number;
  /** When those that have not answered are asked again, monotonic milliseconds. */
  askAgainAtMs: number;
}

export interface RoundsState {
  /** Number of the last round this peer began. */
  lastNumber: number;
  /** Own updates at the end of the last round that this peer took part in. */
  updatesThen: number;
  /** When this peer last took part in one, monotonic milliseconds. */
  lastMs: number;
  /** Wall time since which a round has been due and could not begin; 0 when none waits. */
  waitingSinceWallMs: number;
  /** For whom it waits. */
  waitingFor: readonly PeerId[];
  finished: number;
}

export function createRoundsState(now: Now): RoundsState {
  return {
    lastNumber: 0,
    updatesThen: 0,
    lastMs: now.monotonicMs,
    waitingSinceWallMs: 0,
    waitingFor: [],
    finished: 0,
  };
}
