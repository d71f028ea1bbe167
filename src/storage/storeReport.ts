/**
 * What a store on disk says of itself, for status and benchmarks.
 */

export interface LmdbStoreReport {
  readonly activeKeys: number;
  readonly sealedKeys: number;
  /** Estimate of the memory that both working sets take. */
  readonly workingBytes: number;
  /** Entries in the entries tree, tombstones included. */
  readonly treeEntries: number;
  readonly fileBytes: number;
  /** Turns whose commit has not been reported yet. */
  readonly pendingTurns: number;
  readonly turns: number;
  readonly folds: number;
  readonly foldedEntries: number;
  readonly lastFoldMs: number;
  /** Whether commits are reported as soon as they are visible; if not, only when they are on disk. */
  readonly reportsVisibility: boolean;
  readonly busy: boolean;
}
