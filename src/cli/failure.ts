/**
 * How a command that cannot do what was asked says so.
 *
 * Owns the error the command line raises itself and the lines a terminal shows for any error. Ending
 * the process is main.ts's. Invariant: an expected failure is one clear line a fault, never a stack;
 * only a defect of our own shows one.
 */
import { ToposphereError } from '../core/errors.ts';

/** A failure that is no defect: its message says what was attempted, what was seen and what to do. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
}

/** A peer heard the request and said no, or is not whom it was to be: asking again, or another peer, is not what helps. */
export class PeerRefusal extends CommandFailure {}

/** It asks its clients for a password, and was given none or another one. */
export class PasswordRefusal extends PeerRefusal {
  readonly password: 'missing' | 'wrong';

  constructor(message: string, password: 'missing' | 'wrong') {
    super(message);
    this.password = password;
  }
}

/** The lines for stderr, each with its prefix, without line ends. */
export function describeFailure(error: unknown): readonly string[] {
  return failureLines(error).map((line) => `toposphere: ${line}`);
}

/** The same without prefix: one line a fault. */
export function failureLines(error: unknown): readonly string[] {
  const isExpected = error instanceof CommandFailure || error instanceof ToposphereError;
  if (isExpected) return error.message.split('\n');
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return [`internal error, please report it: ${detail}`];
}
