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
  /** Who has told what it remembers of all members' promises, and the largest told of each (vouching.ts). */
  readonly told: Set<PeerId>;
  readonly remembered: Map<PeerId, Timestamp>;
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
  /** For whom a round that is due or under way waits, and since which wall time. */
  waitingFor: Map<PeerId, number>;
  finished: number;
  /** After a refusal the next one begins no sooner than this, monotonic milliseconds. */
  notBeforeMs: number;
  /** Refusals since one was finished. */
  refusals: number;
  /** Monotonic milliseconds of the last notice of a refusal. */
  lastRefusedNoticeMs: number;
  /** A client's token shows that this disk was put back, and nobody remembers it: a round is wanted that began after this. 0: none is. */
  wantedThrough: Timestamp;
}

export function createRoundsState(now: Now): RoundsState {
  return {
    lastNumber: 0,
    updatesThen: 0,
    lastMs: now.monotonicMs,
    waitingFor: new Map(),
    finished: 0,
    notBeforeMs: -Infinity,
    refusals: 0,
    lastRefusedNoticeMs: -Infinity,
    wantedThrough: 0 as Timestamp,
  };
}

/** A finished round that began after `through` is wanted. */
export function wantRound(rounds: RoundsState, through: Timestamp): void {
  if (through > rounds.wantedThrough) rounds.wantedThrough = through;
}

/** A round waits for these and for nobody else: since `sinceWallMs`, or longer. */
export function waitFor(rounds: RoundsState, sinceWallMs: number, ids: readonly PeerId[]): void {
  rounds.waitingFor = new Map(ids.map((id) => [id, rounds.waitingFor.get(id) ?? sinceWallMs]));
}
