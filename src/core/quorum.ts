/**
 * Questions to a majority of the members, about one key each: what registers are made of (section 7; Attiya, Bar-Noy and Dolev, 1995).
 *
 * Owns the asking side: who has answered, when that is enough, who is asked again, and what is said when the time is over. onFetch.ts has the answering
 * side. A majority is one of all members, heard or not, this peer included; who knows other members, or has lost its disk and cannot know yet what it had, does
 * not count. Invariant: what counts as held is durable there; and what somebody once held it goes on holding, or something newer, for entries are replaced
 * by larger tags alone and what is gone at a horizon stands for all below it (R8).
 */
import { isAheadOfClock, refuseAhead } from './apply.ts';
import { timestampOf, type Now } from './clock.ts';
import type { FetchedMessage, SyncRecord } from './messages.ts';
import { takeAlone } from './onSync.ts';
import { copiesOf } from './replication.ts';
import { sendControl } from './send.ts';
import { absence } from './session.ts';
import type { PeerState } from './state.ts';
import { scheduleBy } from './timers.ts';
import { compareTags, type Entry, type Key, type PeerId, type Tag, type Timestamp } from './types.ts';

/**
 * newest: what is newest with a majority. stamp: the same, without the value: the clock is above it then, for a write. hold: a majority has what this
 * peer has now, or something newer. read: newest, and a majority has it.
 */
export type QuestionKind = 'newest' | 'stamp' | 'hold' | 'read';

interface Question {
  readonly number: number;
  readonly kind: QuestionKind;
  readonly key: Key;
  /** Monotonic milliseconds. */
  readonly untilMs: number;
  askAgainAtMs: number;
  pauseMs: number;
  /** Answers of another membership do not count: when it changes here, all are asked anew. */
  membershipHash: number;
  /** What each member was last known to hold for certain; of this peer, since it is durable. */
  readonly held: Map<PeerId, Tag>;
  /** What a majority is to hold; undefined while it is still looked for. */
  target: { readonly tag: Tag; readonly entry: Entry | undefined } | undefined;
  readonly strangers: Set<PeerId>;
  readonly unsure: Set<PeerId>;
  /** When a record that is long may go to whom again, monotonic milliseconds. */
  readonly recordDueMs: Map<PeerId, number>;
}

/** In `short` nothing is certain but that this many of `needed` were counted; who did not count, and why. */
export type Answer =
  | { readonly kind: 'majority'; readonly entry: Entry | undefined }
  | {
      readonly kind: 'short';
      readonly counted: number;
      readonly needed: number;
      readonly silent: readonly PeerId[];
      readonly strangers: readonly PeerId[];
      readonly unsure: readonly PeerId[];
    };

export interface QuorumState {
  lastNumber: number;
  readonly questions: Map<number, Question>;
  /** This disk was lost, or put back: what it held is here again for certain once a round that began after this has been adopted. 0: it never was. */
  unsureThrough: Timestamp;
  /** Somebody asked meanwhile: such a round is wanted. */
  isRoundWanted: boolean;
}

export function createQuorum(unsureThrough: Timestamp): QuorumState {
  return { lastNumber: 0, questions: new Map(), unsureThrough, isRoundWanted: false };
}

/** While a record is on its way it is not sent again, milliseconds: and longer by one for so many bytes. */
const RECORD_PAUSE_MS = 250;
const RECORD_BYTES_PER_MS = 10_000;

/**
 * Asks. The answer comes as an effect, `withinMs` from now at the latest. Undefined when as many questions are open as may be: nothing was asked then.
 */
export function askMajority(
  state: PeerState,
  now: Now,
  kind: QuestionKind,
  key: Key,
  withinMs: number,
): number | undefined {
  const { quorum, settings, membershipHash } = state;
  // What has been written is to be held, however much else is asked: each of those was a question before.
  if (kind !== 'hold' && quorum.questions.size >= settings.limits.maxQuestions) return undefined;
  quorum.lastNumber += 1;
  const question: Question = {
    number: quorum.lastNumber,
    kind,
    key,
    untilMs: now.monotonicMs + withinMs,
    askAgainAtMs: now.monotonicMs,
    pauseMs: settings.limits.questionRetryMs,
    membershipHash,
    held: new Map(),
    target: kind === 'hold' ? targetOf(state, key) : undefined,
    strangers: new Set(),
    unsure: new Set(),
    recordDueMs: new Map(),
  };
  quorum.questions.set(question.number, question);
  if (!isSure(state)) quorum.isRoundWanted = true;
  tellOwn(state, question);
  ask(state, now, question);
  advance(state, now, question);
  armQuestions(state, now);
  return question.number;
}

/** What this peer holds of a key. Of one that is gone, or never was: the tombstone that may have been dropped (session.ts). */
export function heldTag({ store, horizon }: PeerState, key: Key): Tag {
  return store.readEntry(key) ?? absence(horizon);
}

/** The same as a record to be sent. */
export function heldRecord({ store, horizon }: PeerState, key: Key): SyncRecord {
  const entry = store.readEntry(key);
  if (entry === undefined) return { kind: 'absent', key, horizon, covers: [] };
  const { kind: entryKind, ...rest } = entry;
  return { ...rest, kind: 'entry', key, entryKind, covers: [] };
}

/**
 * Whether this peer's answers count. A disk that was lost came back with what one donor had; a finished round that began since brings what any member had.
 */
export function isSure({ quorum, horizon }: PeerState): boolean {
  return quorum.unsureThrough === 0 || horizon > quorum.unsureThrough;
}

/** Whether a round is wanted for that, and one that begins now would do. */
export function needsRound(state: PeerState, now: Now): boolean {
  const { quorum } = state;
  return quorum.isRoundWanted && !isSure(state) && timestampOf(now.wallMs) > quorum.unsureThrough;
}

/** From here on rounds that begin after this do. */
export function becomeUnsure(state: PeerState, through: Timestamp): void {
  state.quorum.unsureThrough = through;
  state.store.writeState('unsureThrough', through);
}

/** A member's answer. */
export function onFetched(state: PeerState, now: Now, from: PeerId, message: FetchedMessage): void {
  const question = state.quorum.questions.get(message.number);
  if (question === undefined || message.asker !== state.self.incarnation) return; // late: it is answered, or given up
  if (message.membershipHash !== question.membershipHash) {
    question.strangers.add(from);
    return;
  }
  question.strangers.delete(from);
  const { tag, record } = message;
  if (tag === undefined) {
    question.unsure.add(from);
    return;
  }
  if (isAheadOfClock(state, now, tag.timestamp)) {
    refuseAhead(state, now, from);
    return; // section 8: asked again, it counts when its time has come
  }
  if (record !== undefined && (record.key !== question.key || !takeAlone(state, now, from, record))) {
    state.counters.fetchedRefused += 1;
    return;
  }
  if (question.kind === 'stamp') {
    if (tag.timestamp > state.clock) state.clock = tag.timestamp; // R3: what is written next is stamped above
  } else if (question.target === undefined && compareTags(heldTag(state, question.key), tag) < 0) return; // its record did not come along
  const before = question.held.get(from);
  if (before === undefined || compareTags(tag, before) > 0) question.held.set(from, tag);
  question.unsure.delete(from);
  advance(state, now, question);
}

/** What this peer held when it was asked is durable here. */
export function onOwnDurable(state: PeerState, now: Now, number: number, tag: Tag): void {
  const question = state.quorum.questions.get(number);
  if (question === undefined) return;
  question.held.set(state.self.id, tag);
  advance(state, now, question);
}

/** Timer: asks again whoever is still needed; gives up what has taken too long. */
export function onQuestionsTimer(state: PeerState, now: Now): void {
  for (const question of [...state.quorum.questions.values()]) {
    if (now.monotonicMs >= question.untilMs) {
      giveUp(state, question);
      continue;
    }
    if (question.membershipHash !== state.membershipHash) beginAnew(state, question);
    if (now.monotonicMs < question.askAgainAtMs) continue;
    ask(state, now, question);
    advance(state, now, question);
  }
  armQuestions(state, now);
}

function armQuestions(state: PeerState, now: Now): void {
  let nextMs = Infinity;
  for (const { untilMs, askAgainAtMs } of state.quorum.questions.values())
    nextMs = Math.min(nextMs, untilMs, askAgainAtMs);
  if (nextMs !== Infinity) scheduleBy(state, now, 'questions', Math.max(0, nextMs - now.monotonicMs));
}

function beginAnew(state: PeerState, question: Question): void {
  question.membershipHash = state.membershipHash;
  question.held.clear();
  question.strangers.clear();
  question.unsure.clear();
  tellOwn(state, question);
}

/** This peer counts as well, when what it holds is durable. */
function tellOwn(state: PeerState, { number, key }: Question): void {
  state.effects.push({
    kind: 'remind',
    reminder: { kind: 'held', number, tag: heldTag(state, key) },
    after: 'durable',
  });
}

function targetOf(state: PeerState, key: Key): NonNullable<Question['target']> {
  const entry = state.store.readEntry(key);
  return { tag: entry ?? absence(state.horizon), entry };
}

function ask(state: PeerState, now: Now, question: Question): void {
  for (const id of state.peers.keys()) if (!countsFor(state, question, id)) askOne(state, now, question, id);
  question.askAgainAtMs = now.monotonicMs + question.pauseMs * (1 + state.random() / 2);
  question.pauseMs = Math.min(2 * question.pauseMs, state.settings.limits.questionRetryMaxMs);
}

/** Who has said to hold less than is wanted gets it; of whom nothing is known yet may have it by UPDATE. */
function askOne(state: PeerState, now: Now, question: Question, id: PeerId): void {
  const { number, key, membershipHash, target, held, recordDueMs } = question;
  const isToTake =
    target !== undefined && held.has(id) && now.monotonicMs >= (recordDueMs.get(id) ?? -Infinity);
  const record = isToTake ? heldRecord(state, key) : undefined;
  if (record !== undefined) {
    const sendingMs = record.kind === 'entry' ? Math.ceil(record.value.length / RECORD_BYTES_PER_MS) : 0;
    recordDueMs.set(id, now.monotonicMs + RECORD_PAUSE_MS + sendingMs);
  }
  const wants = question.kind === 'stamp' ? 'tag' : 'record';
  const about = { kind: 'fetch', number, membershipHash, key, wants, tag: heldTag(state, key) } as const;
  sendControl(state, id, record === undefined ? about : { ...about, record }, 'committed');
}

/** Whether a member has said what is asked of it. */
function countsFor(state: PeerState, { held, target }: Question, id: PeerId): boolean {
  if (id === state.self.id && !isSure(state)) return false;
  const tag = held.get(id);
  return target === undefined
    ? tag !== undefined || id === state.self.id
    : tag !== undefined && compareTags(tag, target.tag) >= 0;
}

function advance(state: PeerState, now: Now, question: Question): void {
  if (counted(state, question) < needed(state)) {
    if (question.target !== undefined) offer(state, now, question);
    return;
  }
  if (question.target === undefined) {
    const target = targetOf(state, question.key);
    if (question.kind !== 'read') {
      settle(state, question, { kind: 'majority', entry: target.entry });
      return;
    }
    question.target = target;
    tellOwn(state, question);
    advance(state, now, question); // what all have need not be written back
    return;
  }
  settle(state, question, { kind: 'majority', entry: question.target.entry });
}

/** Written back at once to whoever was just found to hold less. */
function offer(state: PeerState, now: Now, question: Question): void {
  for (const id of question.held.keys())
    if (id !== state.self.id && !question.recordDueMs.has(id) && !countsFor(state, question, id))
      askOne(state, now, question, id);
}

function needed({ peers }: PeerState): number {
  return copiesOf('majority', peers.size + 1);
}

function counted(state: PeerState, question: Question): number {
  let count = countsFor(state, question, state.self.id) ? 1 : 0;
  for (const id of state.peers.keys()) if (countsFor(state, question, id)) count += 1;
  return count;
}

function giveUp(state: PeerState, question: Question): void {
  const { strangers, unsure } = question;
  if (!isSure(state)) unsure.add(state.self.id);
  const silent = [...state.peers.keys()].filter(
    (id) => !countsFor(state, question, id) && !strangers.has(id) && !unsure.has(id),
  );
  settle(state, question, {
    kind: 'short',
    counted: counted(state, question),
    needed: needed(state),
    silent,
    strangers: [...strangers],
    unsure: [...unsure],
  });
}

function settle(state: PeerState, { number }: Question, answer: Answer): void {
  state.quorum.questions.delete(number);
  state.effects.push({ kind: 'answered', number, answer });
}
