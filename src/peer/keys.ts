/**
 * Keys and values as applications have them, and as the core does: text or bytes outside, binary strings and
 * bytes inside. Parsed once, here, at the edge.
 */
import { ToposphereError } from '../core/errors.ts';
import { isHidden } from '../core/hiddenKeys.ts';
import type { CoreLimits } from '../core/settings.ts';
import type { Key } from '../core/types.ts';

/** Text stands for its UTF-8 bytes. */
export type KeyInput = string | Uint8Array;
export type ValueInput = string | Uint8Array;

// eslint-disable-next-line no-control-regex -- all of ASCII is meant
const ASCII = /^[\x00-\x7f]*$/;

/** The binary string of a key. Throws KEY_TOO_LONG, or BAD_ARGUMENT for an empty key, one that no client may have, or another type. */
export function parseKey(input: KeyInput, limits: CoreLimits): Key {
  const key = parsePrefix(input);
  assertKey(key, limits);
  return key;
}

/** Throws KEY_TOO_LONG, or BAD_ARGUMENT for an empty key, or one that no client may have. */
export function assertKey(key: Key, limits: CoreLimits): void {
  if (key.length === 0)
    throw new ToposphereError('BAD_ARGUMENT', 'a key has at least one byte; this one is empty');
  if (isHidden(key))
    throw new ToposphereError(
      'BAD_ARGUMENT',
      "keys that begin with FF FF topo/ are the store's own: choose another",
    );
  if (key.length <= limits.maxKeyBytes) return;
  throw new ToposphereError(
    'KEY_TOO_LONG',
    `a key has at most ${limits.maxKeyBytes} bytes; this one has ${key.length}: shorten it, or hash it`,
  );
}

/** The binary string of a prefix: may be empty. */
export function parsePrefix(input: KeyInput): Key {
  if (typeof input === 'string')
    return (ASCII.test(input) ? input : Buffer.from(input, 'utf8').toString('latin1')) as Key;
  if (input instanceof Uint8Array) {
    return Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('latin1') as Key;
  }
  throw new ToposphereError('BAD_ARGUMENT', `a key is a string or a Uint8Array; this is ${typeof input}`);
}

/** The bytes of a value, copied: the application may go on changing its own. */
export function parseValue(input: ValueInput, limits: CoreLimits): Uint8Array {
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) {
    throw new ToposphereError('BAD_ARGUMENT', `a value is a string or a Uint8Array; this is ${typeof input}`);
  }
  const value = typeof input === 'string' ? Buffer.from(input, 'utf8') : Buffer.from(input);
  assertValueLength(value.length, limits);
  return value;
}

/** Throws VALUE_TOO_LONG. */
export function assertValueLength(valueBytes: number, limits: CoreLimits): void {
  if (valueBytes <= limits.maxValueBytes) return;
  throw new ToposphereError(
    'VALUE_TOO_LONG',
    `a value has at most ${limits.maxValueBytes} bytes (maxValueBytes); this one has ${valueBytes}`,
  );
}

export function keyBytes(key: Key): Buffer {
  return Buffer.from(key, 'latin1');
}

/** The first key after all that start with `prefix`; undefined when there is none. */
export function prefixEnd(prefix: Key): Key | undefined {
  for (let at = prefix.length - 1; at >= 0; at -= 1) {
    const code = prefix.charCodeAt(at);
    if (code < 0xff) return (prefix.slice(0, at) + String.fromCharCode(code + 1)) as Key;
  }
  return undefined;
}
