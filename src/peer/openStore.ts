/**
 * Opens a peer's store, and decides what becomes of a damaged one.
 *
 * It is moved aside where there are others to join from. Where there are none, or the peer is to begin by itself, it is refused: an empty store
 * would be served as if that were all there is.
 */
import { openLmdbStore, type LmdbStore } from '../storage/lmdbStore.ts';
import type { PeerOptions } from './configuration.ts';

/** Throws STORE_LOCKED, STORE_DAMAGED, STORAGE_FAILED. */
export function openStore({ dataDirectory, servers, bootstrap, logger }: PeerOptions): Promise<LmdbStore> {
  if (bootstrap || servers.servers.length === 1) return openLmdbStore({ directory: dataDirectory });
  return openLmdbStore({
    directory: dataDirectory,
    onDamage: (description) => {
      logger.warn(
        `${description}. This peer begins empty and joins from the others; what none of them has seen is in that file alone`,
      );
    },
  });
}
