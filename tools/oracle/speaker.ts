/**
 * One side of the comparison: a server, up to two clients of it, and the steps that they send.
 *
 * Owns the sockets and the order. What one client sends goes in one pipeline; before the other one speaks, or time is let pass, everything is answered, so that both sides execute the steps in one order.
 * Invariant: as many replies come back as commands were sent; a connection that ends, or stays silent, is an error.
 */
import { setTimeout as duration } from 'node:timers/promises';
import { dialTcp, type Socket } from '../../src/network/tcp.ts';
import { encodeRequest } from '../../src/cli/connection.ts';
import { cutReply, type Reply } from './replies.ts';

/** A command of one of the two clients, one character a byte; or time that passes. */
export type Step =
  | { readonly kind: 'command'; readonly words: readonly string[]; readonly by: 0 | 1 }
  | { readonly kind: 'pause'; readonly ms: number };

export type Command = Extract<Step, { kind: 'command' }>;

const HOST = '127.0.0.1';
/** Milliseconds that a server may be silent. */
const SILENCE_MS = 20_000;

export function encode(words: readonly string[]): Buffer {
  return encodeRequest(words.map((word) => Buffer.from(word, 'latin1')));
}

class Client {
  readonly #socket: Socket;
  readonly #name: string;
  #bytes: Buffer = Buffer.alloc(0);
  #replies: Reply[] = [];
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(name: string, port: number) {
    this.#name = name;
    this.#socket = dialTcp({ host: HOST, port });
    this.#socket.on('data', (chunk: Buffer) => {
      this.#take(chunk);
    });
    this.#socket.once('close', () => {
      this.#failure ??= new Error(`${name} closed the connection`);
      this.#wake();
    });
  }

  #take(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    let at = 0;
    for (let cut = cutReply(this.#bytes, at); cut !== undefined; cut = cutReply(this.#bytes, at)) {
      if (cut.reply.type !== '>') this.#replies.push(cut.reply); // told out of band: test/server compares who is told of what
      at = cut.next;
      if (at >= this.#bytes.length) break;
    }
    this.#bytes = this.#bytes.subarray(at);
    this.#wake();
  }

  /** Sends all at once; resolves to a reply for each. */
  async ask(commands: readonly (readonly string[])[]): Promise<readonly Reply[]> {
    if (commands.length === 0) return [];
    this.#socket.write(Buffer.concat(commands.map(encode)));
    const timer = setTimeout(() => {
      this.#failure ??= new Error(`${this.#name} answered nothing more for ${SILENCE_MS} ms`);
      this.#wake();
    }, SILENCE_MS);
    while (this.#replies.length < commands.length && this.#failure === undefined)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    clearTimeout(timer);
    if (this.#replies.length < commands.length && this.#failure !== undefined)
      throw new Error(
        `${this.#failure.message} with ${this.#replies.length} of ${commands.length} answered; next was ${JSON.stringify(commands[this.#replies.length])}`,
      );
    return this.#replies.splice(0, commands.length);
  }

  close(): void {
    this.#socket.destroy();
  }
}

export class Speaker {
  readonly name: string;
  readonly #port: number;

  constructor(name: string, port: number) {
    this.name = name;
    this.#port = port;
  }

  /** Runs the steps on an empty database, with new connections; a reply for each step, undefined for pauses. */
  async run(steps: readonly Step[], protocol: 2 | 3): Promise<readonly (Reply | undefined)[]> {
    const clients = [new Client(this.name, this.#port), new Client(this.name, this.#port)] as const;
    try {
      for (const client of clients) if (protocol === 3) await client.ask([['HELLO', '3']]);
      await clients[0].ask([['FLUSHALL']]);
      const replies: (Reply | undefined)[] = [];
      for (let at = 0; at < steps.length;) {
        const step = steps[at];
        if (step?.kind === 'command') {
          const together = sameClient(steps, at, step.by);
          replies.push(...(await clients[step.by].ask(together)));
          at += together.length;
        } else {
          if (step !== undefined) await duration(step.ms);
          replies.push(undefined);
          at += 1;
        }
      }
      return replies;
    } finally {
      for (const client of clients) client.close();
    }
  }

  /** One command on a connection of its own. */
  async ask(words: readonly string[]): Promise<Reply | undefined> {
    const client = new Client(this.name, this.#port);
    try {
      return (await client.ask([words]))[0];
    } finally {
      client.close();
    }
  }
}

/** The commands from `at` on that the same client sends. */
function sameClient(steps: readonly Step[], at: number, by: 0 | 1): string[][] {
  const together: string[][] = [];
  for (let index = at; index < steps.length; index += 1) {
    const step = steps[index];
    if (step?.kind !== 'command' || step.by !== by) break;
    together.push([...step.words]);
  }
  return together;
}
