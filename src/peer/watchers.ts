/**
 * Who wants to know of changes of visible keys, by prefix.
 *
 * Told once for each change, in order: of another peer's update at once, of an own write when its turn ends, or sooner where a server asks for it. A change that leaves the visible
 * value as it was (a tombstone over nothing) is none, nor is one of a hidden key.
 */
import type { EntryChange } from '../core/effects.ts';
import { valueTold } from '../core/entryChanges.ts';
import { isHidden } from '../core/hiddenKeys.ts';
import type { PeerState } from '../core/state.ts';
import type { Key } from '../core/types.ts';
import type { ChangeKind, KeyChange } from './backend.ts';

type ChangeListener = (change: KeyChange) => void;
/** By what is known to be past, of a peer's state. */
type TimeNoticed = Pick<PeerState, 'clock'> & { readonly expiries: Pick<PeerState['expiries'], 'through'> };

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

  onChanged(change: EntryChange, time: TimeNoticed): void {
    const { key, previous: previousEntry, entry, counters } = change;
    if (isHidden(key)) return;
    const previous = valueTold(previousEntry, counters?.before);
    const value = valueTold(entry, counters?.after);
    if (previous === undefined && value === undefined) return;
    if (previousEntry === entry && isSame(previous, value)) return; // cells change, and no total
    const how = kindOf(change);
    const hadExpired = how !== 'expired' && wasPast(change, time);
    for (const { prefix, listener } of this.#listeners) {
      if (!key.startsWith(prefix)) continue;
      try {
        listener({ key, previous, value, how, hadExpired });
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

function kindOf({ previous, entry }: EntryChange): ChangeKind {
  if (entry === previous) return 'counted';
  if (entry?.kind === 'value') return 'written';
  // A tombstone with a time is a value that has ended by it (expiry.ts); whoever deletes gives none.
  return entry?.kind === 'tombstone' && entry.expiresAt !== 0 ? 'expired' : 'deleted';
}

/** Judged when it was replaced, for what is told now may have been replaced before its time. */
function wasPast({ previous, entry }: EntryChange, { clock, expiries }: TimeNoticed): boolean {
  if (previous?.kind !== 'value' || previous.expiresAt === 0) return false;
  return previous.expiresAt <= Math.max(entry?.timestamp ?? clock, expiries.through);
}
