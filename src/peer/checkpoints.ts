/**
 * When a peer writes checkpoint files: when asked, now and then while anything changes, at a clean stop.
 *
 * Owns that one is written at a time, and which are kept. What is in a file is storage's. Invariant: whoever asks gets a copy that holds
 * everything written before it asked.
 */
import { wallMsOf } from '../core/clock.ts';
import { ToposphereError } from '../core/errors.ts';
import { hashVector } from '../core/vectorHash.ts';
import { countKeys, type PeerState } from '../core/state.ts';
import {
  listCheckpoints,
  pruneCheckpoints,
  readManifest,
  writeCheckpoint,
} from '../storage/checkpointFile.ts';
import type { CheckpointFacts } from '../storage/checkpointFile.ts';
import type { LmdbStore } from '../storage/lmdbStore.ts';
import type { PeerOptions } from './configuration.ts';
import type { Log } from './logger.ts';

export interface CheckpointsReport {
  /** Path of the newest file, or null. */
  readonly newest: string | null;
  /** Milliseconds since 1970 at which this process last wrote one, or null. */
  readonly writtenMs: number | null;
  /** Why the last attempt failed, or null. */
  readonly failure: string | null;
}

interface CheckpointsParts {
  readonly options: PeerOptions;
  readonly log: Log;
  readonly state: PeerState;
  readonly store: LmdbStore;
  readonly wallMs: () => number;
  readonly after: (delayMs: number, callback: () => void) => void;
  /** Resolves when every write so far is committed. */
  readonly whenCommitted: () => Promise<void>;
}

export class Checkpoints {
  readonly #parts: CheckpointsParts;
  #underWay: Promise<string> | undefined;
  /** Fingerprint of the newest file, as far as it can be read. */
  #saved: string | undefined;
  #newest: string | null = null;
  #writtenMs: number | null = null;
  #failure: string | null = null;
  #isStopped = false;

  private constructor(parts: CheckpointsParts) {
    this.#parts = parts;
  }

  /** Looks at what is there already, and begins to write files now and then. */
  static async start(parts: CheckpointsParts): Promise<Checkpoints> {
    const checkpoints = new Checkpoints(parts);
    await checkpoints.#findNewest();
    checkpoints.#scheduleNext();
    return checkpoints;
  }

  /** Writes a file; resolves to its path. Rejects with DISK_FULL, STORAGE_FAILED. Who asks while one is under way gets the next. */
  async write(): Promise<string> {
    await this.#underWay?.catch(() => undefined);
    this.#underWay ??= this.#write().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  /**
   * Writes a file if one is to be written unasked, and anything has changed since the newest. Never rejects: it says what failed. A disk that holds nothing,
   * or is to join first, is not worth the good file that would be let go for it.
   */
  async writeUnasked(): Promise<void> {
    const { options, state } = this.#parts;
    const isEmpty = state.visibleKeys + state.tombstones.count === 0;
    if (options.checkpointIntervalMs === 0 || state.phase !== 'member' || isEmpty) return;
    if (this.#fingerprint() === this.#saved) return;
    try {
      await this.write();
    } catch (error) {
      if (!(error instanceof ToposphereError)) throw error;
      this.#parts.log('checkpointFailed', error.message);
    }
  }

  report(): CheckpointsReport {
    return { newest: this.#newest, writtenMs: this.#writtenMs, failure: this.#failure };
  }

  /** Writes none any more; resolves when none is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#underWay?.catch(() => undefined);
  }

  async #write(): Promise<string> {
    const { options, store, wallMs, whenCommitted } = this.#parts;
    const { id, checkpointDirectory: folder, checkpointsKept } = options;
    try {
      await whenCommitted();
      const facts = this.#facts();
      const path = await writeCheckpoint({
        folder,
        facts,
        nowMs: wallMs(),
        storeBytes: store.report().fileBytes,
        copyTo: (empty) => store.copyTo(empty),
      });
      this.#saved = facts.fingerprint;
      this.#newest = path;
      this.#writtenMs = wallMs();
      this.#failure = null;
      await pruneCheckpoints(folder, id, checkpointsKept);
      return path;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  #facts(): CheckpointFacts {
    const { options, state } = this.#parts;
    const vector = Object.fromEntries(
      Array.from(state.origins.values(), ({ key, have }) => [key, have.contiguous]),
    );
    return {
      id: options.id,
      clusterId: options.clusterId,
      keys: countKeys(state),
      vector,
      horizonMs: wallMsOf(state.horizon),
      fingerprint: this.#fingerprint(),
    };
  }

  #fingerprint(): string {
    const { state } = this.#parts;
    return `${hashVector(state)} ${state.horizon} ${state.visibleKeys}`;
  }

  async #findNewest(): Promise<void> {
    const { options } = this.#parts;
    const [newest] = await listCheckpoints(options.checkpointDirectory, options.id);
    if (newest === undefined) return;
    this.#newest = newest;
    try {
      this.#saved = (await readManifest(newest)).fingerprint;
    } catch (error) {
      if (!(error instanceof ToposphereError)) throw error;
      this.#parts.log('checkpointUnusable', error.message, { path: newest });
    }
  }

  #scheduleNext(): void {
    const { options, after } = this.#parts;
    if (options.checkpointIntervalMs === 0) return;
    after(options.checkpointIntervalMs, () => {
      if (this.#isStopped) return;
      void this.writeUnasked().then(() => {
        this.#scheduleNext();
      });
    });
  }
}
