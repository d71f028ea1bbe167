/**
 * Gives a peer what it lacks, where that is more than a few datagrams hold (section 5): record by record, each key once (R5).
 *
 * It is only offered, and goes to who pulls it: of several peers that could give the same, one does. First the dots that are lacked are gathered by key, a
 * slice at a time; then the parts go out, a few on their way at a time and the next ones as those before have come, each entry as it is when it leaves.
 * I14: so many dots in one catch-up, so many at once; one through which nothing more comes is let go. What it leaves over is offered again.
 */
import { sizeOf, SyncBuilder, type AddedDot } from './buildSync.ts';
import type { Now } from './clock.ts';
import { learnFacts } from './facts.ts';
import type { PullMessage } from './messages.ts';
import { dotsToGive } from './lacked.ts';
import { noteClaims } from './onHeartbeat.ts';
import { createPartWindow, hasRoom, noteParts, noteSent, type PartWindow } from './partWindow.ts';
import type { PeerView } from './peerView.ts';
import { sendStream } from './send.ts';
import type { PeerState } from './state.ts';
import { scheduleBy } from './timers.ts';
import type { Incarnation, PeerId } from './types.ts';

/** Dots looked at in one slice. */
const SLICE_DOTS = 4096;

/** What one peer is given. */
export interface CatchUp {
  readonly taker: Incarnation;
  /** Tells those of this process apart. */
  readonly number: number;
  /** What is still to be gathered; undefined once all of it is, and the parts go out. */
  dots: Iterator<AddedDot> | undefined;
  gathered: number;
  readonly lacked: SyncBuilder;
  /** The index of its first key, of every part that was sent and of the next one. */
  readonly starts: number[];
  readonly parts: PartWindow;
  /** When all was gathered and the first part left, monotonic milliseconds. */
  beganMs: number;
  /** When it is let go unless a part more has come, monotonic milliseconds; the first one is on its way when all is gathered. */
  untilMs: number;
}

export function onPull(
  state: PeerState,
  now: Now,
  view: PeerView,
  taker: Incarnation,
  { number, part, have }: PullMessage,
): void {
  if (have !== undefined) {
    if (!learnFacts(state, now, have)) return;
    noteClaims(state, view, have);
  }
  const known = state.catchUps.get(view.id);
  const isSame = known?.taker === taker;
  if (number === 0) {
    if (!isSame || known.dots === undefined) begin(state, now, view, taker);
    return; // else it is gathered already
  }
  if (isSame && known.number === number && known.dots === undefined && part <= known.parts.sent)
    goOn(state, now, view.id, known, part);
  else state.counters.droppedMisdirected += 1; // of one that was let go, or what nobody can have
}

function begin(state: PeerState, now: Now, view: PeerView, taker: Incarnation): void {
  const { catchUps, counters, settings } = state;
  catchUps.delete(view.id);
  endIdleCatchUps(state, now);
  if (catchUps.size >= settings.limits.maxTransfers && !endLongest(state, now)) {
    sendStream(state, view.id, { kind: 'sync', records: [], more: false, catchUp: { number: 0, part: 0 } });
    return;
  }
  counters.catchUpsGiven += 1;
  catchUps.set(view.id, {
    taker,
    number: counters.catchUpsGiven,
    dots: dotsToGive(state, now, view),
    gathered: 0,
    lacked: new SyncBuilder(state),
    starts: [0],
    parts: createPartWindow(),
    beganMs: Infinity,
    untilMs: Infinity,
  });
  scheduleBy(state, now, 'catchUp', 0);
}

/**
 * Takers on slow links would have all there is to have for as long as they take: who has been sent parts for a HEARTBEAT period makes room for the next. It has what it
 * was sent, and pulls the rest again. False if nobody has been for so long.
 */
function endLongest(state: PeerState, now: Now): boolean {
  for (const [to, { beganMs, number, parts }] of state.catchUps) {
    if (now.monotonicMs - beganMs < state.settings.heartbeatMs) continue;
    sendStream(state, to, { kind: 'sync', records: [], more: false, catchUp: { number, part: parts.sent } });
    state.catchUps.delete(to);
    return true;
  }
  return false;
}

/** Timer: gathers a slice of one catch-up; the next part of the others to everyone who may be sent one. */
export function onCatchUpTimer(state: PeerState, now: Now): void {
  if (state.phase !== 'member') {
    state.catchUps.clear();
    return;
  }
  const gathering = [...state.catchUps.values()].find(({ dots }) => dots !== undefined);
  if (gathering !== undefined && gather(gathering, state.settings.limits.maxAnswerDots)) {
    gathering.beganMs = now.monotonicMs;
    gathering.untilMs = now.monotonicMs + state.settings.deadAfterMs;
  }
  for (const [id, catchUp] of state.catchUps) {
    if (catchUp.dots === undefined) sendNext(state, now, id, catchUp);
    else scheduleBy(state, now, 'catchUp', 0);
  }
}

/** True when all is gathered, or as much as one catch-up may have. */
function gather(catchUp: CatchUp, maxDots: number): boolean {
  const { dots, lacked } = catchUp;
  for (let looked = 0; looked < SLICE_DOTS; looked += 1) {
    const next = catchUp.gathered < maxDots ? dots?.next() : undefined;
    if (next === undefined || next.done === true) {
      catchUp.dots = undefined;
      return true;
    }
    catchUp.gathered += 1;
    lacked.gather(next.value.origin, next.value.sequence);
  }
  return false;
}

/** All before `part` have come. */
function goOn(state: PeerState, now: Now, to: PeerId, catchUp: CatchUp, part: number): void {
  if (noteParts(catchUp.parts, part)) catchUp.untilMs = now.monotonicMs + state.settings.deadAfterMs;
  sendNext(state, now, to, catchUp);
}

/** One part a turn, while there is room. */
function sendNext(state: PeerState, now: Now, to: PeerId, catchUp: CatchUp): void {
  const { transferWindow, maxAnswerBytes } = state.settings.limits;
  const { lacked, starts, number, parts } = catchUp;
  const { sent } = parts;
  if (!hasRoom(parts, transferWindow, maxAnswerBytes)) return;
  const start = starts[sent] ?? 0;
  if (start >= lacked.size && sent > 0) {
    if (sent === parts.arrived) state.catchUps.delete(to); // nothing is left to send: it has all of it
    return;
  }
  // A part that was sent already has the keys that it had.
  const known = starts[sent + 1];
  const records = lacked.recordsBetween(
    start,
    known ?? lacked.size,
    known === undefined ? maxAnswerBytes : Infinity,
  );
  const end = start + records.length;
  starts[sent + 1] = end;
  sendStream(state, to, { kind: 'sync', records, more: end < lacked.size, catchUp: { number, part: sent } });
  noteSent(
    parts,
    records.reduce((sum, record) => sum + sizeOf(record), 0),
  );
  state.counters.syncsSent += 1;
  state.counters.syncRecordsSent += records.length;
  scheduleBy(state, now, 'catchUp', 0);
}

/** Whether what a peer lacks, by what it said before, is on its way. It would be sent twice. */
export function isBeingGiven({ catchUps }: PeerState, now: Now, { id, incarnation }: PeerView): boolean {
  const catchUp = catchUps.get(id);
  return catchUp?.taker === incarnation && now.monotonicMs < catchUp.untilMs;
}

/** Lets go of those that have stopped. */
export function endIdleCatchUps(state: PeerState, now: Now): void {
  for (const [id, { untilMs }] of state.catchUps) if (now.monotonicMs >= untilMs) state.catchUps.delete(id);
}
