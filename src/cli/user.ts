/**
 * `toposphere user`: makes the file with the users of Redis clients, and adds and removes users.
 *
 * Owns the options, and that a new password is told once. The file's grammar is src/peer/clientUsers.ts's. Invariant: a password is printed only when it was made here.
 */
import type { Argv } from 'yargs';
import { readClientPassword } from '../peer/clientPassword.ts';
import { addClientUser, generatePassword, removeClientUser } from '../peer/clientUsers.ts';
import { createSecretFile, hasSecretFile, readSecretFile, replaceSecretFile } from '../peer/secretFiles.ts';
import { CommandFailure } from './failure.ts';
import { printLine } from './print.ts';

const ACTIONS = ['add', 'remove'] as const;
const WHAT = 'users of Redis clients';

interface UserArguments {
  readonly action: (typeof ACTIONS)[number];
  readonly file: string;
  readonly name: string;
  readonly rights: string;
  readonly prefix: readonly string[];
  readonly passwordFile: string | undefined;
}

async function addUser({
  file,
  name,
  rights,
  prefix,
  passwordFile,
}: UserArguments): Promise<readonly string[]> {
  if (prefix.length === 0)
    throw new CommandFailure(
      `say what the keys of '${name}' begin with, --prefix shop: (more than once), or --prefix '*' for all`,
    );
  const password = passwordFile === undefined ? generatePassword() : await readClientPassword(passwordFile);
  const isThere = await hasSecretFile(file);
  const text = isThere ? await readSecretFile(file, WHAT) : undefined;
  const after = addClientUser(text, file, { name, rights, prefixes: prefix, password });
  if (isThere) await replaceSecretFile(file, after);
  else await createSecretFile(file, after);
  return [
    `${name} was added to ${file}: ${rights}, keys that begin with ${prefix.join(' or ')}.`,
    ...(passwordFile === undefined ? [`Password, shown this once: ${password}`] : []),
    `Copy ${file} to every machine (mode 600), then: toposphere reload. A peer that has no such file yet starts with --client-users-file ${file}`,
  ];
}

async function removeUser({ file, name }: UserArguments): Promise<readonly string[]> {
  await replaceSecretFile(file, removeClientUser(await readSecretFile(file, WHAT), file, name));
  return [
    `${name} is gone from ${file}.`,
    `Copy ${file} to every machine (mode 600), then: toposphere reload. Connections of ${name} are closed then.`,
  ];
}

export function addUserCommand(yargs: Argv): Argv {
  return yargs.command(
    'user <action> <file> <name>',
    'add a user of Redis clients to a file of users, or remove one; a new file is made: add, remove',
    (options) =>
      options
        .positional('action', { choices: ACTIONS, demandOption: true, describe: 'what to do' })
        .positional('file', { type: 'string', demandOption: true, describe: 'path of the users file' })
        .positional('name', { type: 'string', demandOption: true, describe: "the user's name" })
        .option('rights', {
          type: 'string',
          requiresArg: true,
          default: 'read',
          describe: "read; write, which includes it; admin, an operator's commands; several with commas",
        })
        .option('prefix', {
          type: 'string',
          array: true,
          requiresArg: true,
          default: [] as string[],
          describe: "what its keys and channels begin with, more than once; '*': all",
        })
        .option('password-file', {
          type: 'string',
          requiresArg: true,
          describe:
            'path of a file with its password, readable by its owner alone; by default one is made and shown once',
        })
        .example(
          'toposphere user add users shop --rights write --prefix shop: --prefix cart:',
          'a user of two prefixes',
        )
        .example('toposphere user remove users shop', 'its connections are closed at the next reload'),
    async (argv) => {
      const lines = argv.action === 'add' ? await addUser(argv) : await removeUser(argv);
      for (const line of lines) printLine(line);
    },
  );
}
