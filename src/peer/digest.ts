/**
 * One number for all that a peer holds: equal on two peers that converged, whatever way the updates came.
 *
 * Taken over every entry with its tag, tombstones and hidden keys too, in key order, from one consistent snapshot. What expires counts by tag and expiry alone: the
 * one peer may have noticed it already, the other not yet, and both hold the same.
 */
import { isHidden } from '../core/hiddenKeys.ts';
import type { Entry, Key } from '../core/types.ts';

const NOTHING = new Uint8Array(0);

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
    if (entry.kind !== 'value') tombstones += 1;
    else if (!isHidden(key)) visible += 1;
    hashEntry(hash, key, entry);
  }
  return { digest: digestText(hash.digest()), visible, tombstones };
}

/** Feeds one entry to a hash, as all that compares what peers hold does. */
export function hashEntry(
  hash: StreamingHash,
  key: Key,
  { timestamp, id, incarnation, sequence, kind, expiresAt, value }: Entry,
): void {
  // Lengths first, so that no two entries run into each other.
  const [what, content] = expiresAt === 0 ? [kind, value] : ['expires', NOTHING];
  hash.update(
    `${key.length}:${content.length}:${timestamp}:${id}:${incarnation}:${sequence}:${what}:${expiresAt}:`,
  );
  hash.update(Buffer.from(key, 'latin1'));
  hash.update(content);
}

export function digestText(digest: bigint): string {
  return digest.toString(16).padStart(16, '0');
}
