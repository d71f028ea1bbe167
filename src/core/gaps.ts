/**
 * Section 5, the asking side: notices gaps and asks for them by NAK, faster than the heartbeat would.
 *
 * A fresh gap waits a moment for reordering, then its origin is asked; after silent tries another peer that
 * claims the dots is. Only dots that somebody claims to have are asked for. What is missing by the
 * thousand is left to HEARTBEAT, whose answer is offered and pulled by stream. Heartbeats remain the guarantee.
 */
import type { Now } from './clock.ts';
import { hasSequence, missingCount, missingRanges } from './haveSet.ts';
import { sendHeartbeat } from './onHeartbeat.ts';
import { sendUnicast } from './send.ts';
import type { OriginState } from './originState.ts';
import type { PeerState } from './state.ts';
import { scheduleBy } from './timers.ts';
import { leftToCatchUp } from './takeCatchUp.ts';
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
/** Growth of `repairDelayMs` when it cannot be told which of several NAKs was answered. */
const DOUBT_GROWTH = 1.1;

/** A repair of the origin arrived: whoever was asked is not silent. */
export function noteRepair(now: Now, origin: OriginState): void {
  origin.silentTries = 0;
  const { timed, have } = origin;
  if (timed !== undefined && hasSequence(have, timed.sequence)) {
    noteDelay(origin, now.monotonicMs - timed.askedAtMs, timed.isAskedAgain);
    origin.timed = undefined;
  }
  noteArrival(origin);
}

/**
 * Learns from one answer, `tookMs` after the dot was last asked for. Lost NAKs and lost answers must not count as slow ones (Karn's rule), or patience
 * grows with every loss: of a dot that was asked for again only what exceeds the estimate is certain.
 */
function noteDelay(origin: OriginState, tookMs: number, isAskedAgain: boolean): void {
  const before = origin.repairDelayMs;
  if (before === 0) origin.repairDelayMs = tookMs;
  else if (isAskedAgain && tookMs < before) origin.repairDelayMs = before * DOUBT_GROWTH;
  else origin.repairDelayMs = before + DELAY_SHARE * (tookMs - before);
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
  const { have, announced } = origin;
  const isFreshDue = origin.askFreshAtMs <= now.monotonicMs;
  const isAgainDue = origin.askAgainAtMs <= now.monotonicMs;
  const left = leftToCatchUp(state, now, origin);
  const again = isAgainDue ? missingRanges(have, left, origin.askAgainThrough, limits.maxNakRanges) : [];
  const room = limits.maxNakRanges - again.length;
  const asked = Math.max(left, origin.askedThrough);
  const fresh = isFreshDue ? missingRanges(have, asked, announced, room) : [];
  const ranges = bounded([...again, ...fresh], limits.maxNakDots);
  if (again.length > 0) origin.silentTries += 1;
  // Busy peers answer late: whoever asked again before an answer can be here would get everything twice.
  const patienceMs = Math.max(limits.nakRetryMs, 2 * origin.repairDelayMs);
  if (isFreshDue) {
    const lastAsked = ranges.at(-1)?.[1] ?? 0;
    const rest = missingRanges(have, Math.max(asked, lastAsked), announced, 1);
    origin.askedThrough = rest.length === 0 ? announced : Math.max(origin.askedThrough, lastAsked);
    origin.askFreshAtMs = rest.length === 0 ? Infinity : now.monotonicMs + patienceMs; // the rest waits its turn
  }
  if (isAgainDue || origin.askAgainAtMs === Infinity) {
    const longestMs = Math.max(limits.nakRetryMaxMs, patienceMs);
    const waitMs = Math.min(longestMs, patienceMs * 2 ** Math.min(origin.silentTries, 8));
    origin.askAgainAtMs = now.monotonicMs + waitMs + limits.nakBackoffMs * state.random();
    origin.askAgainThrough = origin.askedThrough;
  }
  if (ranges.length > 0) sendNak(state, now, origin, ranges);
}

function sendNak(state: PeerState, now: Now, origin: OriginState, ranges: readonly SequenceRange[]): void {
  const target = targetOf(state, origin, ranges);
  if (target === undefined) return;
  const left = missingCount(origin.have, leftToCatchUp(state, now, origin));
  if (missingCount(origin.have, origin.announced) - left > state.settings.limits.maxNakBacklog) {
    askByHeartbeat(state, now, target);
    return;
  }
  sendUnicast(state, target, {
    kind: 'nak',
    origin: { id: origin.id, incarnation: origin.incarnation },
    ranges,
  });
  state.counters.naksSent += 1;
  const { timed } = origin;
  const sequence = timed?.sequence ?? ranges[0]?.[0] ?? 0;
  if (timed === undefined || ranges.some(([from, to]) => from <= sequence && sequence <= to))
    origin.timed = { sequence, askedAtMs: now.monotonicMs, isAskedAgain: timed !== undefined };
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

/** A HEARTBEAT out of turn, to one peer no more often than every so many milliseconds: whoever asks without end must not make this peer do so. */
export function askByHeartbeat(state: PeerState, now: Now, target: PeerId): void {
  const view = state.peers.get(target);
  if (view === undefined || now.monotonicMs - view.lastEagerHeartbeatMs < EAGER_HEARTBEAT_INTERVAL_MS) return;
  view.lastEagerHeartbeatMs = now.monotonicMs;
  sendHeartbeat(state, target);
}
