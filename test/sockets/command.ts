/**
 * The built command line as a process: `node dist/bin/toposphere.js …`, as a user's shell runs it.
 *
 * Owns the build (once, when dist is older than src), the process, its output as lines and its end.
 * What it was started for is the caller's. Invariant: no process outlives the test run: each is killed
 * by its own id at the latest when this process exits.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { withDeadline } from './waiting.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const MAIN = `${ROOT}dist/bin/toposphere.js`;
const BUILD_TIMEOUT_MS = 120_000;
/** Milliseconds a command is given when its end is awaited. */
const END_TIMEOUT_MS = 20_000;
/** Lines of output kept of each process. */
const LINES_KEPT = 2000;

const running = new Set<ChildProcess>();
function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}
process.once('exit', killAll);
for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    killAll();
    process.kill(process.pid, signal); // no handler is left: it ends this process now
  });
}

let isBuilt = false;

/** Builds dist unless it is newer than every source. Throws with the compiler's words when that fails. */
export function ensureBuilt(): void {
  if (isBuilt) return;
  const sources = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' });
  const newestMs = Math.max(
    ...sources.filter((name) => name.endsWith('.ts')).map((name) => statSync(`${ROOT}src/${name}`).mtimeMs),
  );
  if (!existsSync(MAIN) || statSync(MAIN).mtimeMs < newestMs) {
    const compile = [`${ROOT}node_modules/typescript/bin/tsc`, '-p', 'tsconfig.build.json'];
    for (const words of [compile, ['tools/bundle.js']])
      execFileSync(process.execPath, words, {
        cwd: ROOT,
        timeout: BUILD_TIMEOUT_MS,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
  }
  isBuilt = true;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Command {
  readonly ended: Promise<Ended>;
  /** Lines of both outputs, oldest first, each with `out` or `err` before it. */
  readonly lines: string[] = [];
  readonly errorLines: string[] = [];
  readonly #child: ChildProcess;
  readonly #listeners = new Set<() => void>();
  #end: Ended | undefined;

  /**
   * With `followsParent` a channel joins the two: `serve` stops when it closes, however this process ends. `program`: what node runs
   * in place of the built command line.
   */
  constructor(words: readonly string[], followsParent = false, program: readonly string[] = [MAIN]) {
    const channel = followsParent ? (['ipc'] as const) : [];
    this.#child = spawn(process.execPath, [...program, ...words], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe', ...channel],
    });
    running.add(this.#child);
    const { stdout, stderr } = this.#child;
    this.#read('out', stdout);
    this.#read('err', stderr);
    this.ended = new Promise((resolve) => {
      // 'close', not 'exit': the last lines have been read by then.
      this.#child.once('close', (code, signal) => {
        running.delete(this.#child);
        this.#end = { code, signal };
        resolve(this.#end);
        this.#tell();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Resolves with the first line of standard output that matches; rejects when the process ends before. */
  async awaitLine(pattern: RegExp, timeoutMs = END_TIMEOUT_MS): Promise<string> {
    let wake: () => void = () => undefined;
    const found = new Promise<string>((resolve, reject) => {
      wake = (): void => {
        const line = this.lines.find((one) => one.startsWith('out ') && pattern.test(one.slice(4)));
        if (line !== undefined) resolve(line.slice(4));
        else if (this.#end !== undefined) {
          reject(new Error(`ended (${describeEnd(this.#end)}) before ${pattern}:\n${this.lines.join('\n')}`));
        }
      };
    });
    this.#listeners.add(wake);
    wake();
    try {
      return await withDeadline(`a line like ${pattern}`, found, timeoutMs);
    } finally {
      this.#listeners.delete(wake);
    }
  }

  /** False when the process had ended already. */
  signal(name: NodeJS.Signals): boolean {
    return this.#end === undefined && this.#child.kill(name);
  }

  /** Over the channel of `followsParent`. */
  send(message: Readonly<Record<string, string | number>>): void {
    this.#child.send(message);
  }

  /** Resolves when the process has ended by itself. */
  awaitEnd(timeoutMs = END_TIMEOUT_MS): Promise<Ended> {
    return withDeadline(`the end of process ${this.pid}`, this.ended, timeoutMs);
  }

  /** kill -9, whatever state it is in (a stopped process too), and waits until it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.awaitEnd();
  }

  #read(from: 'out' | 'err', stream: Readable | null): void {
    if (stream === null) return;
    createInterface({ input: stream }).on('line', (line) => {
      this.#note(from, line);
    });
  }

  #note(from: 'out' | 'err', line: string): void {
    this.lines.push(`${from} ${line}`);
    if (from === 'err') this.errorLines.push(line);
    if (this.lines.length > LINES_KEPT) this.lines.shift();
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

export function describeEnd({ code, signal }: Ended): string {
  return signal ?? `exit code ${code ?? 'unknown'}`;
}

/** Runs a command to its end. */
export async function runCommand(
  words: readonly string[],
  timeoutMs = END_TIMEOUT_MS,
): Promise<{
  readonly ended: Ended;
  readonly errorLines: readonly string[];
  readonly lines: readonly string[];
}> {
  const command = new Command(words);
  try {
    const ended = await command.awaitEnd(timeoutMs);
    return { ended, errorLines: command.errorLines, lines: command.lines };
  } finally {
    await command.kill();
  }
}
