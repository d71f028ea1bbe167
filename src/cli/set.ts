/**
 * `toposphere set`: writes one key.
 *
 * Owns where the value comes from: the command line (its UTF-8 bytes), or a file, byte for byte.
 * Prints what the peer answered; how long that answer lasts is the peer's --acknowledge.
 */
import { readFile } from 'node:fs/promises';
import type { Argv } from 'yargs';
import { errorCode } from '../network/tcp.ts';
import { replyText, withConnection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine } from './print.ts';
import { findTarget, withTarget } from './target.ts';

async function readValue(value: string | undefined, file: string | undefined): Promise<Uint8Array> {
  if (value !== undefined && file === undefined) return Buffer.from(value);
  if (value !== undefined || file === undefined) {
    throw new CommandFailure('set needs one value: give it after the key, or with --file');
  }
  try {
    return await readFile(file);
  } catch (error) {
    throw new CommandFailure(`${file} cannot be read (${errorCode(error)}); nothing was set`);
  }
}

export function addSet(yargs: Argv): Argv {
  return yargs.command(
    'set <key> [value]',
    'write a key',
    (options) =>
      withTarget(options)
        .positional('key', { type: 'string', demandOption: true, describe: 'the key' })
        .positional('value', { type: 'string', describe: 'the value' })
        .option('file', { type: 'string', requiresArg: true, describe: 'take the value from this file' }),
    async (argv) => {
      const value = await readValue(argv.value, argv.file);
      const target = await findTarget(argv);
      printLine(
        replyText(await withConnection(target, (connection) => connection.request(['SET', argv.key, value]))),
      );
    },
  );
}
