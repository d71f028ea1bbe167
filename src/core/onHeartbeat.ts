/**
 * HEARTBEAT and its answers: the anti-entropy that guarantees convergence, whatever else was lost.
 *
 * Nothing to say: nothing. The sender lacks something: SYNC. This peer lacks something: HYBRID, with what the
 * sender lacks. What exceeds a few datagrams is only offered: giveCatchUp.ts gives it to who pulls it.
 */
import { SyncBuilder, type AddedDot } from './buildSync.ts';
import { keepCells } from './cellUpkeep.ts';
import type { Now } from './clock.ts';
import { learnFacts } from './facts.ts';
import { claimsMore, lastSequenceOf, type HaveClaim } from './haveSet.ts';
import { endIdleCatchUps, isBeingGiven } from './giveCatchUp.ts';
import { endIdle } from './giveCheckpoint.ts';
import { askForCheckpoint } from './join.ts';
import { dotsToServe } from './lacked.ts';
import { liveIds } from './liveness.ts';
import { buildMembers, learnMembers } from './members.ts';
import type { HaveReport, HeartbeatMessage, SyncMessage, SyncRecord } from './messages.ts';
import type { PeerView } from './peerView.ts';
import { nextContact, successorOf } from './ring.ts';
import { haveBytes, sendStream, sendUnicast } from './send.ts';
import { buildHave, isSettled, noteIncarnation, type PeerState } from './state.ts';
import { jittered, schedule } from './timers.ts';
import { hashVector } from './vectorHash.ts';
import { endStalledTaking } from './takeCatchUp.ts';
import { originKey, type OriginKey, type PeerId, type VectorEntry } from './types.ts';

/** Bytes of one id among the members on the wire, at most. */
const MEMBER_BYTES = 34;

/** Timer: to the successor on the ring and to the next of the shuffled round; a peer that is to join asks for a checkpoint instead. */
export function onHeartbeatTimer(state: PeerState, now: Now): void {
  schedule(state, now, 'heartbeat', jittered(state, state.settings.heartbeatMs));
  markAged(state);
  endIdle(state, now);
  endIdleCatchUps(state, now);
  endStalledTaking(state, now);
  if (state.phase !== 'member') {
    if (state.phase !== 'forgotten') askForCheckpoint(state, now);
    for (const id of liveIds(state)) if (!knowsMembers(state, id)) sendMembers(state, id);
    return;
  }
  keepCells(state, now);
  const successor = successorOf(state);
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

/** Members spread among peers that are still to join as well: a first start needs one list among all, and who has none is told who they are. */
export function sendMembers(state: PeerState, to: PeerId): void {
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
 * What this peer lacks, and nobody live still has the rows of, only a checkpoint can bring (section 3), of somebody who has it. Judged by what the others
 * said last; whoever still has the rows is asked first, for their HEARTBEATs bring them.
 */
function askIfTrimmed(state: PeerState, now: Now): void {
  const ownHash = hashVector(state);
  const holders = new Map<OriginKey, { lowestTrim: number; readonly donors: PeerId[] }>();
  for (const view of state.peers.values()) {
    if (!view.isLive || view.phase !== 'member' || view.isSeparate) continue;
    if (view.vectorHash === ownHash) continue; // it lacks the same
    if (!view.hasReported) return; // it may still have the rows
    for (const [key, { id, incarnation, contiguous, trim }] of view.claims) {
      if (isSettled(state, id, incarnation)) continue; // claimed before a fold
      if (contiguous <= (state.origins.get(key)?.have.contiguous ?? 0)) continue;
      const known = holders.get(key);
      if (known === undefined) holders.set(key, { lowestTrim: trim, donors: [view.id] });
      else {
        known.lowestTrim = Math.min(trim, known.lowestTrim);
        known.donors.push(view.id);
      }
    }
  }
  const able = new Set<PeerId>();
  for (const [key, { lowestTrim, donors }] of holders)
    if (lowestTrim > (state.origins.get(key)?.have.contiguous ?? 0)) for (const id of donors) able.add(id);
  if (able.size > 0) askForCheckpoint(state, now, [...able]);
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

/** The same, a HEARTBEAT period at a time: NAKs have brought what is older, if they could. Origins that rest need no look. */
function markAged(state: PeerState): void {
  for (const origin of state.young) {
    origin.agedThrough = origin.youngThrough;
    origin.youngThrough = lastSequenceOf(origin.have);
    if (origin.agedThrough === origin.youngThrough) state.young.delete(origin);
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
  const to = view.id;
  markSettled(state, now);
  const datagrams = isBeingGiven(state, now, view) ? [] : fewRecords(state, now, view);
  if (datagrams === 'many') send(state, to, 'unicast', { kind: 'sync', records: [], more: true });
  else
    for (const records of datagrams) {
      state.counters.syncRecordsSent += records.length;
      send(state, to, 'unicast', { kind: 'sync', records, more: false });
    }
  if (as === 'sync') return;
  // The vector goes last and alone, so that its answer comes when the records have been applied.
  const have = buildHave(state);
  const by = haveBytes(have) <= state.settings.limits.datagramBudgetBytes ? 'unicast' : 'stream';
  send(state, to, by, { kind: 'sync', records: [], more: false, have });
}

/** What a peer lacks as the records of a few datagrams, if they hold it; what it must refuse for now only where there is room. */
function fewRecords(state: PeerState, now: Now, view: PeerView): readonly SyncRecord[][] | 'many' {
  const { datagramBudgetBytes, streamThresholdBytes, maxAnswerDots } = state.settings.limits;
  const builder = new SyncBuilder(state);
  const early: AddedDot[] = [];
  let looked = 0;
  for (const { origin, sequence } of dotsToServe(state, now, view, early)) {
    looked += 1;
    if (looked > maxAnswerDots || !builder.add(origin, sequence, streamThresholdBytes)) return 'many';
  }
  for (const { origin, sequence } of early.slice(0, maxAnswerDots))
    if (!builder.add(origin, sequence, streamThresholdBytes)) break;
  const { datagrams, oversized } = SyncBuilder.split(builder.records(), datagramBudgetBytes);
  return oversized.length > 0 ? 'many' : datagrams;
}

function send(state: PeerState, to: PeerId, by: 'unicast' | 'stream', message: SyncMessage): void {
  if (by === 'unicast') sendUnicast(state, to, message);
  else sendStream(state, to, message);
  state.counters.syncsSent += 1;
}
