/**
 * Watches the free space of the disk that holds the store, and says when nothing more may be written.
 *
 * LMDB ends the process when the disk is full: well before that, writes are refused and updates of others are left for anti-entropy to bring again, while
 * reads go on. By itself all goes on when there is room again, and a little more, so that it does not flutter.
 */
import { statfs } from 'node:fs/promises';
import { createDiskTrend } from './diskTrend.ts';
import type { Message } from '../core/messages.ts';
import type { Log } from './logger.ts';
import type { Refusal } from './runtimeErrors.ts';

/** Messages that bring data: a full disk has no room for them. */
const FILLING: ReadonlySet<Message['kind']> = new Set(['update', 'sync', 'checkpoint']);

/** Whether a message brings data. */
export function isFilling(message: Message): boolean {
  if (message.kind === 'fetch' || message.kind === 'fetched') return message.record !== undefined;
  return FILLING.has(message.kind);
}

/** Milliseconds between two looks: a disk of 200 MB/s fills by as much meanwhile as the default watermark leaves. */
const LOOK_EVERY_MS = 1000;
/** Room, as a multiple of the watermark, at which writing goes on. */
const ENOUGH = 1.25;

export interface DiskSpaceReport {
  /** Bytes free to this process; null before the first look, and where the system does not say. */
  readonly freeBytes: number | null;
  readonly isLow: boolean;
  /** Milliseconds until it is low, if it goes on filling as in the last minutes; null when it does not fill, or it is too early to say. */
  readonly lastsMs: number | null;
}

export class DiskSpace {
  readonly #directory: string;
  readonly #minimumBytes: number;
  readonly #log: Log;
  readonly #trend = createDiskTrend();
  #freeBytes: number | null = null;
  #isLow = false;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  private constructor(directory: string, minimumBytes: number, log: Log) {
    this.#directory = directory;
    this.#minimumBytes = minimumBytes;
    this.#log = log;
  }

  /** Resolves after the first look. `minimumBytes` 0: never low. */
  static async watch(directory: string, minimumBytes: number, log: Log): Promise<DiskSpace> {
    const space = new DiskSpace(directory, minimumBytes, log);
    await space.#look();
    return space;
  }

  /** Why nothing more may be written now; undefined while there is room. */
  readonly findRefusal = (): Refusal | undefined => {
    if (!this.#isLow) return undefined;
    const message = `write refused: ${this.#describe()}; free some space, and writing goes on by itself`;
    return { code: 'DISK_FULL', message };
  };

  report(): DiskSpaceReport {
    const lastsMs = this.#trend.lastsMs(this.#minimumBytes);
    return { freeBytes: this.#freeBytes, isLow: this.#isLow, lastsMs };
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#minimumBytes === 0) return;
    try {
      const { bavail, bsize } = await statfs(this.#directory);
      this.#judge(bavail * bsize);
    } catch {
      this.#freeBytes = null; // not known here: LMDB will say it
    }
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#look(), LOOK_EVERY_MS).unref();
  }

  #judge(freeBytes: number): void {
    this.#freeBytes = freeBytes;
    this.#trend.note(performance.now(), freeBytes);
    const isLow = freeBytes < this.#minimumBytes * (this.#isLow ? ENOUGH : 1);
    if (isLow === this.#isLow) return;
    this.#isLow = isLow;
    const fields = { freeBytes, minimumBytes: this.#minimumBytes };
    if (isLow)
      this.#log(
        'diskLow',
        `${this.#describe()}: writes are refused, and updates of others not taken, until there is room`,
        fields,
      );
    else this.#log('diskRoomAgain', 'there is room on the disk again: writing goes on', fields);
  }

  #describe(): string {
    const [free, minimum] = [this.#freeBytes ?? 0, this.#minimumBytes].map(
      (bytes) => `${Math.floor(bytes / 2 ** 20)} MiB`,
    );
    return `the disk of ${this.#directory} has ${free} free, less than ${minimum} (--min-free-bytes)`;
  }
}
