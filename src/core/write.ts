/**
 * A client's write on this peer, and the UPDATEs that tell the others at the end of the turn.
 *
 * R1: an UPDATE leaves only after its turn is committed, unless every write of the turn was `fast`.
 * R3: stamped above everything this peer has seen. I6: timestamps rise with the sequence.
 */
import { onAlarmAnswer } from './alarms.ts';
import { nextTimestamp, TICKS_PER_MS, wallMsOf, type Now } from './clock.ts';
import {
  findGroupRefusal,
  groupsOf,
  isOfOpenGroup,
  noteGroupWrite,
  stampNext,
  streamGroup,
} from './groups.ts';
import { applyEntry, recordDot } from './apply.ts';
import { noteInput } from './liveness.ts';
import { sendControl, sendToAll } from './send.ts';
import type { AlarmMessage, Phase, UpdateRecord } from './messages.ts';
import type { PeerState } from './state.ts';
import type { Entry, Key, PeerId, Timestamp } from './types.ts';

/** Why a write was not taken. Nothing was changed. */
export interface WriteRefusal {
  readonly code:
    | 'CLOCK_AHEAD'
    | 'LOADING'
    | 'FORGOTTEN'
    | 'NO_ROOM'
    | 'KEY_TOO_LONG'
    | 'VALUE_TOO_LONG'
    | 'BAD_ARGUMENT'
    | 'BUSY';
  readonly message: string;
}

/** What is written to a key, to expire at a Timestamp (0: never); or, without a value, that it is deleted. */
export interface KeyWrite {
  readonly key: Key;
  readonly value: Uint8Array | undefined;
  readonly expiresAt: number;
}

const SECONDS_A_DAY = 86_400;
const EMPTY = new Uint8Array(0);

/** Bytes a record takes in an UPDATE besides key and value: integers, lengths and framing, at most. */
const UPDATE_RECORD_OVERHEAD_BYTES = 48;

/** Why this peer takes no write now, if it does not (section 8, R10). */
export function findWriteRefusal(state: PeerState, now: Now): WriteRefusal | undefined {
  if (state.phase !== 'member') return describePhase(state);
  if (!isStampAhead(state, now)) return undefined;
  // Everyone else would refuse the record: saying so beats losing it in silence.
  return { code: 'CLOCK_AHEAD', message: describeAhead(state, now, nextAheadMs(state, now)) };
}

/** The same, for a write to this key. */
export function findKeyRefusal(state: PeerState, now: Now, key: Key): WriteRefusal | undefined {
  return findWriteRefusal(state, now) ?? findAheadRefusal(state, now, key);
}

/** Whether what this peer stamps or promises now is too far ahead for all others (section 8). */
export function isStampAhead(state: PeerState, now: Now): boolean {
  return state.hasMedian && nextAheadMs(state, now) > state.settings.maxDriftMs;
}

function nextAheadMs(state: PeerState, now: Now): number {
  const { clock, horizon, promised } = state;
  return aheadOfOthersMs(state, now, nextTimestamp(clock, now.wallMs, horizon, promised));
}

/** By how much a timestamp is ahead of the median of the walls, milliseconds. */
function aheadOfOthersMs({ medianOffsetMs }: PeerState, now: Now, timestamp: Timestamp): number {
  return wallMsOf(timestamp) - (now.wallMs + medianOffsetMs);
}

/** Whether there is a clock to be set, or only time to pass: stamps stay ahead when a clock that was fast is set right. */
function describeAhead({ self, settings, medianOffsetMs }: PeerState, now: Now, aheadMs: number): string {
  const { maxDriftMs } = settings;
  const limit = `(limit ${maxDriftMs} ms), which would not take its updates`;
  if (medianOffsetMs < -maxDriftMs)
    return (
      `write refused: the clock of ${self.id} is ${Math.round(aheadMs)} ms ahead of the other peers' clocks ${limit}; ` +
      'set the clock of this machine (NTP)'
    );
  const medianMs = now.wallMs + medianOffsetMs;
  return (
    `write refused: the last timestamps of ${self.id}, not its clock, are ${Math.round(aheadMs)} ms ahead of the other peers' clocks ` +
    `${limit}: they were made while a clock was fast; it takes writes again at ${formatUtc(medianMs + aheadMs - maxDriftMs, medianMs)}, ` +
    'when time has caught up; nothing needs to be done'
  );
}

/** The next full second as a time of day, and how many midnights are between. */
function formatUtc(wallMs: number, nowMs: number): string {
  const seconds = Math.ceil(wallMs / 1000);
  const days = Math.floor(seconds / SECONDS_A_DAY) - Math.floor(nowMs / 1000 / SECONDS_A_DAY);
  const parts = [(seconds / 3600) % 24, (seconds / 60) % 60, seconds % 60];
  const time = parts.map((part) => String(Math.floor(part)).padStart(2, '0')).join(':');
  return days > 0 ? `${time} UTC in ${days} ${days === 1 ? 'day' : 'days'}` : `${time} UTC`;
}

/** A checkpoint may have brought a record whose time has not come: a write to its key would be stamped below it and lost. */
function findAheadRefusal(state: PeerState, now: Now, key: Key): WriteRefusal | undefined {
  const timestamp = stampNext(state, now);
  if (timestamp > state.aheadThrough) return undefined;
  const present = state.store.readEntry(key);
  if (present === undefined || present.timestamp < timestamp || isOfOpenGroup(state, present))
    return undefined;
  const aheadMs = Math.ceil((present.timestamp - timestamp) / TICKS_PER_MS);
  return {
    code: 'CLOCK_AHEAD',
    message:
      `write refused: this key holds a value of ${present.id} stamped ${aheadMs} ms ahead of the clocks, ` +
      `which would win over it; write it again when that time has passed, or use another key`,
  };
}

function describePhase({ self: { id }, phase, settings }: PeerState): WriteRefusal {
  if (phase === 'forgotten')
    return {
      code: 'FORGOTTEN',
      message: `write refused: ${id} was forgotten by the other peers for good; give this peer a new id in servers.txt and start it with an empty data directory`,
    };
  return { code: 'LOADING', message: `write refused: ${describeLoading(id, phase, settings.isUnlisted)}` };
}

/** Why this peer serves nobody yet: it has no data, or not all that there is; undefined when it does. */
export function findLoading({ self, phase, settings }: PeerState): string | undefined {
  return phase === 'fresh' || phase === 'joining'
    ? describeLoading(self.id, phase, settings.isUnlisted)
    : undefined;
}

function describeLoading(id: PeerId, phase: Phase, isUnlisted: boolean): string {
  const until = 'it serves clients once it has joined from another peer';
  if (phase !== 'fresh') return `${id} has to catch up first; ${until}`;
  if (isUnlisted)
    return `${id} has no data yet; it serves clients once a member has admitted it (toposphere admit ${id}) and it has joined, or, if it is the first of a new cluster, after toposphere bootstrap --peer <host:port of its Redis clients> --yes`;
  return `${id} has no data yet; ${until} or, on the very first start of a cluster, when every peer of servers.txt is up (--bootstrap starts without them)`;
}

/** Writes `value`, to expire at a Timestamp (0: never), or deletes the key when it is undefined. The peer keeps `value`: it must not be changed afterwards. */
export function onWrite(
  state: PeerState,
  now: Now,
  key: Key,
  value: Uint8Array | undefined,
  isFast: boolean,
  expiresAt = 0,
): WriteRefusal | undefined {
  noteInput(state, now);
  const refusal = findKeyRefusal(state, now, key) ?? findGroupRefusal(state, [{ key, value, expiresAt }]);
  if (refusal !== undefined) return countRefusal(state, refusal);
  stamp(state, now, key, value, expiresAt);
  if (!isFast) state.isTurnFast = false;
  state.counters.writesAccepted += 1;
  return undefined;
}

/** Several writes in their order, in one turn: all of them, or, when one is refused, none. */
export function onWrites(
  state: PeerState,
  now: Now,
  writes: readonly KeyWrite[],
  isFast: boolean,
): WriteRefusal | undefined {
  noteInput(state, now);
  let refusal = findWriteRefusal(state, now);
  for (const { key } of writes) refusal ??= findAheadRefusal(state, now, key);
  refusal ??= findGroupRefusal(state, writes);
  if (refusal !== undefined) return countRefusal(state, refusal);
  for (const { key, value, expiresAt } of writes) stamp(state, now, key, value, expiresAt);
  if (!isFast) state.isTurnFast = false;
  state.counters.writesAccepted += writes.length;
  return undefined;
}

function countRefusal({ counters }: PeerState, refusal: WriteRefusal): WriteRefusal {
  if (refusal.code === 'CLOCK_AHEAD') counters.writesRefusedClockAhead += 1;
  else if (refusal.code === 'NO_ROOM') counters.writesRefusedGroupFull += 1;
  else counters.writesRefusedNotJoined += 1;
  return refusal;
}

/** R3: stamps, all of a group alike, applies, numbers; the UPDATE goes with the turn. */
function stamp(state: PeerState, now: Now, key: Key, value: Uint8Array | undefined, expiresAt: number): void {
  const timestamp = stampNext(state, now);
  const { own } = state;
  state.clock = Math.max(state.clock, timestamp) as Timestamp;
  noteGroupWrite(state, timestamp, key, value?.length ?? 0);
  const sequence = own.have.contiguous + 1;
  const kind = value === undefined ? 'tombstone' : 'value';
  const entry: Entry = {
    timestamp,
    id: state.self.id,
    incarnation: state.self.incarnation,
    sequence,
    kind,
    expiresAt,
    value: value ?? EMPTY,
  };
  applyEntry(state, key, entry); // R3 makes it the winner
  recordDot(state, own, sequence, key);
  state.pendingUpdates.push({ sequence, key, timestamp, kind, expiresAt, value: entry.value });
}

/**
 * R4: an update of this id came too late somewhere: at or below the horizon, for a key that is gone there. If it is still the newest here it is
 * stamped anew, above that horizon, as a new dot; else whatever is newer speaks for it, and the teller need not repeat it.
 */
export function onAlarm(state: PeerState, now: Now, from: PeerId, message: AlarmMessage): void {
  const { incarnation, sequence, key, horizon } = message;
  if (horizon === 0) {
    onAlarmAnswer(state, from, message);
    return;
  }
  const entry = state.store.readEntry(key);
  if (entry?.id !== state.self.id || entry.incarnation !== incarnation || entry.sequence !== sequence) {
    sendControl(state, from, { ...message, horizon: 0 as Timestamp }, 'committed');
    return;
  }
  if (aheadOfOthersMs(state, now, horizon) > state.settings.maxDriftMs) {
    state.counters.alarmsAhead += 1; // section 8; it is told of again
    return;
  }
  if (findWriteRefusal(state, now) !== undefined) return; // likewise
  state.clock = Math.max(state.clock, horizon) as Timestamp;
  stampAnew(state, now, key, entry);
}

/** What a key holds becomes a new update of this peer: the old one is of no use to the others. */
export function stampAnew(state: PeerState, now: Now, key: Key, { kind, expiresAt, value }: Entry): void {
  stamp(state, now, key, kind === 'value' ? value : undefined, expiresAt);
  state.isTurnFast = false;
  state.counters.writesRestamped += 1;
}

/** A write that no client asked for; or, without a value, a deletion. The caller has asked whether writes are taken, and knows that nothing newer is there. */
export function writeUnasked(
  state: PeerState,
  now: Now,
  key: Key,
  value: Uint8Array | undefined,
  expiresAt: number,
): void {
  stamp(state, now, key, value, expiresAt);
  state.isTurnFast = false;
}

/** Makes this turn's own updates into as few datagrams as hold them; a group goes in one message, whatever its length. */
export function flushUpdates(state: PeerState, now: Now): void {
  const pending = state.pendingUpdates;
  if (pending.length === 0) return;
  const after = state.isTurnFast ? 'nothing' : 'committed';
  state.pendingUpdates = [];
  state.isTurnFast = true;
  const budget = state.settings.limits.datagramBudgetBytes;
  let records: UpdateRecord[] = [];
  let bytes = 0;
  const send = (): void => {
    if (records.length === 0) return;
    sendToAll(state, { kind: 'update', records }, after);
    state.counters.updatesSent += 1;
    records = [];
    bytes = 0;
  };
  for (const group of groupsOf(pending)) {
    let groupBytes = sizeOfAll(group);
    if (groupBytes > budget && group.length > 1) {
      send();
      streamGroup(state, now, group, after);
      continue;
    }
    const sent = groupBytes <= budget ? group : group.map(refer);
    groupBytes = sizeOfAll(sent);
    if (bytes + groupBytes > budget) send();
    records.push(...sent);
    bytes += groupBytes;
  }
  send();
}

/** Too long for a datagram: its value is fetched. */
function refer(update: UpdateRecord): UpdateRecord {
  return { ...update, value: EMPTY, referenceBytes: update.value.length };
}

function sizeOfAll(records: readonly UpdateRecord[]): number {
  let bytes = 0;
  for (const record of records) bytes += sizeOf(record);
  return bytes;
}

function sizeOf(record: UpdateRecord): number {
  return record.key.length + record.value.length + UPDATE_RECORD_OVERHEAD_BYTES;
}
