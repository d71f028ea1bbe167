/**
 * `toposphere commands`: every command that Redis clients can send to a peer, with what it promises while peers are cut off from each other.
 *
 * Owns how the table is printed. What is in it is src/server/commandTable.ts's, the same rows that run. Invariant: each row is printed, its subcommands too, and
 * nothing is said of one that its row does not say.
 */
import type { Argv } from 'yargs';
import type { Command } from '../server/command.ts';
import { CommandFailure } from './failure.ts';
import { printLine } from './print.ts';

interface ShownCommand {
  /** As clients write it: CLIENT LIST. */
  readonly name: string;
  /** What is typed behind it; '' for nothing. */
  readonly syntax: string;
  /** Number of words, the name's included; negative: at least so many. */
  readonly arity: number;
  readonly group: string;
  readonly flags: readonly string[];
  /** First, last (negative: from the end) and step of the words that are keys; zeros: none. */
  readonly keys: readonly number[];
  readonly summary: string;
  readonly partition: string;
}

/** A command and its subcommands; one that only holds subcommands does nothing by itself. */
export function listShown(commands: readonly Command[]): readonly ShownCommand[] {
  return commands.flatMap((command) => {
    const subcommands = listShown(command.subcommands ?? []);
    if (command.run === undefined && command.unwrap === undefined) return subcommands;
    const { syntax, arity, group, flags, keys, summary, partition } = command;
    const name = command.name.replace('|', ' ').toUpperCase();
    return [{ name, syntax, arity, group, flags, keys, summary, partition }, ...subcommands];
  });
}

/** Three lines and an empty one for each. */
export function renderCommands(shown: readonly ShownCommand[]): readonly string[] {
  const groups = [...new Set(shown.map(({ group }) => group))];
  return groups.flatMap((group) => [
    `## ${group}`,
    '',
    ...shown
      .filter((command) => command.group === group)
      .flatMap(({ name, syntax, summary, partition }) => [
        `${name} ${syntax}`.trimEnd(),
        `    ${summary}`,
        `    Partition: ${partition}`,
        '',
      ]),
  ]);
}

export function addCommands(yargs: Argv): Argv {
  return yargs.command(
    'commands [name]',
    'print the commands of Redis that peers answer, each with what it promises while peers are cut off from each other',
    (options) =>
      options
        .positional('name', { type: 'string', describe: 'only this one, with its subcommands: client' })
        .option('json', { type: 'boolean', default: false, describe: 'the same as JSON' }),
    async ({ name, json }) => {
      const { allCommands } = await import('../server/commandTable.ts');
      const wanted = name?.toLowerCase();
      const shown = listShown(
        allCommands.filter((command) => wanted === undefined || command.name === wanted),
      );
      if (shown.length === 0)
        throw new CommandFailure(
          `no command is named '${name ?? ''}'; see them all with: toposphere commands`,
        );
      if (json) printLine(JSON.stringify(shown, undefined, 2));
      else for (const line of renderCommands(shown)) printLine(line);
    },
  );
}
