/**
 * Makes a directory ready to be a store: usable, locked, opened, its logs read back.
 *
 * Owns the order of these steps, and that whatever fails gives everything back and says in one line what was seen
 * and what to do.
 */
import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join, resolve } from 'node:path';
import xxhash from 'xxhash-wasm';
import { ToposphereError } from '../core/errors.ts';
import type { StateValue } from '../core/store.ts';
import { lockDirectory } from './directoryLock.ts';
import type { Checksum } from './entryRecord.ts';
import { DATA_FILE } from './fileNames.ts';
import { openTrees } from './lmdbTrees.ts';
import type { Trees } from './lmdbTrees.ts';
import { recoverLogs } from './recoverLogs.ts';
import type { Recovery } from './recoverLogs.ts';

/** The number that the first page of LMDB's file holds, after a header of 24 bytes. */
const DATA_MAGIC = 0xbeefc0de;
const DATA_MAGIC_OFFSET = 24;

export interface OpenedDirectory {
  readonly trees: Trees;
  readonly checksum: Checksum;
  /** Gives the directory back; call it after the trees are closed. */
  readonly unlock: () => void;
  readonly recovery: Recovery;
  /** All state: what the trees hold, overlaid with what the logs say. */
  readonly states: Map<string, StateValue>;
}

/** Throws ToposphereError: STORE_LOCKED or STORAGE_FAILED. */
export async function openDirectory(directory: string): Promise<OpenedDirectory> {
  const path = resolve(directory);
  const hasher = await xxhash();
  const checksum: Checksum = (bytes) => hasher.h32Raw(bytes);
  const unlock = takeDirectory(path);
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
    return { trees, checksum, unlock, recovery, states };
  } catch (error) {
    await trees?.close();
    unlock();
    throw storageError(path, error);
  }
}

function takeDirectory(path: string): () => void {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    assertDataFile(join(path, DATA_FILE));
    return lockDirectory(path);
  } catch (error) {
    throw storageError(path, error);
  }
}

/** LMDB does not survive a file that is none of its own: look before it is opened. An empty one is new. */
function assertDataFile(path: string): void {
  if (!existsSync(path)) return;
  const start = Buffer.alloc(DATA_MAGIC_OFFSET + 4);
  const file = openSync(path, 'r+');
  try {
    const sizeBytes = readSync(file, start);
    if (sizeBytes === 0 || start.readUInt32LE(DATA_MAGIC_OFFSET) === DATA_MAGIC) return;
  } finally {
    closeSync(file);
  }
  throw new Error(`${DATA_FILE} is not an LMDB file`);
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
