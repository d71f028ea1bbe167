/**
 * Section 5, the asking side: notices gaps and asks for them by NAK, faster than the heartbeat would.
 *
 * A fresh gap waits a moment for reordering, then its origin is asked; after silent tries another peer that
 * claims the dots is. Only dots that somebody claims to have are asked for. What is missing by the
 * thousand is left to HEARTBEAT, whose answer goes by stream. Heartbeats remain the guarantee.
 */
import type { Now } from './clock.ts';
import { hasSequence, missingCount, missingRanges } from './haveSet.ts';
import { sendHeartbeat } from './onHeartbeat.ts';
import { sendUnicast } from './send.ts';
import type { OriginState } from './originState.ts';
import type { PeerState } from './state.ts';
import { scheduleBy } from './timers.ts';
import type { PeerId, SequenceRange } from './types.ts';

/** An out-of-turn HEARTBEAT for a large backlog goes to the same peer no more often than this. */
const EAGER_HEARTBEAT_INTERVAL_MS = 100;

/** The origin said that it issued everything up to `sequence`; what is missing is asked for in a moment. */
export function noteAnnounced(state: PeerState, now: Now, origin: OriginState, sequence: number): void {
  if (sequence > origin.announced) origin.announced = sequence;
  if (origin.have.contiguous >= origin.announced) {
    settle(origin);
    return;
  }
  const { nakReorderMs, nakBackoffMs } = state.settings.limits;
  if (origin.askFreshAtMs === Infinity && origin.announced > origin.askedThrough) {
    const delayMs = nakReorderMs + nakBackoffMs * state.random();
    origin.askFreshAtMs = now.monotonicMs + delayMs;
    scheduleBy(state, now, 'nak', delayMs);
  }
}

/** Share of a new measurement in `repairDelayMs`. */
const DELAY_SHARE = 0.25;

/** A repair of the origin arrived: whoever was asked is not silent. */
export function noteRepair(now: Now, origin: OriginState): void {
  origin.silentTries = 0;
  const { timed, have } = origin;
  if (timed !== undefined && hasSequence(have, timed.sequence)) {
    const tookMs = now.monotonicMs - timed.askedAtMs;
    const before = origin.repairDelayMs;
    origin.repairDelayMs = before === 0 ? tookMs : before + DELAY_SHARE * (tookMs - before);
    origin.timed = undefined;
  }
  noteArrival(origin);
}

/** Something of the origin arrived, asked for or not. */
export function noteArrival(origin: OriginState): void {
  if (origin.have.contiguous >= origin.announced) settle(origin);
}

function settle(origin: OriginState): void {
  origin.askFreshAtMs = Infinity;
  origin.askAgainAtMs = Infinity;
  origin.timed = undefined;
  origin.askedThrough = Math.max(origin.askedThrough, origin.have.contiguous);
}

/** Timer: asks for every gap that is due. */
export function onNakTimer(state: PeerState, now: Now): void {
  let nextMs = Infinity;
  for (const origin of state.origins.values()) {
    if (origin === state.own || origin.have.contiguous >= origin.announced) continue;
    if (origin.askFreshAtMs <= now.monotonicMs || origin.askAgainAtMs <= now.monotonicMs)
      ask(state, now, origin);
    nextMs = Math.min(nextMs, origin.askFreshAtMs, origin.askAgainAtMs);
  }
  if (nextMs !== Infinity) scheduleBy(state, now, 'nak', Math.max(0, nextMs - now.monotonicMs));
}

function ask(state: PeerState, now: Now, origin: OriginState): void {
  const { limits } = state.settings;
  const again = origin.askAgainAtMs <= now.monotonicMs;
  const fresh = origin.askFreshAtMs <= now.monotonicMs;
  const from = again ? 0 : origin.askedThrough;
  const through = fresh ? origin.announced : origin.askedThrough;
  const ranges = bounded(missingRanges(origin.have, from, through, limits.maxNakRanges), limits.maxNakDots);
  origin.askFreshAtMs = Infinity;
  if (again) origin.silentTries += 1;
  const target = targetOf(state, origin, ranges);
  const lastAsked = ranges[ranges.length - 1]?.[1] ?? from;
  origin.askedThrough = Math.max(origin.askedThrough, lastAsked);
  // Busy peers answer late: whoever asked again before an answer can be here would get everything twice.
  const patienceMs = Math.max(limits.nakRetryMs, 2 * origin.repairDelayMs);
  if (origin.askedThrough < origin.announced) origin.askFreshAtMs = now.monotonicMs + patienceMs; // the rest waits its turn
  const longestMs = Math.max(limits.nakRetryMaxMs, patienceMs);
  const waitMs = Math.min(longestMs, patienceMs * 2 ** Math.min(origin.silentTries, 8));
  if (again || origin.askAgainAtMs === Infinity) {
    origin.askAgainAtMs = now.monotonicMs + waitMs + limits.nakBackoffMs * state.random();
  }
  if (ranges.length === 0 || target === undefined) return;
  if (missingCount(origin.have, origin.announced) > limits.maxNakBacklog) {
    askByHeartbeat(state, now, target);
    return;
  }
  sendUnicast(state, target, {
    kind: 'nak',
    origin: { id: origin.id, incarnation: origin.incarnation },
    ranges,
  });
  state.counters.naksSent += 1;
  const sequence = ranges[0]?.[0];
  if (sequence !== undefined) origin.timed ??= { sequence, askedAtMs: now.monotonicMs };
}

/** The first ranges that together hold at most `maxDots`. */
function bounded(ranges: readonly SequenceRange[], maxDots: number): SequenceRange[] {
  const kept: SequenceRange[] = [];
  let room = maxDots;
  for (const [from, to] of ranges) {
    if (room <= 0) break;
    const end = Math.min(to, from + room - 1);
    kept.push([from, end]);
    room -= end - from + 1;
  }
  return kept;
}

/** Whom to ask: the origin while it lives and answers, then whoever claims the first missing dot. */
function targetOf(
  state: PeerState,
  origin: OriginState,
  ranges: readonly SequenceRange[],
): PeerId | undefined {
  const view = state.peers.get(origin.id);
  const isOriginUp = view !== undefined && view.isLive && view.incarnation === origin.incarnation;
  if (isOriginUp && origin.silentTries < state.settings.limits.nakSilentTries) return origin.id;
  const first = ranges[0]?.[0] ?? 0;
  const claimants: PeerId[] = [];
  for (const peer of state.peers.values()) {
    const claim = peer.claims.get(origin.key);
    if (peer.isLive && claim !== undefined && claim.contiguous >= first && claim.trim < first)
      claimants.push(peer.id);
  }
  if (claimants.length > 0) return claimants[Math.floor(state.random() * claimants.length)];
  return isOriginUp ? origin.id : undefined;
}

function askByHeartbeat(state: PeerState, now: Now, target: PeerId): void {
  const view = state.peers.get(target);
  if (view === undefined || now.monotonicMs - view.lastEagerHeartbeatMs < EAGER_HEARTBEAT_INTERVAL_MS) return;
  view.lastEagerHeartbeatMs = now.monotonicMs;
  sendHeartbeat(state, target);
}
