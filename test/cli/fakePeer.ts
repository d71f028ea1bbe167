/**
 * A stand-in for a peer's client port: the few commands that the command line uses, over a map.
 *
 * Owns a socket on 127.0.0.1 and what was asked of it, in order. The real server is src/server's; this
 * one exists so that the command line's own behaviour can be seen alone, and with replies no real peer gives.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export type Answer = (words: readonly Buffer[], socket: Socket) => Buffer | string | undefined;

export interface FakePeer {
  readonly port: number;
  /** Every request, its words as latin1 text. */
  readonly requests: string[][];
  close(): Promise<void>;
}

export function bulk(bytes: Buffer | string | undefined): Buffer {
  if (bytes === undefined) return Buffer.from('$-1\r\n');
  const body = Buffer.from(bytes);
  return Buffer.concat([Buffer.from(`$${body.length}\r\n`), body, Buffer.from('\r\n')]);
}

export function array(...items: readonly (Buffer | string)[]): Buffer {
  return Buffer.concat([Buffer.from(`*${items.length}\r\n`), ...items.map((item) => Buffer.from(item))]);
}

/** The whole requests at the start of `bytes`, and how many bytes they took. */
function parseRequests(bytes: Buffer): { requests: Buffer[][]; used: number } {
  const requests: Buffer[][] = [];
  let used = 0;
  for (;;) {
    let at = used;
    const readNumber = (mark: string): number | undefined => {
      const end = bytes.indexOf('\r\n', at);
      if (end < 0 || bytes.toString('latin1', at, at + 1) !== mark) return undefined;
      const value = Number(bytes.toString('latin1', at + 1, end));
      at = end + 2;
      return value;
    };
    const count = readNumber('*');
    if (count === undefined) return { requests, used };
    const words: Buffer[] = [];
    for (let index = 0; index < count; index++) {
      const length = readNumber('$');
      if (length === undefined || bytes.length < at + length + 2) return { requests, used };
      words.push(Buffer.from(bytes.subarray(at, at + length)));
      at += length + 2;
    }
    requests.push(words);
    used = at;
  }
}

/** Answers each request with what `answer` gives; undefined leaves it unanswered. */
export function startFakePeer(answer: Answer): Promise<FakePeer> {
  const requests: string[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let pending = Buffer.alloc(0);
    socket.on('data', (bytes: Buffer) => {
      pending = Buffer.concat([pending, bytes]);
      const parsed = parseRequests(pending);
      pending = pending.subarray(parsed.used);
      for (const words of parsed.requests) {
        requests.push(words.map((word) => word.toString('latin1')));
        const reply = answer(words, socket);
        if (reply !== undefined) socket.write(reply);
      }
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        requests,
        close: () =>
          new Promise((closed) => {
            for (const socket of sockets) socket.destroy();
            server.close(() => {
              closed();
            });
          }),
      });
    });
  });
}

/** Answers GET, SET, DEL and RANGE from a map whose keys are latin1 text. */
export function mapAnswer(entries: Map<string, Buffer>): Answer {
  return ([command = '', key = '', ...rest]) => {
    const name = command.toString().toUpperCase();
    const keyText = key.toString('latin1');
    if (name === 'GET') return bulk(entries.get(keyText));
    if (name === 'SET') {
      entries.set(keyText, Buffer.from(rest[0] ?? ''));
      return '+OK\r\n';
    }
    if (name === 'DEL') {
      const gone = [keyText, ...rest.map((word) => word.toString('latin1'))].filter((name) =>
        entries.delete(name),
      );
      return `:${gone.length}\r\n`;
    }
    if (name === 'TOPOSPHERE' && keyText === 'RANGE') {
      const [prefix = '', after = '', count = ''] = rest.map((word) => word.toString('latin1'));
      const keys = [...entries.keys()].filter((text) => text.startsWith(prefix) && text > after).sort();
      const page = keys.slice(0, Number(count));
      return array(...page.flatMap((text) => [bulk(Buffer.from(text, 'latin1')), bulk(entries.get(text))]));
    }
    return `-ERR unknown command '${command.toString()}'\r\n`;
  };
}
