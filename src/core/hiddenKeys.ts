/**
 * Keys that are the store's own (protocol.md, section 10): entries like any other to all that is said between peers, and unknown to clients.
 *
 * Owns their prefix. Two bytes FF never stand in UTF-8, and what begins with all of it a client is refused, so no client's key is one of these. Whoever
 * reads, counts, lists or watches for a client leaves them out; hashes over what is held do not. They are together in the order of keys, so a walk
 * passes over them in one step.
 */
import type { Key } from './types.ts';

export const HIDDEN_PREFIX = '\xff\xfftopo/' as Key;
/** The first key after all of them. */
export const AFTER_HIDDEN = '\xff\xfftopo0' as Key;

export function isHidden(key: Key): boolean {
  return key.charCodeAt(0) === 0xff && key.startsWith(HIDDEN_PREFIX);
}
