/**
 * One number for all that a peer holds: equal on two peers that converged, whatever way the updates came.
 *
 * Taken over every entry with its tag, tombstones too, in key order, from one consistent snapshot.
 */
import type { Entry, Key } from '../core/types.ts';

export interface Digest {
  /** 64 bits, hexadecimal. */
  readonly digest: string;
  readonly visible: number;
  readonly tombstones: number;
}

/** A streaming 64-bit hash, as xxhash-wasm gives it. */
export interface StreamingHash {
  readonly update: (input: string | Uint8Array) => unknown;
  readonly digest: () => bigint;
}

export async function digestEntries(
  entries: AsyncIterable<readonly [Key, Entry]>,
  hash: StreamingHash,
): Promise<Digest> {
  let visible = 0;
  let tombstones = 0;
  for await (const [key, entry] of entries) {
    if (entry.kind === 'value') visible += 1;
    else tombstones += 1;
    const { timestamp, id, incarnation, sequence, kind, expiresAt, value } = entry;
    // Lengths first, so that no two entries run into each other.
    hash.update(
      `${key.length}:${value.length}:${timestamp}:${id}:${incarnation}:${sequence}:${kind}:${expiresAt}:`,
    );
    hash.update(Buffer.from(key, 'latin1'));
    hash.update(value);
  }
  return { digest: hash.digest().toString(16).padStart(16, '0'), visible, tombstones };
}
