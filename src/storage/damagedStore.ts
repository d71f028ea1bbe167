/** What is thrown for a store whose bytes are not what was written: what is damaged, and what to do about it. */
import { ToposphereError } from '../core/errors.ts';

const HELP =
  'Check the disk; then stop the peer, and put its newest checkpoint file back (toposphere restore --replace) or move the directory away, and start it again: ' +
  'the other peers send everything back, except writes that none of them has seen';

export class DamagedStore extends ToposphereError {
  /** What was attempted and seen, in a sentence without its full stop. */
  readonly description: string;

  constructor(description: string) {
    super('STORE_DAMAGED', `${description}. ${HELP}`);
    this.description = description;
  }
}
