/**
 * A small Redis client that pipelines: for loads whose every reply is looked at, and for asking peers.
 *
 * Owns one socket and the order of replies. Real clients (node-redis, ioredis, redis-cli) are
 * clients.test.ts's. Invariant: every request settles once: with its reply, or with an Error, also when
 * the connection breaks.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import RedisParser from 'redis-parser';
import { encodeRequest } from '../../src/cli/connection.ts';
import { withDeadline } from './waiting.ts';

/** Bulk and simple strings as bytes, nil as null. Error replies come as Error. */
export type Reply = Buffer | number | null | Error | readonly Reply[];
export type Word = string | Uint8Array;

/** Milliseconds given to a connection, and to a reply that `call` waits for. */
const CALL_TIMEOUT_MS = 20_000;

export class RespClient {
  readonly #socket: Socket;
  readonly #waiting: ((reply: Reply) => void)[] = [];
  #broken: Error | undefined;
  #isCorked = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const settle = (reply: Reply): void => this.#waiting.shift()?.(reply);
    const parser = new RedisParser({
      returnBuffers: true,
      returnReply: (reply) => {
        settle(reply as Reply);
      },
      returnError: settle,
      returnFatalError: (error) => {
        this.#break(error);
      },
    });
    socket.on('data', (bytes: Buffer) => {
      parser.execute(bytes);
    });
    socket.on('error', (error) => {
      this.#break(error);
    });
    socket.on('close', () => {
      this.#break(new Error('the peer closed the connection'));
    });
  }

  static async connect(port: number, host = '127.0.0.1'): Promise<RespClient> {
    const socket = connect({ host, port, noDelay: true });
    const connected = new Promise<RespClient>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RespClient(socket));
      });
    });
    try {
      return await withDeadline(`connection to port ${port}`, connected, CALL_TIMEOUT_MS);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  /** Replies still owed. */
  get owed(): number {
    return this.#waiting.length;
  }

  /** Sends without waiting: requests of one turn leave together. `onReply` gets the reply, or why there is none. */
  post(words: readonly Word[], onReply: (reply: Reply) => void): void {
    if (this.#broken !== undefined) {
      onReply(this.#broken);
      return;
    }
    this.#waiting.push(onReply);
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(encodeRequest(words));
  }

  /** Resolves with the reply; rejects with an error reply, a broken connection or none in time. */
  call(...words: readonly Word[]): Promise<Exclude<Reply, Error>> {
    const reply = new Promise<Exclude<Reply, Error>>((resolve, reject) => {
      this.post(words, (given) => {
        if (given instanceof Error) reject(given);
        else resolve(given);
      });
    });
    return withDeadline(`reply to ${String(words[0])}`, reply, CALL_TIMEOUT_MS);
  }

  /** The reply as UTF-8 text; null when there is no value. */
  async text(...words: readonly Word[]): Promise<string | null> {
    const reply = await this.call(...words);
    if (reply === null || Buffer.isBuffer(reply)) return reply?.toString() ?? null;
    throw new Error(`${String(words[0])} answered in an unexpected shape`);
  }

  close(): void {
    this.#socket.destroy();
    this.#break(new Error('closed by the test'));
  }

  #break(reason: Error): void {
    this.#broken ??= reason;
    for (const settle of this.#waiting.splice(0)) settle(this.#broken);
  }
}
