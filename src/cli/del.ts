/**
 * `toposphere del`: deletes keys.
 *
 * Owns nothing but the command's form: prints how many of the keys had a value. A key without one is
 * no failure, as with Redis.
 */
import type { Argv } from 'yargs';
import { withConnection } from './connection.ts';
import { printLine } from './print.ts';
import { findTarget, withTarget } from './target.ts';

export function addDel(yargs: Argv): Argv {
  return yargs.command(
    'del <keys..>',
    'delete keys and print how many had a value',
    (options) =>
      withTarget(options).positional('keys', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'the keys',
      }),
    async (argv) => {
      const target = await findTarget(argv);
      const reply = await withConnection(target, (connection) => connection.request(['DEL', ...argv.keys]));
      printLine(String(reply));
    },
  );
}
