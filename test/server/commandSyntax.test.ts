/** What COMMAND DOCS says is typed behind a command's name: it fits what requests are refused by, and reads as it is written in the row. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Command } from '../../src/server/command.ts';
import { argumentsOf } from '../../src/server/commandSyntax.ts';
import { allCommands } from '../../src/server/commandTable.ts';

/** Takes words behind it, and reads none, as in Redis. */
const DEAF: ReadonlySet<string> = new Set(['quit', 'command']);
const ROWS = allCommands.flatMap((command) => [command, ...(command.subcommands ?? [])]);

function rowOf(name: string): Command {
  const row = ROWS.find((command) => command.name === name);
  ok(row !== undefined, name);
  return row;
}

describe('the syntax of commands', () => {
  it('has as many words as the arity asks for, and more just where there may be more', () => {
    for (const command of ROWS) {
      if (command.subcommands !== undefined && command.run === undefined) continue;
      const found = argumentsOf(command);
      const required = found.filter(({ isOptional }) => !isOptional);
      const words = required.flatMap(({ name }) => name.split(' ')).length + command.name.split('|').length;
      const says = `${command.name} ${command.syntax}`;
      equal(words, Math.abs(command.arity), says);
      equal(
        found.some(({ isOptional, isMultiple }) => isOptional || isMultiple),
        command.arity < 0 && !DEAF.has(command.name),
        says,
      );
    }
  });

  it('is read word by word, what is in brackets as one, and repetitions as such', () => {
    const show = (name: string): readonly string[] =>
      argumentsOf(rowOf(name)).map(
        ({ name: word, isOptional, isMultiple }) =>
          `${word}${isOptional ? '?' : ''}${isMultiple ? '...' : ''}`,
      );
    deepEqual(show('get'), ['key']);
    deepEqual(show('del'), ['key...']);
    deepEqual(show('mset'), ['key value...']);
    deepEqual(show('unsubscribe'), ['channel?...']);
    deepEqual(show('hello'), ['protover [AUTH username password] [SETNAME clientname]?']);
    deepEqual(show('client|tracking').slice(0, 3), ['ON|OFF', 'REDIRECT client-id?', 'PREFIX prefix?...']);
    deepEqual(show('pexpireat'), ['key', 'unix-time-milliseconds', 'NX|XX|GT|LT?']);
    const [key, value, condition, get, expiry] = show('set');
    deepEqual([key, value, condition, get], ['key', 'value', 'NX|XX?', 'GET?']);
    ok(expiry?.startsWith('EX seconds|PX milliseconds|'));
    deepEqual(show('wait'), ['numreplicas', 'timeout']);
    deepEqual(show('dbsize'), []);
    deepEqual(show('object'), []); // its subcommands have
  });
});
