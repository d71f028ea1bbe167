/**
 * Runs the command line as users do: a process of its own.
 *
 * Owns the process until it ended or its time was up. Nothing of the command line is imported, so that
 * exit codes, both outputs and their bytes are the real ones.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { ensureBuilt, MAIN } from '../sockets/command.ts';

/** Milliseconds after which a command that does not end is killed. */
const RUN_TIMEOUT_MS = 40_000;

export interface Outcome {
  readonly code: number | null;
  readonly output: Buffer;
  readonly errors: string;
}

export function startCommand(
  words: readonly string[],
  cwd?: string,
  environment: NodeJS.ProcessEnv = {},
): { child: ChildProcess; outcome: Promise<Outcome> } {
  ensureBuilt();
  const child = spawn(process.execPath, [MAIN, ...words], {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => errors.push(bytes));
  const outcome = new Promise<Outcome>((resolve) => {
    child.once('close', (code) => {
      resolve({ code, output: Buffer.concat(output), errors: Buffer.concat(errors).toString() });
    });
  });
  return { child, outcome };
}

export function runCommand(
  words: readonly string[],
  cwd?: string,
  environment?: NodeJS.ProcessEnv,
): Promise<Outcome> {
  return startCommand(words, cwd, environment).outcome;
}
