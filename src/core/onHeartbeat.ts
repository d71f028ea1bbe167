/**
 * HEARTBEAT and its answers: the anti-entropy that guarantees convergence, whatever else was lost.
 *
 * Nothing to say: nothing. The sender lacks something: SYNC. This peer lacks something: HYBRID, with what the
 * sender lacks. An answer is bounded in bytes and dots; `more` makes the other ask again at once. What
 * exceeds a few datagrams goes by stream.
 */
import { latestForMost } from './apply.ts';
import { SyncBuilder, type AddedDot } from './buildSync.ts';
import type { Now } from './clock.ts';
import { learnFacts } from './facts.ts';
import { allRanges, claimsMore, lastSequenceOf, rangesLacked, type HaveClaim } from './haveSet.ts';
import { endIdle } from './giveCheckpoint.ts';
import { askForCheckpoint } from './join.ts';
import { liveIds } from './liveness.ts';
import { buildMembers, learnMembers } from './members.ts';
import type { HaveReport, HeartbeatMessage, SyncMessage } from './messages.ts';
import type { OriginState } from './originState.ts';
import { doesHear, type PeerView } from './peerView.ts';
import { containsSequence } from './ranges.ts';
import { nextContact, successorOf } from './ring.ts';
import { haveBytes, sendStream, sendUnicast } from './send.ts';
import { buildHave, isSettled, noteIncarnation, type PeerState } from './state.ts';
import { jittered, schedule } from './timers.ts';
import { hashVector } from './vectorHash.ts';
import { originKey, type OriginKey, type PeerId, type SequenceRange, type VectorEntry } from './types.ts';

/** Bytes of one id among the members on the wire, at most. */
const MEMBER_BYTES = 34;

/** Timer: to the successor on the ring and to the next of the shuffled round; a peer that is to join asks for a checkpoint instead. */
export function onHeartbeatTimer(state: PeerState, now: Now): void {
  schedule(state, now, 'heartbeat', jittered(state, state.settings.heartbeatMs));
  markAged(state);
  endIdle(state, now);
  if (state.phase !== 'member') {
    if (state.phase !== 'forgotten') askForCheckpoint(state, now);
    for (const id of liveIds(state)) if (!knowsMembers(state, id)) sendMembers(state, id);
    return;
  }
  const successor = successorOf(state.self.id, liveIds(state));
  if (successor !== undefined) sendHeartbeat(state, successor);
  for (let drawn = 0; drawn < state.settings.limits.shuffledContacts; drawn += 1) {
    const contact = nextContact(state);
    if (contact !== undefined && contact !== successor) sendHeartbeat(state, contact);
  }
}

/** Leaves the report out when the other had the same at its last KEEPALIVE: at rest a HEARTBEAT is short however many peers there are. */
export function sendHeartbeat(state: PeerState, to: PeerId): void {
  if (state.phase !== 'member') return;
  const vectorHash = hashVector(state);
  if (state.peers.get(to)?.vectorHash === vectorHash && knowsMembers(state, to)) {
    sendUnicast(state, to, { kind: 'heartbeat', vectorHash });
    state.counters.heartbeatsSent += 1;
  } else sendWholeHeartbeat(state, to);
}

/** Members spread among peers that are still to join as well: a first start needs one list among all. */
function sendMembers(state: PeerState, to: PeerId): void {
  const members = buildMembers(state);
  sendUnicast(state, to, { kind: 'heartbeat', vectorHash: hashVector(state), members });
}

function knowsMembers(state: PeerState, id: PeerId): boolean {
  return state.peers.get(id)?.membershipHash === state.membershipHash;
}

function sendWholeHeartbeat(state: PeerState, to: PeerId): void {
  const have = buildHave(state);
  const members = knowsMembers(state, to) ? {} : { members: buildMembers(state) };
  const message: HeartbeatMessage = { kind: 'heartbeat', vectorHash: hashVector(state), have, ...members };
  const bytes = haveBytes(have) + (state.admitted.size + state.forgotten.size) * MEMBER_BYTES;
  if (bytes <= state.settings.limits.datagramBudgetBytes) sendUnicast(state, to, message);
  else sendStream(state, to, message); // section 3: a control message that outgrows a datagram goes over TCP
  state.counters.heartbeatsSent += 1;
}

export function onHeartbeat(state: PeerState, now: Now, view: PeerView, message: HeartbeatMessage): void {
  view.vectorHash = message.vectorHash;
  if (message.members !== undefined) learnMembers(state, message.members);
  const { have } = message;
  if (have === undefined) {
    if (message.vectorHash !== hashVector(state)) sendWholeHeartbeat(state, view.id);
    return;
  }
  if (!learnFacts(state, now, have)) return;
  const claims = noteClaims(state, view, have);
  const lacksMore = doesLack(state, claims);
  answer(state, now, view, lacksMore ? 'hybrid' : 'sync');
  if (lacksMore) askIfTrimmed(state, now);
}

/**
 * What this peer lacks, and nobody live still has the rows of, only a checkpoint can bring (section 3). Judged by what the others
 * said last; whoever still has the rows is asked first, for their HEARTBEATs bring them.
 */
function askIfTrimmed(state: PeerState, now: Now): void {
  const ownHash = hashVector(state);
  const lowest = new Map<OriginKey, number>();
  const donors: PeerId[] = [];
  for (const view of state.peers.values()) {
    if (!view.isLive || view.phase !== 'member' || view.isSeparate) continue;
    if (view.vectorHash === ownHash) continue; // it lacks the same
    if (!view.hasReported) return; // it may still have the rows
    donors.push(view.id);
    for (const [key, claim] of view.claims) {
      if (isSettled(state, claim.id, claim.incarnation)) continue; // claimed before a fold
      if (claim.contiguous <= (state.origins.get(key)?.have.contiguous ?? 0)) continue;
      lowest.set(key, Math.min(lowest.get(key) ?? Infinity, claim.trim));
    }
  }
  for (const [key, trim] of lowest) {
    if (trim <= (state.origins.get(key)?.have.contiguous ?? 0)) continue;
    askForCheckpoint(state, now, donors);
    return;
  }
}

/** Moves the marks behind which dots are old enough to be missing rather than on their way. */
export function markSettled(state: PeerState, now: Now): void {
  for (const origin of state.origins.values()) {
    if (now.monotonicMs - origin.markedAtMs < state.settings.limits.settleMs) continue;
    origin.settledThrough = origin.markedThrough;
    origin.markedThrough = lastSequenceOf(origin.have);
    origin.markedAtMs = now.monotonicMs;
  }
}

/** The same, a HEARTBEAT period at a time: NAKs have brought what is older, if they could. */
function markAged(state: PeerState): void {
  for (const origin of state.origins.values()) {
    origin.agedThrough = origin.youngThrough;
    origin.youngThrough = lastSequenceOf(origin.have);
  }
}

/** Remembers what a peer says it has. What it has folded, this peer has folded too by now. */
export function noteClaims(
  state: PeerState,
  view: PeerView,
  { vector }: HaveReport,
): ReadonlyMap<OriginKey, VectorEntry> {
  const claims = new Map<OriginKey, VectorEntry>();
  for (const entry of vector) {
    if (isSettled(state, entry.id, entry.incarnation)) continue;
    claims.set(originKey(entry.id, entry.incarnation), entry);
    noteIncarnation(state, entry.id, entry.incarnation);
  }
  view.claims = claims;
  view.hasReported = true;
  return claims;
}

/** Whether this peer lacks anything of what is claimed. */
function doesLack(state: PeerState, claims: ReadonlyMap<OriginKey, HaveClaim>): boolean {
  for (const [key, claim] of claims) if (claimsMore(state.origins.get(key)?.have, claim)) return true;
  return false;
}

/** Sends what a peer lacks by its claims; as HYBRID with our own vector, even when it lacks nothing. */
export function answer(state: PeerState, now: Now, view: PeerView, as: 'sync' | 'hybrid'): void {
  const { limits, deadAfterMs } = state.settings;
  const to = view.id;
  const builder = new SyncBuilder(state);
  markSettled(state, now);
  const more = !isAnswerUnderWay(view, now) && collectLacked(state, now, view, builder);
  const records = builder.records();
  if (records.length === 0 && as === 'sync') return;
  const report = as === 'hybrid' ? { have: buildHave(state) } : {};
  state.counters.syncRecordsSent += records.length;
  const { datagrams, oversized } = SyncBuilder.split(records, limits.datagramBudgetBytes);
  const vectorSize = report.have === undefined ? 0 : haveBytes(report.have);
  if (oversized.length > 0 || builder.bytes + vectorSize > limits.streamThresholdBytes) {
    if (records.length > 0) send(state, to, 'stream', { kind: 'sync', records, more });
    if (as === 'hybrid') send(state, to, 'stream', { kind: 'sync', records: [], more: false, ...report });
    const { firstDot, lastDot } = builder;
    if (firstDot !== undefined && lastDot !== undefined)
      view.answered = { dots: [firstDot, lastDot], untilMs: now.monotonicMs + deadAfterMs };
    return;
  }
  // The vector goes last and alone, so that its answer comes when the records have been applied.
  for (const batch of datagrams)
    send(state, to, 'unicast', { kind: 'sync', records: batch, more: more && batch === datagrams.at(-1) });
  if (as === 'hybrid') {
    const by = vectorSize <= limits.datagramBudgetBytes ? 'unicast' : 'stream';
    send(state, to, by, { kind: 'sync', records: [], more: false, ...report });
  }
}

/**
 * Whether the last answer by stream has not been taken in yet. Without asking, a peer that is slow would be sent the same again with every
 * HEARTBEAT, and be slower for it.
 */
function isAnswerUnderWay({ answered, claims }: PeerView, now: Now): boolean {
  if (answered === undefined || now.monotonicMs >= answered.untilMs) return false;
  return !answered.dots.some(({ origin, sequence }) => {
    const claim = claims.get(origin);
    return claim !== undefined && containsSequence(allRanges(claim), sequence);
  });
}

function send(state: PeerState, to: PeerId, by: 'unicast' | 'stream', message: SyncMessage): void {
  if (by === 'unicast') sendUnicast(state, to, message);
  else sendStream(state, to, message);
  state.counters.syncsSent += 1;
}

/** Dots that would be refused are passed over in one answer at most. */
const MAX_PASSED_OVER = 65_536;

/**
 * Gathers the dots that `view` lacks by its claims, within the limits of one answer. Returns whether some were left. What the receiver must refuse, for its
 * time has not come by the clocks of most, comes last: it would be sent again and again in place of all behind it.
 */
function collectLacked(state: PeerState, now: Now, view: PeerView, builder: SyncBuilder): boolean {
  const { maxAnswerBytes, maxAnswerDots } = state.settings.limits;
  const latest = latestForMost(state, now);
  const isAnyEarly = Math.max(state.clock, state.aheadThrough) > latest;
  const early: AddedDot[] = [];
  let looked = 0;
  let isFull = false;
  const add = ({ origin, sequence }: AddedDot): void => {
    looked += 1;
    if (!builder.add(origin, sequence, maxAnswerBytes)) isFull = true;
  };
  for (const dot of lackedDots(state, view)) {
    if (looked >= maxAnswerDots || early.length >= MAX_PASSED_OVER) return true;
    if (isAnyEarly && builder.timestampOf(dot) > latest) early.push(dot);
    else add(dot);
  }
  for (const dot of early) {
    if (looked >= maxAnswerDots) return true;
    add(dot);
  }
  return isFull;
}

/** Every answer begins with another origin: what the receiver must refuse of one holds up nobody else's. */
function* lackedDots(state: PeerState, view: PeerView): IterableIterator<AddedDot> {
  const { claims } = view;
  const origins = [...state.origins.values()];
  const begin = Math.floor(state.random() * origins.length);
  for (const origin of [...origins.slice(begin), ...origins.slice(0, begin)]) {
    const { key, have, trim } = origin;
    const through = dueThrough(state, view, origin);
    const lacked: SequenceRange[] = [];
    for (const [first, to] of rangesLacked(have, claims.get(key))) {
      const from = Math.max(first, trim + 1); // below, only a checkpoint can serve
      const last = Math.min(to, through);
      if (from <= last) lacked.push([from, last]);
    }
    for (const [from, to] of unclaimedAtRandom(state, lacked, claims.get(key)))
      for (let sequence = from; sequence <= to; sequence += 1) yield { origin: key, sequence };
  }
}

/**
 * What is younger is likely on its way to `view` already. Of an origin that it hears it also asks by NAK: a peer that is only behind, with all of it in
 * its receive buffer, would be sent everything twice, and fall further behind.
 */
function dueThrough(state: PeerState, view: PeerView, origin: OriginState): number {
  const { id, incarnation, agedThrough, settledThrough } = origin;
  const isPresent = origin === state.own || state.peers.get(id)?.incarnation === incarnation;
  return isPresent && doesHear(view, id) ? agedThrough : settledThrough;
}

/**
 * A claim with as many intervals as one may have says nothing of what lies above them: it may all be had already. Answers begin anywhere up there, or
 * what is had would be sent for ever in place of what is lacking.
 */
function unclaimedAtRandom(
  { settings, random }: PeerState,
  lacked: readonly SequenceRange[],
  claim: HaveClaim | undefined,
): readonly SequenceRange[] {
  const claimedThrough = claim?.gaps.at(-1)?.[1];
  if (claim === undefined || claimedThrough === undefined) return lacked;
  if (claim.gaps.length < settings.limits.maxVectorGaps) return lacked;
  const known = lacked.filter(([from]) => from <= claimedThrough);
  const unclaimed = lacked.slice(known.length);
  const at = Math.floor(random() * unclaimed.length);
  const middle = unclaimed[at];
  if (middle === undefined) return lacked;
  const [from, to] = middle;
  const pivot = from + Math.floor(random() * (to - from + 1));
  const below: SequenceRange[] = pivot > from ? [[from, pivot - 1]] : [];
  return [...known, [pivot, to], ...unclaimed.slice(at + 1), ...unclaimed.slice(0, at), ...below];
}
