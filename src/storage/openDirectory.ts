/**
 * Makes a directory ready to be a store: usable, locked, its file whole, opened, its logs read back.
 *
 * Owns the order of these steps, where a damaged file goes, and that whatever fails gives everything back and says in one line what was seen
 * and what to do.
 */
import { accessSync, constants, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join, resolve } from 'node:path';
import xxhash from 'xxhash-wasm';
import { ToposphereError } from '../core/errors.ts';
import type { StateValue } from '../core/store.ts';
import { lockDirectory } from './directoryLock.ts';
import type { Checksum } from './entryRecord.ts';
import { DamagedStore } from './damagedStore.ts';
import { findDamage } from './dataFileCheck.ts';
import { DAMAGED_PREFIX, DATA_FILE, isCode, stampOf } from './fileNames.ts';
import { openTrees } from './lmdbTrees.ts';
import type { Trees } from './lmdbTrees.ts';
import { recoverLogs } from './recoverLogs.ts';
import type { Recovery } from './recoverLogs.ts';

export interface OpenedDirectory {
  readonly trees: Trees;
  readonly checksum: Checksum;
  /** Gives the directory back; call it after the trees are closed. */
  readonly unlock: () => void;
  readonly recovery: Recovery;
  /** All state: what the trees hold, overlaid with what the logs say. */
  readonly states: Map<string, StateValue>;
}

/**
 * Throws ToposphereError: STORE_LOCKED, STORAGE_FAILED, STORE_DAMAGED. With `onDamage` a damaged file is moved aside, and `onDamage` told in one
 * sentence; what is opened then is empty.
 */
export async function openDirectory(
  directory: string,
  onDamage?: (description: string) => void,
): Promise<OpenedDirectory> {
  const path = resolve(directory);
  const hasher = await xxhash();
  const checksum: Checksum = (bytes) => hasher.h32Raw(bytes);
  const unlock = takeDirectory(path);
  const open = async (): Promise<OpenedDirectory> => ({ ...(await openChecked(path, checksum)), unlock });
  try {
    try {
      return await open();
    } catch (error) {
      if (onDamage === undefined || !(error instanceof DamagedStore)) throw error;
      onDamage(`${error.description}; the file is kept as ${moveAside(path)}`);
      return await open();
    }
  } catch (error) {
    unlock();
    throw storageError(path, error);
  }
}

async function openChecked(path: string, checksum: Checksum): Promise<Omit<OpenedDirectory, 'unlock'>> {
  await assertWhole(path);
  let trees: Trees | undefined;
  try {
    trees = openTrees(path, checksum);
    const states = new Map(trees.states());
    const recovery = await recoverLogs(trees, checksum, path);
    for (const log of [recovery.sealed, recovery.active]) {
      for (const [name, value] of log?.set.states ?? []) {
        if (value === undefined) states.delete(name);
        else states.set(name, value);
      }
    }
    return { trees, checksum, recovery, states };
  } catch (error) {
    await trees?.close();
    throw error;
  }
}

/** LMDB does not survive a file that is not whole: look before it is opened. */
async function assertWhole(path: string): Promise<void> {
  const file = join(path, DATA_FILE);
  if (!existsSync(file)) return;
  const damage = await findDamage(file).catch((error: unknown) => {
    if (isCode(error, 'EIO')) return 'cannot be read (EIO)'; // the disk, not a permission
    throw error;
  });
  if (damage !== undefined) throw new DamagedStore(`opening ${path} failed: ${DATA_FILE} ${damage}`);
}

/** Answers where the file is now. */
function moveAside(path: string): string {
  const file = join(path, DATA_FILE);
  const aside = join(path, `${DAMAGED_PREFIX}${stampOf(Date.now())}`);
  renameSync(file, aside);
  return aside;
}

function takeDirectory(path: string): () => void {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return lockDirectory(path);
  } catch (error) {
    throw storageError(path, error);
  }
}

function storageError(path: string, error: unknown): ToposphereError {
  if (error instanceof ToposphereError) return error;
  const seen = error instanceof Error ? error.message : String(error);
  return new ToposphereError(
    'STORAGE_FAILED',
    `opening ${path} failed: ${seen}. The peer needs a directory that it may read and write, on a disk with free space`,
    { cause: error },
  );
}
