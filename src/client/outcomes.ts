/**
 * What an application is told of an operation that no peer took, or whose peer was gone before it answered.
 *
 * Owns the words, and the code that stands for what several peers said. When it comes to that is roaming.ts's. Invariant: the message names every peer and what was seen of
 * it, or the one peer and what was asked of it; and whether anything may have been changed.
 */
import { ToposphereError, type ErrorCode } from '../core/errors.ts';
import type { Request } from './operation.ts';
import type { PeerAddress } from './peerList.ts';

/** Why a peer did not serve, when it was last tried. */
export interface Seen {
  readonly message: string;
  /** Of its own refusal, where it gave one. */
  readonly code: ErrorCode | undefined;
}

/** What the application is told if any peer said so: it says more than that there is none. */
const TELLING: readonly ErrorCode[] = ['UNDECIDED', 'BEHIND', 'DISK_FULL'];

export function describeNoPeer(
  peers: readonly PeerAddress[],
  seen: ReadonlyMap<string, Seen>,
  deadlineMs: number,
): ToposphereError {
  const told = peers.map(({ name }) => `${name}: ${seen.get(name)?.message ?? 'did not answer yet'}`);
  const codes = Array.from(seen.values(), ({ code }) => code);
  return new ToposphereError(
    TELLING.find((one) => codes.includes(one)) ?? 'NO_PEER',
    `no peer took this within ${deadlineMs} ms, and nothing was changed. Try again, or look at the peers: ${told.join('; ')}`,
  );
}

/** A write that was sent, and whose outcome is not known. */
export function describeDoubt({ words }: Request, peer: string, isAcknowledged: boolean): ToposphereError {
  const what = String(words[0]);
  const seen = isAcknowledged
    ? 'acknowledged it, and was gone before it had said what the session has seen with it'
    : 'was gone, or silent, before it answered';
  return new ToposphereError(
    'MAYBE_APPLIED',
    `${peer} was sent ${what} and ${seen}: it may be carried out, also later. It was not sent again; read the key, and decide`,
    { changed: 'unknown' },
  );
}
