/**
 * What one client knows of one key, and whether what it reads now may follow: the session guarantees, as an application sees them.
 *
 * Each write of a key has a number, one more than the one before. Owns the floor below which a read goes back. Which key it is, and who else writes it, is the
 * caller's. Invariant: the floor falls only when the client was told of a loss.
 */

export type Violation = 'its own acknowledged write was not there' | 'it had read something newer before';

export class Witness {
  #written = 0;
  #acknowledged = 0;
  #read = 0;

  /** The number of the next write. */
  next(): number {
    this.#written += 1;
    return this.#written;
  }

  acknowledge(number: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, number);
  }

  /** What a read said: the number of the write that it shows, 0 for none. */
  read(number: number): Violation | undefined {
    if (number < this.#acknowledged) return 'its own acknowledged write was not there';
    if (number < this.#read) return 'it had read something newer before';
    this.#read = number;
    return undefined;
  }

  /** The client was told that something is lost: it cannot know of which key. */
  forgive(): void {
    this.#acknowledged = 0;
    this.#read = 0;
  }

  /** What may not be missing at the end. */
  get floor(): number {
    return Math.max(this.#acknowledged, this.#read);
  }
}
