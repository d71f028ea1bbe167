/**
 * One client's way from peer to peer: it stays with one while that serves, and goes to the next nearest when it does not.
 *
 * Owns the operations that wait for a peer, the token, and what becomes of an operation whose peer was left: what certainly changed nothing is asked again
 * elsewhere, the rest is MAYBE_APPLIED. Connections are link.ts's, the search searching.ts's. Invariant: an operation that resolves is covered by the token; no write is sent
 * twice unless the first was refused unchanged, and then not behind a later write of its key.
 */
import { ToposphereError } from '../core/errors.ts';
import { EarliestTimer } from './earliestTimer.ts';
import { Link, type LinkSettings } from './link.ts';
import { describeDoubt, describeNoPeer, type Seen } from './outcomes.ts';
import type { Answer, Operation, Request } from './operation.ts';
import type { PeerAddress } from './peerList.ts';
import { readRefusal } from './refusals.ts';
import { findServing } from './searching.ts';

interface RoamingSettings extends LinkSettings {
  /** Nearest first. */
  readonly peers: readonly PeerAddress[];
  readonly staggerMs: number;
  readonly backoffMs: number;
}

/** A change of peers. */
export interface Failover {
  /** `host:port` */
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  /** From the moment in which the old peer was given up until the new one served, milliseconds. */
  readonly tookMs: number;
}

interface RoamingCounts {
  failovers: number;
  lastFailoverMs: number;
  /** Operations asked again at another peer, or at the same again. */
  retries: number;
}

/** The first pause is this part of the longest. */
const FIRST_PAUSE_RATIO = 1 / 20;
interface LeftPeer {
  readonly from: string;
  readonly reason: string;
}

interface Leaving {
  readonly reason: string;
  /** The peer did not serve: others are tried before it. */
  readonly isSetback: boolean;
}

interface Refused {
  readonly operation: Operation;
  readonly error: ToposphereError;
}

export class Roaming {
  readonly #settings: RoamingSettings;
  readonly #onFailover: (failover: Failover) => void;
  readonly counts: RoamingCounts = { failovers: 0, lastFailoverMs: NaN, retries: 0 };
  /** What the session has seen. */
  #token: string | undefined;
  /** Tokens that it has taken in since, and with which it is still to begin. */
  #merged: readonly string[] = [];
  #link: Link | undefined;
  /** No more is sent to the present peer, which is left once it has answered what was sent. */
  #leaving: Leaving | undefined;
  #batchesOut = 0;
  #waiting: Operation[] = [];
  #orders = 0;
  #isSendDue = false;
  #refused: Refused[] = [];
  /** The latest write of a key that may have been carried out, while some stand refused. */
  readonly #writtenSince = new Map<string, number>();
  /** Losses that no operation was told of yet. */
  readonly #losses: ToposphereError[] = [];
  /** What each peer said last why it does not serve. */
  readonly #seen = new Map<string, Seen>();
  /** Peers that were left, and when, in order. */
  readonly #left = new Map<string, number>();
  /** Peers that served and were left since one last answered an operation. */
  #setbacks = 0;
  readonly #ending = new AbortController();
  /** Only while no peer serves. */
  readonly #expiry = new EarliestTimer(() => {
    if (this.#link === undefined || this.#leaving !== undefined) this.#expireInTime();
  });
  #isClosed = false;
  readonly #whenIdle: (() => void)[] = [];

  constructor(
    settings: RoamingSettings,
    token: string | undefined,
    onFailover: (failover: Failover) => void,
  ) {
    this.#settings = settings;
    this.#token = token;
    this.#onFailover = onFailover;
  }

  /** `host:port` of the peer that serves; undefined while one is sought. */
  get peer(): string | undefined {
    return this.#link?.peer.name;
  }

  get token(): string | undefined {
    return this.#token;
  }

  /** Resolves when a peer serves. Rejects as an operation does that none takes. */
  async start(deadlineMs: number): Promise<void> {
    const begun = this.#search(undefined);
    const timer = setTimeout(() => {
      this.#ending.abort();
    }, deadlineMs);
    await begun;
    clearTimeout(timer);
    if (this.#link !== undefined) return;
    const error = this.#describeNoPeer(deadlineMs);
    this.end();
    throw error;
  }

  /** Asks what an operation asks; resolves with the reply. */
  request(request: Request, deadlineMs: number): Promise<unknown> {
    if (this.#isClosed)
      return Promise.reject(new ToposphereError('CLOSED', 'this client was closed; nothing was sent'));
    return new Promise((resolve, reject) => {
      this.#orders += 1;
      const deadlineAtMs = performance.now() + deadlineMs;
      this.#waiting.push({ ...request, order: this.#orders, deadlineAtMs, deadlineMs, resolve, reject });
      this.#sendSoon();
      if (this.#link === undefined || this.#leaving !== undefined) this.#expiry.at(deadlineAtMs);
    });
  }

  /** The session has seen what this token has, too: it is begun again with both. */
  merge(token: string): void {
    this.#merged = [...this.#merged, token];
    this.#leave({ reason: 'a token was merged', isSetback: false });
  }

  /** Resolves when every operation is settled. */
  async settled(): Promise<void> {
    while (this.#waiting.length + this.#batchesOut + this.#refused.length > 0)
      await new Promise<void>((resolve) => {
        this.#whenIdle.push(resolve);
      });
  }

  /** Ends at once: what waits is rejected, what was sent is in doubt. */
  end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ending.abort();
    this.#settings.nearCache?.leave();
    this.#expiry.stop();
    this.#link?.break('this client was closed');
    const closed = new ToposphereError(
      'CLOSED',
      'this client was closed before a peer served; nothing was sent',
    );
    for (const operation of this.#waiting.splice(0)) giveUp(operation, closed);
  }

  /** All operations of one turn of the event loop leave together. */
  #sendSoon(): void {
    if (this.#isSendDue) return;
    this.#isSendDue = true;
    setImmediate(() => {
      this.#isSendDue = false;
      this.#send();
    });
  }

  #send(): void {
    const link = this.#link;
    if (link === undefined || this.#leaving !== undefined || !link.isOpen || this.#waiting.length === 0)
      return;
    const [loss] = this.#losses;
    const batch = this.#waiting.splice(0);
    if (loss !== undefined) {
      // Each of them might read, or build on, what is lost.
      for (const operation of batch) giveUp(operation, loss);
      if (batch.some(({ doubt }) => doubt === undefined)) this.#losses.shift();
      this.#noteIdle();
      return;
    }
    this.#batchesOut += 1;
    void link.send(batch).then(({ answers, token, isWhole }) => {
      if (token !== undefined) this.#token = token;
      batch.forEach((operation, index) => {
        this.#conclude(operation, answers[index] ?? { kind: 'silent' }, isWhole, link);
      });
      this.#batchesOut -= 1;
      if (this.#batchesOut === 0 && this.#leaving !== undefined) this.#arriveNowhere();
      this.#noteIdle();
    });
  }

  #conclude(operation: Operation, answer: Answer, isWhole: boolean, link: Link): void {
    if (answer.kind === 'refused') {
      this.#concludeRefused(operation, answer.text, link);
      return;
    }
    if (answer.kind === 'reply' && isWhole) {
      this.#setbacks = 0;
      this.#noteWritten(operation);
      operation.resolve(answer.value);
    } else if (operation.isRead) this.#askAgain(operation);
    else {
      this.#noteWritten(operation);
      const doubt = describeDoubt(operation, link.peer.name, answer.kind === 'reply');
      if (operation.again === undefined) operation.reject(doubt);
      else this.#askAgain({ ...operation, words: operation.again, doubt });
    }
  }

  #concludeRefused(operation: Operation, text: string, link: Link): void {
    const { error, isElsewhere } = readRefusal(text);
    if (!isElsewhere) {
      this.#setbacks = 0;
      if (error.changed !== false) this.#noteWritten(operation);
      operation.reject(error);
      return;
    }
    this.#seen.set(link.peer.name, { message: error.message, code: error.code });
    this.#refused.push({ operation, error });
    this.#leave({ reason: error.message, isSetback: true }, link);
  }

  #noteWritten({ isRead, keys, order }: Operation): void {
    if (isRead || this.#refused.length === 0) return;
    for (const key of keys) this.#writtenSince.set(key, order);
  }

  #askAgain(operation: Operation): void {
    this.counts.retries += 1;
    this.#waiting.push(operation);
  }

  /** The present peer is left once what was sent to it is settled. */
  #leave(why: Leaving, link = this.#link): void {
    if (link === undefined || link !== this.#link || this.#leaving !== undefined) return;
    this.#leaving = why;
    link.isUsed = false;
    this.#settings.nearCache?.leave(); // at once: what changes there is not heard of any more
    if (this.#batchesOut === 0) this.#arriveNowhere();
  }

  #onBroken(link: Link, reason: string): void {
    if (this.#isClosed || link !== this.#link) return;
    this.#seen.set(link.peer.name, { message: reason, code: undefined });
    // Its answers are all settled within this turn: none comes any more.
    this.#leave({ reason, isSetback: true }, link);
  }

  /** Nothing is out any more, and the peer is left. */
  #arriveNowhere(): void {
    const [link, leaving] = [this.#link, this.#leaving];
    if (link === undefined || leaving === undefined) return;
    this.#link = undefined;
    this.#leaving = undefined;
    link.break('left');
    if (this.#isClosed) return;
    this.#left.delete(link.peer.name);
    if (leaving.isSetback) {
      this.#left.set(link.peer.name, performance.now());
      this.#setbacks += 1;
    }
    this.#settleRefused();
    this.#waiting.sort((one, other) => one.order - other.order);
    this.#expireInTime();
    void this.#search({ from: link.peer.name, reason: leaving.reason });
  }

  /** What was refused goes elsewhere, but no write behind a later one of its key. */
  #settleRefused(): void {
    for (const { operation, error } of this.#refused.splice(0)) {
      const { isRead, keys, order } = operation;
      const isOvertaken = keys.some((key) => (this.#writtenSince.get(key) ?? 0) > order);
      if (isOvertaken && !isRead) giveUp(operation, error);
      else this.#askAgain(operation);
    }
    this.#writtenSince.clear();
  }

  async #search(left: LeftPeer | undefined): Promise<void> {
    const { peers, staggerMs, backoffMs } = this.#settings;
    const { signal } = this.#ending;
    const beganAtMs = performance.now();
    let pauseMs = backoffMs * FIRST_PAUSE_RATIO;
    // Peers that begin a session and then take no operation must not be gone round without a pause.
    if (this.#setbacks > peers.length) await pause(Math.min(pauseMs * this.#setbacks, backoffMs), signal);
    for (;;) {
      const link = await findServing({
        candidates: this.#candidates(),
        staggerMs,
        open: (peer, given) => Link.open(peer, this.#settings, this.#tokens(), given),
        onNotServed: (peer, { message, code }) => this.#seen.set(peer.name, { message, code }),
        signal,
      });
      if (this.#isClosed || signal.aborted) {
        link?.break('this client was closed');
        return;
      }
      if (link !== undefined) {
        this.#arrive(link, left, beganAtMs);
        return;
      }
      await pause(pauseMs * (0.5 + Math.random() / 2), signal);
      pauseMs = Math.min(pauseMs * 2, backoffMs);
    }
  }

  /** Nearest first, those that were left lately behind them. */
  #candidates(): readonly PeerAddress[] {
    const { peers, backoffMs } = this.#settings;
    const nowMs = performance.now();
    for (const [name, atMs] of this.#left) if (nowMs - atMs > backoffMs) this.#left.delete(name);
    const leftLately = [...this.#left.keys()];
    return [...peers].sort((one, other) => leftLately.indexOf(one.name) - leftLately.indexOf(other.name));
  }

  #arrive(link: Link, left: LeftPeer | undefined, beganAtMs: number): void {
    this.#link = link;
    link.isUsed = true;
    this.#expiry.stop();
    if (link.token !== undefined) this.#token = link.token;
    this.#merged = this.#merged.filter((token) => !link.tokens.includes(token));
    this.#losses.push(...link.losses);
    if (left !== undefined && left.from !== link.peer.name) {
      const tookMs = performance.now() - beganAtMs;
      this.counts.failovers += 1;
      this.counts.lastFailoverMs = tookMs;
      this.#onFailover({ ...left, to: link.peer.name, tookMs });
    }
    this.#sendSoon();
    link.onBroken = (reason) => {
      this.#onBroken(link, reason);
    };
    if (this.#merged.length > 0) this.#leave({ reason: 'a token was merged', isSetback: false });
  }

  #tokens(): readonly string[] {
    return this.#token === undefined ? this.#merged : [this.#token, ...this.#merged];
  }

  /** While no peer serves, what waits is told at its deadline. */
  #expireInTime(): void {
    this.#expiry.stop();
    if (this.#isClosed || this.#waiting.length === 0) return;
    const nowMs = performance.now();
    const due = this.#waiting.filter(({ deadlineAtMs }) => deadlineAtMs <= nowMs);
    if (due.length > 0) {
      this.#waiting = this.#waiting.filter(({ deadlineAtMs }) => deadlineAtMs > nowMs);
      for (const operation of due) giveUp(operation, this.#describeNoPeer(operation.deadlineMs));
      this.#noteIdle();
    }
    for (const { deadlineAtMs } of this.#waiting) this.#expiry.at(deadlineAtMs);
  }

  #describeNoPeer(deadlineMs: number): ToposphereError {
    return describeNoPeer(this.#settings.peers, this.#seen, deadlineMs);
  }

  #noteIdle(): void {
    for (const look of this.#whenIdle.splice(0)) look();
  }
}

/** What is in doubt stays so, whatever became of asking again. */
function giveUp({ reject, doubt }: Operation, error: ToposphereError): void {
  reject(doubt ?? error);
}

/** Ends early when given up. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  });
}
