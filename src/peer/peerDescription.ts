/**
 * What a running peer says of itself: the core's status, and what network, store, checkpoint files and disk report.
 *
 * A type alone, for INFO, `toposphere status` and /metrics. Invariant: JSON-able, and nothing in it is a secret or of what clients store.
 */
import type { NetworkReport } from '../network/network.ts';
import type { LmdbStoreReport } from '../storage/storeReport.ts';
import type { CheckpointsReport } from './checkpoints.ts';
import type { DiskSpaceReport } from './diskSpace.ts';
import type { PeerStatus } from './status.ts';

export interface PeerDescription extends PeerStatus {
  readonly network: NetworkReport & {
    /** Datagrams that were dropped because too many waited. */
    readonly sendQueueDropped: number;
  };
  /** It takes part and lacks nothing that it knows of. */
  readonly caughtUp: boolean;
  readonly storage: LmdbStoreReport;
  readonly checkpoints: CheckpointsReport;
  readonly disk: DiskSpaceReport;
}
