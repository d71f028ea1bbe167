/**
 * HEARTBEAT and its answers: the anti-entropy that guarantees convergence, whatever else was lost.
 *
 * Nothing to say: nothing. The sender lacks something: SYNC. This peer lacks something: HYBRID, with what the
 * sender lacks. An answer is bounded in bytes and dots; `more` makes the other ask again at once. What
 * exceeds a few datagrams goes by stream.
 */
import { SyncBuilder } from './buildSync.ts';
import type { Now } from './clock.ts';
import { claimsMore, lastSequenceOf, rangesLacked, type HaveClaim } from './haveSet.ts';
import { liveIds } from './liveness.ts';
import type { HeartbeatMessage, SyncMessage } from './messages.ts';
import type { PeerView } from './peerView.ts';
import { nextContact, successorOf } from './ring.ts';
import { sendStream, sendUnicast } from './send.ts';
import { buildVector, hashVector, noteIncarnation, type PeerState } from './state.ts';
import { jittered, schedule } from './timers.ts';
import { originKey, type OriginKey, type PeerId, type VectorEntry } from './types.ts';

/** Bytes of one vector entry on the wire, at most, and of one gap range in it. */
const VECTOR_ENTRY_BYTES = 58;
const GAP_RANGE_BYTES = 18;

/** Timer: to the successor on the ring and to the next of the shuffled round. */
export function onHeartbeatTimer(state: PeerState, now: Now): void {
  schedule(state, now, 'heartbeat', jittered(state, state.settings.heartbeatMs));
  const successor = successorOf(state.self.id, liveIds(state));
  if (successor !== undefined) sendHeartbeat(state, successor);
  for (let drawn = 0; drawn < state.settings.limits.shuffledContacts; drawn += 1) {
    const contact = nextContact(state);
    if (contact !== undefined && contact !== successor) sendHeartbeat(state, contact);
  }
}

/** Leaves the vector out when the other had the same at its last KEEPALIVE: at rest a HEARTBEAT is short however many peers there are. */
export function sendHeartbeat(state: PeerState, to: PeerId): void {
  const vectorHash = hashVector(state);
  if (state.peers.get(to)?.vectorHash === vectorHash) {
    sendUnicast(state, to, { kind: 'heartbeat', vectorHash });
    state.counters.heartbeatsSent += 1;
  } else sendWholeHeartbeat(state, to);
}

function sendWholeHeartbeat(state: PeerState, to: PeerId): void {
  const vector = buildVector(state);
  const message: HeartbeatMessage = { kind: 'heartbeat', vectorHash: hashVector(state), vector };
  if (vectorBytes(vector) <= state.settings.limits.datagramBudgetBytes) sendUnicast(state, to, message);
  else sendStream(state, to, message); // section 3: a control message that outgrows a datagram goes over TCP
  state.counters.heartbeatsSent += 1;
}

export function onHeartbeat(state: PeerState, now: Now, view: PeerView, message: HeartbeatMessage): void {
  view.vectorHash = message.vectorHash;
  if (message.vector === undefined) {
    if (message.vectorHash !== hashVector(state)) sendWholeHeartbeat(state, view.id);
    return;
  }
  const claims = noteClaims(state, view, message.vector);
  const lacksMore = doesLack(state, claims);
  answer(state, now, view.id, claims, lacksMore ? 'hybrid' : 'sync');
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

/** Remembers what a peer says it has. */
export function noteClaims(
  state: PeerState,
  view: PeerView,
  vector: readonly VectorEntry[],
): ReadonlyMap<OriginKey, HaveClaim> {
  const claims = new Map<OriginKey, HaveClaim>();
  for (const entry of vector) {
    claims.set(originKey(entry.id, entry.incarnation), entry);
    noteIncarnation(state, entry.id, entry.incarnation);
  }
  view.claims = claims;
  return claims;
}

/** Whether this peer lacks anything of what is claimed. */
function doesLack(state: PeerState, claims: ReadonlyMap<OriginKey, HaveClaim>): boolean {
  for (const [key, claim] of claims) if (claimsMore(state.origins.get(key)?.have, claim)) return true;
  return false;
}

/** Sends what a peer with `claims` lacks; as HYBRID with our own vector, even when it lacks nothing. */
export function answer(
  state: PeerState,
  now: Now,
  to: PeerId,
  claims: ReadonlyMap<OriginKey, HaveClaim>,
  as: 'sync' | 'hybrid',
): void {
  const { limits } = state.settings;
  const builder = new SyncBuilder(state);
  markSettled(state, now);
  const more = collectLacked(state, claims, builder);
  const records = builder.records();
  if (records.length === 0 && as === 'sync') return;
  const vector = as === 'hybrid' ? { vector: buildVector(state) } : {};
  state.counters.syncRecordsSent += records.length;
  const { datagrams, oversized } = SyncBuilder.split(records, limits.datagramBudgetBytes);
  const vectorSize = vectorBytes(vector.vector ?? []);
  if (oversized.length > 0 || builder.bytes + vectorSize > limits.streamThresholdBytes) {
    if (records.length > 0) send(state, to, 'stream', { kind: 'sync', records, more });
    if (as === 'hybrid') send(state, to, 'stream', { kind: 'sync', records: [], more: false, ...vector });
    return;
  }
  // The vector goes last and alone, so that its answer comes when the records have been applied.
  for (const batch of datagrams)
    send(state, to, 'unicast', { kind: 'sync', records: batch, more: more && batch === datagrams.at(-1) });
  if (as === 'hybrid') {
    const by = vectorSize <= limits.datagramBudgetBytes ? 'unicast' : 'stream';
    send(state, to, by, { kind: 'sync', records: [], more: false, ...vector });
  }
}

function send(state: PeerState, to: PeerId, by: 'unicast' | 'stream', message: SyncMessage): void {
  if (by === 'unicast') sendUnicast(state, to, message);
  else sendStream(state, to, message);
  state.counters.syncsSent += 1;
}

/** Gathers the dots that `claims` lacks, within the limits of one answer. Returns whether some were left. */
function collectLacked(
  state: PeerState,
  claims: ReadonlyMap<OriginKey, HaveClaim>,
  builder: SyncBuilder,
): boolean {
  const { maxAnswerBytes, maxAnswerDots } = state.settings.limits;
  let looked = 0;
  let isFull = false;
  // Every answer begins with another origin: records that the receiver must refuse hold up nobody else's.
  const origins = [...state.origins.values()];
  const first = Math.floor(state.random() * origins.length);
  for (const origin of [...origins.slice(first), ...origins.slice(0, first)]) {
    for (const [from, to] of rangesLacked(origin.have, claims.get(origin.key))) {
      const last = Math.min(to, origin.settledThrough); // what is younger is likely on its way already
      for (let sequence = from; sequence <= last; sequence += 1) {
        if (looked >= maxAnswerDots) return true;
        looked += 1;
        // A record that would pass the bound travels alone or later: no frame holds more than the longest value and a little.
        if (builder.bytes > 0 && builder.bytes + builder.costOf(origin.key, sequence) > maxAnswerBytes) {
          isFull = true;
          if (builder.bytes > maxAnswerBytes || !builder.holdsKeyOf(origin.key, sequence)) continue;
        }
        builder.addDot(origin.key, sequence);
      }
    }
  }
  return isFull;
}

function vectorBytes(vector: readonly VectorEntry[]): number {
  let bytes = 0;
  for (const entry of vector) bytes += VECTOR_ENTRY_BYTES + entry.gaps.length * GAP_RANGE_BYTES;
  return bytes;
}
