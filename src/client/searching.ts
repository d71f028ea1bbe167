/**
 * Finding the nearest peer that serves: one after the other, the next beside one that takes its time.
 *
 * Owns the order of attempts and their overlap (as RFC 8305 does for addresses). What an attempt is, is the caller's. Invariant: at most one link comes out, and every other
 * one that was opened is ended.
 */
import type { Link } from './link.ts';
import { NotServed } from './link.ts';
import type { PeerAddress } from './peerList.ts';

interface Search {
  /** In which they are tried. */
  readonly candidates: readonly PeerAddress[];
  /** After so long without an answer the next is tried as well, milliseconds. */
  readonly staggerMs: number;
  readonly open: (peer: PeerAddress, signal: AbortSignal) => Promise<Link>;
  readonly onNotServed: (peer: PeerAddress, why: NotServed) => void;
  readonly signal: AbortSignal;
}

/** The first link; undefined when no peer serves, or the search was given up. */
export function findServing(search: Search): Promise<Link | undefined> {
  const { candidates, staggerMs, open, onNotServed, signal } = search;
  const others = new AbortController();
  return new Promise((resolve, reject) => {
    let [next, pending, isOver] = [0, 0, false];
    let timer: NodeJS.Timeout | undefined;
    const finish = (link: Link | undefined): void => {
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      others.abort();
      resolve(link);
    };
    const giveUp = (): void => {
      finish(undefined);
    };
    const tryNext = (): void => {
      clearTimeout(timer);
      if (isOver) return;
      const peer = candidates[next];
      if (peer === undefined) {
        if (pending === 0) finish(undefined);
        return;
      }
      next += 1;
      pending += 1;
      timer = setTimeout(tryNext, staggerMs);
      open(peer, others.signal).then(
        (link) => {
          if (isOver) link.break('another peer was faster');
          else finish(link);
        },
        (error: unknown) => {
          pending -= 1;
          if (isOver) return;
          if (error instanceof NotServed) {
            onNotServed(peer, error);
            tryNext();
          } else reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    };
    if (signal.aborted) {
      finish(undefined);
      return;
    }
    signal.addEventListener('abort', giveUp, { once: true });
    tryNext();
  });
}
