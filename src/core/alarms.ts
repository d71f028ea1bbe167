/**
 * R4's alarms: updates that came too late here, told to their origin until it has seen to them.
 *
 * The dot of such an update is recorded though it was not applied, so nothing else would ever bring the two sides together: an alarm that is
 * lost, or that the origin cannot heed yet, would leave the key different for ever. So an alarm is as durable as the dot, in one turn with it,
 * and is repeated until the key has an entry here, the origin answers that nothing is left to be stamped, or it is forgotten. I14: what no alarm
 * can be remembered of is not recorded.
 */
import type { AlarmMessage } from './messages.ts';
import { sendControl } from './send.ts';
import type { PeerState } from './state.ts';
import { originKey, type Dot, type Key, type PeerId, type Timestamp } from './types.ts';

export interface Alarm extends Dot {
  readonly key: Key;
}

/** The dot's name: what the alarm is kept under. */
export type AlarmName = string;

/** So many are repeated at each HEARTBEAT, in turn. */
const REPEATED_AT_ONCE = 16;

function nameOf({ id, incarnation, sequence }: Dot): AlarmName {
  return `${originKey(id, incarnation)}/${sequence}`;
}

/** An update of a member came too late to be applied. */
export function raiseAlarm(state: PeerState, { id, incarnation, sequence, key }: Alarm): void {
  state.counters.recordsBelowHorizon += 1;
  const detail = { origin: id, incarnation, sequence };
  state.effects.push({ kind: 'notice', name: 'writeBelowHorizon', detail });
  if (!state.peers.has(id)) return;
  const alarm = { id, incarnation, sequence, key };
  const name = nameOf(alarm);
  state.alarms.set(name, alarm);
  state.store.writeState(`alarm/${name}`, alarm);
  tell(state, alarm);
}

/** Whether an update, one of `count`, would raise an alarm that there is no room for: to be dropped unrecorded, and brought again by repair. */
export function lacksAlarmRoom(state: PeerState, key: Key, timestamp: Timestamp, count = 1): boolean {
  if (state.alarms.size + count <= state.settings.limits.maxAlarms || timestamp > state.horizon) return false;
  return state.store.readEntry(key) === undefined;
}

/** At each HEARTBEAT: forgets those that are over, and tells the origins of the next few of the others. */
export function repeatAlarms(state: PeerState): void {
  for (const [name, alarm] of [...state.alarms].slice(0, REPEATED_AT_ONCE)) {
    state.alarms.delete(name);
    if (isOver(state, alarm)) {
      state.store.removeState(`alarm/${name}`);
      continue;
    }
    state.alarms.set(name, alarm); // behind the others
    if (state.peers.get(alarm.id)?.isLive === true) tell(state, alarm);
  }
}

/** What the key has by now is newer, and goes everywhere by itself. A synthetic tombstone came from somebody for whom the update was too late as well. */
function isOver(state: PeerState, { id, key }: Alarm): boolean {
  if (!state.peers.has(id)) return true;
  const entry = state.store.readEntry(key);
  return entry !== undefined && entry.kind !== 'synthetic';
}

function tell(state: PeerState, { id, incarnation, sequence, key }: Alarm): void {
  const { horizon } = state;
  sendControl(state, id, { kind: 'alarm', incarnation, sequence, key, horizon }, 'committed');
}

/** The origin has nothing to stamp anew. */
export function onAlarmAnswer(state: PeerState, from: PeerId, { incarnation, sequence }: AlarmMessage): void {
  const name = nameOf({ id: from, incarnation, sequence });
  if (state.alarms.delete(name)) state.store.removeState(`alarm/${name}`);
}
