/**
 * NAK, the answering side: gathers what several peers miss for a few milliseconds, then repairs it once.
 *
 * A repair is a SYNC record, never an UPDATE (R5), even when multicast. Paced: so many datagrams, a pause,
 * then the rest; what does not fit the backlog is dropped, because it will be asked for again.
 */
import { SyncBuilder } from './buildSync.ts';
import type { Now } from './clock.ts';
import { isOnItsWay } from './groups.ts';
import { hasSequence } from './haveSet.ts';
import type { NakMessage, SyncRecord } from './messages.ts';
import { addRepair, pendingCount, type Askers } from './repairQueue.ts';
import { sendStream, sendToAll, sendUnicast } from './send.ts';
import type { PeerState } from './state.ts';
import { scheduleBy } from './timers.ts';
import { originKey, type PeerId } from './types.ts';

export function onNak(state: PeerState, now: Now, from: PeerId, message: NakMessage): void {
  const { limits } = state.settings;
  state.counters.naksReceived += 1;
  const origin = state.origins.get(originKey(message.origin.id, message.origin.incarnation));
  if (origin === undefined) return; // nothing of it here: whoever claims it will answer
  let room = Math.min(limits.maxNakDots, limits.maxPendingRepairs - pendingCount(state.repairs));
  for (const [first, last] of message.ranges) {
    for (let sequence = first; sequence <= last; sequence += 1) {
      if (room <= 0) {
        state.counters.droppedRepairBacklog += 1;
        break;
      }
      room -= 1;
      if (origin === state.own && isOnItsWay(state, now, sequence)) continue;
      if (hasSequence(origin.have, sequence)) addRepair(state.repairs, origin.key, sequence, from);
    }
  }
  if (state.repairs.size > 0) scheduleBy(state, now, 'repair', limits.repairMergeMs);
}

/** Timer: answers what was gathered, as far as the pace allows. */
export function onRepairTimer(state: PeerState, now: Now): void {
  const { limits } = state.settings;
  const byAudience = new Map<string, { readonly askers: Askers; readonly builder: SyncBuilder }>();
  let bytes = 0;
  const paceBytes = limits.maxRepairDatagrams * limits.datagramBudgetBytes;
  takeRepairs: for (const [key, dots] of state.repairs) {
    for (const [sequence, askers] of dots) {
      if (bytes > paceBytes) break takeRepairs;
      dots.delete(sequence);
      const audience = typeof askers === 'string' ? askers : '*';
      let group = byAudience.get(audience);
      if (group === undefined) {
        group = { askers, builder: new SyncBuilder(state) };
        byAudience.set(audience, group);
      }
      const before = group.builder.bytes;
      group.builder.add(key, sequence);
      bytes += group.builder.bytes - before;
    }
    state.repairs.delete(key);
  }
  for (const { askers, builder } of byAudience.values()) sendRepairs(state, askers, builder.records());
  if (state.repairs.size > 0) scheduleBy(state, now, 'repair', limits.repairPauseMs);
}

function sendRepairs(state: PeerState, askers: Askers, records: readonly SyncRecord[]): void {
  const { datagrams, oversized } = SyncBuilder.split(records, state.settings.limits.datagramBudgetBytes);
  for (const batch of datagrams) {
    const message = { kind: 'sync', records: batch, more: false } as const;
    if (typeof askers === 'string') {
      sendUnicast(state, askers, message);
      state.counters.repairsUnicast += batch.length;
    } else {
      sendToAll(state, message, 'committed');
      state.counters.repairsMulticast += batch.length;
    }
  }
  for (const record of oversized) {
    const to = typeof askers === 'string' ? [askers] : [...askers];
    for (const peer of to) sendStream(state, peer, { kind: 'sync', records: [record], more: false });
  }
}
