/**
 * Keys as a command would leave them: what it writes is gathered, and read back by it alone.
 *
 * For a command whose reply must be known before anything is written. Whatever a write would be refused for is asked at once, so that a command that ran to its end has
 * changes that are taken, or are refused all together.
 */
import type { Key } from '../core/types.ts';
import { addDecimals, countedBytes } from '../peer/backend.ts';
import type {
  Backend,
  KeyAccess,
  RequestedChange,
  RequestedIncrement,
  RequestedWrite,
} from '../peer/backend.ts';

interface BufferedKeys {
  readonly keys: KeyAccess;
  /** The last change of each key, in the order in which the keys were first changed. */
  readonly changes: () => readonly RequestedChange[];
}

/** An increment, and what it makes of the key. */
type Counted = RequestedIncrement & { readonly total: Uint8Array };

/** Over `keys`, the client's way to read. */
export function bufferKeys(backend: Backend, keys: KeyAccess): BufferedKeys {
  const changed = new Map<Key, RequestedWrite | Counted>();
  const isGone = ({ value, expiresAtMs }: RequestedWrite): boolean =>
    value === undefined || (expiresAtMs !== 0 && expiresAtMs <= backend.timeMs());
  const read = (key: Key): Uint8Array | undefined => {
    const change = changed.get(key);
    if (change === undefined) return keys.read(key);
    if (change.kind === 'increment') return change.total;
    return isGone(change) ? undefined : change.value;
  };
  return {
    changes: () => [...changed.values()],
    keys: {
      read,
      expiryOf: (key) => {
        const change = changed.get(key);
        if (change === undefined) return keys.expiryOf(key);
        if (change.kind === 'increment') return keys.expiryOf(key) ?? 0;
        return isGone(change) ? undefined : change.expiresAtMs;
      },
      write: (key, value, expiresAtMs = 0) => {
        backend.assertWritable(key, value.length);
        changed.set(key, { kind: 'write', key, value, expiresAtMs });
      },
      remove: (key) => {
        if (read(key) === undefined) return false;
        backend.assertWritable(key, 0);
        changed.set(key, { kind: 'write', key, value: undefined, expiresAtMs: 0 });
        return true;
      },
      increment: (key, by, form) => {
        const total = countedBytes(read(key), by, form);
        const change = changed.get(key);
        backend.assertWritable(key, total.length);
        if (change?.kind === 'write') {
          const expiresAtMs = isGone(change) ? 0 : change.expiresAtMs;
          changed.set(key, { kind: 'write', key, value: total, expiresAtMs });
        } else {
          const added = change === undefined ? by : addDecimals(change.by, by);
          const isWhole = form === 'integer' && change?.form !== 'float';
          const widest = isWhole ? 'integer' : 'float';
          changed.set(key, { kind: 'increment', key, by: added, form: widest, total });
        }
        return total;
      },
    },
  };
}
