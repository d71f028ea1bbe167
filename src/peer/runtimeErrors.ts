/**
 * Why a peer's runtime cannot go on, in an operator's words.
 */
import { ToposphereError } from '../core/errors.ts';

/** R1: a commit that fails ends the incarnation. */
export function commitFailedError(reason: Error): ToposphereError {
  return new ToposphereError(
    'STORAGE_FAILED',
    `no further write is taken, for a commit failed: ${reason.message}`,
    { changed: 'unknown', cause: reason },
  );
}

/** R10: another process has the id, or a later start of it is known. */
export function supersededError(id: string, reason: 'fenced' | 'superseded'): ToposphereError {
  const message =
    reason === 'superseded'
      ? `another process runs as ${id} and is the newer one: this one ends. Each id of servers.txt is for one process`
      : `the other peers know a later start of ${id} than this disk does: this one ends; start it again, and it will catch up`;
  return new ToposphereError(reason === 'superseded' ? 'SUPERSEDED' : 'FENCED', message, {
    changed: 'unknown',
  });
}

export function closedWhileWaitingError(): ToposphereError {
  return new ToposphereError(
    'CLOSED',
    'this peer is closing: the write may have been committed; read it after the next start',
    { changed: 'unknown' },
  );
}

/** Why a write is not taken, whoever refuses it; nothing was changed. */
export type Refusal = Pick<ToposphereError, 'code' | 'message'>;

/** What is said of a write becomes what its caller meets. */
export function throwRefusal(refusal: Refusal | undefined): void {
  if (refusal !== undefined) throw refusalError(refusal);
}

export function refusalError({ code, message }: Refusal): ToposphereError {
  return new ToposphereError(code, message);
}
