/**
 * A checkpoint file becomes a peer's disk again.
 *
 * Owns the choice of the file, that nothing is overwritten, and what such a disk may do: it is an old one (R10), so its peer takes part only
 * when it has joined the others, unless the operator says that nobody else has any data left. Needs the directory for itself: the peer must not run.
 */
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ToposphereError } from '../core/errors.ts';
import { bootstrap } from '../core/join.ts';
import { createPeerState } from '../core/loadState.ts';
import { saveTurn } from '../core/saveTurn.ts';
import {
  extractCheckpoint,
  holdsStore,
  listCheckpoints,
  setAside,
  verifyCheckpoint,
} from '../storage/checkpointFile.ts';
import type { Manifest } from '../storage/checkpointFile.ts';
import { lockDirectory } from '../storage/directoryLock.ts';
import { openLmdbStore } from '../storage/lmdbStore.ts';
import type { LmdbStore } from '../storage/lmdbStore.ts';
import type { PeerOptions } from './configuration.ts';
import { coreSettings } from './coreSettings.ts';
import { createLog } from './logger.ts';
import { commitDurably } from './openStore.ts';

export interface RestoreRequest {
  readonly options: PeerOptions;
  /** Left out: the newest of the peer's files that is whole. */
  readonly file: string | undefined;
  /** A store that is there is moved aside; without it, it is an error. */
  readonly isReplacing: boolean;
  /** Nobody else has data: the peer begins with what the file holds. */
  readonly isBeginning: boolean;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

export interface Restored {
  readonly path: string;
  readonly manifest: Manifest;
  /** Where the store that was there is now. */
  readonly aside: string | undefined;
}

/**
 * Throws BAD_CHECKPOINT (no file that is whole and this peer's), BAD_ARGUMENT (there is a store already), STORE_LOCKED, STORAGE_FAILED. Files that are passed
 * over because they are damaged are named to the logger.
 */
export async function restorePeer(request: RestoreRequest): Promise<Restored> {
  const { options, isReplacing, nowMs } = request;
  const { dataDirectory } = options;
  const { path, manifest } = await chooseFile(request);
  let aside: string | undefined;
  if (await holdsStore(dataDirectory)) {
    if (!isReplacing)
      throw new ToposphereError(
        'BAD_ARGUMENT',
        `${dataDirectory} holds a store already, and nothing was changed: stop the peer and add --replace to move it aside`,
      );
    lockDirectory(resolve(dataDirectory))(); // throws while a peer runs on it
    aside = await setAside(dataDirectory, nowMs);
  }
  await extractCheckpoint(path, manifest, dataDirectory);
  try {
    await makeOld(request);
  } catch (error) {
    await rm(dataDirectory, { recursive: true, force: true }); // as it is, it would pass for a disk that was never away
    throw error;
  }
  return { path, manifest, aside };
}

async function chooseFile({
  options,
  file,
}: RestoreRequest): Promise<{ readonly path: string; readonly manifest: Manifest }> {
  const { id, clusterId, checkpointDirectory: folder } = options;
  const log = createLog(options.logger, () => ({ peer: id }));
  if (file !== undefined) {
    const manifest = await verifyCheckpoint(file);
    if (manifest.id === id && manifest.clusterId === clusterId) return { path: file, manifest };
    throw new ToposphereError(
      'BAD_CHECKPOINT',
      `${file} is of ${manifest.id} in cluster ${manifest.clusterId}, not of ${id} in ${clusterId}: start ${id} with an empty data directory, and it joins from the others`,
    );
  }
  for (const path of await listCheckpoints(folder, id)) {
    try {
      const manifest = await verifyCheckpoint(path);
      if (manifest.clusterId === clusterId) return { path, manifest };
      log('checkpointUnusable', `${path} is not used: it is of cluster ${manifest.clusterId}`, { path });
    } catch (error) {
      if (!(error instanceof ToposphereError)) throw error;
      log('checkpointUnusable', error.message, { path });
    }
  }
  throw new ToposphereError(
    'BAD_CHECKPOINT',
    `${folder} has no checkpoint file of ${id} that can be used: name one, or start ${id} with an empty data directory, and it joins from the others`,
  );
}

/** Resolves when it is durable. */
async function makeOld({ options, isBeginning, nowMs }: RestoreRequest): Promise<void> {
  const store = await openLmdbStore({ directory: options.dataDirectory });
  try {
    store.writeState('phase', 'joining');
    if (isBeginning) begin(store, options, nowMs);
    await commitDurably(store);
  } finally {
    await store.close();
  }
}

/** What `toposphere bootstrap` does to a peer that runs (R10). */
function begin(store: LmdbStore, options: PeerOptions, nowMs: number): void {
  const members = [...options.servers.servers, ...options.known].map(({ id }) => id);
  const state = createPeerState(
    { id: options.id, members, settings: coreSettings(options), store, random: Math.random },
    { monotonicMs: 0, wallMs: nowMs },
  );
  bootstrap(state);
  saveTurn(state);
}
