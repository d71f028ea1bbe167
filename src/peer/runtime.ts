/**
 * Feeds the core and carries out its effects: one turn at a time, each committed as one unit.
 *
 * Inputs gather until the end of the event-loop turn; then own updates become messages, the store commits,
 * and effects leave as soon as what they say is true of the disk (R1): some at once, some when the turn is
 * committed, some when it is durable. A commit that fails ends the incarnation: no write is taken, no
 * waiting acknowledgement is given, and the owner is told.
 */
import type { Now } from '../core/clock.ts';
import { onMessage, onReminder, onStart, onTimer, onTurnEnd, takeChanges } from '../core/core.ts';
import { onOldIncarnation } from '../core/fence.ts';
import type { Effect } from '../core/effects.ts';
import { ToposphereError } from '../core/errors.ts';
import { bootstrap } from '../core/join.ts';
import { buildLeaving } from '../core/leaving.ts';
import { learnMembers } from '../core/members.ts';
import { sendMembers } from '../core/onHeartbeat.ts';
import type { Channel } from '../core/messages.ts';
import { createPeerState, type CoreOptions } from '../core/loadState.ts';
import type { PeerState } from '../core/state.ts';
import type { Store } from '../core/store.ts';
import { assertNever, type Key, type PeerId } from '../core/types.ts';
import { findKeyRefusal, onWrite, type WriteRefusal } from '../core/write.ts';
import { Arrivals, type ArrivedMessage } from './arrivals.ts';
import type { AcknowledgementLevel } from './backend.ts';
import {
  closedWhileWaitingError,
  commitFailedError,
  supersededError,
  throwRefusal,
} from './runtimeErrors.ts';
import type { Envelope } from '../wire/envelope.ts';
import { isFilling } from './diskSpace.ts';
import type { Faults } from './faults.ts';
import { PeerVersions } from './peerVersions.ts';
import type { PacketSource, RuntimeEvents, RuntimePorts } from './ports.ts';
import { leave } from './leaving.ts';
import { Publications } from './publications.ts';
import { Questions } from './questions.ts';
import { Outbox, type MulticastEffect } from './outbox.ts';
import { ReplicaWaits } from './replicaWaits.ts';
import { createOwed, createTurn, isAwaited, LINGER_MS, mayGrow } from './turn.ts';
import type { Acknowledged, Turn } from './turn.ts';
import { Watchers } from './watchers.ts';

export class Runtime {
  readonly state: PeerState;
  readonly watchers = new Watchers();
  readonly faults: Faults;
  readonly versions: PeerVersions;
  /** What came, and what of it was refused before the core saw it. */
  readonly arrivals: Arrivals;
  readonly questions: Questions;
  readonly replicas: ReplicaWaits;
  readonly publications: Publications;
  readonly #ports: RuntimePorts;
  readonly #store: Store;
  readonly #events: RuntimeEvents;
  readonly #outbox: Outbox;
  #envelope: Envelope | undefined;
  #isTurnOpen = false;
  #turnOpenedMs = 0;
  #isClosed = false;
  #failure: ToposphereError | undefined;
  /** Who waits for what was written in this turn. */
  #owed = createOwed();
  #turnsUnderWay = 0;
  #isCommitSoon = false;
  readonly #waiting = new Set<Turn>();

  constructor(options: CoreOptions, ports: RuntimePorts, faults: Faults, events: RuntimeEvents) {
    this.#ports = ports;
    this.#store = options.store;
    this.#events = events;
    this.faults = faults;
    this.versions = new PeerVersions(options.settings.deadAfterMs, () => ports.now().monotonicMs);
    this.#outbox = new Outbox(ports, faults, this.versions);
    this.questions = new Questions(this, ports.now);
    this.state = createPeerState(options, ports.now());
    this.replicas = new ReplicaWaits(this, ports.now);
    this.publications = new Publications(this, ports.now);
    this.arrivals = new Arrivals(this.versions, (id) => this.state.peers.has(id), events.onVersions);
  }

  /** Makes the new incarnation durable (index reuse would lose data), then starts to speak and listen. */
  start(envelope: Envelope): Promise<void> {
    return new Promise((resolve, reject) => {
      this.acknowledge('durable', (failure) => {
        if (failure !== undefined) {
          reject(failure);
          return;
        }
        this.#envelope = envelope;
        this.versions.open(envelope.versions);
        this.#outbox.open(envelope);
        onStart(this.state, this.#ports.now());
        this.#openTurn();
        resolve();
      });
    });
  }

  /** Datagrams that were dropped because too many waited. */
  get sendQueueDropped(): number {
    return this.#outbox.dropped;
  }

  /** Stops listening and speaking. What was taken in is still committed. */
  stop(): void {
    this.#isClosed = true; // first: what a watcher would still write is refused
    this.#endTurn();
    if (this.#failure === undefined && this.#store.hasChanges()) this.#commitNow(createTurn());
    this.questions.refuseAll(closedWhileWaitingError());
    this.replicas.fail(closedWhileWaitingError());
  }

  /** A clean stop: what was taken in is committed and said, LEAVING follows (leaving.ts), and then nothing. `done` comes in a bounded time. */
  leave(done: () => void): void {
    const settle = (settled: () => void): void => {
      this.acknowledge('committed', settled);
      this.stop();
    };
    const lastWord = (): MulticastEffect | undefined => buildLeaving(this.state, this.#ports.now());
    leave(this.#ports, this.#outbox, settle, lastWord, done);
  }

  /** Ends the turn as soon as the code that runs now is done, without waiting for other inputs: for whoever has nothing to batch. */
  endTurnSoon(): void {
    this.#ports.soon(() => {
      this.#endTurn();
    });
  }

  /** A local write, to expire at a Timestamp (0: never); throws a ToposphereError when it is refused (nothing was changed then). */
  write(key: Key, value: Uint8Array | undefined, isFast: boolean, expiresAt = 0): void {
    this.attempt((state, now) => onWrite(state, now, key, value, isFast, expiresAt));
  }

  /** Lets the core write more than one key, all in one turn; throws like `write`. */
  attempt(write: (state: PeerState, now: Now) => WriteRefusal | undefined): void {
    this.#assertRoom();
    throwRefusal(write(this.state, this.#ports.now()));
    this.#openTurn();
  }

  /** Throws what a write of this key would be refused with now. */
  assertWritable(key: Key): void {
    this.#assertRoom();
    throwRefusal(findKeyRefusal(this.state, this.#ports.now(), key));
  }

  /** Whoever servers.txt lists now, or an operator admits, is a member (section 8), and is told where `areInvited`. */
  admit(ids: readonly PeerId[], areInvited = false): void {
    this.#assertUsable();
    learnMembers(this.state, { admitted: ids, forgotten: [] });
    if (areInvited) for (const id of ids) sendMembers(this.state, id); // they may not know (`acceptInvitation`)
    this.#openTurn();
  }

  /** An operator says that this member will not come back: it is forgotten for good, everywhere. */
  forget(id: PeerId): void {
    this.#assertUsable();
    learnMembers(this.state, { admitted: [], forgotten: [id] });
    this.#openTurn();
  }

  /** An operator says that this peer takes part with what its disk holds, for nobody is left to join from (R10). */
  bootstrap(): void {
    this.#assertUsable();
    bootstrap(this.state);
    this.#openTurn();
  }

  /** Calls back when every write of this turn so far has reached `level`, or never will. */
  acknowledge(level: AcknowledgementLevel, callback: Acknowledged): void {
    if (this.#failure !== undefined || this.#isClosed) {
      callback(this.#failure ?? closedWhileWaitingError());
      return;
    }
    this.#owed[level].push(callback);
    this.#openTurn();
  }

  /** Bytes from the network; answers whether they are genuine. Never throws on what they say. `source` is for the operator alone: answers go to configured addresses. */
  receive(bytes: Uint8Array, channel: Channel, source: PacketSource): boolean {
    if (this.#envelope === undefined || this.#isClosed || this.#failure !== undefined) return false;
    const arrival = this.arrivals.take(this.#envelope, bytes, channel, source);
    if (arrival.kind === 'refused') return arrival.isGenuine;
    if (arrival.kind === 'message') {
      this.#onAuthentic(arrival, channel, source);
      return true;
    }
    onOldIncarnation(this.state, this.#ports.now(), arrival.sender, arrival.incarnation);
    this.#openTurn();
    return false;
  }

  #onAuthentic(arrived: ArrivedMessage, channel: Channel, source: PacketSource): void {
    const { sender: from, incarnation, message } = arrived;
    if (this.faults.losesArrival(from, message.kind, channel)) {
      this.arrivals.drop('rehearsedFault', source);
      return;
    }
    if (this.#store.isBusy() && message.kind !== 'checkpoint' && isFilling(message)) {
      this.arrivals.drop('storeBusy', source); // anti-entropy brings it again when the disk has caught up
      return;
    }
    if (isFilling(message) && this.#events.findRefusal?.() !== undefined) {
      this.arrivals.drop('diskFull', source); // likewise, when there is room
      return;
    }
    onMessage(this.state, this.#ports.now(), from, incarnation, channel, message);
    this.#openTurn();
    this.tellWatchers();
  }

  /** Of what changed since they were last told, and what was published: by itself when a message has come, and when a turn ends. */
  tellWatchers(): void {
    this.publications.tell();
    const changes = takeChanges(this.state);
    if (this.watchers.isEmpty) return;
    for (const change of changes) this.watchers.onChanged(change, this.state);
  }

  #openTurn(): void {
    if (this.#isTurnOpen || this.#isClosed) return;
    this.#isTurnOpen = true;
    this.#turnOpenedMs = this.#ports.now().monotonicMs;
    this.#awaitTurnEnd(0);
  }

  /** Ends the turn when its inputs are in. While writers keep streaming in it stays open a little: a larger commit costs each of them less. */
  #awaitTurnEnd(writesSeen: number): void {
    this.#ports.endOfTurn(() => {
      const writes = this.state.pendingUpdates.length;
      const openForMs = this.#ports.now().monotonicMs - this.#turnOpenedMs;
      if (mayGrow(writes - writesSeen, openForMs)) this.#awaitTurnEnd(writes);
      else this.#endTurn();
    });
  }

  #endTurn(): void {
    if (!this.#isTurnOpen) return;
    this.#isTurnOpen = false;
    const effects = onTurnEnd(this.state, this.#ports.now());
    this.#envelope?.setMembershipHash(this.state.membershipHash);
    const { fast, committed, durable } = this.#owed;
    this.#owed = createOwed();
    const turn = createTurn(committed, durable);
    for (const effect of effects) this.#sortEffect(effect, turn);
    if (this.#failure === undefined) this.#commit(turn); // else nothing of it may leave, and nobody waits for it any more
    for (const callback of fast) callback(this.#failure);
    for (const answered of turn.answered) this.questions.settle(answered);
    this.replicas.tell();
    for (const outgoing of turn.committed) this.#outbox.prepare(outgoing);
    for (const outgoing of turn.durable) this.#outbox.prepare(outgoing);
    this.tellWatchers(); // last: what a listener writes belongs to a turn of its own (R2)
  }

  /** Carries an effect out, or keeps it until its turn is as safe as the effect demands. */
  #sortEffect(effect: Effect, turn: Turn): void {
    switch (effect.kind) {
      case 'multicast':
      case 'send':
        if (effect.after === 'committed') turn.committed.push({ effect, prepared: undefined });
        else if (effect.after === 'durable') turn.durable.push({ effect, prepared: undefined });
        else this.#outbox.send({ effect, prepared: undefined });
        return;
      case 'schedule':
        this.#ports.after(effect.delayMs, () => {
          if (this.#isClosed || this.#failure !== undefined) return;
          onTimer(this.state, this.#ports.now(), effect.timer, effect.token);
          this.#openTurn();
        });
        return;
      case 'remind':
        turn.reminders.push(effect.reminder);
        return;
      case 'answered':
        turn.answered.push(effect);
        return;
      case 'replicated':
        this.replicas.settle(effect.number, effect.outcome);
        return;
      case 'end':
        this.#endIncarnation(effect.reason, turn);
        return;
      case 'notice':
        this.#events.onNotice(effect);
        return;
      default:
        assertNever(effect);
    }
  }

  #commit(turn: Turn): void {
    const hasChanges = this.#store.hasChanges();
    if (!isAwaited(turn)) {
      // Updates of other peers: nobody waits for them, so they may share a commit with what comes next.
      if (hasChanges) this.#commitSoon();
      return;
    }
    if (!hasChanges && this.#turnsUnderWay === 0) {
      this.#onTurnCommitted(turn); // nothing to make safe, and nothing before it that is not
      this.#onTurnDurable(turn);
      return;
    }
    this.#commitNow(turn);
  }

  #commitSoon(): void {
    if (this.#isCommitSoon) return;
    this.#isCommitSoon = true;
    this.#ports.after(LINGER_MS, () => {
      if (this.#isClosed || this.#failure !== undefined) return;
      this.#endTurn(); // R2: never half a turn
      this.#isCommitSoon = false;
      if (!this.#isTurnOpen && this.#store.hasChanges()) this.#commitNow(createTurn());
    });
  }

  #commitNow(turn: Turn): void {
    this.#turnsUnderWay += 1;
    this.#waiting.add(turn);
    this.#store.commit({
      committed: () => {
        this.#onTurnCommitted(turn);
      },
      durable: () => {
        this.#turnsUnderWay -= 1;
        this.#waiting.delete(turn);
        this.#onTurnDurable(turn);
      },
      failed: (reason) => {
        this.#failWith(commitFailedError(reason)); // R1: it ends the incarnation
      },
    });
  }

  #onTurnCommitted(turn: Turn): void {
    for (const outgoing of turn.committed.splice(0)) this.#outbox.send(outgoing);
    for (const callback of turn.onCommitted.splice(0)) callback();
  }

  #onTurnDurable(turn: Turn): void {
    for (const outgoing of turn.durable.splice(0)) this.#outbox.send(outgoing);
    for (const callback of turn.onDurable.splice(0)) callback();
    for (const reminder of turn.reminders.splice(0)) {
      if (this.#isClosed || this.#failure !== undefined) return;
      onReminder(this.state, this.#ports.now(), reminder);
      this.#openTurn();
    }
  }

  /** R10: this incarnation must not go on. The owner hears of it when what it has been told is saved, or it would start again as ignorant as before. */
  #endIncarnation(reason: 'fenced' | 'superseded', turn: Turn): void {
    if (this.#failure !== undefined) return;
    this.#waiting.add(turn);
    const failure = supersededError(this.state.self.id, reason);
    this.#refuseAll(failure);
    const tell = (): void => {
      this.#events.onFailure(failure);
    };
    if (this.#store.hasChanges())
      this.#store.commit({ committed: () => undefined, durable: tell, failed: tell });
    else tell();
  }

  #failWith(failure: ToposphereError): void {
    if (this.#failure !== undefined) return;
    this.#refuseAll(failure);
    this.#events.onFailure(failure);
  }

  /** Nothing is taken or said any more, and whoever waits is told why. */
  #refuseAll(failure: ToposphereError): void {
    this.#failure = failure;
    this.#outbox.close();
    // Taken out, each: a turn that is committed after all has nobody left to tell.
    const owed = Object.values(this.#owed).flatMap((waiting) => waiting.splice(0));
    for (const turn of this.#waiting) owed.push(...turn.onCommitted.splice(0), ...turn.onDurable.splice(0));
    this.#waiting.clear();
    for (const callback of owed) callback(failure);
    this.questions.refuseAll(failure);
    this.replicas.fail(failure);
  }

  #assertRoom(): void {
    this.#assertUsable();
    throwRefusal(this.#events.findRefusal?.());
  }

  #assertUsable(): void {
    if (this.#isClosed)
      throw new ToposphereError('CLOSED', 'write refused: this peer is closed; open it again');
    if (this.#failure !== undefined) throw this.#failure;
  }
}
