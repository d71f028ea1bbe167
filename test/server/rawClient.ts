/**
 * A client that sends bytes and waits for bytes, for tests that must see exactly what goes over the wire.
 *
 * Owns one socket and what came in. Waits for events with a deadline, never for time.
 */
import { dialTcp } from '../../src/network/tcp.ts';

const DEADLINE_MS = 5000;

export interface RawClient {
  readonly send: (text: string | Buffer) => void;
  /** All that came in so far, as latin-1. */
  readonly received: () => string;
  /** Resolves with everything received once it is at least `sizeBytes` long. */
  readonly waitForBytes: (sizeBytes: number) => Promise<string>;
  /** Sends `text` and resolves when exactly `expected` has come; rejects with what came instead. */
  readonly ask: (text: string | Buffer, expected: string) => Promise<void>;
  /** Resolves with everything received when the other side has closed. */
  readonly waitForClose: () => Promise<string>;
  readonly pause: () => void;
  readonly resume: () => void;
  readonly endHalf: () => void;
  readonly destroy: () => void;
}

export function openRawClient(port: number): RawClient {
  const socket = dialTcp({ host: '127.0.0.1', port });
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  let isClosed = false;
  let listeners: (() => void)[] = [];

  function changed(): void {
    const present = listeners;
    listeners = [];
    for (const listener of present) listener();
  }

  socket.on('data', (chunk) => {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    changed();
  });
  socket.on('close', () => {
    isClosed = true;
    changed();
  });

  const received = (): string => Buffer.concat(chunks).toString('latin1');

  function waitUntil(what: string, isDone: () => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${what} did not come; received ${JSON.stringify(received().slice(0, 500))}`));
      }, DEADLINE_MS);
      const check = (): void => {
        if (isDone()) {
          clearTimeout(timer);
          resolve(received());
        } else {
          listeners.push(check);
        }
      };
      check();
    });
  }

  const waitForBytes = (wantedBytes: number): Promise<string> =>
    waitUntil(`${wantedBytes} bytes`, () => sizeBytes >= wantedBytes || isClosed);

  return {
    send: (text) => {
      socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
    },
    received,
    waitForBytes,
    ask: async (text, expected) => {
      const before = sizeBytes;
      socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
      const answer = (await waitForBytes(before + expected.length)).slice(before);
      if (answer !== expected)
        throw new Error(`expected ${JSON.stringify(expected)}, received ${JSON.stringify(answer)}`);
    },
    waitForClose: () => waitUntil('the end', () => isClosed),
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
    endHalf: () => {
      socket.end();
    },
    destroy: () => {
      socket.destroy();
    },
  };
}

/** A request as clients send it. */
export function encode(...words: readonly (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === 'string' ? Buffer.from(word, 'latin1') : word;
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}
