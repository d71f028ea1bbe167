/**
 * The visible keys that start with a prefix, in byte order, a batch at a time.
 *
 * Owns going over them for SCAN, KEYS, RANDOMKEY and TOPOSPHERE RANGE. What is visible is the backend's. Invariant: a batch goes on strictly after the key that it was given,
 * so that no key that stays is met twice or passed over.
 */
import type { Key } from '../core/types.ts';
import type { Backend } from '../peer/backend.ts';

interface Batch {
  /** In key order, all with the pattern's prefix. */
  readonly keys: readonly Key[];
  readonly isLast: boolean;
}

/** Up to `limit` keys that start with `prefix`, strictly after `after`, in byte order. */
export function keysWithPrefix(backend: Backend, prefix: Key, after: Key | undefined, limit: number): Batch {
  const keys: Key[] = [];
  let from = after;
  if (prefix !== '' && (from === undefined || from < prefix)) {
    // No key lies just before the prefix, so the key that *is* the prefix is asked for by itself.
    if (backend.read(prefix) !== undefined) keys.push(prefix);
    from = prefix;
  }
  const wanted = limit - keys.length;
  if (wanted === 0) return { keys, isLast: false };
  for (const key of backend.keysAfter(from, wanted)) {
    if (!key.startsWith(prefix)) return { keys, isLast: true };
    keys.push(key);
  }
  return { keys, isLast: keys.length < limit };
}
