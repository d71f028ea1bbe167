/**
 * PUBLISH and MISS, the publisher's side: messages of this process to whoever listens anywhere, numbered from 1 in a feed of their own.
 *
 * Nothing of it is on disk, in an update table or in a vector: a message that is not delivered soon is of no use. So a feed is kept for repair for a bounded
 * time, count and size, and what is asked for later is answered by how far back it still goes. Lost tails are revealed by PUBLISHes without messages that follow
 * the last one for as long as it is kept; then there is silence. What others do with a feed is onPublish.ts's. I14: what is kept stays within the limits.
 */
import type { Now } from './clock.ts';
import type { MissMessage, PublishedRecord, PublishMessage } from './publishMessages.ts';
import type { Feed, PublishedMessage } from './onPublish.ts';
import { addRepair, pendingCount, type Askers, type PendingRepairs } from './repairQueue.ts';
import { sendStream, sendToAll, sendUnicast } from './send.ts';
import type { PeerState } from './state.ts';
import { scheduleBy } from './timers.ts';
import type { PeerId } from './types.ts';
import { findWriteRefusal, type WriteRefusal } from './write.ts';

/** Bytes of a record beside channel and message on the wire, at most: a difference, what was left out, two lengths. */
const RECORD_OVERHEAD_BYTES = 28;
/** And of what frames the records beside what any message has: how far the feed goes. */
const FEED_BYTES = 27;
/** Milliseconds after the last message at which the feed's end is told again; then each time so many times as long. */
const FIRST_REMINDER_MS = 10;
const REMINDER_GROWTH = 3;
const EMPTY = new Uint8Array(0);

interface KeptMessage {
  readonly channel: string;
  readonly message: Uint8Array;
  /** Monotonic milliseconds. */
  readonly atMs: number;
}

export interface Publishing {
  /** The last number given. */
  last: number;
  /** Published last, ascending; what is below the first cannot be repaired any more. */
  readonly kept: Map<number, KeptMessage>;
  keptBytes: number;
  /** The first number that this turn has published; 0 for none. */
  firstOfTurn: number;
  /** What others have asked for. */
  readonly wanted: PendingRepairs;
  /** When the feed's end is told again, and how long after that, milliseconds. */
  remindAtMs: number;
  remindPauseMs: number;
  /** The feeds of the others, each of the newest process heard. */
  readonly feeds: Map<PeerId, Feed>;
  /** When this process began to listen, monotonic milliseconds. */
  readonly beganMs: number;
  /** Messages of others for whoever listens here, in order; taken by the driver. */
  arrived: PublishedMessage[];
}

export function createPublishing(now: Now): Publishing {
  return {
    last: 0,
    kept: new Map(),
    keptBytes: 0,
    firstOfTurn: 0,
    wanted: new Map(),
    remindAtMs: Infinity,
    remindPauseMs: 0,
    feeds: new Map(),
    beganMs: now.monotonicMs,
    arrived: [],
  };
}

/** Publishes to all other peers; who listens here is the driver's to tell. The message leaves with the turn, behind the updates of what was written before it. */
export function publish(
  state: PeerState,
  now: Now,
  channel: string,
  message: Uint8Array,
): WriteRefusal | undefined {
  const { publishing, settings, counters } = state;
  if (state.phase === 'forgotten') return findWriteRefusal(state, now); // nobody takes anything of it
  const { maxPublishBytes } = settings.limits;
  const bytes = channel.length + message.length;
  if (bytes > maxPublishBytes) {
    counters.publishesRefused += 1;
    return {
      code: 'VALUE_TOO_LONG',
      message: `nothing was published: channel and message have ${bytes} bytes together, the limit is ${maxPublishBytes} (--max-publish-bytes); write the value to a key and publish its name`,
    };
  }
  counters.messagesPublished += 1;
  if (state.peers.size === 0) return undefined; // alone by configuration: there is nobody to tell
  publishing.last += 1;
  publishing.kept.set(publishing.last, { channel, message, atMs: now.monotonicMs });
  publishing.keptBytes += bytes;
  if (publishing.firstOfTurn === 0) publishing.firstOfTurn = publishing.last;
  return undefined;
}

/** At the end of a turn: its messages become as few datagrams as hold them. */
export function flushPublished(state: PeerState, now: Now): void {
  const { publishing, settings } = state;
  if (publishing.firstOfTurn === 0) return;
  const records: PublishedRecord[] = [];
  for (let sequence = publishing.firstOfTurn; sequence <= publishing.last; sequence += 1) {
    const kept = publishing.kept.get(sequence);
    if (kept !== undefined) records.push(recordOf(state, sequence, kept));
  }
  publishing.firstOfTurn = 0;
  letGo(state, now);
  for (const batch of split(records, settings.limits.datagramBudgetBytes))
    sendToAll(state, buildPublish(state, now, batch, false), 'committed');
  publishing.remindPauseMs = FIRST_REMINDER_MS;
  publishing.remindAtMs = now.monotonicMs + FIRST_REMINDER_MS;
  scheduleBy(state, now, 'republish', FIRST_REMINDER_MS);
}

/** As it goes into a datagram: of a message too long for one its length alone, and it is asked for. */
function recordOf(state: PeerState, sequence: number, { channel, message }: KeptMessage): PublishedRecord {
  const bytes = channel.length + message.length;
  if (bytes + RECORD_OVERHEAD_BYTES + FEED_BYTES <= state.settings.limits.datagramBudgetBytes)
    return { sequence, channel, message };
  return { sequence, channel: '', message: EMPTY, referenceBytes: bytes };
}

function* split(records: readonly PublishedRecord[], budgetBytes: number): Generator<PublishedRecord[]> {
  let batch: PublishedRecord[] = [];
  let bytes = FEED_BYTES;
  for (const record of records) {
    const recordBytes = record.channel.length + record.message.length + RECORD_OVERHEAD_BYTES;
    if (bytes + recordBytes > budgetBytes && batch.length > 0) {
      yield batch;
      batch = [];
      bytes = FEED_BYTES;
    }
    batch.push(record);
    bytes += recordBytes;
  }
  if (batch.length > 0) yield batch;
}

/** Of a message said for the first time the end is its own: whoever has just begun to listen begins there. */
function buildPublish(
  { publishing }: PeerState,
  now: Now,
  records: readonly PublishedRecord[],
  isRepair: boolean,
): PublishMessage {
  const last = isRepair ? publishing.last : (records.at(-1)?.sequence ?? publishing.last);
  const oldest = Math.min(oldestKept(publishing), last + 1);
  const { atMs = now.monotonicMs } = publishing.kept.get(oldest) ?? {};
  const oldestAgeMs = Math.max(0, Math.ceil(now.monotonicMs - atMs));
  return { kind: 'publish', oldest, oldestAgeMs, last, isRepair, records };
}

function oldestKept({ kept, last }: Publishing): number {
  for (const sequence of kept.keys()) return sequence;
  return last + 1;
}

/** Lets go of what is too old or too much to be repaired. */
function letGo({ publishing, settings }: PeerState, now: Now): void {
  const { publishKeptMs, publishKeptBytes, maxPublishKept } = settings.limits;
  for (const [sequence, { channel, message, atMs }] of publishing.kept) {
    const isTooMuch = publishing.keptBytes > publishKeptBytes || publishing.kept.size > maxPublishKept;
    // The newest stays while it is young, however long it is: nobody could have it otherwise.
    if (!(isTooMuch && publishing.kept.size > 1) && now.monotonicMs - atMs < publishKeptMs) return;
    publishing.kept.delete(sequence);
    publishing.keptBytes -= channel.length + message.length;
  }
}

/** Another peer lacks messages of this feed: they are gathered for a moment, and said again once. */
export function onMiss(state: PeerState, now: Now, from: PeerId, miss: MissMessage): void {
  const { publishing, settings, self, own, counters } = state;
  if (miss.incarnation !== self.incarnation) {
    counters.droppedMisdirected += 1;
    return;
  }
  counters.missesReceived += 1;
  letGo(state, now);
  const oldest = oldestKept(publishing);
  let room = settings.limits.maxPendingRepairs - pendingCount(publishing.wanted);
  let isTooLate = false;
  for (const [first, last] of miss.ranges) {
    if (first < oldest) isTooLate = true;
    for (let at = Math.max(first, oldest); at <= Math.min(last, publishing.last) && room > 0; at += 1) {
      addRepair(publishing.wanted, own.key, at, from);
      room -= 1;
    }
  }
  if (isTooLate) sendUnicast(state, from, buildPublish(state, now, [], true)); // it need not wait for that
  if (publishing.wanted.size > 0) scheduleBy(state, now, 'republish', settings.limits.repairMergeMs);
}

/** Timer: says again what was asked for, as far as the pace allows, and where the feed ends. */
export function onRepublishTimer(state: PeerState, now: Now): void {
  const { publishing, settings } = state;
  letGo(state, now);
  const isMore = sayAgain(state, now);
  if (publishing.kept.size === 0) publishing.remindAtMs = Infinity;
  else if (publishing.remindAtMs <= now.monotonicMs) {
    sendToAll(state, buildPublish(state, now, [], true), 'committed');
    publishing.remindPauseMs *= REMINDER_GROWTH;
    publishing.remindAtMs =
      now.monotonicMs + Math.min(publishing.remindPauseMs, settings.limits.publishKeptMs);
  }
  if (isMore) scheduleBy(state, now, 'republish', settings.limits.repairPauseMs);
  if (publishing.remindAtMs !== Infinity)
    scheduleBy(state, now, 'republish', Math.max(0, publishing.remindAtMs - now.monotonicMs));
}

/** By multicast what two or more asked for; what is too long for a datagram to each that asked. True when some is left for later. */
function sayAgain(state: PeerState, now: Now): boolean {
  const { publishing, own, settings } = state;
  const wanted = publishing.wanted.get(own.key);
  if (wanted === undefined) return false;
  const { datagramBudgetBytes, maxRepairDatagrams } = settings.limits;
  const groups = new Map<string, { readonly askers: Askers; readonly records: PublishedRecord[] }>();
  let bytes = 0;
  for (const [sequence, askers] of [...wanted].sort(([one], [other]) => one - other)) {
    if (bytes > maxRepairDatagrams * datagramBudgetBytes) break;
    wanted.delete(sequence);
    const kept = publishing.kept.get(sequence);
    if (kept === undefined) continue;
    bytes += kept.channel.length + kept.message.length + RECORD_OVERHEAD_BYTES;
    const record = recordOf(state, sequence, kept);
    if (record.referenceBytes !== undefined) {
      const whole = { sequence, channel: kept.channel, message: kept.message };
      for (const to of typeof askers === 'string' ? [askers] : askers)
        sendStream(state, to, buildPublish(state, now, [whole], true));
      continue;
    }
    const audience = typeof askers === 'string' ? askers : '*';
    const group = groups.get(audience) ?? { askers, records: [] };
    groups.set(audience, group);
    group.records.push(record);
  }
  for (const { askers, records } of groups.values())
    for (const batch of split(records, datagramBudgetBytes)) {
      const again = buildPublish(state, now, batch, true);
      if (typeof askers === 'string') sendUnicast(state, askers, again);
      else sendToAll(state, again, 'committed');
      state.counters.messagesRepaired += batch.length;
    }
  if (wanted.size > 0) return true;
  publishing.wanted.delete(own.key);
  return false;
}
