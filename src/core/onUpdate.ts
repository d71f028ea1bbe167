/**
 * UPDATE: another peer's own new updates, by multicast.
 *
 * A record is taken if its dot is new, its timestamp credible and there is room to remember it; otherwise it
 * is dropped and counted, and repair or anti-entropy brings it back. A reference stands for a value too long
 * for a datagram: it is a gap known from the start, and is fetched like one. Of a group (groups.ts) all is taken, in
 * one turn, or nothing.
 */
import { lacksAlarmRoom } from './alarms.ts';
import { applyEntry, hasRoomFor, isAheadOfClock, recordDot, refuseAhead } from './apply.ts';
import type { Now } from './clock.ts';
import { isVoid } from './closures.ts';
import { noteAnnounced, noteArrival } from './gaps.ts';
import { groupsOf } from './groups.ts';
import { hasSequence } from './haveSet.ts';
import type { UpdateMessage, UpdateRecord } from './messages.ts';
import type { OriginState } from './originState.ts';
import { isSettled, originOf, type PeerState } from './state.ts';
import type { Incarnation, PeerId } from './types.ts';

export function onUpdate(
  state: PeerState,
  now: Now,
  from: PeerId,
  incarnation: Incarnation,
  message: UpdateMessage,
): void {
  if (isSettled(state, from, incarnation)) return; // all of it is had, or void
  const origin = originOf(state, from, incarnation);
  let last = 0;
  for (const group of groupsOf(message.records)) {
    const isRefused = group.length > 1 && lacksRoomForGroup(state, origin, group);
    for (const record of group) {
      last = Math.max(last, record.sequence);
      if (!isRefused) takeRecord(state, now, origin, record);
    }
  }
  noteArrival(origin);
  noteAnnounced(state, now, origin, last);
}

/** Whether room would end somewhere within it: then nothing of it is taken. */
function lacksRoomForGroup(state: PeerState, origin: OriginState, group: readonly UpdateRecord[]): boolean {
  const { have } = origin;
  const missing = group.filter(({ sequence }) => !hasSequence(have, sequence));
  const [first] = missing;
  if (first === undefined) return false;
  if (!hasRoomFor(state, origin, first.sequence, missing.length)) {
    state.counters.droppedGapLimit += missing.length;
    return true;
  }
  if (missing.some(({ key, timestamp }) => lacksAlarmRoom(state, key, timestamp, missing.length))) {
    state.counters.droppedAlarmLimit += missing.length;
    return true;
  }
  return false;
}

function takeRecord(state: PeerState, now: Now, origin: OriginState, record: UpdateRecord): void {
  const { counters } = state;
  const { sequence, timestamp, kind, expiresAt, value } = record;
  if (hasSequence(origin.have, sequence)) {
    counters.droppedDuplicate += 1;
    return;
  }
  if (isVoid(state.closures, origin.id, origin.incarnation, sequence)) {
    counters.droppedVoid += 1; // R4: nobody has it, and nobody will
    return;
  }
  if (isAheadOfClock(state, now, timestamp)) {
    refuseAhead(state, now, origin.id);
    return;
  }
  if (record.referenceBytes !== undefined) return; // announced below, fetched by NAK, recorded when complete (R2)
  if (!hasRoomFor(state, origin, sequence)) {
    counters.droppedGapLimit += 1;
    return;
  }
  if (lacksAlarmRoom(state, record.key, timestamp)) {
    counters.droppedAlarmLimit += 1;
    return;
  }
  const { id, incarnation } = origin;
  applyEntry(state, record.key, { timestamp, id, incarnation, sequence, kind, expiresAt, value });
  recordDot(state, origin, sequence, record.key);
}
