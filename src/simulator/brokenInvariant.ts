/**
 * What a checker throws: which invariant, where, and what was seen. Caught by the run, which makes it a verdict.
 */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
  /** Short name by which two failures are the same bug, for instance `I2`. */
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
  }
}
