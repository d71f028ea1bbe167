/**
 * One operation of an application on its way: what is said, until when, and to whom the outcome goes.
 *
 * Owns the shape. Sending is link.ts's, and what becomes of it when a peer is left is roaming.ts's. Invariant: an operation is settled once.
 */
import type { ToposphereError } from '../core/errors.ts';

export type Word = string | Buffer;

export interface Request {
  readonly words: readonly Word[];
  /** What is said in place of the words once it is in doubt whether they were carried out, if that can be: the peers know the request by its id. */
  readonly again?: readonly Word[];
  /** It changes nothing, so it may be asked twice. */
  readonly isRead: boolean;
  /** Keys that it reads or writes, as binary strings. */
  readonly keys: readonly string[];
  /** How much longer than an answer from memory it may take, milliseconds. */
  readonly allowanceMs: number;
}

export interface Operation extends Request {
  /** In which the application asked. */
  readonly order: number;
  /** By the clock of performance.now, milliseconds. */
  readonly deadlineAtMs: number;
  readonly deadlineMs: number;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: ToposphereError) => void;
  /** It was sent, and may have been carried out: what the application is told if nobody can say more. */
  readonly doubt?: ToposphereError;
}

/** `silent`: the connection broke before an answer came. */
export type Answer =
  | { readonly kind: 'reply'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'silent' };
