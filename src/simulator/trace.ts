/**
 * Everything that happened in a run, as one number: two runs of one schedule have the same, or the simulator is broken.
 */
import type { Hashing } from '../wire/hash.ts';

export interface Trace {
  event(atMs: number, where: string, text: string): void;
  packet(atMs: number, fate: string, from: string, to: string, bytes: Uint8Array): void;
  /** 16 hexadecimal digits over all so far. */
  hash(): string;
}

export function createTrace(hashing: Hashing): Trace {
  const all = hashing.createHash64();
  return {
    event(atMs, where, text) {
      all.update(`${atMs} ${where} ${text}\n`);
    },
    packet(atMs, fate, from, to, bytes) {
      all.update(`${atMs} ${fate} ${from} ${to} ${bytes.length} ${hashing.h32(bytes)}\n`);
    },
    hash: () => all.digest().toString(16).padStart(16, '0'),
  };
}
