/**
 * Every process the benchmark starts: peers, Redis servers, load generators, probes.
 *
 * Owns starting, waiting, the last of what a child printed, and stopping by process id. What children say to each
 * other is the parts'. Invariant: no child outlives the run: `stopAll` runs whatever happened, the `exit` event kills
 * what is left, and a forked child ends by itself when its channel closes. A child that ends early fails who waits for it, with its words.
 */
import { fork, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Milliseconds a child has to stop by itself before it is killed. */
const STOP_TIMEOUT_MS = 8000;
/** What is kept of a child's output for the message when it fails, characters. */
const OUTPUT_TAIL_CHARACTERS = 2000;

export interface Message {
  readonly kind: string;
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string';
}

/** Rejects with `what` when `promise` takes longer than `timeoutMs`. */
export async function withTimeout<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${what}: nothing within ${timeoutMs} ms`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export class Child {
  readonly name: string;
  /** Resolves with how it ended, as words. */
  readonly ended: Promise<string>;
  /** The CPU profile that it leaves when it ends; undefined when none was asked for. */
  readonly profilePath: string | undefined;
  readonly #process: ChildProcess;
  readonly #messages: Message[] = [];
  readonly #waiters = new Set<() => void>();
  #output = '';
  #how: string | undefined;

  constructor(name: string, process: ChildProcess, profilePath?: string) {
    this.name = name;
    this.profilePath = profilePath;
    this.#process = process;
    for (const stream of [process.stdout, process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_TAIL_CHARACTERS);
      });
    }
    process.on('message', (message) => {
      if (!isMessage(message)) return;
      this.#messages.push(message);
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#how ??= how;
        this.#wake();
        resolve(this.#how);
      };
      process.once('close', (code, signal) => {
        end(signal ?? `exit code ${code ?? 'unknown'}`);
      });
      process.once('error', (error) => {
        end(error.message);
      });
    });
  }

  get processId(): number | undefined {
    return this.#process.pid;
  }

  get hasEnded(): boolean {
    return this.#how !== undefined;
  }

  send(message: Message & Readonly<Record<string, unknown>>): void {
    if (this.#process.connected) this.#process.send(message);
  }

  /** The next message of this kind; messages of other kinds wait. Rejects when the child ends or says nothing in time. */
  next<T extends Message>(kind: T['kind'], timeoutMs: number): Promise<T> {
    const taken = new Promise<T>((resolve, reject) => {
      const look = (): void => {
        const index = this.#messages.findIndex((message) => message.kind === kind);
        if (index >= 0) {
          this.#waiters.delete(look);
          // The children are this folder's own files: their messages have the shape of their kind.
          resolve(this.#messages.splice(index, 1)[0] as T);
        } else if (this.#how !== undefined) {
          this.#waiters.delete(look);
          reject(this.failure());
        }
      };
      this.#waiters.add(look);
      look();
    });
    return withTimeout(taken, timeoutMs, `waiting for '${kind}' of ${this.name}\n${this.#output}`);
  }

  failure(): Error {
    return new Error(`${this.name} ended (${this.#how ?? 'still running'})\n${this.#output}`.trimEnd());
  }

  /** Asks it to stop, waits for its end, kills it when it takes too long. */
  async stop(): Promise<void> {
    if (this.#how !== undefined) return;
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.ended;
    clearTimeout(timer);
  }

  kill(): void {
    if (this.#how === undefined) this.#process.kill('SIGKILL');
  }

  #wake(): void {
    for (const look of [...this.#waiters]) look();
  }
}

export class Children {
  readonly #children = new Set<Child>();
  readonly #profileDirectory: string | undefined;

  /** With a `profileDirectory` every Node child leaves a CPU profile there when it ends. */
  constructor(profileDirectory: string | undefined) {
    this.#profileDirectory = profileDirectory;
    process.once('exit', () => {
      for (const child of this.#children) child.kill();
    });
  }

  get isProfiling(): boolean {
    return this.#profileDirectory !== undefined;
  }

  /** Starts any program. */
  spawn(name: string, command: string, words: readonly string[]): Child {
    return this.#add(name, spawn(command, [...words], { stdio: ['ignore', 'pipe', 'pipe'], detached: true }));
  }

  /** Runs JavaScript with this very Node, with a message channel, as `toposphere serve` uses when it is there. */
  spawnNode(name: string, words: readonly string[]): Child {
    const path = this.#profilePath(name);
    const child = spawn(process.execPath, [...profileWords(path), ...words], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    return this.#add(name, child, path);
  }

  /** Runs a TypeScript file of this folder with the same loader as the parent; `words` are its arguments. */
  fork(name: string, file: URL, words: readonly string[]): Child {
    const path = this.#profilePath(name);
    const child = fork(fileURLToPath(file), [...words], {
      execArgv: [...process.execArgv, ...profileWords(path)],
      silent: true,
      detached: true,
      serialization: 'json',
    });
    return this.#add(name, child, path);
  }

  /** Runs a program to its end; answers what it printed on stdout. Rejects on another exit code than 0, or when it takes too long. */
  async run(name: string, command: string, words: readonly string[], timeoutMs: number): Promise<string> {
    const child = spawn(command, [...words], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const running = this.#add(name, child);
    try {
      const how = await withTimeout(running.ended, timeoutMs, name);
      if (how !== 'exit code 0') throw running.failure();
      return output;
    } finally {
      running.kill();
      this.#children.delete(running);
    }
  }

  async stop(children: readonly Child[]): Promise<void> {
    await Promise.all(children.map((child) => child.stop()));
    for (const child of children) this.#children.delete(child);
  }

  async stopAll(): Promise<void> {
    await this.stop([...this.#children]);
  }

  #add(name: string, process: ChildProcess, profilePath?: string): Child {
    const child = new Child(name, process, profilePath);
    this.#children.add(child);
    return child;
  }

  #profilePath(name: string): string | undefined {
    if (this.#profileDirectory === undefined) return undefined;
    return join(this.#profileDirectory, `${name.replace(/[^a-z0-9]+/gi, '-')}-${Date.now()}.cpuprofile`);
  }
}

function profileWords(path: string | undefined): readonly string[] {
  if (path === undefined) return [];
  return ['--cpu-prof', `--cpu-prof-dir=${dirname(path)}`, `--cpu-prof-name=${basename(path)}`];
}
