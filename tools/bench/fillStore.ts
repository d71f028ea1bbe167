/**
 * Fills a store over the Redis protocol: pipelined SETs of values that no compression makes smaller.
 *
 * Owns keys, values and how much is under way. Peers and redis are filled alike. Invariant: at most BATCH_BYTES (or one value) wait for
 * their OK, and anything else than OK fails the run.
 */
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { HOST } from './workspace.ts';

/** Requests are sent together until they are so many bytes; the next ones go when all of them are answered. */
const BATCH_BYTES = 1024 * 1024;
/** Values are pieces of so much noise: what a compressor could find twice is farther apart than it looks. */
const NOISE_BYTES = 16 * 1024 * 1024;
/** Digits of a key behind its prefix. */
export const KEY_DIGITS = 9;
const OK = Buffer.from('+OK\r\n');

/** `keys` keys that begin with `prefix`, each with a value of its own. */
export interface Filling {
  readonly prefix: string;
  readonly keys: number;
  readonly valueBytes: number;
  /** Left out: in the order of their numbers. */
  readonly isShuffled?: boolean;
}

/** `key:000000042`: keys of one prefix are equally long, and sort as their numbers do. */
export function numberedKey(prefix: string, number: number): string {
  return prefix + String(number).padStart(KEY_DIGITS, '0');
}

/** 0 to `count` - 1 in an order drawn anew. */
function shuffled(count: number): readonly number[] {
  const order = Array.from({ length: count }, (_, at) => at);
  for (let at = count - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [order[at], order[other]] = [order[other] ?? 0, order[at] ?? 0];
  }
  return order;
}

/** Resolves when `count` OKs have come; rejects on any other reply. */
async function readOks(socket: Socket, count: number): Promise<void> {
  let missingBytes = count * OK.length;
  while (missingBytes > 0) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    missingBytes -= chunk.length;
    if (missingBytes < 0 || chunk.includes('-'))
      throw new Error(`SET was answered: ${chunk.toString('latin1')}`);
  }
}

/** Sets all of them through the server at `port`. */
export async function fillStore(
  port: number,
  { prefix, keys, valueBytes, isShuffled = false }: Filling,
): Promise<void> {
  const order = isShuffled ? shuffled(keys) : undefined;
  const noise = randomFillSync(Buffer.allocUnsafe(NOISE_BYTES));
  const socket = connect({ host: HOST, port, noDelay: true });
  await once(socket, 'connect');
  const keyBytes = numberedKey(prefix, 0).length;
  const before = `*3\r\n$3\r\nSET\r\n$${keyBytes}\r\n`;
  const between = `\r\n$${valueBytes}\r\n`;
  const requestBytes = before.length + keyBytes + between.length + valueBytes + 2;
  const batchKeys = Math.max(1, Math.floor(BATCH_BYTES / requestBytes));
  for (let from = 0; from < keys; from += batchKeys) {
    const count = Math.min(batchKeys, keys - from);
    const batch = Buffer.allocUnsafe(count * requestBytes);
    let at = 0;
    for (let number = from; number < from + count; number++) {
      at += batch.write(before + numberedKey(prefix, order?.[number] ?? number) + between, at, 'latin1');
      const noiseAt = Math.floor(Math.random() * (NOISE_BYTES - valueBytes));
      at += noise.copy(batch, at, noiseAt, noiseAt + valueBytes);
      at += batch.write('\r\n', at, 'latin1');
    }
    const answered = readOks(socket, count);
    socket.write(batch);
    await answered;
  }
  socket.destroy();
}
