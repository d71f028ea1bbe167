/**
 * One peer as a child process of `up`.
 *
 * Owns the process: its start, its output line by line behind its id, the news that it is ready and
 * that it ended. When to start and stop is up.ts's. Invariant: the child outlives neither a clean end of
 * its parent nor a violent one: it stops when the channel between them closes.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Address } from './connection.ts';
import { buildArguments } from './settingsOptions.ts';
import type { Flags } from '../peer/settingSources.ts';

/** Milliseconds a child has to stop by itself before it is killed; longer than `serve` takes at most. */
const STOP_TIMEOUT_MS = 25_000;

/** Where a peer is reached: by Redis clients, and by HTTP if it is served. */
export interface ServedAddress extends Address {
  readonly http: Address | undefined;
}

/** What `serve` sends over the channel to its parent once clients are served. */
export interface ReadyNotice {
  readonly kind: 'ready';
  readonly clientHost: string;
  readonly clientPort: number;
  /** Where HTTP is served, if it is. */
  readonly http?: Address | undefined;
}

function isReadyNotice(message: unknown): message is ReadyNotice {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'ready';
}

export class ChildPeer {
  readonly id: string;
  /** Resolves with where clients are served; never, when the child ends before. */
  readonly ready: Promise<ServedAddress>;
  /** Resolves with how the child ended, as words: `exit code 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
  readonly #process: ChildProcess;
  #hasEnded = false;

  /** Takes the flags of `up`: what the environment and the file set, the child reads there itself. */
  constructor(id: string, { settings, config }: Flags) {
    this.id = id;
    const script = process.argv[1] ?? '';
    const words = [...process.execArgv, script, 'serve', ...buildArguments({ ...settings, id }, config)];
    this.#process = spawn(process.execPath, words, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A group of its own: Ctrl-C reaches the parent alone, which stops each child once.
      detached: true,
    });
    this.#prefix(this.#process.stdout, process.stdout);
    this.#prefix(this.#process.stderr, process.stderr);
    this.ready = new Promise((resolve) => {
      this.#process.on('message', (message) => {
        if (isReadyNotice(message))
          resolve({ host: message.clientHost, port: message.clientPort, http: message.http });
      });
    });
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#hasEnded = true;
        resolve(how);
      };
      // 'close', not 'exit': the last lines of output have been read by then.
      this.#process.once('close', (code, signal) => {
        end(signal ?? `exit code ${code ?? 'unknown'}`);
      });
      this.#process.once('error', (error) => {
        end(error.message);
      });
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Asks the child to stop and waits for its end; kills it when it takes too long. */
  async stop(): Promise<string> {
    if (!this.#hasEnded) this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const how = await this.ended;
    clearTimeout(timer);
    return how;
  }

  #prefix(from: Readable | null, to: NodeJS.WriteStream): void {
    if (from === null) return;
    createInterface({ input: from }).on('line', (line) => to.write(`${this.id} | ${line}\n`));
  }
}
