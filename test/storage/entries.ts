/** Entries, keys and listeners for storage tests. */
import type { Store } from '../../src/core/store.ts';
import type {
  Entry,
  EntryKind,
  Incarnation,
  Key,
  OriginKey,
  PeerId,
  Timestamp,
} from '../../src/core/types.ts';

export const asKey = (text: string): Key => text as Key;
export const ORIGIN = 'alpha/4242' as OriginKey;

/** An entry whose every field follows from `number`, so that a mix-up of two is seen. */
export function entryNumber(number: number, kind: EntryKind = 'value'): Entry {
  return {
    timestamp: (2 ** 45 + number) as Timestamp,
    id: (kind === 'synthetic' ? '\uffff' : `peer-${number % 3}`) as PeerId,
    incarnation: (2 ** 44 + number) as Incarnation,
    sequence: number,
    kind,
    expiresAt: number % 4 === 0 ? 2 ** 46 + number : 0,
    value: kind === 'value' ? Buffer.from(`value ${number}`) : Buffer.alloc(0),
  };
}

/** What can be compared: a Buffer is not deeply equal to a Uint8Array of the same bytes. */
export function plainEntry(entry: Entry | undefined): unknown {
  return entry === undefined ? undefined : { ...entry, value: Buffer.from(entry.value).toString('latin1') };
}

/** Closes the turn; resolves when it is durable. */
export function commitTurn(store: Store): Promise<void> {
  return new Promise((resolve, reject) => {
    store.commit({ committed: () => undefined, durable: resolve, failed: reject });
  });
}

/** The same entries, whatever the iteration: [key, plain entry] pairs. */
export function listEntries(entries: Iterable<readonly [Key, Entry]>): unknown[] {
  return [...entries].map(([key, entry]) => [key, plainEntry(entry)]);
}
