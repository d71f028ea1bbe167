/**
 * A cluster of bare cores under virtual time: no codec, no socket. Delivers what the cores send, with what loss
 * and delay a test asks for, and commits to disks that lose what was not committed when they crash, from one seed.
 */
import { timestampOf, type Now } from '../../src/core/clock.ts';
import { readCounted } from '../../src/core/counted.ts';
import { formatDecimal, parseFloating } from '../../src/core/decimal.ts';
import { timeMs } from '../../src/core/expiry.ts';
import { onMessage, onReminder, onStart, onTimer, onTurnEnd } from '../../src/core/core.ts';
import type { Effect } from '../../src/core/effects.ts';
import { learnMembers } from '../../src/core/members.ts';
import type { Channel, Message } from '../../src/core/messages.ts';
import { onIncrement, type CounterForm } from '../../src/core/increment.ts';
import { askMajority, type QuestionKind } from '../../src/core/quorum.ts';
import { takeArrived } from '../../src/core/onPublish.ts';
import { publish } from '../../src/core/publishing.ts';
import { defaultSettings, type CoreSettings } from '../../src/core/settings.ts';
import { createPeerState } from '../../src/core/loadState.ts';
import {
  awaitReplication,
  type ReplicationGoal,
  type ReplicationOutcome,
} from '../../src/core/replication.ts';
import type { PeerState } from '../../src/core/state.ts';
import type { Entry, Incarnation, Key, PeerId } from '../../src/core/types.ts';
import { onWrite, type WriteRefusal } from '../../src/core/write.ts';
import { openMemoryStore, type MemoryStore } from '../../src/storage/memoryStore.ts';

export interface Lossy {
  /** Chance that a message is lost; asked for each receiver. */
  loses: (message: Message, from: PeerId, to: PeerId, channel: Channel) => boolean;
}

interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

export interface Member {
  readonly id: PeerId;
  state: PeerState;
  disk: MemoryStore;
  /** Writes whose turn was reported committed, and durable: `key=value`. */
  readonly committed: string[];
  readonly durable: string[];
  /** What whoever listens there was told: publisher, channel, message. */
  readonly heard: string[];
  /** Waits for other disks that are over. */
  readonly replicated: (ReplicationOutcome & { readonly number: number })[];
  /** Wall clock less true time. */
  offsetMs: number;
  isUp: boolean;
  /** Stopped like a process by SIGSTOP: timers and messages wait, and on resume the timers run first, as in Node. */
  isPaused: boolean;
  readonly waitingTimers: (() => void)[];
  readonly waitingMessages: (() => void)[];
}

export interface Sent {
  readonly from: PeerId;
  readonly to: PeerId | '*';
  readonly channel: Channel;
  readonly message: Message;
}

/** Mulberry32: a seed is a whole run. */
export function seeded(seed: number): () => number {
  let at = seed >>> 0;
  return () => {
    at = (at + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const START_WALL_MS = Date.UTC(2026, 0, 1);

export class Cluster implements Lossy {
  readonly random: () => number;
  readonly members: Member[];
  readonly sent: Sent[] = [];
  readonly notices: { readonly at: PeerId; readonly name: string }[] = [];
  readonly answers: (Extract<Effect, { kind: 'answered' }> & { readonly at: PeerId })[] = [];
  timeMs = 0;
  loses: Lossy['loses'] = () => false;
  /** How long messages to a peer wait beside the time on the way, milliseconds. */
  waitsMs: (to: PeerId) => number = () => 0;
  readonly #settings: CoreSettings;
  readonly #isEstablished: boolean;
  readonly #listedAt: (id: string) => readonly string[];
  /** Latest first; among equals the one added first comes last, and so runs first. */
  readonly #events: Event[] = [];
  readonly #streamArrivesMs = new Map<string, number>();

  constructor(
    ids: readonly string[],
    seed = 1,
    settings: CoreSettings = defaultSettings,
    isEstablished = true,
    /** What servers.txt lists at a peer's start. */
    listedAt: (id: string) => readonly string[] = () => ids,
  ) {
    this.#isEstablished = isEstablished;
    this.#listedAt = listedAt;
    this.random = seeded(seed);
    this.#settings = settings;
    this.members = ids.map((id) => {
      const disk = openMemoryStore();
      const state = this.#load(id as PeerId, listedAt(id), disk, 0);
      return {
        id: id as PeerId,
        disk,
        state,
        committed: [],
        durable: [],
        heard: [],
        replicated: [],
        offsetMs: 0,
        isUp: true,
        isPaused: false,
        waitingTimers: [],
        waitingMessages: [],
      };
    });
    for (const member of this.members) this.#start(member);
  }

  /** The incarnation is durable before anything is said. */
  #start(member: Member): void {
    member.disk.store.commit({ committed: nothing, durable: nothing, failed: nothing });
    member.disk.completeCommits();
    member.disk.completeFlushes();
    onStart(member.state, this.now(member));
    this.#endTurn(member);
  }

  #load(id: PeerId, ids: readonly string[], disk: MemoryStore, offsetMs: number): PeerState {
    return createPeerState(
      {
        id,
        members: ids as PeerId[],
        settings: this.#settings,
        store: disk.store,
        random: this.random,
        // A cluster that is up already; how one begins, and how a peer joins, is join.test.ts's.
        isBootstrap: this.#isEstablished,
      },
      { monotonicMs: this.timeMs, wallMs: Math.floor(START_WALL_MS + this.timeMs + offsetMs) },
    );
  }

  now(member: Member): Now {
    return { monotonicMs: this.timeMs, wallMs: Math.floor(START_WALL_MS + this.timeMs + member.offsetMs) };
  }

  at(id: string): Member {
    const member = this.members.find((candidate) => candidate.id === id);
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  write(id: string, key: string, value: string | undefined, expiresInMs?: number): WriteRefusal | undefined {
    const member = this.at(id);
    const now = this.now(member);
    const bytes = value === undefined ? undefined : new TextEncoder().encode(value);
    const expiresAt = expiresInMs === undefined ? 0 : timestampOf(timeMs(member.state, now) + expiresInMs);
    const refusal = onWrite(member.state, now, key as Key, bytes, false, expiresAt);
    this.#endTurn(member, refusal === undefined ? `${key}=${value ?? ''}` : undefined);
    return refusal;
  }

  /** Publishes, all of it in one turn. */
  publish(
    id: string,
    channel: string,
    ...messages: readonly (string | Uint8Array)[]
  ): WriteRefusal | undefined {
    const member = this.at(id);
    let refusal: WriteRefusal | undefined;
    for (const message of messages) {
      const bytes = typeof message === 'string' ? new TextEncoder().encode(message) : message;
      refusal ??= publish(member.state, this.now(member), channel, bytes);
    }
    this.#endTurn(member);
    return refusal;
  }

  /** Writes, and waits for so many disks. Answers the wait's number. */
  replicate(id: string, key: string, goal: ReplicationGoal, withinMs = 1000): number {
    const member = this.at(id);
    const now = this.now(member);
    const refusal = onWrite(member.state, now, key as Key, new TextEncoder().encode(key), false);
    if (refusal !== undefined) throw new Error(refusal.message);
    const number = awaitReplication(member.state, now, goal, member.state.own.have.contiguous, withinMs);
    this.#endTurn(member);
    return number;
  }

  read(id: string, key: string): string | undefined {
    const member = this.at(id);
    const entry = member.disk.store.readEntry(key as Key);
    const shown = readCounted(member.state, this.now(member), key as Key, entry);
    return shown === undefined ? undefined : new TextDecoder().decode(shown.value);
  }

  /** Counts; answers what the key stands at there, or why nothing was counted. */
  increment(id: string, key: string, by = '1', form: CounterForm = 'integer'): string {
    const member = this.at(id);
    const number = parseFloating(new TextEncoder().encode(by));
    if (number === undefined || number === 'infinite') throw new Error(`${by} is no number`);
    const outcome = onIncrement(member.state, this.now(member), key as Key, number, form, false);
    this.#endTurn(member, outcome.kind === 'done' ? `${key}+${by}` : undefined);
    if (outcome.kind === 'done') return formatDecimal(outcome.total);
    return outcome.kind === 'fault' ? outcome.fault : outcome.refusal.code;
  }

  /** Asks a majority; answers the number of the question. */
  ask(id: string, kind: QuestionKind, key: string, withinMs: number): number | undefined {
    const member = this.at(id);
    const number = askMajority(member.state, this.now(member), kind, key as Key, withinMs);
    this.#endTurn(member);
    return number;
  }

  /** Delivers a hand-made message. */
  deliver(
    from: string,
    to: string,
    message: Message,
    channel: Channel = 'unicast',
    incarnation?: Incarnation,
  ): void {
    const member = this.at(to);
    onMessage(
      member.state,
      this.now(member),
      from as PeerId,
      incarnation ?? this.at(from).state.self.incarnation,
      channel,
      message,
    );
    this.#endTurn(member);
  }

  /** Crashes a member, which loses what was not committed (or, with the power, not durable), and starts it again. */
  restart(id: string, kind: 'process' | 'power' = 'process'): void {
    const member = this.at(id);
    member.disk = member.disk.crash({ kind });
    member.state = this.#load(member.id, this.#listedAt(id), member.disk, member.offsetMs);
    member.isUp = true;
    this.#start(member);
  }

  /** What servers.txt lists is read again. */
  reload(id: string): void {
    const member = this.at(id);
    learnMembers(member.state, { admitted: this.#listedAt(id) as PeerId[], forgotten: [] });
    this.#endTurn(member);
  }

  /** The first half of a resume: timers run before the sockets are read. */
  resumeTimers(id: string): void {
    const member = this.at(id);
    member.isPaused = false;
    for (const fire of member.waitingTimers.splice(0)) fire();
  }

  resume(id: string): void {
    const member = this.at(id);
    this.resumeTimers(id);
    for (const arrive of member.waitingMessages.splice(0)) arrive();
  }

  /** Lets virtual time pass. */
  run(forMs: number): void {
    const untilMs = this.timeMs + forMs;
    for (
      let next = this.#events.at(-1);
      next !== undefined && next.atMs <= untilMs;
      next = this.#events.at(-1)
    ) {
      this.#events.pop();
      this.timeMs = Math.max(this.timeMs, next.atMs);
      next.run();
    }
    this.timeMs = untilMs;
  }

  /** Everything a member holds, comparable between members. */
  contents(id: string): Record<string, string> {
    const contents: Record<string, string> = {};
    for (const [key, entry] of this.at(id).disk.store.entries({})) contents[key] = describeEntry(entry);
    return contents;
  }

  #after(delayMs: number, run: () => void): void {
    const atMs = this.timeMs + delayMs;
    let low = 0;
    for (let high = this.#events.length; low < high;) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.atMs ?? 0) > atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, { atMs, run });
  }

  #endTurn(member: Member, written?: string): void {
    const { disk, state } = member;
    for (const { from, channel, message } of takeArrived(state))
      member.heard.push(`${from} ${channel} ${describeBytes(message)}`);
    const effects = onTurnEnd(state, this.now(member));
    const later: Effect[] = [];
    const durable: Effect[] = [];
    for (const effect of effects) {
      const isMessage = effect.kind === 'multicast' || effect.kind === 'send';
      if (effect.kind === 'remind') durable.push(effect);
      else if (isMessage && effect.after === 'durable') durable.push(effect);
      else if (isMessage && effect.after === 'committed') later.push(effect);
      else this.#carryOut(member, effect);
    }
    disk.store.commit({
      committed: () => {
        if (written !== undefined) member.committed.push(written);
        for (const effect of later) this.#carryOut(member, effect);
      },
      durable: () => {
        if (written !== undefined) member.durable.push(written);
        for (const effect of durable) this.#carryOut(member, effect);
      },
      failed: nothing,
    });
    this.#after(0.3 * this.random(), () => {
      if (member.disk === disk) disk.completeCommits(1);
    });
    this.#after(0.3 + this.random(), () => {
      if (member.disk === disk) disk.completeFlushes(1);
    });
  }

  #carryOut(member: Member, effect: Effect): void {
    const { state } = member;
    if (effect.kind === 'multicast') {
      this.sent.push({ from: member.id, to: '*', channel: 'multicast', message: effect.message });
      for (const other of this.members)
        if (other !== member) this.#transmit(member, other, 'multicast', effect.message);
      for (const other of this.members)
        if (effect.alsoTo.includes(other.id)) this.#transmit(member, other, 'unicast', effect.message);
    } else if (effect.kind === 'send') {
      this.sent.push({ from: member.id, to: effect.to, channel: effect.by, message: effect.message });
      const to = this.members.find(({ id }) => id === effect.to); // an admitted peer may not run yet
      if (to !== undefined) this.#transmit(member, to, effect.by, effect.message);
    } else if (effect.kind === 'schedule') {
      const fire = (): void => {
        if (member.state !== state || !member.isUp) return;
        if (member.isPaused) {
          member.waitingTimers.push(fire);
          return;
        }
        onTimer(state, this.now(member), effect.timer, effect.token);
        this.#endTurn(member);
      };
      this.#after(effect.delayMs, fire);
    } else if (effect.kind === 'remind') {
      onReminder(state, this.now(member), effect.reminder);
      this.#endTurn(member);
    } else if (effect.kind === 'end') member.isUp = false;
    else if (effect.kind === 'answered') this.answers.push({ ...effect, at: member.id });
    else if (effect.kind === 'replicated')
      member.replicated.push({ number: effect.number, ...effect.outcome });
    else this.notices.push({ at: member.id, name: effect.name });
  }

  #transmit(from: Member, to: Member, channel: Channel, message: Message): void {
    if (this.loses(message, from.id, to.id, channel)) return;
    const { incarnation } = from.state.self;
    const arrive = (): void => {
      if (!to.isUp) return;
      if (to.isPaused) {
        to.waitingMessages.push(arrive);
        return;
      }
      onMessage(to.state, this.now(to), from.id, incarnation, channel, message);
      this.#endTurn(to);
    };
    let delayMs = 0.2 + this.random() + this.waitsMs(to.id);
    if (channel === 'stream') {
      // A stream keeps its order.
      const link = `${from.id} ${to.id}`;
      delayMs = Math.max(delayMs, (this.#streamArrivesMs.get(link) ?? 0) - this.timeMs);
      this.#streamArrivesMs.set(link, this.timeMs + delayMs);
    }
    this.#after(delayMs, arrive);
  }
}

function describeBytes(bytes: Uint8Array): string {
  return bytes.length > 100 ? `${bytes.length} bytes` : new TextDecoder().decode(bytes);
}

function nothing(): void {
  // Nobody waits for this report.
}

function describeEntry(entry: Entry): string {
  const { timestamp, id, incarnation, sequence, kind, value } = entry;
  return `${timestamp}/${id}/${incarnation}/${sequence} ${kind} ${new TextDecoder().decode(value)}`;
}
