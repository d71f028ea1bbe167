/**
 * Opens a peer's store, and decides what becomes of a damaged one.
 *
 * It is moved aside where there are others to join from. Where there are none, or the peer is to begin by itself, it is refused: an empty store
 * would be served as if that were all there is. Invariant: a peer whose store was moved aside never begins by itself, nor do others on its word (R10): it
 * is not without state, its state is lost.
 */
import { readdir } from 'node:fs/promises';
import type { Store } from '../core/store.ts';
import { DAMAGED_PREFIX } from '../storage/fileNames.ts';
import { openLmdbStore, type LmdbStore } from '../storage/lmdbStore.ts';
import type { PeerOptions } from './configuration.ts';
import type { Log } from './logger.ts';

/** Throws STORE_LOCKED, STORE_DAMAGED, STORAGE_FAILED. */
export async function openStore(
  { dataDirectory, servers, known, bootstrap }: PeerOptions,
  log: Log,
): Promise<LmdbStore> {
  if (bootstrap || servers.servers.length + known.length === 1)
    return openLmdbStore({ directory: dataDirectory });
  const store = await openLmdbStore({
    directory: dataDirectory,
    onDamage: (description) => {
      log(
        'storeDamaged',
        `${description}. This peer begins empty and joins from the others; what none of them has seen is in that file alone`,
      );
    },
  });
  // Asked of the directory: a process may have ended between the move and this commit.
  if (store.readState('phase') !== undefined) return store;
  if ((await readdir(dataDirectory)).some((name) => name.startsWith(DAMAGED_PREFIX))) {
    store.writeState('phase', 'joining');
    await commitDurably(store);
  }
  return store;
}

/** Closes the turn; resolves when it is durable. */
export function commitDurably(store: Store): Promise<void> {
  return new Promise((resolve, reject) => {
    store.commit({ committed: () => undefined, durable: resolve, failed: reject });
  });
}
