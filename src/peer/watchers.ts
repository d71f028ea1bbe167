/**
 * Who wants to know of changes of visible keys, by prefix.
 *
 * Told once for each change, in order: of another peer's update at once, of an own write when its turn ends, or sooner where a server asks for it. A change that leaves the visible
 * value as it was (a tombstone over nothing) is none, nor is one of a hidden key.
 */
import type { EntryChange } from '../core/effects.ts';
import { isHidden } from '../core/hiddenKeys.ts';
import type { Entry, Key } from '../core/types.ts';
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

  onChanged({ key, previous: previousEntry, entry }: EntryChange): void {
    if (isHidden(key)) return;
    const previous = visibleValue(previousEntry);
    const value = visibleValue(entry);
    if (previous === undefined && value === undefined) return;
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

/** The value of an entry, if it has one: what has expired is told of when it is noticed. */
function visibleValue(entry: Entry | undefined): Uint8Array | undefined {
  return entry?.kind === 'value' ? entry.value : undefined;
}
