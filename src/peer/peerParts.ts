/**
 * What a running peer is made of, each part a file of its own.
 *
 * The shape alone: peer.ts opens the parts in their order and closes them in the reverse.
 */
import type { ToposphereError } from '../core/errors.ts';
import type { Network } from '../network/network.ts';
import type { LmdbStore } from '../storage/lmdbStore.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { PeerOptions } from './configuration.ts';
import type { Discovering } from './discovering.ts';
import type { DiskSpace } from './diskSpace.ts';
import type { PeerBackend } from './peerBackend.ts';
import type { Runtime } from './runtime.ts';

export interface PeerParts {
  readonly options: PeerOptions;
  readonly runtime: Runtime;
  readonly store: LmdbStore;
  readonly space: DiskSpace;
  readonly network: Network;
  readonly backend: PeerBackend;
  readonly checkpoints: Checkpoints;
  readonly discovering: Discovering | undefined;
  readonly failureListeners: Set<(failure: ToposphereError) => void>;
}
