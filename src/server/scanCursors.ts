/**
 * Remembers where each SCAN stands: a cursor is a number that names the last key returned.
 *
 * Owns the bounded table. The next cursor of a scan lets go of the one before last, so a scan costs two places
 * however long it is, and a client that asks the same cursor again (a retry) is answered the same.
 * Invariant: at most SCAN_CURSOR_LIMIT places; the one used longest ago makes room, and its owner is told
 * 'invalid cursor' and begins anew: never a wrong place.
 */
import type { Key } from '../core/types.ts';

/** Scans that may be under way on one server, in places of two a scan, count (a key is at most about 2 KB). */
const SCAN_CURSOR_LIMIT = 16 * 1024;

interface Place {
  readonly after: Key;
  readonly previous: string;
}

export interface ScanCursors {
  /** The last key returned under `cursor`; undefined for a cursor that is unknown or was evicted. */
  find(cursor: string): Key | undefined;
  /** A cursor for going on after `after`; `previous` is the cursor that this call was asked with, '0' at the start. */
  add(after: Key, previous: string): string;
  /** The scan that asked with `previous` is at its end. */
  finish(previous: string): void;
  size(): number;
}

export function createScanCursors(limit: number = SCAN_CURSOR_LIMIT): ScanCursors {
  // A Map keeps the order of insertion: the first is the one used longest ago.
  const places = new Map<string, Place>();
  let last = 0;

  function forgetPrevious(cursor: string): void {
    const place = places.get(cursor);
    if (place !== undefined) places.delete(place.previous);
  }

  return {
    find: (cursor) => {
      const place = places.get(cursor);
      if (place === undefined) return undefined;
      places.delete(cursor);
      places.set(cursor, place);
      return place.after;
    },
    add: (after, previous) => {
      forgetPrevious(previous);
      last += 1;
      const cursor = String(last);
      places.set(cursor, { after, previous });
      if (places.size > limit) {
        for (const oldest of places.keys()) {
          places.delete(oldest);
          break;
        }
      }
      return cursor;
    },
    finish: forgetPrevious,
    size: () => places.size,
  };
}
