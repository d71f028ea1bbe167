#!/usr/bin/env node
/**
 * The command line: `toposphere <command>`.
 *
 * Owns the list of commands, how a failure is shown and the process's exit code (0, or 1 when anything
 * was refused or failed). What a command does is in the file of its name. Invariant: a failure that is
 * no defect is one clear line a fault on stderr, each beginning `toposphere: `.
 */
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { endWhenUnread } from './brokenOutput.ts';
import { addAdmit } from './admit.ts';
import { addBench } from './bench.ts';
import { addCheckpoint } from './checkpoint.ts';
import { addCommands } from './commands.ts';
import { addConfig } from './config.ts';
import { addDel } from './del.ts';
import { addDigest } from './digest.ts';
import { addDoctor } from './doctor.ts';
import { addDiscover } from './discover.ts';
import { CommandFailure, describeFailure } from './failure.ts';
import { addFaults } from './faults.ts';
import { addBootstrap } from './bootstrap.ts';
import { addForget } from './forget.ts';
import { addGet } from './get.ts';
import { addKeyCommand } from './key.ts';
import { markLiterals, restoreLiterals } from './literalWords.ts';
import { addRange } from './range.ts';
import { addReload } from './reload.ts';
import { addRestore } from './restore.ts';
import { addServe } from './serve.ts';
import { addSet } from './set.ts';
import { addSimulate } from './simulate.ts';
import { addStatus } from './status.ts';
import { addUp } from './up.ts';
import { addUserCommand } from './user.ts';
import { addWaitReady } from './waitReady.ts';
import { addWatch } from './watch.ts';

const COMMANDS = [
  addUp,
  addServe,
  addConfig,
  addCommands,
  addGet,
  addSet,
  addDel,
  addRange,
  addWatch,
  addStatus,
  addWaitReady,
  addDigest,
  addDoctor,
  addBootstrap,
  addDiscover,
  addAdmit,
  addForget,
  addReload,
  addCheckpoint,
  addRestore,
  addKeyCommand,
  addUserCommand,
  addFaults,
  addSimulate,
  addBench,
];

/** Widest line of the help, in columns. */
const HELP_COLUMNS = 110;

/** Arguments that may come more than once; any other that does is a slip, and yargs would make it an array. */
const REPEATABLE: readonly string[] = ['_', 'keys', 'words', 'prefix'];

function refuseRepeated(argv: Readonly<Record<string, unknown>>): boolean {
  for (const [name, value] of Object.entries(argv)) {
    if (Array.isArray(value) && !REPEATABLE.includes(name)) {
      throw new CommandFailure(`--${name} was given ${value.length} times; give it once`);
    }
  }
  return true;
}

function refuseUsage(message: string | null, error: Error | undefined): never {
  // YError is yargs's own complaint about the words it was given; every other error came out of a command.
  if (error !== undefined && error.name !== 'YError') throw error;
  const said = (error?.message ?? message ?? 'bad usage').replaceAll(/\s+/g, ' ');
  throw new CommandFailure(`${said} (see toposphere --help)`);
}

async function run(words: readonly string[]): Promise<number> {
  const base = yargs([...markLiterals(words)])
    .scriptName('toposphere')
    .parserConfiguration({ 'parse-positional-numbers': false, 'dot-notation': false })
    .wrap(HELP_COLUMNS)
    .strict()
    .demandCommand(1, 'no command given')
    .recommendCommands()
    .middleware(restoreLiterals, true)
    .check(refuseRepeated)
    .exitProcess(false)
    .fail(refuseUsage);
  try {
    await COMMANDS.reduce((options, add) => add(options), base).parseAsync();
    return 0;
  } catch (error) {
    for (const line of describeFailure(error)) process.stderr.write(`${line}\n`);
    return 1;
  }
}

endWhenUnread();
const exitCode = await run(hideBin(process.argv));
// Ends the process even if something still holds it; what was printed goes out first.
process.stdout.write('', () => process.exit(exitCode));
