/**
 * Collection and what it frees, as one peer sees it: who holds up rounds, since when, at what cost.
 *
 * Only reads. Bytes are estimates of what lies in the store: rows and tombstones with their keys, the rest as it is kept.
 */
import { wallMsOf, type Now } from '../core/clock.ts';
import { rowsOf } from '../core/dropping.ts';
import { dotsAboveVector } from '../core/haveSet.ts';
import { isHeard } from '../core/liveness.ts';
import type { PeerState } from '../core/state.ts';
import type { PeerId } from '../core/types.ts';

export interface CollectionStatus {
  /** Every update up to this wall time is known to all members; null before the first round has ended. */
  readonly horizonMs: number | null;
  /** The round that is under way here or due next, `coordinator/number`. */
  readonly round: string;
  /** Rounds this peer has coordinated to the end, and COMMITs it has taken in. */
  readonly finished: number;
  readonly learned: number;
  /** Members for whom a round waits, and since which wall time; null when none waits. */
  readonly waitingFor: readonly string[];
  readonly waitingSinceMs: number | null;
  /** What each of them is doing meanwhile. */
  readonly waitingWhy: Readonly<Record<string, WaitingWhy>>;
  /** Horizons of finished rounds that wait for updates to arrive. */
  readonly pendingHorizons: number;
  /** Rows of the longest table, and the length at which it is cut. */
  readonly longestTableRows: number;
  readonly tableLimitRows: number;
}

/**
 * left: has stopped, and said so. silent: not heard. deaf: heard, but does not hear this peer. joining: has to catch up first. members: has another list of members.
 * apart: was started apart from this peer (lineage.ts). unanswered: has not answered this round.
 */
type WaitingWhy = 'left' | 'silent' | 'deaf' | 'joining' | 'members' | 'apart' | 'unanswered';

interface Amount {
  readonly count: number;
  readonly bytes: number;
}

export interface MemoryStatus {
  readonly tableRows: Amount;
  readonly tombstones: Amount;
  /** Intervals of kept dots of closed incarnations. */
  readonly voidRanges: Amount;
  /** Origins in the vector with their gap intervals. */
  readonly vectorEntries: Amount;
}

/** Estimates, bytes: a row beside its key with a key of usual length, an interval, a vector entry. */
const ROW_BYTES = 48;
const INTERVAL_BYTES = 16;
const ENTRY_BYTES = 64;

export function buildCollection(state: PeerState, now: Now): CollectionStatus {
  const { rounds, round, self, counters, settings } = state;
  let longestTableRows = 0;
  for (const origin of state.origins.values()) longestTableRows = Math.max(longestTableRows, rowsOf(origin));
  return {
    horizonMs: state.horizon === 0 ? null : wallMsOf(state.horizon),
    round: `${self.id}/${round?.number ?? rounds.lastNumber + 1}`,
    finished: rounds.finished,
    learned: counters.roundsLearned,
    waitingFor: [...rounds.waitingFor.keys()],
    waitingSinceMs: rounds.waitingFor.size === 0 ? null : Math.min(...rounds.waitingFor.values()),
    waitingWhy: Object.fromEntries(
      Array.from(rounds.waitingFor.keys(), (id) => [id, whyWaiting(state, now, id)]),
    ),
    pendingHorizons: state.pending.length,
    longestTableRows,
    tableLimitRows: settings.limits.maxTableRows,
  };
}

function whyWaiting(state: PeerState, now: Now, id: PeerId): WaitingWhy {
  const view = state.peers.get(id);
  if (view?.hasLeft === true) return 'left';
  if (view === undefined || !isHeard(state, view, now)) return 'silent';
  if (view.phase !== 'member') return 'joining';
  if (view.membershipHash !== state.membershipHash) return 'members';
  if (view.isSeparate) return 'apart';
  return view.hearsUs ? 'unanswered' : 'deaf';
}

export function buildMemory(state: PeerState): MemoryStatus {
  let rows = 0;
  let entries = 0;
  let intervals = 0;
  for (const origin of state.origins.values()) {
    rows += rowsOf(origin) + dotsAboveVector(origin.have);
    entries += 1;
    intervals += origin.have.gaps.length / 2;
  }
  let kept = 0;
  for (const closure of state.closures.values())
    for (const ranges of closure.kept.values()) kept += ranges.length / 2;
  const { count, bytes } = state.tombstones;
  return {
    tableRows: { count: rows, bytes: rows * ROW_BYTES },
    tombstones: { count, bytes },
    voidRanges: { count: kept, bytes: kept * INTERVAL_BYTES },
    vectorEntries: { count: entries, bytes: entries * ENTRY_BYTES + intervals * INTERVAL_BYTES },
  };
}
