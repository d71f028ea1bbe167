/**
 * Groups: local writes that are one for everybody else (protocol.md, section 10). A transaction's are.
 *
 * Owns the group that is open, and what holds it together: one timestamp for all of its updates, and one UPDATE, by stream where it outgrows a datagram. Nothing on the wire marks a group: updates
 * of one origin with one timestamp are one (I6: else timestamps rise with the sequence). Whoever receives that UPDATE takes all of it, or drops it unrecorded. Repair, which brings entries as they are by then, may
 * split it. Invariant: what a group writes fits in one message, for no more is taken into it.
 */
import { nextTimestamp, type Now } from './clock.ts';
import type { After } from './effects.ts';
import type { UpdateRecord } from './messages.ts';
import type { PeerState } from './state.ts';
import type { Entry, Key, Timestamp } from './types.ts';
import type { KeyWrite, WriteRefusal } from './write.ts';

export interface OpenGroup {
  /** Of all its updates; 0 before the first. */
  timestamp: Timestamp;
  /** What its updates weigh so far. */
  bytes: number;
}

/** Own updates that have left by stream, and until when they are taken to be on their way, monotonic milliseconds. */
export interface StreamedGroup {
  readonly first: number;
  readonly last: number;
  readonly untilMs: number;
}

/** What an update of a group weighs beside key and value, bytes: by it `maxGroupBytes` bounds their number as well. */
const GROUP_UPDATE_BYTES = 128;
/** Streamed groups that are remembered. */
const STREAMED_LIMIT = 256;

/** What is written from now on is one group, until it is closed: within one turn, with nothing else between. */
export function openGroup(state: PeerState): void {
  if (state.group !== undefined) throw new Error('a group was opened inside another');
  state.group = { timestamp: 0 as Timestamp, bytes: 0 };
}

export function closeGroup(state: PeerState): void {
  state.group = undefined;
}

/** Why the open group, if there is one, does not take these writes. */
export function findGroupRefusal(
  { group, settings }: PeerState,
  writes: readonly KeyWrite[],
): WriteRefusal | undefined {
  if (group === undefined) return undefined;
  const { maxGroupBytes } = settings.limits;
  let bytes = group.bytes;
  for (const { key, value } of writes) bytes += weigh(key, value?.length ?? 0);
  if (bytes <= maxGroupBytes) return undefined;
  return {
    code: 'NO_ROOM',
    message:
      `write refused: what one transaction writes takes at most ${maxGroupBytes} bytes (maxTransactionBytes), keys, values and ${GROUP_UPDATE_BYTES} for each update; ` +
      'what it wrote before stands. Write less in one, or raise the limit',
  };
}

/** Whether so many updates, of so many bytes of keys and values, have room in one group. */
export function hasGroupRoom({ settings }: PeerState, updates: number, bytes: number): boolean {
  return bytes + updates * GROUP_UPDATE_BYTES <= settings.limits.maxGroupBytes;
}

/** R3: the stamp of the next local write. */
export function stampNext({ group, clock, horizon, promised }: PeerState, now: Now): Timestamp {
  if (group !== undefined && group.timestamp > 0) return group.timestamp;
  return nextTimestamp(clock, now.wallMs, horizon, promised);
}

/** The open group has one more update. */
export function noteGroupWrite(
  { group }: PeerState,
  timestamp: Timestamp,
  key: Key,
  valueBytes: number,
): void {
  if (group === undefined) return;
  group.timestamp = timestamp;
  group.bytes += weigh(key, valueBytes);
}

/** Whether the open group has written this entry. */
export function isOfOpenGroup({ group, self }: PeerState, { timestamp, id, incarnation }: Entry): boolean {
  return timestamp === group?.timestamp && id === self.id && incarnation === self.incarnation;
}

function weigh(key: Key, valueBytes: number): number {
  return key.length + valueBytes + GROUP_UPDATE_BYTES;
}

/** The groups of one origin's updates, in their order; an update by itself is one of one. */
export function* groupsOf(updates: readonly UpdateRecord[]): IterableIterator<readonly UpdateRecord[]> {
  let start = 0;
  for (let at = 1; at <= updates.length; at += 1) {
    if (updates[at]?.timestamp === updates[start]?.timestamp) continue;
    yield updates.slice(start, at);
    start = at;
  }
}

/** Sends a group that outgrows a datagram: to everybody who is there, by stream. Others find what they lack as they do with lost datagrams. */
export function streamGroup(
  state: PeerState,
  now: Now,
  records: readonly UpdateRecord[],
  after: After,
): void {
  for (const { id, isLive } of state.peers.values())
    if (isLive)
      state.effects.push({ kind: 'send', to: id, by: 'stream', message: { kind: 'update', records }, after });
  state.counters.groupsStreamed += 1;
  const [first, last] = [records[0]?.sequence ?? 0, records.at(-1)?.sequence ?? 0];
  const untilMs = now.monotonicMs + state.settings.limits.settleMs;
  state.streamed.push({ first, last, untilMs });
  if (state.streamed.length > STREAMED_LIMIT) state.streamed.shift();
}

/**
 * Whether an own update has left by stream a moment ago: datagrams overtake it, and a NAK that they cause is not answered as long as a HEARTBEAT would not be, or the repair would
 * split what arrives whole.
 */
export function isOnItsWay({ streamed }: PeerState, now: Now, sequence: number): boolean {
  while (streamed[0] !== undefined && streamed[0].untilMs <= now.monotonicMs) streamed.shift();
  return streamed.some(({ first, last }) => first <= sequence && sequence <= last);
}
