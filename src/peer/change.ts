/**
 * A change of a key as an embedding program is told of it: bytes of its own, which it may change.
 */
import type { KeyChange } from './backend.ts';
import { keyBytes } from './keys.ts';

export interface Change {
  readonly key: Buffer;
  /** Visible value before the change; undefined when there was none. */
  readonly previous: Buffer | undefined;
  /** Visible value now; undefined when it was deleted. */
  readonly value: Buffer | undefined;
}

/** For who is told of changes by the peer. */
export function copying(listener: (change: Change) => void): (change: KeyChange) => void {
  return ({ key, previous, value }) => {
    listener({ key: keyBytes(key), previous: copyOf(previous), value: copyOf(value) });
  };
}

export function copyOf(value: Uint8Array | undefined): Buffer | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}
