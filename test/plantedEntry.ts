/**
 * Writes an entry straight into the store of a stopped peer, past the protocol: what a defect or a damaged disk would leave behind.
 *
 * Owns the opening and closing of the store alone. Which peer must find it, and how, is the test's.
 */
import type { Entry, Key } from '../src/core/types.ts';
import { commitDurably } from '../src/peer/openStore.ts';
import { openLmdbStore } from '../src/storage/lmdbStore.ts';

/** `directory` is the peer's own. `change` is given what is there; undefined takes the entry away. */
export async function plantEntry(
  directory: string,
  key: string,
  change: (entry: Entry | undefined) => Entry | undefined,
): Promise<void> {
  const store = await openLmdbStore({ directory });
  const planted = change(store.readEntry(key as Key));
  if (planted === undefined) store.removeEntry(key as Key);
  else store.writeEntry(key as Key, planted);
  await commitDurably(store);
  await store.close();
}
