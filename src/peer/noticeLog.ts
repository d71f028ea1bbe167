/**
 * What the core notices, written to the log.
 *
 * Owns how often: what is noticed anew at every request of a peer, which goes on asking, is not said anew each time.
 */
import type { Effect, NoticeName } from '../core/effects.ts';
import type { Log } from './logger.ts';
import { describeNotice } from './notices.ts';

type Notice = Extract<Effect, { kind: 'notice' }>;

/** Notices that a peer brings about again and again for as long as their cause lasts. */
const REPEATED: ReadonlySet<NoticeName> = new Set(['checkpointTooLarge']);
/** One of them is said of the same peer no more often than this, milliseconds. */
const REPEAT_INTERVAL_MS = 10_000;

/** `nowMs`: monotonic. */
export function createNoticeLog(log: Log, maxDriftMs: number, nowMs: () => number): (notice: Notice) => void {
  const saidMs = new Map<string, number>();
  return (notice) => {
    const text = describeNotice(notice, maxDriftMs);
    if (REPEATED.has(notice.name)) {
      // The text names the peer, and peers are members: the map stays small.
      if (nowMs() - (saidMs.get(text) ?? -Infinity) < REPEAT_INTERVAL_MS) return;
      saidMs.set(text, nowMs());
    }
    log(notice.name, text, notice.detail);
  };
}
