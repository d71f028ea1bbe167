/**
 * Redis clients in a closed loop: each sends an operation, waits until it is answered whole, and sends the next.
 *
 * Owns the sockets and the clock readings; an operation may be several requests, which leave in one write and count as one (SET and WAIT). What is asked, and which
 * answer is the one asked for, is the caller's. Invariant: what was answered otherwise is in the latencies and not in the throughput, so that no server gains by
 * refusing; a connection that breaks, or is not answered, fails the run.
 */
import RedisParser from 'redis-parser';
import { dialTcp } from '../../src/network/tcp.ts';
import type { Socket } from '../../src/network/tcp.ts';
import { encodeRequest } from '../../src/cli/connection.ts';
import { withTimeout } from './children.ts';
import { percentile } from './statistics.ts';
import { HOST } from './workspace.ts';

/** Milliseconds that operations under way may take when a run's time is over, and a fill in all. */
const ANSWER_TIMEOUT_MS = 10_000;
const FILL_TIMEOUT_MS = 30_000;

/** What a server said: an error reply is an Error. */
export type LoopReply = Buffer | number | null | Error | readonly LoopReply[];
/** The words of one request. */
export type Words = readonly string[];

export interface Loop {
  readonly port: number;
  readonly clients: number;
  /** What each connection asks once before it begins. */
  readonly opening: readonly Words[];
  /** The operations that are chosen from, each as its requests. */
  readonly operations: readonly (readonly Words[])[];
  /** Why these are not the answers that were asked for; undefined when they are. */
  readonly findFault: (replies: readonly LoopReply[]) => string | undefined;
}

export interface LoopFigures {
  /** All that were answered, as asked or not. */
  readonly operations: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly faults: number;
  /** The first fault that was found. */
  readonly fault: string | undefined;
}

interface EncodedOperation {
  readonly bytes: Buffer;
  readonly requests: number;
}

class LoopClient {
  readonly #socket: Socket;
  #replies: LoopReply[] = [];
  #wanted = 0;
  #resolve: (replies: readonly LoopReply[]) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #failure: Error | undefined;

  private constructor(socket: Socket, port: number) {
    this.#socket = socket;
    const note = (reply: LoopReply): void => {
      this.#replies.push(reply);
      if (this.#replies.length !== this.#wanted) return;
      const replies = this.#replies;
      this.#replies = [];
      this.#resolve(replies);
    };
    const parser = new RedisParser({
      returnBuffers: true,
      returnReply: (reply) => {
        note(reply as LoopReply);
      },
      returnError: note,
      returnFatalError: (error) => {
        socket.destroy(error);
      },
    });
    socket.on('data', (bytes: Buffer) => {
      parser.execute(bytes);
    });
    let reason = 'the connection was closed';
    socket.once('error', (error) => {
      reason = error.message;
    });
    socket.once('close', () => {
      this.#failure = new Error(`127.0.0.1:${port}: ${reason}`);
      this.#reject(this.#failure);
    });
  }

  static async open(port: number): Promise<LoopClient> {
    const socket = dialTcp({ host: HOST, port });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new LoopClient(socket, port);
  }

  /** The replies to all requests of the operation, in order. One operation at a time. */
  ask({ bytes, requests }: EncodedOperation): Promise<readonly LoopReply[]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#wanted = requests;
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#reject = () => undefined;
    this.#socket.destroy();
  }
}

function encode(requests: readonly Words[]): EncodedOperation {
  return { bytes: Buffer.concat(requests.map(encodeRequest)), requests: requests.length };
}

/** Opens the clients, lets `use` work with them and closes them, whatever it does. */
async function withClients(
  { port, clients, opening }: Loop,
  use: (clients: readonly LoopClient[]) => Promise<void>,
): Promise<void> {
  const opened: LoopClient[] = [];
  try {
    for (let index = 0; index < clients; index += 1) {
      const client = await LoopClient.open(port);
      opened.push(client);
      for (const words of opening) {
        const [reply] = await withTimeout(client.ask(encode([words])), ANSWER_TIMEOUT_MS, words.join(' '));
        if (reply instanceof Error) throw new Error(`${words.join(' ')} was answered: ${reply.message}`);
      }
    }
    await use(opened);
  } finally {
    for (const client of opened) client.close();
  }
}

/** Operations chosen at random for `durationMs`, and then until the last of them is answered. */
export async function runLoop(loop: Loop, durationMs: number): Promise<LoopFigures> {
  const operations = loop.operations.map(encode);
  const latenciesMs: number[] = [];
  const faults: string[] = [];
  let tookMs = NaN;
  await withClients(loop, async (clients) => {
    const startedMs = performance.now();
    const endsMs = startedMs + durationMs;
    const work = async (client: LoopClient): Promise<void> => {
      for (let sentMs = performance.now(); sentMs < endsMs; sentMs = performance.now()) {
        const operation = operations[Math.floor(Math.random() * operations.length)];
        if (operation === undefined) throw new Error('a loop without operations');
        const replies = await client.ask(operation);
        latenciesMs.push(performance.now() - sentMs);
        const fault = loop.findFault(replies);
        if (fault !== undefined) faults.push(fault);
      }
    };
    await withTimeout(
      Promise.all(clients.map(work)),
      durationMs + ANSWER_TIMEOUT_MS,
      'answers to all clients',
    );
    tookMs = performance.now() - startedMs;
  });
  return {
    operations: latenciesMs.length,
    perSecond: ((latenciesMs.length - faults.length) * 1000) / tookMs,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    faults: faults.length,
    fault: faults[0],
  };
}

/** Each operation once. Rejects on the first that is not answered as asked. */
export async function runEachOnce(loop: Loop): Promise<void> {
  await withClients(loop, async (clients) => {
    const rest = loop.operations.values();
    const work = async (client: LoopClient): Promise<void> => {
      for (const operation of rest) {
        const fault = loop.findFault(await client.ask(encode(operation)));
        if (fault !== undefined) throw new Error(`${operation[0]?.join(' ') ?? ''} was answered: ${fault}`);
      }
    };
    await withTimeout(Promise.all(clients.map(work)), FILL_TIMEOUT_MS, 'answers to all that fills');
  });
}
