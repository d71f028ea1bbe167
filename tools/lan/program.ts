/**
 * One program of the laboratory, in a namespace: a peer, the switch, a stranger, a capture.
 *
 * Owns the process, the last of its lines and how it ended; what is said in them is for whoever started it. Nothing here stops what a
 * crash of this process would leave: the process namespace does (main.ts).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { withTimeout } from '../bench/children.ts';

/** Lines kept of each program. */
const LINES_KEPT = 1_000;
/** Milliseconds a program has to end by itself before it is killed. */
const STOP_TIMEOUT_MS = 10_000;

export class Program {
  readonly name: string;
  /** Resolves with how it ended, as words: `exit code 1`, `SIGKILL`. */
  readonly ended: Promise<string>;
  readonly lines: string[] = [];
  readonly errorLines: string[] = [];
  readonly #process: ChildProcess;
  readonly #listeners = new Set<() => void>();
  #how: string | undefined;

  constructor(name: string, namespace: string, words: readonly string[]) {
    this.name = name;
    this.#process = spawn('ip', ['netns', 'exec', namespace, ...words], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#read(this.#process.stdout, this.lines);
    this.#read(this.#process.stderr, this.errorLines);
    this.#process.stdin?.on('error', () => undefined); // it ended: `ended` says so
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#how ??= how;
        resolve(this.#how);
        this.#tell();
      };
      this.#process.once('close', (code, signal) => {
        end(signal ?? `exit code ${code ?? 'unknown'}`);
      });
      this.#process.once('error', (error) => {
        end(error.message);
      });
    });
  }

  /** `ip netns exec` becomes the program that it runs: the number is the program's. */
  get processId(): number {
    return this.#process.pid ?? -1;
  }

  get hasEnded(): boolean {
    return this.#how !== undefined;
  }

  write(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  signal(name: NodeJS.Signals): void {
    if (this.#how === undefined) this.#process.kill(name);
  }

  /** Resolves with the `count`-th line (from 1) of standard output that matches; rejects when the program ends before, or says nothing in time. */
  awaitLine(pattern: RegExp, timeoutMs: number, count = 1): Promise<string> {
    let look: () => void = () => undefined;
    const found = new Promise<string>((resolve, reject) => {
      look = (): void => {
        const line = this.lines.filter((one) => pattern.test(one))[count - 1];
        if (line !== undefined) resolve(line);
        else if (this.#how !== undefined) reject(this.failure());
      };
    });
    this.#listeners.add(look);
    look();
    return withTimeout(found, timeoutMs, `${this.name}: a line like ${pattern}`).finally(() => {
      this.#listeners.delete(look);
    });
  }

  failure(): Error {
    const said = [...this.lines.slice(-5), ...this.errorLines.slice(-15)].join('\n');
    return new Error(`${this.name} ended (${this.#how ?? 'still running'})\n${said}`);
  }

  /** Asks it to stop, or with SIGKILL ends it; resolves when it is gone. A paused program goes on first, or it would not hear. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<string> {
    this.signal(signal);
    this.signal('SIGCONT');
    const timer = setTimeout(() => {
      this.signal('SIGKILL');
    }, STOP_TIMEOUT_MS);
    const how = await this.ended;
    clearTimeout(timer);
    return how;
  }

  #read(stream: Readable | null, into: string[]): void {
    if (stream === null) return;
    createInterface({ input: stream }).on('line', (line) => {
      into.push(line);
      if (into.length > LINES_KEPT) into.shift();
      this.#tell();
    });
  }

  #tell(): void {
    for (const look of [...this.#listeners]) look();
  }
}
