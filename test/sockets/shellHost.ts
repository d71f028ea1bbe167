/**
 * One machine as its operator has it: a folder, a shell with the installed `toposphere` in its path, and the peer that runs there.
 *
 * Owns the processes and what they print; which lines are typed is the test's. A `prefix` of words runs all of it elsewhere, for instance in a
 * network namespace. Invariant: no process outlives `end`, and each is killed by its own id.
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { withDeadline } from './waiting.ts';

const run = promisify(execFile);
/** Milliseconds that a typed line, and a start, may take. */
const LINE_TIMEOUT_MS = 30_000;

export class ShellHost {
  readonly folder: string;
  /** All that its peers have printed. */
  readonly log: string[] = [];
  readonly #prefix: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;
  #peer: ChildProcess | undefined;

  /** `commands`: the folder that holds `toposphere`. */
  constructor(folder: string, commands: string, prefix: readonly string[] = []) {
    this.folder = folder;
    this.#prefix = prefix;
    const path = [commands, dirname(process.execPath), process.env['PATH']].join(delimiter);
    this.#environment = { ...process.env, PATH: path, TOPOSPHERE_CLIENT_PASSWORD_FILE: 'client.password' };
  }

  /** What the line prints. Rejects, with all it said, when it does not end with 0. */
  async type(line: string): Promise<string> {
    const [program = '', ...words] = this.#words(line);
    const { stdout } = await run(program, words, {
      cwd: this.folder,
      env: this.#environment,
      timeout: LINE_TIMEOUT_MS,
    }).catch((error: unknown) => {
      throw new Error(`${line}\n${String(error)}\n${this.log.slice(-20).join('\n')}`);
    });
    return stdout.trim();
  }

  /** Runs a line that starts a peer; resolves when it serves clients. */
  async start(line: string): Promise<void> {
    const [program = '', ...words] = this.#words(`exec ${line}`);
    const child = spawn(program, words, { cwd: this.folder, env: this.#environment });
    this.#peer = child;
    const ready = new Promise<void>((resolve, reject) => {
      for (const output of [child.stdout, child.stderr]) {
        createInterface({ input: output }).on('line', (text) => {
          this.log.push(text);
          if (text.startsWith('ready ')) resolve();
        });
      }
      child.once('close', () => {
        reject(new Error(`${line}\nended before it was ready:\n${this.log.slice(-20).join('\n')}`));
      });
    });
    await withDeadline(`ready: ${line}`, ready, LINE_TIMEOUT_MS);
  }

  /** A clean stop of the peer, as Ctrl-C. */
  async stop(): Promise<void> {
    await this.#endBy('SIGINT');
  }

  async end(): Promise<void> {
    await this.#endBy('SIGKILL');
  }

  async #endBy(signal: NodeJS.Signals): Promise<void> {
    const child = this.#peer;
    this.#peer = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise<void>((resolve) => child.once('close', resolve));
    child.kill(signal);
    await withDeadline(`the end of process ${child.pid ?? -1}`, closed, LINE_TIMEOUT_MS);
  }

  #words(line: string): readonly string[] {
    return [...this.#prefix, 'sh', '-c', line];
  }
}
