/**
 * `toposphere get`: prints the value of one key.
 *
 * Owns how a value reaches the terminal: quoted on a line, or its bytes as they are with --raw. A key
 * without a value is a failure, so that a script can tell it from an empty one.
 */
import type { Argv } from 'yargs';
import { withConnection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine, quoteBytes } from './print.ts';
import { findTarget, withTarget } from './target.ts';

export function addGet(yargs: Argv): Argv {
  return yargs.command(
    'get <key>',
    'print the value of a key',
    (options) =>
      withTarget(options)
        .positional('key', { type: 'string', demandOption: true, describe: 'the key' })
        .option('raw', {
          type: 'boolean',
          default: false,
          describe: 'the bytes as they are, without a line end',
        }),
    async (argv) => {
      const target = await findTarget(argv);
      const reply = await withConnection(target, (connection) => connection.request(['GET', argv.key]));
      if (!Buffer.isBuffer(reply)) {
        throw new CommandFailure(`no value at key ${quoteBytes(Buffer.from(argv.key))}`);
      }
      if (argv.raw) process.stdout.write(reply);
      else printLine(quoteBytes(reply));
    },
  );
}
