/**
 * Keys as a command would leave them: what it writes is gathered, and read back by it alone.
 *
 * For a command whose reply must be known before anything is written. Whatever a write would be refused for is asked at once, so that a command that ran to its end has
 * changes that are taken, or are refused all together.
 */
import type { Key } from '../core/types.ts';
import type { Backend, KeyAccess, RequestedChange } from '../peer/backend.ts';

interface BufferedKeys {
  readonly keys: KeyAccess;
  /** The last change of each key, in the order in which the keys were first changed. */
  readonly changes: () => readonly RequestedChange[];
}

/** Over `keys`, the client's way to read. */
export function bufferKeys(backend: Backend, keys: KeyAccess): BufferedKeys {
  const changed = new Map<Key, RequestedChange>();
  const isGone = ({ value, expiresAtMs }: RequestedChange): boolean =>
    value === undefined || (expiresAtMs !== 0 && expiresAtMs <= backend.timeMs());
  const read = (key: Key): Uint8Array | undefined => {
    const change = changed.get(key);
    if (change === undefined) return keys.read(key);
    return isGone(change) ? undefined : change.value;
  };
  return {
    changes: () => [...changed.values()],
    keys: {
      read,
      expiryOf: (key) => {
        const change = changed.get(key);
        if (change === undefined) return keys.expiryOf(key);
        return isGone(change) ? undefined : change.expiresAtMs;
      },
      write: (key, value, expiresAtMs = 0) => {
        backend.assertWritable(key, value.length);
        changed.set(key, { key, value, expiresAtMs });
      },
      remove: (key) => {
        if (read(key) === undefined) return false;
        backend.assertWritable(key, 0);
        changed.set(key, { key, value: undefined, expiresAtMs: 0 });
        return true;
      },
    },
  };
}
