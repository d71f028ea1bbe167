/**
 * `toposphere bootstrap`: lets one peer take part with what its disk holds, when all of them wait to join.
 *
 * Owns naming the peer (it is never guessed) and the asking twice: without --yes it only says what the peer knows of the others, and what it
 * would mean. Whether it may is the peer's to say.
 */
import type { Argv } from 'yargs';
import { replyText, withConnection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine } from './print.ts';
import { findTargets, nameOf, withTarget } from './target.ts';
import type { Target, TargetArguments } from './target.ts';

async function findNamed(argv: TargetArguments): Promise<Target> {
  const [target] = argv.peer === undefined && argv.id === undefined ? [] : await findTargets(argv);
  if (target !== undefined) return target;
  throw new CommandFailure(
    'say which peer: --id or --peer; choose the one whose disk is the newest, for the others take over what it has',
  );
}

export function addBootstrap(yargs: Argv): Argv {
  return yargs.command(
    'bootstrap',
    'say what it would mean if one waiting peer took part with what its disk holds; with --yes let it: the others then join it',
    (options) => withTarget(options).option('yes', { type: 'boolean', default: false, describe: 'do it' }),
    async (argv) => {
      const target = await findNamed(argv);
      const name = nameOf(target);
      await withConnection(target, async (connection) => {
        printLine(replyText(await connection.request(['TOPOSPHERE', 'BOOTSTRAP'])));
        if (!argv.yes) {
          const option = target.id === undefined ? '--peer' : '--id';
          printLine(`Nothing was done. To do it: toposphere bootstrap ${option} ${name} --yes`);
          return;
        }
        await connection.request(['TOPOSPHERE', 'BOOTSTRAP', 'YES']);
        printLine(`${name} takes part`);
      });
    },
  );
}
