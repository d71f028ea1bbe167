/**
 * Which packet numbers of one sender incarnation have been seen.
 *
 * Owns two memories: a sliding bitmap for datagrams, which may arrive out of order, and a mere "last" for
 * streams, which may not. Keeps: a number is accepted at most once, and never when it is older than what the
 * memory still knows, nor than the first number seen (after this process restarts, what came before
 * the first packet it heard counts as seen).
 */

/**
 * Datagrams behind the newest that are still told apart. More than an 8 MiB receive buffer holds of small
 * datagrams: those that wait in the multicast socket's buffer while unicast ones pass them are not lost.
 */
export const REPLAY_WINDOW_PACKETS = 16_384;

const WORD_BITS = 32;
const WORDS = REPLAY_WINDOW_PACKETS / WORD_BITS;
const NOTHING_SEEN = new Uint32Array(0);

export interface ReplayWindow {
  /** Empty until the first packet is accepted: a forged sender costs no memory. */
  bitmap: Uint32Array;
  first: number;
  newest: number;
}

/** A window that has seen nothing yet. Packet numbers are 1 to 2^48 - 1. */
export function createReplayWindow(): ReplayWindow {
  return { bitmap: NOTHING_SEEN, first: 0, newest: 0 };
}

/** Whether `packetNumber` was seen, or is too old to tell. Changes nothing. */
export function isReplayed(window: ReplayWindow, packetNumber: number): boolean {
  if (packetNumber > window.newest) return false;
  if (packetNumber < window.first) return true;
  const block = Math.floor(packetNumber / WORD_BITS);
  // The oldest word is being reused by the newest block: a whole word less than the bitmap holds is told apart.
  if (Math.floor(window.newest / WORD_BITS) - block >= WORDS) return true;
  return ((window.bitmap[block % WORDS] ?? 0) & (1 << (packetNumber % WORD_BITS))) !== 0;
}

/** Remembers a number that `isReplayed` let through, once its packet has proved genuine. */
export function acceptPacket(window: ReplayWindow, packetNumber: number): void {
  const block = Math.floor(packetNumber / WORD_BITS);
  if (window.first === 0) {
    window.bitmap = new Uint32Array(WORDS);
    window.first = packetNumber;
    window.newest = packetNumber;
  } else if (packetNumber > window.newest) {
    const newestBlock = Math.floor(window.newest / WORD_BITS);
    const cleared = Math.min(block - newestBlock, WORDS);
    for (let index = 1; index <= cleared; index++) window.bitmap[(newestBlock + index) % WORDS] = 0;
    window.newest = packetNumber;
  }
  const word = block % WORDS;
  window.bitmap[word] = (window.bitmap[word] ?? 0) | (1 << (packetNumber % WORD_BITS));
}
