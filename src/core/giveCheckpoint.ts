/**
 * Gives checkpoints to who joins (R9, R10): the parts of one snapshot, a few on their way at a time, the next ones as those before have come.
 *
 * JOIN asks for a new snapshot, or says how far one has come: then what follows is sent, or what was lost with a connection once more. So a transfer of any
 * length holds a window of parts in memory, and a broken one goes on where it stopped. R10: the joiner's incarnation is durable here
 * before any of it leaves. I14: so many at once; where nothing more comes through the snapshot is let go.
 */
import { openCheckpoint, readPart, type Checkpoint } from './buildCheckpoint.ts';
import type { Now } from './clock.ts';
import type { CheckpointMessage, JoinMessage } from './messages.ts';
import { createPartWindow, hasRoom, noteParts, noteSent, type PartWindow } from './partWindow.ts';
import type { PeerView } from './peerView.ts';
import { noteIncarnation, type PeerState } from './state.ts';
import { scheduleBy } from './timers.ts';
import type { Incarnation, PeerId } from './types.ts';

/** One peer's transfer. */
export interface Giving {
  readonly joiner: Incarnation;
  /** Tells snapshots of this process apart. */
  readonly number: number;
  readonly checkpoint: Checkpoint;
  readonly parts: PartWindow;
  /** When it is let go unless a part more has come, monotonic milliseconds: who sends and cannot hear does not hold it for ever. */
  untilMs: number;
}

/** R10: the joiner's incarnation is recorded, durably, before anything of the checkpoint leaves. */
export function onJoin(
  state: PeerState,
  now: Now,
  view: PeerView,
  joiner: Incarnation,
  { snapshot, part }: JoinMessage,
): void {
  if (state.phase !== 'member') return;
  noteIncarnation(state, view.id, joiner);
  const known = state.giving.get(view.id);
  if (snapshot !== 0) {
    if (known?.joiner !== joiner)
      refuse(state, view.id, joiner, snapshot); // it was let go
    else if (known.number === snapshot && part <= known.parts.sent) goOn(state, now, known, part);
    else state.counters.droppedMisdirected += 1; // of one before, which it has been given another for; or what nobody can have
    return;
  }
  if (known?.joiner === joiner && known.parts.arrived === 0) {
    goOn(state, now, known, 0); // on a slow link its parts may be on their way, and a new one's would never be
    return;
  }
  endGiving(state, view.id);
  endIdle(state, now);
  if (state.giving.size >= state.settings.limits.maxTransfers) {
    refuse(state, view.id, joiner, snapshot);
    return;
  }
  state.counters.checkpointsGiven += 1;
  const number = state.counters.checkpointsGiven;
  const giving: Giving = {
    joiner,
    number,
    checkpoint: openCheckpoint(state),
    parts: createPartWindow(),
    untilMs: now.monotonicMs + state.settings.limits.transferIdleMs,
  };
  state.giving.set(view.id, giving);
  goOn(state, now, giving, 0);
}

/** All before `part` have come. */
function goOn(state: PeerState, now: Now, giving: Giving, part: number): void {
  if (noteParts(giving.parts, part)) giving.untilMs = now.monotonicMs + state.settings.limits.transferIdleMs;
  scheduleBy(state, now, 'give', 0);
}

/** Sends the next part if there is room for it. Answers whether it did. */
function sendNext(state: PeerState, now: Now, to: PeerId, giving: Giving): boolean {
  const { transferWindow, checkpointPartBytes } = state.settings.limits;
  const { joiner, number: snapshot, parts } = giving;
  if (!hasRoom(parts, transferWindow, checkpointPartBytes)) return false;
  const pauseMs = state.transferDueMs - now.monotonicMs;
  if (pauseMs > 0) {
    scheduleBy(state, now, 'give', pauseMs);
    return false;
  }
  const content = readPart(giving.checkpoint, parts.sent);
  if (content === undefined) {
    if (parts.sent === parts.arrived) endGiving(state, to); // nothing is left to send: it has all of it
    return false;
  }
  send(state, to, { kind: 'checkpoint', snapshot, part: parts.sent, joiner, ...content });
  const bytes = content.entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
  noteSent(parts, bytes);
  noteRate(state, now, bytes);
  state.giving.delete(to);
  state.giving.set(to, giving);
  scheduleBy(state, now, 'give', 0);
  return true;
}

/** A part goes out whole; the next one, to whomever, waits for as long as it may have taken. A catch-up is not held back: who takes it asks another one when nothing comes for a while. */
function noteRate(state: PeerState, now: Now, bytes: number): void {
  const tookMs = (1000 * bytes) / state.settings.limits.transferBytesPerSecond;
  state.transferDueMs = Math.max(state.transferDueMs, now.monotonicMs) + tookMs;
}

/**
 * Timer: one part to the first who may be sent one, however many ask at once: to read several takes long enough for clients to notice. Who was sent one comes
 * last, so that all have their share of what may leave.
 */
export function onGiveTimer(state: PeerState, now: Now): void {
  if (state.phase !== 'member') return;
  for (const [id, giving] of [...state.giving]) if (sendNext(state, now, id, giving)) return;
}

function refuse(state: PeerState, to: PeerId, joiner: Incarnation, snapshot: number): void {
  const none = { part: 0, joiner, entries: [], rows: [] };
  send(state, to, { kind: 'checkpoint', snapshot, ...none, isRefused: true });
}

function send(state: PeerState, to: PeerId, message: CheckpointMessage): void {
  state.effects.push({ kind: 'send', to, by: 'stream', message, after: 'durable' });
}

/** Lets go of what somebody was given, if anything. */
export function endGiving(state: PeerState, to: PeerId): void {
  state.giving.get(to)?.checkpoint.snapshot.close();
  state.giving.delete(to);
}

/** Lets go of the snapshots of transfers that have stopped. */
export function endIdle(state: PeerState, now: Now): void {
  for (const [id, { untilMs }] of state.giving) if (now.monotonicMs >= untilMs) endGiving(state, id);
}
