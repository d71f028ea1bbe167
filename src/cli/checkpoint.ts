/**
 * `toposphere checkpoint`: lets running peers write a checkpoint file each, and says where.
 *
 * Owns whom to tell and how long to wait. What is in such a file, and how many are kept, is src/storage's and src/peer's.
 */
import type { Argv } from 'yargs';
import { askEach } from './askEach.ts';
import { findTargets, withTarget } from './target.ts';

/** A copy of tens of gigabytes onto a slow disk takes so long, milliseconds. */
const COPY_TIMEOUT_MS = 3_600_000;

export function addCheckpoint(yargs: Argv): Argv {
  return yargs.command(
    'checkpoint',
    'let the peers of servers.txt (or one of them) write a checkpoint file, to be kept or restored',
    (options) => withTarget(options),
    async (argv) => {
      await askEach(await findTargets(argv), ['TOPOSPHERE', 'CHECKPOINT'], COPY_TIMEOUT_MS);
    },
  );
}
