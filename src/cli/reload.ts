/**
 * `toposphere reload`: lets running peers read servers.txt, their cluster key file, their client password file, their users file and their certificate again (SIGHUP to `toposphere serve` does the same).
 *
 * Owns whom to tell: all peers of the file at hand, or the one that is named. A new peer that does not run yet is told nothing.
 */
import type { Argv } from 'yargs';
import { askEach } from './askEach.ts';
import { findTargets, withTarget } from './target.ts';

export function addReload(yargs: Argv): Argv {
  return yargs.command(
    'reload',
    'let the peers of servers.txt (or one of them) read their servers.txt, cluster key, client password, users and certificate files again',
    (options) =>
      withTarget(options).option('force', {
        type: 'boolean',
        default: false,
        describe:
          'retire a key also where members still seal with it: they are cut off until they have the new key file',
      }),
    async (argv) => {
      const words = ['TOPOSPHERE', 'RELOAD', ...(argv.force ? ['FORCE'] : [])];
      await askEach(await findTargets(argv), words);
    },
  );
}
