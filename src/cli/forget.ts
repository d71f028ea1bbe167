/**
 * `toposphere forget <id>`: tells the cluster that a member will not come back.
 *
 * Owns the asking twice: without --yes it only says what only that member may hold. What forgetting means is the peer's.
 */
import type { Argv } from 'yargs';
import { replyText, withConnection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine } from './print.ts';
import { findTargets, withTarget } from './target.ts';
import type { Target, TargetArguments } from './target.ts';

/** The peer to tell: the one that was named, or the first of servers.txt that is not the one to be forgotten. */
async function findTeller(argv: TargetArguments, id: string): Promise<Target> {
  const target = (await findTargets(argv)).find((candidate) => candidate.id !== id);
  if (target === undefined)
    throw new CommandFailure(`${id} cannot be asked to forget itself: name another peer with --id or --peer`);
  return target;
}

export function addForget(yargs: Argv): Argv {
  return yargs.command(
    'forget <member>',
    'say what forgetting a member would lose; with --yes forget it, for good and everywhere',
    (options) =>
      withTarget(options)
        .positional('member', { type: 'string', demandOption: true, describe: 'id of the member' })
        .option('yes', { type: 'boolean', default: false, describe: 'do it' }),
    async (argv) => {
      const target = await findTeller(argv, argv.member);
      await withConnection(target, async (connection) => {
        printLine(replyText(await connection.request(['TOPOSPHERE', 'FORGET', argv.member])));
        if (!argv.yes) {
          printLine(`Nothing was done. To forget it: toposphere forget ${argv.member} --yes`);
          return;
        }
        await connection.request(['TOPOSPHERE', 'FORGET', argv.member, 'YES']);
        printLine(`${argv.member} is forgotten; take its line out of servers.txt on every machine`);
      });
    },
  );
}
