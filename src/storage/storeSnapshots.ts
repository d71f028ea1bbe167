/**
 * The open snapshots of a store: all entries as of one instant, while writes go on.
 *
 * Owns which are open, so that closing the store ends them: an open one makes the file grow. Leaves to lmdbStore.ts what lies above the trees.
 */
import { ToposphereError } from '../core/errors.ts';
import type { StoreSnapshot } from '../core/store.ts';
import type { Entry, Key } from '../core/types.ts';
import type { FoldSchedule } from './foldSchedule.ts';
import type { TreeSnapshot, Trees } from './lmdbTrees.ts';
import { mergeEntries } from './mergeEntries.ts';
import type { EntryLayer } from './mergeEntries.ts';

/** Entries of a walk between two breaths of the event loop. */
const SLICE_ENTRIES = 2_000;

interface SnapshotPorts {
  readonly trees: Trees;
  readonly sets: Pick<FoldSchedule, 'whenFolded'>;
  /** What the trees do not hold for sure, as it is now, the newest first. */
  readonly freezeLayers: () => readonly EntryLayer[];
  /** Throws once the store is closed. */
  readonly assertOpen: () => void;
}

export interface StoreSnapshots {
  /** Every entry in key order as of one instant after the call, checksums verified; breathes between slices. Use it up or `return()` it. */
  walk(): AsyncGenerator<readonly [Key, Entry], undefined>;
  open(): StoreSnapshot;
  endAll(): void;
}

export function createStoreSnapshots({
  trees,
  sets,
  freezeLayers,
  assertOpen,
}: SnapshotPorts): StoreSnapshots {
  const opened = new Set<TreeSnapshot>();

  function begin(): TreeSnapshot {
    const snapshot = trees.snapshot();
    opened.add(snapshot);
    return snapshot;
  }

  function end(snapshot: TreeSnapshot): void {
    if (opened.delete(snapshot)) snapshot.done();
  }

  return {
    async *walk() {
      const snapshot = await sets.whenFolded(begin);
      try {
        let count = 0;
        for (const entry of snapshot.entries({})) {
          yield entry;
          if (++count % SLICE_ENTRIES === 0) await new Promise((resolve) => setImmediate(resolve));
          // Closing ends the walk below: half of the entries must not pass for all.
          assertOpen();
        }
      } finally {
        end(snapshot);
      }
      return undefined;
    },
    open() {
      const layers = freezeLayers();
      const snapshot = begin();
      return {
        entries(range) {
          assertOpen();
          if (!opened.has(snapshot)) throw new ToposphereError('CLOSED', 'this snapshot is closed');
          return mergeEntries(layers, snapshot.entries(range), range);
        },
        close() {
          end(snapshot);
        },
      };
    },
    endAll() {
      for (const snapshot of [...opened]) end(snapshot);
    },
  };
}
