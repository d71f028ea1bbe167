/**
 * The connection to one peer, with the session of its client.
 *
 * Owns the Redis client (node-redis) behind it, beginning the session there, and the watch over whether the peer answers. Which peer, and what becomes of
 * operations without an answer, is roaming.ts's. Invariant: a token that comes out covers all answers that came out before it or with it; one link is one connection,
 * and once broken it stays so.
 */
import { ErrorReply } from '@redis/client';
import { ToposphereError, type ErrorCode } from '../core/errors.ts';
import type { OwnLevel } from './levels.ts';
import type { NearCache } from './nearCache.ts';
import type { Answer, Request, Word } from './operation.ts';
import type { PeerAddress } from './peerList.ts';
import { createRedis } from './redis.ts';
import type { Access, RedisConnection } from './redis.ts';
import { readRefusal } from './refusals.ts';
import { Watchdog } from './watchdog.ts';

export interface LinkSettings {
  readonly access: Access;
  readonly hasSession: boolean;
  /** Told of what this client's reads depend on, while the link is the one that it uses. */
  readonly nearCache: NearCache | undefined;
  /** What writes wait for unless they say otherwise. */
  readonly standing: OwnLevel;
  readonly operationTimeoutMs: number;
  readonly heartbeatMs: number;
}

/** What a peer made of a batch of operations. */
interface BatchAnswers {
  readonly answers: readonly Answer[];
  /** What the session has seen with these answers; undefined when it did not come, or there is no session. */
  readonly token: string | undefined;
  /** The answers count: their token has come, or none is wanted. */
  readonly isWhole: boolean;
}

/** Why a peer does not serve this client; with the code of its own refusal, where it gave one. */
export class NotServed extends Error {
  override readonly name = 'NotServed';
  readonly code: ErrorCode | undefined;

  constructor(message: string, code?: ErrorCode) {
    super(message);
    this.code = code;
  }
}

const TOKEN_WORDS = ['TOPOSPHERE', 'SESSION', 'TOKEN'];
/** In the refusal of a password where none is asked for. */
const NO_PASSWORD_ASKED = 'without any password configured';
/** A loss is told once; several kinds of it one after the other. */
const BEGINNINGS_LIMIT = 8;

export class Link {
  readonly peer: PeerAddress;
  /** With which the session was begun here. */
  readonly tokens: readonly string[];
  readonly #settings: LinkSettings;
  readonly #redis: RedisConnection;
  #watchdog: Watchdog | undefined;
  #brokenBy: string | undefined;
  #onBroken: (reason: string) => void = () => undefined;
  #token: string | undefined;
  /** It is the one that the client uses. */
  isUsed = false;
  /** What the session has lost, as the peer told it. */
  readonly losses: ToposphereError[] = [];

  private constructor(peer: PeerAddress, settings: LinkSettings, tokens: readonly string[]) {
    this.tokens = tokens;
    this.peer = peer;
    this.#settings = settings;
    const { access, operationTimeoutMs, nearCache } = settings;
    const onEnd = (reason: string): void => {
      this.#brokenBy = reason;
      this.#watchdog?.stop();
      this.#onBroken(reason);
    };
    const onInvalidated = (key: Buffer | null): void => {
      if (!this.isUsed) return;
      if (key === null) nearCache?.flush();
      else nearCache?.invalidate([key.toString('latin1')]);
    };
    this.#redis = createRedis(peer, access, operationTimeoutMs, onEnd, nearCache && onInvalidated);
  }

  /** Connects and begins the session. Rejects with NotServed; `signal` gives it up. */
  static async open(
    peer: PeerAddress,
    settings: LinkSettings,
    tokens: readonly string[],
    signal: AbortSignal,
  ): Promise<Link> {
    try {
      return await Link.#open(peer, settings, tokens, signal);
    } catch (error) {
      // As for the command line, a password for all peers serves also where none is asked for.
      if (!(error instanceof NotServed) || !error.message.includes(NO_PASSWORD_ASKED)) throw error;
      const access = { ...settings.access, password: undefined, username: undefined };
      return await Link.#open(peer, { ...settings, access }, tokens, signal);
    }
  }

  static async #open(
    peer: PeerAddress,
    settings: LinkSettings,
    tokens: readonly string[],
    signal: AbortSignal,
  ): Promise<Link> {
    const link = new Link(peer, settings, tokens);
    const giveUp = (): void => {
      link.break('given up');
    };
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await link.#connect();
      await link.#begin();
      return link;
    } catch (error) {
      link.break(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** What the session had seen when it began here. */
  get token(): string | undefined {
    return this.#token;
  }

  /** Called once, with the reason; at once if it is broken. */
  set onBroken(listener: (reason: string) => void) {
    this.#onBroken = listener;
    if (this.#brokenBy !== undefined) listener(this.#brokenBy);
  }

  get isOpen(): boolean {
    return this.#brokenBy === undefined && this.#redis.isReady();
  }

  /** Sends all at once, and the question for the token behind them. Only while it is open. */
  async send(batch: readonly Request[]): Promise<BatchAnswers> {
    let allowanceMs = 0;
    for (const request of batch) allowanceMs = Math.max(allowanceMs, request.allowanceMs);
    this.#watchdog?.owe(allowanceMs);
    const asked = batch.map(({ words }) => this.#ask(words));
    const { hasSession } = this.#settings;
    if (hasSession) asked.push(this.#ask(TOKEN_WORDS));
    const answers = await Promise.all(asked);
    this.#watchdog?.paid();
    if (!hasSession) return { answers, token: undefined, isWhole: true };
    const token = textOf(answers.pop());
    return { answers, token, isWhole: token !== undefined };
  }

  /** Ends the connection: what has no answer gets none any more. */
  break(reason: string): void {
    this.#redis.end(reason);
  }

  async #connect(): Promise<void> {
    const { operationTimeoutMs } = this.#settings;
    // A process that is paused accepts connections, and says nothing.
    const timer = setTimeout(() => {
      this.break(`no answer within ${operationTimeoutMs} ms`);
    }, operationTimeoutMs);
    try {
      await this.#redis.connect();
    } catch (error) {
      throw new NotServed(error instanceof Error ? error.message : String(error));
    } finally {
      clearTimeout(timer);
    }
    const { heartbeatMs } = this.#settings;
    this.#watchdog = new Watchdog({
      operationTimeoutMs,
      heartbeatMs,
      ping: () => {
        this.#watchdog?.owe(0);
        void this.#ask(['PING']).then(() => this.#watchdog?.paid());
      },
      onHung: (silentMs) => {
        this.break(`no answer for ${Math.round(silentMs)} ms`);
      },
      now: () => performance.now(),
    });
  }

  async #begin(): Promise<void> {
    const { hasSession, standing, operationTimeoutMs } = this.#settings;
    await this.#demand(['TOPOSPHERE', 'ACK', standing], 0);
    if (!hasSession) return;
    let brought = this.tokens;
    for (let beginning = 0; beginning < BEGINNINGS_LIMIT; beginning += 1) {
      const begin = ['TOPOSPHERE', 'SESSION', 'BEGIN', 'WAIT', `${operationTimeoutMs}`, ...brought];
      const begun = this.#demand(begin, operationTimeoutMs);
      // Behind a loss, too, this is what the session goes on with.
      const token = this.#demand(TOKEN_WORDS, operationTimeoutMs);
      const [outcome, given] = await Promise.allSettled([begun, token]);
      if (given.status === 'rejected') throw given.reason;
      if (outcome.status === 'fulfilled') {
        this.#token = textOf(given.value);
        return;
      }
      const { code, message } = outcome.reason as NotServed;
      if (code !== 'LOST_WRITE') throw outcome.reason;
      this.losses.push(new ToposphereError(code, message));
      brought = [];
    }
    throw new NotServed('the session was told of one loss after the other, and did not begin');
  }

  /** An answer that is no refusal; rejects with NotServed. */
  async #demand(words: readonly Word[], allowanceMs: number): Promise<Answer> {
    this.#watchdog?.owe(allowanceMs);
    const answer = await this.#ask(words);
    this.#watchdog?.paid();
    if (answer.kind === 'refused') throw notServed(answer.text);
    if (answer.kind === 'silent') throw new NotServed(this.#brokenBy ?? 'the connection broke');
    return answer;
  }

  #ask(words: readonly Word[]): Promise<Answer> {
    const askedAtMs = performance.now();
    return this.#redis.send(words).then(
      (value): Answer => {
        this.#watchdog?.heard();
        if (this.isUsed) this.#settings.nearCache?.prove(askedAtMs);
        return { kind: 'reply', value };
      },
      (error: unknown): Answer => {
        if (!(error instanceof ErrorReply)) return { kind: 'silent' };
        this.#watchdog?.heard();
        return { kind: 'refused', text: error.message };
      },
    );
  }
}

function notServed(text: string): NotServed {
  const { code, message } = readRefusal(text).error;
  return new NotServed(message, code);
}

function textOf(answer: Answer | undefined): string | undefined {
  return answer?.kind === 'reply' && Buffer.isBuffer(answer.value) ? answer.value.toString() : undefined;
}
