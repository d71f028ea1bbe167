/**
 * Writes that wait until so many disks have them, the waiting side: who waits for what, who has said so, and when that is enough.
 *
 * A wait is for this process's updates through a sequence. The members are asked with the turn's UPDATEs, and again while anybody waits; what they answer, and
 * the own disk's word, is kept as one sequence a member. Who is asked answers in heldUpdates.ts. I12: a wait for n copies is over when n members have said that their disk has
 * it, each counted once, and by its word as the process that it is now: one that has started anew since may have done so on another disk, and is asked again.
 * A deadline that passes decides nothing about the write.
 */
import type { Now } from './clock.ts';
import { highestKnown } from './fence.ts';
import type { HeldMessage } from './messages.ts';
import type { PeerView } from './peerView.ts';
import { sendToAll, sendUnicast } from './send.ts';
import type { PeerState } from './state.ts';
import { scheduleBy } from './timers.ts';
import type { Incarnation, PeerId } from './types.ts';
import type { WriteRefusal } from './write.ts';

/** How many members' disks, this peer's among them; `majority` and `all` of the members that there are when it is counted. */
export type Copies = number | 'majority' | 'all';

/** `others`: beside this peer, whose own disk then does not count. */
export type ReplicationGoal =
  { readonly kind: 'copies'; readonly copies: Copies } | { readonly kind: 'others'; readonly count: number };

interface ReplicationWait {
  readonly goal: ReplicationGoal;
  /** Own updates through this one. */
  readonly sequence: number;
  /** Monotonic milliseconds; Infinity for never. */
  readonly untilMs: number;
}

/** What became of a wait: who has it on disk, who has not said so, both in order of id. */
export interface ReplicationOutcome {
  readonly isReached: boolean;
  readonly onDisk: readonly PeerId[];
  readonly silent: readonly PeerId[];
}

export interface Replication {
  lastNumber: number;
  readonly waits: Map<number, ReplicationWait>;
  /** Own updates through this one are on this disk. */
  onOwnDisk: number;
  /** What each member has on its disk, and the process that said so. */
  readonly held: Map<PeerId, { readonly incarnation: Incarnation; readonly sequence: number }>;
  /** The highest sequence that was waited for. */
  askedThrough: number;
  /** A wait began in this turn, and it is not known whether the own disk has what it is for; an answer came. */
  isAskDue: boolean;
  isOwnDiskAsked: boolean;
  isJudgementDue: boolean;
  /** When the silent are asked again, monotonic milliseconds, and how long after that. */
  askAgainAtMs: number;
  askPauseMs: number;
}

/** From so many silent members on they are asked again by multicast. */
const MANY_SILENT = 3;

export function createReplication(): Replication {
  return {
    lastNumber: 0,
    waits: new Map(),
    onOwnDisk: 0,
    held: new Map(),
    askedThrough: 0,
    isAskDue: false,
    isOwnDiskAsked: false,
    isJudgementDue: false,
    askAgainAtMs: Infinity,
    askPauseMs: 0,
  };
}

/** Why no write may wait for this. To be asked before it is made. */
export function findReplicationRefusal(state: PeerState, goal: ReplicationGoal): WriteRefusal | undefined {
  const { replication, settings } = state;
  const members = state.peers.size + 1;
  if (goal.kind === 'copies' && typeof goal.copies === 'number' && goal.copies > members)
    return {
      code: 'BAD_ARGUMENT',
      message: `replicated ${goal.copies} asks for more disks than there are members: there ${members === 1 ? 'is 1' : `are ${members}`}`,
    };
  const most = settings.limits.maxReplicationWaits;
  if (replication.waits.size < most) return undefined;
  return {
    code: 'BUSY',
    message: `nothing was written: ${most} writes wait for other peers' disks already; wait for some of them, or write with another level`,
  };
}

/** Waits until so many disks have this process's updates through `sequence`. Answers its number, which the effect `replicated` names; nothing else follows from it. */
export function awaitReplication(
  state: PeerState,
  now: Now,
  goal: ReplicationGoal,
  sequence: number,
  withinMs: number,
): number {
  const { replication } = state;
  replication.lastNumber += 1;
  replication.waits.set(replication.lastNumber, { goal, sequence, untilMs: now.monotonicMs + withinMs });
  replication.askedThrough = Math.max(replication.askedThrough, sequence);
  replication.isAskDue = true;
  replication.isOwnDiskAsked ||= goal.kind === 'copies' && sequence > replication.onOwnDisk;
  replication.isJudgementDue = true;
  if (withinMs !== Infinity) scheduleBy(state, now, 'ask', withinMs);
  return replication.lastNumber;
}

/** Nobody waits for it any more. */
export function endReplicationWait({ replication }: PeerState, number: number): void {
  replication.waits.delete(number);
}

/** This process's updates through `sequence` are on its own disk. */
export function noteOnOwnDisk({ replication }: PeerState, sequence: number): void {
  if (sequence <= replication.onOwnDisk) return;
  replication.onOwnDisk = sequence;
  replication.isJudgementDue = true;
}

/** A member says what it has on disk of this process. */
export function onHeld(
  state: PeerState,
  view: PeerView,
  incarnation: Incarnation,
  { of, sequence }: HeldMessage,
): void {
  const { replication, self, own, counters } = state;
  // Of a process that has ended since, here or there, or of what was never written.
  if (of !== self.incarnation || incarnation < view.incarnation || sequence > own.have.contiguous) {
    counters.droppedMisdirected += 1;
    return;
  }
  const known = replication.held.get(view.id);
  if (known?.incarnation === incarnation && known.sequence >= sequence) return;
  replication.held.set(view.id, { incarnation, sequence });
  replication.isJudgementDue = true;
}

/** A member is none any more: its disk counts no longer, and nobody waits for it. */
export function forgetHeld({ replication }: PeerState, id: PeerId): void {
  replication.held.delete(id);
  replication.isJudgementDue = true;
}

/** At the end of a turn: whoever has waited long enough is told, and the members are asked for what is new. */
export function flushReplication(state: PeerState, now: Now): void {
  const { replication, settings } = state;
  if (replication.isJudgementDue) judge(state);
  replication.isJudgementDue = false;
  if (!replication.isAskDue) return;
  const isOwnDiskAsked = replication.isOwnDiskAsked;
  replication.isAskDue = false;
  replication.isOwnDiskAsked = false;
  if (replication.waits.size === 0) return;
  ask(state, undefined);
  if (isOwnDiskAsked) {
    const reminder = { kind: 'onDisk', sequence: state.own.have.contiguous } as const;
    state.effects.push({ kind: 'remind', reminder, after: 'durable' });
  }
  replication.askPauseMs = settings.limits.askAgainMs;
  replication.askAgainAtMs = now.monotonicMs + replication.askPauseMs;
  scheduleBy(state, now, 'ask', replication.askPauseMs);
}

/** Timer: deadlines have come, or the silent are to be asked again. */
export function onAskTimer(state: PeerState, now: Now): void {
  const { replication, settings } = state;
  for (const [number, { sequence, untilMs }] of replication.waits) {
    if (untilMs > now.monotonicMs) continue;
    state.counters.replicationsUnknown += 1;
    settle(state, number, false, sequence);
  }
  if (replication.waits.size === 0) return;
  if (replication.askAgainAtMs <= now.monotonicMs) {
    const silent = silentIds(state);
    if (silent.length > 0) ask(state, silent);
    replication.askPauseMs = Math.min(2 * replication.askPauseMs, settings.limits.askAgainMaxMs);
    replication.askAgainAtMs = now.monotonicMs + replication.askPauseMs;
  }
  let dueMs = replication.askAgainAtMs;
  for (const { untilMs } of replication.waits.values()) dueMs = Math.min(dueMs, untilMs);
  scheduleBy(state, now, 'ask', Math.max(0, dueMs - now.monotonicMs));
}

/** Live members that have not said that they have all that is waited for. */
function silentIds(state: PeerState): PeerId[] {
  const silent: PeerId[] = [];
  for (const view of state.peers.values())
    if (view.isLive && heldBy(state, view.id) < state.replication.askedThrough) silent.push(view.id);
  return silent;
}

function ask(state: PeerState, only: readonly PeerId[] | undefined): void {
  const message = { kind: 'ask', sequence: state.replication.askedThrough } as const;
  if (message.sequence === 0 || state.peers.size === 0) return; // nothing was written, or there is nobody
  state.counters.asksSent += 1;
  if (only === undefined || only.length >= MANY_SILENT) sendToAll(state, message, 'committed');
  else for (const id of only) sendUnicast(state, id, message);
}

/** I12: what a member's disk has of this process, by the word of the process that it is now. */
function heldBy(state: PeerState, id: PeerId): number {
  const held = state.replication.held.get(id);
  return held !== undefined && held.incarnation >= highestKnown(state, id) ? held.sequence : 0;
}

/** Tells of every wait that is over. */
function judge(state: PeerState): void {
  const { replication } = state;
  if (replication.waits.size === 0) return;
  const others = Array.from(state.peers.keys(), (id) => heldBy(state, id));
  const all = [...others, replication.onOwnDisk].sort((a, b) => b - a);
  others.sort((a, b) => b - a);
  for (const [number, { goal, sequence }] of replication.waits) {
    const held = goal.kind === 'others' ? others : all;
    const wanted = goal.kind === 'others' ? goal.count : copiesOf(goal.copies, all.length);
    // The n-th largest: n disks have everything through it.
    if (wanted > 0 && (held[wanted - 1] ?? -1) < sequence) continue;
    state.counters.replicationsReached += 1;
    settle(state, number, true, sequence);
  }
}

/** How many disks that is of so many members. */
export function copiesOf(copies: Copies, members: number): number {
  if (copies === 'all') return members;
  return copies === 'majority' ? Math.floor(members / 2) + 1 : copies;
}

function settle(state: PeerState, number: number, isReached: boolean, sequence: number): void {
  state.replication.waits.delete(number);
  state.effects.push({
    kind: 'replicated',
    number,
    outcome: { isReached, ...findHolders(state, sequence) },
  });
}

/** Which members have this process's updates through `sequence` on disk, as far as they have said so. */
export function findHolders(state: PeerState, sequence: number): Omit<ReplicationOutcome, 'isReached'> {
  const { replication, self } = state;
  const onDisk: PeerId[] = [];
  const silent: PeerId[] = [];
  for (const id of [...state.peers.keys(), self.id].sort()) {
    const held = id === self.id ? replication.onOwnDisk : heldBy(state, id);
    (held >= sequence ? onDisk : silent).push(id);
  }
  return { onDisk, silent };
}
