/**
 * Paces datagrams: so many leave at the end of a turn, the rest at the end of the next ones.
 *
 * A receiver takes about 32 datagrams a turn out of a buffer that overflows silently, so a burst sent at
 * once loses more than it gains. Bounded: beyond, the oldest are dropped; repair brings them back.
 */

/** Datagrams sent at the end of one turn. */
const DATAGRAMS_PER_TURN = 32;
/** Datagrams waiting; at 1,400 bytes some 11 MB. */
const MAX_WAITING_DATAGRAMS = 8192;

export class SendQueue {
  dropped = 0;
  readonly #endOfTurn: (callback: () => void) => void;
  #waiting: (() => void)[] = [];
  #sentThisTurn = 0;
  #isScheduled = false;

  constructor(endOfTurn: (callback: () => void) => void) {
    this.#endOfTurn = endOfTurn;
  }

  /** Runs `send` now if this turn's share is not used up, else in a later turn, in order. */
  push(send: () => void): void {
    if (this.#waiting.length === 0 && this.#sentThisTurn < DATAGRAMS_PER_TURN) {
      this.#sentThisTurn += 1;
      send();
    } else {
      if (this.#waiting.length >= MAX_WAITING_DATAGRAMS) {
        this.#waiting.shift();
        this.dropped += 1;
      }
      this.#waiting.push(send);
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#endOfTurn(() => {
      this.#isScheduled = false;
      this.#sentThisTurn = 0;
      if (this.#waiting.length === 0) return;
      const batch = this.#waiting.splice(0, DATAGRAMS_PER_TURN);
      for (const send of batch) send();
      this.#sentThisTurn = batch.length;
      this.#schedule();
    });
  }
}
