/**
 * The end of a clean stop: what was taken in is committed and said, then LEAVING a few times, then nothing.
 *
 * Owns the order and the bounds; what LEAVING means is core/leaving.ts's. Keeps R1: an UPDATE leaves behind its commit here as ever, and LEAVING behind it. A disk that
 * does not answer is waited for only so long: what it has still to commit is then left unsaid, and the next process of this peer says it. Nobody answers LEAVING,
 * so it is said more than once; who hears none of them learns by silence.
 */
import type { MulticastEffect, Outbox } from './outbox.ts';
import type { RuntimePorts } from './ports.ts';

/** LEAVING is sent so many times, so far apart, milliseconds: a receive buffer that overflows has room again by then. */
const COPIES = 3;
const APART_MS = 10;
/** What the last turn brought is awaited so long, milliseconds. */
const SETTLE_WITHIN_MS = 1_000;

/** `settle` takes in nothing more, and calls back when all that was taken in is committed and on its way, or never will be. `lastWord` is undefined where there is nobody to tell. */
export function leave(
  { after }: Pick<RuntimePorts, 'after'>,
  outbox: Pick<Outbox, 'takeLastWords' | 'whenSent'>,
  settle: (settled: () => void) => void,
  lastWord: () => MulticastEffect | undefined,
  done: () => void,
): void {
  let hasSpoken = false;
  const say = ([next, ...rest]: readonly (() => void)[]): void => {
    if (next === undefined) {
      outbox.whenSent(done); // what waits there is bounded
      return;
    }
    next();
    after(APART_MS, () => {
      say(rest);
    });
  };
  const speak = (): void => {
    if (hasSpoken) return;
    hasSpoken = true;
    say(outbox.takeLastWords(lastWord(), COPIES));
  };
  settle(speak);
  after(SETTLE_WITHIN_MS, speak);
}
