/**
 * `toposphere bootstrap`: lets one peer take part with what its disk holds, when all of them wait to join.
 *
 * Owns naming the peer: it is never guessed. Whether it may is the peer's to say.
 */
import type { Argv } from 'yargs';
import { withConnection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine } from './print.ts';
import { findTargets, withTarget } from './target.ts';

export function addBootstrap(yargs: Argv): Argv {
  return yargs.command(
    'bootstrap',
    'let one waiting peer take part with what its disk holds; the others then join it',
    (options) => withTarget(options),
    async (argv) => {
      if (argv.peer === undefined && argv.id === undefined)
        throw new CommandFailure(
          'say which peer: --id or --peer; choose the one whose disk is the newest, for the others take over what it has',
        );
      const [target] = await findTargets(argv);
      if (target === undefined) return;
      await withConnection(target, (connection) => connection.request(['TOPOSPHERE', 'BOOTSTRAP']));
      printLine(`${target.id ?? argv.peer ?? ''} takes part`);
    },
  );
}
