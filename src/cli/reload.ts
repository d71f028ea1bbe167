/**
 * `toposphere reload`: lets running peers read servers.txt again (SIGHUP to `toposphere serve` does the same).
 *
 * Owns whom to tell: all peers of the file at hand, or the one that is named. A new peer that does not run yet is told nothing.
 */
import type { Argv } from 'yargs';
import { replyText, withConnection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine, printWarning } from './print.ts';
import { findTargets, nameOf, withTarget } from './target.ts';

export function addReload(yargs: Argv): Argv {
  return yargs.command(
    'reload',
    'let the peers of servers.txt (or one of them) read their servers.txt again',
    (options) => withTarget(options),
    async (argv) => {
      const targets = await findTargets(argv);
      const failures = await Promise.all(
        targets.map(async (target) => {
          const name = nameOf(target);
          try {
            const reply = await withConnection(target, (connection) =>
              connection.request(['TOPOSPHERE', 'RELOAD']),
            );
            printLine(`${name}: ${replyText(reply)}`);
            return undefined;
          } catch (error) {
            if (!(error instanceof CommandFailure)) throw error;
            return `${name}: ${error.message}`;
          }
        }),
      );
      const reasons = failures.filter((failure) => failure !== undefined);
      if (reasons.length === targets.length) throw new CommandFailure(reasons.join('\n'));
      for (const reason of reasons) printWarning(reason);
    },
  );
}
