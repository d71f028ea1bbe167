/**
 * The longest key that a store takes.
 */
import { ToposphereError } from '../core/errors.ts';
import type { Key } from '../core/types.ts';

/** Bytes: LMDB's 1,978 less our prefix and what composite keys add later. */
const MAXIMUM_KEY_BYTES = 1_900;

/** Throws KEY_TOO_LONG. */
export function assertKeyFits(key: Key): void {
  if (key.length <= MAXIMUM_KEY_BYTES) return;
  throw new ToposphereError(
    'KEY_TOO_LONG',
    `writing a key of ${key.length} bytes failed: a key has at most ${MAXIMUM_KEY_BYTES}`,
  );
}
