/**
 * `toposphere reload`: lets running peers read servers.txt and their cluster key file again (SIGHUP to `toposphere serve` does the same).
 *
 * Owns whom to tell: all peers of the file at hand, or the one that is named. A new peer that does not run yet is told nothing.
 */
import type { Argv } from 'yargs';
import { askEach } from './askEach.ts';
import { findTargets, withTarget } from './target.ts';

export function addReload(yargs: Argv): Argv {
  return yargs.command(
    'reload',
    'let the peers of servers.txt (or one of them) read their servers.txt and cluster key file again',
    (options) => withTarget(options),
    async (argv) => {
      await askEach(await findTargets(argv), ['TOPOSPHERE', 'RELOAD']);
    },
  );
}
