/**
 * Peer ids read before: a cluster has few, and every KEEPALIVE and vector names them again.
 *
 * A string that is made anew each time costs more than the rest of its field, and one that is kept, as the list of whom a peer hears is, its memory many times
 * over. Keeps a bounded number of them; ids that share a slot replace each other. (Storage, which may not import from here, has its own in entryRecord.ts.)
 */
import { isPeerId } from './limits.ts';
import type { PeerId } from '../core/types.ts';

const SLOTS = 4096;
const slots: (PeerId | undefined)[] = new Array<PeerId | undefined>(SLOTS).fill(undefined);

/** The id in these bytes; undefined if they are none. */
export function idOf(bytes: Buffer, start: number, end: number): PeerId | undefined {
  let hash = 0;
  for (let at = start; at < end; at += 1) hash = (Math.imul(hash, 31) + (bytes[at] ?? 0)) | 0;
  const slot = (hash ^ (hash >>> 12)) & (SLOTS - 1);
  const known = slots[slot];
  if (known !== undefined && isSame(known, bytes, start, end)) return known;
  const id = bytes.toString('latin1', start, end);
  if (!isPeerId(id)) return undefined;
  slots[slot] = id as PeerId;
  return id as PeerId;
}

function isSame(id: PeerId, bytes: Buffer, start: number, end: number): boolean {
  if (id.length !== end - start) return false;
  for (let at = 0; at < id.length; at += 1) if (id.charCodeAt(at) !== bytes[start + at]) return false;
  return true;
}
