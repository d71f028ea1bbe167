/**
 * PUBLISH, the listening side: the feeds of the other peers, each delivered in order, every message of it at most once.
 *
 * A gap waits a moment for reordering, then its publisher is asked (MISS) as long as that is of use: behind a gap nothing waits for longer than `publishKeptMs`, then
 * what is missing is given up, and counted. A process that has just begun to listen begins where it first hears a feed; one that was there before a feed began has all of
 * it. A new process of a publisher is a new feed. I14: what waits stays within the limits.
 */
import type { Now } from './clock.ts';
import type { PublishedRecord, PublishMessage } from './publishMessages.ts';
import type { PeerView } from './peerView.ts';
import { sendUnicast } from './send.ts';
import type { PeerState } from './state.ts';
import { scheduleBy } from './timers.ts';
import type { Incarnation, PeerId } from './types.ts';

/** A message for whoever listens here. */
export interface PublishedMessage {
  readonly from: PeerId;
  readonly incarnation: Incarnation;
  readonly sequence: number;
  /** One character a byte. */
  readonly channel: string;
  readonly message: Uint8Array;
}

interface WaitingMessage {
  readonly record: PublishedRecord;
  /** When it came, monotonic milliseconds. */
  readonly atMs: number;
}

/** What is heard of one publisher. */
export interface Feed {
  readonly id: PeerId;
  readonly incarnation: Incarnation;
  /** All below were delivered or given up. */
  next: number;
  /** The last that is known to have been published, and since when, monotonic milliseconds. */
  last: number;
  lastAtMs: number;
  /** Came before one below them. */
  readonly waiting: Map<number, WaitingMessage>;
  waitingBytes: number;
  /** Too long for a datagram, and not here yet. */
  readonly references: Set<number>;
  /** What is missing and was asked for: how often, and when it is asked for again, monotonic milliseconds. */
  readonly asked: Map<number, { readonly tries: number; readonly againAtMs: number }>;
  askedThrough: number;
  /** When the next of what is missing is due to be asked for; Infinity while nothing is. */
  askAtMs: number;
}

/** A message that comes by stream is not asked for again before so long, milliseconds. */
const STREAM_PATIENCE_MS = 250;
/** No packet is on its way for longer, milliseconds: who was here for so much longer than the oldest message is old was here before it was published. */
const UNDER_WAY_MS = 500;

export function onPublish(
  state: PeerState,
  now: Now,
  view: PeerView,
  incarnation: Incarnation,
  message: PublishMessage,
): void {
  const feed = feedOf(state, now, view.id, incarnation, message);
  if (feed === undefined) {
    state.counters.droppedMisdirected += 1; // of a process before the one that is heard
    return;
  }
  if (message.last > feed.last) {
    feed.last = message.last;
    feed.lastAtMs = now.monotonicMs;
  }
  const { maxPublishKept } = state.settings.limits;
  skipTo(state, feed, Math.max(message.oldest, feed.last - maxPublishKept + 1));
  for (const record of message.records) take(state, now, feed, record);
  awaitMissing(state, now, feed);
}

/** The feed of a process, begun where it is first heard of. Undefined for one that has been followed by another. */
function feedOf(
  state: PeerState,
  now: Now,
  id: PeerId,
  incarnation: Incarnation,
  message: PublishMessage,
): Feed | undefined {
  const { feeds, beganMs } = state.publishing;
  const known = feeds.get(id);
  if (known?.incarnation === incarnation) return known;
  if (known !== undefined && known.incarnation > incarnation) return undefined;
  if (known !== undefined) skipTo(state, known, known.last + 1); // nobody is there to repair it
  const wasHereBefore = now.monotonicMs - beganMs >= message.oldestAgeMs + UNDER_WAY_MS;
  const [first] = message.records;
  const next = wasHereBefore
    ? message.oldest
    : message.isRepair || first === undefined
      ? message.last + 1
      : first.sequence;
  const feed: Feed = {
    id,
    incarnation,
    next,
    last: next - 1,
    lastAtMs: now.monotonicMs,
    waiting: new Map(),
    waitingBytes: 0,
    references: new Set(),
    asked: new Map(),
    askedThrough: next - 1,
    askAtMs: Infinity,
  };
  feeds.set(id, feed);
  return feed;
}

function take(state: PeerState, now: Now, feed: Feed, record: PublishedRecord): void {
  const { counters, settings } = state;
  const { sequence } = record;
  if (sequence < feed.next || feed.waiting.has(sequence)) {
    counters.messagesDuplicate += 1;
    return;
  }
  if (record.referenceBytes !== undefined) {
    feed.references.add(sequence);
    return;
  }
  if (sequence > feed.next) {
    const bytes = bytesOf(record);
    if (feed.waitingBytes + bytes > settings.limits.publishKeptBytes) {
      counters.messagesWithoutRoom += 1; // asked for again when what it waits for is here
      return;
    }
    feed.waiting.set(sequence, { record, atMs: now.monotonicMs });
    feed.waitingBytes += bytes;
    return;
  }
  deliver(state, feed, record);
  deliverWaiting(state, feed);
}

function bytesOf({ channel, message }: PublishedRecord): number {
  return channel.length + message.length;
}

function deliver(state: PeerState, feed: Feed, { sequence, channel, message }: PublishedRecord): void {
  feed.next = sequence + 1;
  feed.references.delete(sequence);
  feed.asked.delete(sequence);
  state.counters.messagesDelivered += 1;
  state.publishing.arrived.push({
    from: feed.id,
    incarnation: feed.incarnation,
    sequence,
    channel,
    message,
  });
}

function deliverWaiting(state: PeerState, feed: Feed): void {
  for (let found = feed.waiting.get(feed.next); found !== undefined; found = feed.waiting.get(feed.next)) {
    feed.waiting.delete(feed.next);
    feed.waitingBytes -= bytesOf(found.record);
    deliver(state, feed, found.record);
  }
}

/** Gives up what is missing below a number; what has come of it is delivered. */
function skipTo(state: PeerState, feed: Feed, next: number): void {
  if (next <= feed.next) return;
  const present = [...feed.waiting.keys()].filter((sequence) => sequence < next).sort((a, b) => a - b);
  state.counters.messagesGivenUp += next - feed.next - present.length;
  for (const sequence of present) {
    if (sequence < feed.next) continue; // it went with those before it, and perhaps more behind
    feed.next = sequence;
    deliverWaiting(state, feed);
  }
  if (feed.next < next) feed.next = next;
  if (feed.last < feed.next - 1) feed.last = feed.next - 1;
  for (const sequence of feed.references) if (sequence < next) feed.references.delete(sequence);
  for (const sequence of feed.asked.keys()) if (sequence < next) feed.asked.delete(sequence);
  deliverWaiting(state, feed);
}

/** Sees to it that what is missing is asked for, or given up, in time. */
function awaitMissing(state: PeerState, now: Now, feed: Feed): void {
  if (feed.next > feed.last) {
    feed.askAtMs = Infinity;
    return;
  }
  if (feed.last > feed.askedThrough) {
    const { nakReorderMs, nakBackoffMs } = state.settings.limits;
    // What comes by stream is not on its way before it is asked for.
    const waitMs = (feed.references.size > 0 ? 0 : nakReorderMs) + nakBackoffMs * state.random();
    feed.askAtMs = Math.min(feed.askAtMs, now.monotonicMs + waitMs);
  }
  const dueMs = Math.min(feed.askAtMs, giveUpAtMs(state, feed));
  scheduleBy(state, now, 'miss', Math.max(0, dueMs - now.monotonicMs));
}

/** When the gap below what has waited longest is given up; where nothing waits, so long after the last was heard of. */
function giveUpAtMs(state: PeerState, feed: Feed): number {
  let sinceMs = Infinity;
  for (const { atMs } of feed.waiting.values()) sinceMs = Math.min(sinceMs, atMs);
  return (sinceMs === Infinity ? feed.lastAtMs : sinceMs) + state.settings.limits.publishKeptMs;
}

/** Timer: asks for what is missing and due; gives up what has been missing for too long. */
export function onMissTimer(state: PeerState, now: Now): void {
  for (const feed of state.publishing.feeds.values()) {
    if (feed.next > feed.last) continue;
    if (giveUpAtMs(state, feed) <= now.monotonicMs) skipTo(state, feed, firstWaiting(feed));
    if (feed.next <= feed.last && feed.askAtMs <= now.monotonicMs) ask(state, now, feed);
    awaitMissing(state, now, feed);
  }
}

function firstWaiting(feed: Feed): number {
  let first = feed.last + 1;
  for (const sequence of feed.waiting.keys()) first = Math.min(first, sequence);
  return first;
}

/** The first that are missing and due. What is on its way is not asked for again at once, and each time later. */
function ask(state: PeerState, now: Now, feed: Feed): void {
  const { maxNakRanges, maxNakDots, nakBackoffMs } = state.settings.limits;
  const ranges: [from: number, to: number][] = [];
  let room = maxNakDots;
  feed.askAtMs = Infinity;
  feed.askedThrough = feed.last;
  for (let sequence = feed.next; sequence <= feed.last; sequence += 1) {
    if (feed.waiting.has(sequence)) continue;
    const { tries, againAtMs } = feed.asked.get(sequence) ?? NEVER_ASKED;
    if (againAtMs > now.monotonicMs) {
      feed.askAtMs = Math.min(feed.askAtMs, againAtMs);
      continue;
    }
    const range = ranges.at(-1);
    const isNextOfRange = range?.[1] === sequence - 1;
    if (room === 0 || (!isNextOfRange && ranges.length === maxNakRanges)) {
      feed.askAtMs = now.monotonicMs + state.settings.limits.nakRetryMs; // the rest waits its turn
      break;
    }
    room -= 1;
    if (range !== undefined && isNextOfRange) range[1] = sequence;
    else ranges.push([sequence, sequence]);
    const patienceMs = patienceOf(state, feed.references.has(sequence), tries);
    const again = now.monotonicMs + patienceMs + nakBackoffMs * state.random();
    feed.asked.set(sequence, { tries: tries + 1, againAtMs: again });
    feed.askAtMs = Math.min(feed.askAtMs, again);
  }
  if (ranges.length === 0) return;
  sendUnicast(state, feed.id, { kind: 'miss', incarnation: feed.incarnation, ranges });
  state.counters.missesSent += 1;
}

const NEVER_ASKED = { tries: 0, againAtMs: -Infinity } as const;

function patienceOf({ settings }: PeerState, isByStream: boolean, tries: number): number {
  const { nakRetryMs, nakRetryMaxMs } = settings.limits;
  const firstMs = isByStream ? Math.max(nakRetryMs, STREAM_PATIENCE_MS) : nakRetryMs;
  return Math.max(firstMs, Math.min(nakRetryMaxMs, firstMs * 2 ** Math.min(tries, 8)));
}

/** The messages that came since they were last taken, in order. */
export function takeArrived({ publishing }: PeerState): readonly PublishedMessage[] {
  const { arrived } = publishing;
  if (arrived.length > 0) publishing.arrived = [];
  return arrived;
}
