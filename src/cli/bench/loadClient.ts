/**
 * One connection of the load: many operations under way, one write a turn, back again after a break.
 *
 * Owns the socket, the order of replies and reconnecting. What is sent when is pace.ts's, what a reply counts for measurement.ts's. Unlike connection.ts it makes no promise, no timer and no
 * copy an operation. Invariant: every operation that was sent is told once: answered, refused with the peer's code, or under a code of our own
 * (CONNECTION: the connection broke before the reply; SILENCE: none came in time). Which of those were carried out is not known.
 */
import RedisParser from 'redis-parser';
import type { Socket } from '../../network/tcp.ts';
import { dial } from '../../network/tls.ts';
import { buildAuthentication, encodeRequest } from '../connection.ts';
import type { Target } from '../target.ts';
import type { BenchRequest } from './requests.ts';

/** An operation's end. `failure` is an error's text, which begins with its code; undefined where there is none. `isMiss`: a read that found no value. */
export interface Settled {
  readonly operation: number;
  readonly peer: number;
  /** From when its latency counts: when it was sent, or was to be; milliseconds of performance.now. */
  readonly startedMs: number;
  readonly endedMs: number;
  readonly failure: string | undefined;
  readonly isMiss: boolean;
}

export interface LoadEvents {
  readonly onSettled: (settled: Settled) => void;
  /** There may be room for more: replies came, or the connection is there. */
  readonly onRoom: (client: LoadClient) => void;
}

interface LoadClientOptions {
  readonly target: Target;
  /** Index of the target. */
  readonly peer: number;
  readonly pipeline: number;
  readonly hasSession: boolean;
  readonly events: LoadEvents;
}

/** Milliseconds until the first attempt after a break, and between later ones at most. */
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1_000;
const SILENCE = 'SILENCE no answer came in time';
/** Characters of requests that are handed to the socket at once. */
const FLUSH_CHARACTERS = 65_536;

interface Pending {
  readonly operation: number;
  readonly startedMs: number;
  readonly sentMs: number;
}

export class LoadClient {
  readonly #options: LoadClientOptions;
  /** In the order of their requests; those before `#first` are settled. */
  #pending: (Pending | undefined)[] = [];
  #first = 0;
  #outgoing: string[] = [];
  #outgoingCharacters = 0;
  #socket: Socket | undefined;
  #isReady = false;
  #isClosed = false;
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | undefined;
  /** When the replies that are being read arrived. */
  #arrivedMs = 0;
  /** Attempts that reached nobody, and connections that broke. */
  refused = 0;
  broken = 0;

  constructor(options: LoadClientOptions) {
    this.#options = options;
    this.#dial();
  }

  get underWay(): number {
    return this.#pending.length - this.#first;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get hasRoom(): boolean {
    return this.#isReady && this.underWay < this.#options.pipeline;
  }

  /** When the oldest operation under way was sent; Infinity when there is none. */
  get oldestMs(): number {
    return this.#pending[this.#first]?.sentMs ?? Infinity;
  }

  /** Only where there is room. Goes out at the next `flush`. */
  send(request: BenchRequest, startedMs: number, sentMs: number): void {
    this.#pending.push({ operation: request.operation, startedMs, sentMs });
    this.#outgoing.push(request.text);
    this.#outgoingCharacters += request.text.length;
    if (this.#outgoingCharacters >= FLUSH_CHARACTERS) this.flush();
  }

  flush(): void {
    if (this.#outgoing.length === 0) return;
    this.#socket?.write(this.#outgoing.join(''), 'latin1');
    this.#outgoing = [];
    this.#outgoingCharacters = 0;
  }

  /** Gives up all that is under way, and begins a new connection. */
  breakOff(): void {
    this.#lose(SILENCE);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#lose(SILENCE);
  }

  #dial(): void {
    const { target, hasSession, events } = this.#options;
    // What is said before the load: each reply is one that no operation waits for.
    const greeting = [
      ...(target.password === undefined ? [] : [buildAuthentication(target.password, target.user)]),
      ...(hasSession ? [['TOPOSPHERE', 'SESSION', 'BEGIN']] : []),
    ];
    let unanswered = greeting.length;
    const becomeReady = (): void => {
      this.#isReady = true;
      this.#retryMs = FIRST_RETRY_MS;
      events.onRoom(this);
    };
    const onReply = (failure: string | undefined, isMiss: boolean): void => {
      if (unanswered === 0) this.#settle(failure, isMiss);
      else if (--unanswered === 0) becomeReady();
    };
    const parser = new RedisParser({
      returnBuffers: true,
      returnReply: (reply) => {
        onReply(undefined, reply === null);
      },
      returnError: (error) => {
        onReply(error.message, false);
      },
      returnFatalError: () => {
        socket.destroy();
      },
    });
    const socket = dial(target, () => {
      for (const words of greeting) socket.write(encodeRequest(words));
      if (greeting.length === 0) becomeReady();
    });
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#arrivedMs = performance.now();
      parser.execute(bytes);
      if (this.#isReady) events.onRoom(this);
    });
    socket.once('close', () => {
      if (this.#socket === socket) this.#lose('CONNECTION the connection broke before the answer');
    });
  }

  #settle(failure: string | undefined, isMiss: boolean): void {
    const pending = this.#pending[this.#first];
    if (pending === undefined) return; // a push, or what a peer says before it closes
    this.#pending[this.#first] = undefined;
    this.#first += 1;
    if (this.#first * 2 > this.#pending.length && this.#first > 64) {
      this.#pending = this.#pending.slice(this.#first);
      this.#first = 0;
    }
    const { operation, startedMs } = pending;
    const { peer, events } = this.#options;
    events.onSettled({ operation, peer, startedMs, endedMs: this.#arrivedMs, failure, isMiss });
  }

  #lose(failure: string): void {
    if (!this.#isClosed) {
      if (this.#isReady) this.broken += 1;
      else this.refused += 1;
    }
    this.#isReady = false;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    this.#outgoing = [];
    this.#outgoingCharacters = 0;
    this.#arrivedMs = performance.now();
    while (this.underWay > 0) this.#settle(failure, false);
    if (this.#isClosed || socket === undefined) return;
    this.#retry = setTimeout(() => {
      this.#dial();
    }, this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
  }
}
