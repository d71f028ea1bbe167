/**
 * Writes that are gathered and sent together: for many small ones of which a few may be lost.
 *
 * Owns what is gathered, when it is sent, and what the application hears of it afterwards: a buffered write has resolved by then. Sending is the caller's (`send`). Invariants: of
 * one key the last write is kept, and the one before it is settled before it is sent; what was not sent is kept, whatever the peers do; it holds no more than twice its bounds.
 *
 * Lost with this process: what it holds, and what the level `fast` loses with a peer.
 */
import { ToposphereError, type ErrorCode } from '../core/errors.ts';
import type { BufferOptions } from './options.ts';

/** A key and its value to be; bytes of its own. */
export interface BufferedWrite {
  readonly key: Buffer;
  readonly value: Buffer;
  /** By the clock of performance.now, milliseconds; undefined for never. */
  readonly expiresAtMs: number | undefined;
}

interface BufferPorts extends Required<BufferOptions> {
  /** Sends one; those of one turn go together. Rejects as any write does. */
  readonly send: (write: BufferedWrite) => Promise<void>;
  /** Writes that resolved earlier have failed. */
  readonly onFailed: (failure: BufferFailure) => void;
  /** How long a write waits for room, milliseconds. */
  readonly deadlineMs: number;
}

/** Buffered writes failed after they had resolved. */
export interface BufferFailure {
  readonly error: ToposphereError;
  /** Whose writes are not kept; none where the session was told of a loss, and the writes go on. */
  readonly keys: readonly Buffer[];
}

/** No peer will ever take these. */
const HOPELESS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BAD_ARGUMENT',
  'KEY_TOO_LONG',
  'VALUE_TOO_LONG',
  'CLOSED',
]);

export class WriteBuffer {
  readonly #ports: BufferPorts;
  #gathered = new Map<string, BufferedWrite>();
  #gatheredBytes = 0;
  /** Sent, and not settled: still what this client reads. */
  #sent: ReadonlyMap<string, BufferedWrite> = new Map();
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The first since the application last asked. */
  #failure: ToposphereError | undefined;
  /** Why the last pipeline left something behind. */
  #obstacle: ToposphereError | undefined;

  constructor(ports: BufferPorts) {
    this.#ports = ports;
  }

  /** Resolves when there is room for it. Rejects, with nothing changed, when there is none until the deadline. */
  async set(name: string, write: BufferedWrite): Promise<void> {
    const untilMs = performance.now() + this.#ports.deadlineMs;
    while (this.#isFull()) {
      await this.#send();
      if (this.#isFull() && performance.now() >= untilMs) throw this.#noRoom();
    }
    const before = this.#gathered.get(name);
    this.#gathered.delete(name); // to stand behind what was written meanwhile
    this.#gathered.set(name, write);
    this.#gatheredBytes += bytesOf(write) - (before === undefined ? 0 : bytesOf(before));
    if (this.#isFull()) void this.#send();
    else this.#sendInTime();
  }

  /** What this client wrote of a key and no peer has answered yet; `value` is undefined when it has expired meanwhile. */
  find(name: string): { readonly value: Buffer | undefined } | undefined {
    const write = this.#gathered.get(name) ?? this.#sent.get(name);
    if (write === undefined) return undefined;
    return { value: (write.expiresAtMs ?? Infinity) > performance.now() ? write.value : undefined };
  }

  /** Resolves when none of these keys is held any more: what is asked next comes behind. Rejects, with nothing changed, when no peer takes them. */
  async settle(names: readonly string[]): Promise<void> {
    const isHeld = (): boolean => names.some((name) => this.#gathered.has(name) || this.#sent.has(name));
    if (!isHeld()) return;
    await this.#sendAll();
    if (isHeld() && this.#obstacle !== undefined) throw this.#obstacle;
  }

  /** Sends all there is; resolves when the peers have taken it. Rejects with the first failure since the last time, or with why nobody takes it: it is kept then. */
  async flush(): Promise<void> {
    await this.#sendAll();
    const failure = this.#failure ?? (this.#gathered.size > 0 ? this.#obstacle : undefined);
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  /** What is being sent, and then what was gathered meanwhile. */
  async #sendAll(): Promise<void> {
    if (this.#sending !== undefined) await this.#sending;
    await this.#send();
  }

  #isFull(): boolean {
    const { maxWrites, maxBytes } = this.#ports;
    return this.#gathered.size >= maxWrites || this.#gatheredBytes >= maxBytes;
  }

  #sendInTime(): void {
    this.#timer ??= setTimeout(() => {
      void this.#send();
    }, this.#ports.maxDelayMs);
  }

  /** One pipeline at a time: a key's later write must not overtake its earlier one. */
  #send(): Promise<void> {
    this.#sending ??= this.#sendGathered().finally(() => {
      this.#sending = undefined;
      if (this.#gathered.size > 0) this.#sendInTime();
    });
    return this.#sending;
  }

  async #sendGathered(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#obstacle = undefined;
    const writes = this.#gathered;
    this.#sent = writes;
    this.#gathered = new Map();
    this.#gatheredBytes = 0;
    const kept: [string, BufferedWrite][] = [];
    const lost: Buffer[] = [];
    let failure: ToposphereError | undefined;
    await Promise.all(
      Array.from(writes, async ([name, write]) => {
        const error = await this.#outcome(write);
        if (error === undefined) return;
        const isKept = error.changed === false && !HOPELESS.has(error.code);
        if (isKept) kept.push([name, write]);
        else lost.push(write.key);
        if (isKept) this.#obstacle ??= error;
        // A loss of the session is told to whoever waits, and that were these alone.
        if (!isKept || error.code === 'LOST_WRITE') failure ??= error;
      }),
    );
    this.#sent = new Map();
    this.#keep(kept);
    this.#failure ??= failure;
    if (failure !== undefined) this.#ports.onFailed({ error: failure, keys: lost });
  }

  /** Writes go back to the front, but for keys that were written again. */
  #keep(kept: readonly (readonly [string, BufferedWrite])[]): void {
    const newer = this.#gathered;
    this.#gathered = new Map([...kept.filter(([name]) => !newer.has(name)), ...newer]);
    this.#gatheredBytes = 0;
    for (const write of this.#gathered.values()) this.#gatheredBytes += bytesOf(write);
  }

  async #outcome(write: BufferedWrite): Promise<ToposphereError | undefined> {
    try {
      await this.#ports.send(write);
      return undefined;
    } catch (error) {
      if (error instanceof ToposphereError) return error;
      throw error;
    }
  }

  #noRoom(): ToposphereError {
    const why = this.#obstacle?.message ?? 'the peers take writes more slowly than they are made';
    const code = this.#obstacle?.code ?? 'NO_PEER';
    return new ToposphereError(code, `the write buffer is full, and this was not taken into it: ${why}`);
  }
}

function bytesOf({ key, value }: BufferedWrite): number {
  return key.length + value.length;
}
