/**
 * Who wants to know of changes of visible keys, by prefix.
 *
 * Told once for each change, in order: of another peer's update at once, of an own write when its turn ends, or sooner where a server asks for it. A change that leaves the visible
 * value as it was (a tombstone over nothing) is none, nor is one of a hidden key.
 */
import type { EntryChange } from '../core/effects.ts';
import { valueTold } from '../core/entryChanges.ts';
import { isHidden } from '../core/hiddenKeys.ts';
import type { Key } from '../core/types.ts';
import type { KeyChange } from './backend.ts';

type ChangeListener = (change: KeyChange) => void;

export class Watchers {
  readonly #listeners = new Set<{ readonly prefix: Key; readonly listener: ChangeListener }>();

  get isEmpty(): boolean {
    return this.#listeners.size === 0;
  }

  /** Returns the function that ends the watch. */
  add(prefix: Key, listener: ChangeListener): () => void {
    const watcher = { prefix, listener };
    this.#listeners.add(watcher);
    return () => this.#listeners.delete(watcher);
  }

  onChanged({ key, previous: previousEntry, entry, counters }: EntryChange): void {
    if (isHidden(key)) return;
    const previous = valueTold(previousEntry, counters?.before);
    const value = valueTold(entry, counters?.after);
    if (previous === undefined && value === undefined) return;
    if (previousEntry === entry && isSame(previous, value)) return; // cells change, and no total
    for (const { prefix, listener } of this.#listeners) {
      if (!key.startsWith(prefix)) continue;
      try {
        listener({ key, previous, value });
      } catch (error) {
        // The application's own fault, and for it to hear of; but not at the cost of the turn that is being ended.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one !== undefined && other !== undefined && Buffer.compare(one, other) === 0;
}
