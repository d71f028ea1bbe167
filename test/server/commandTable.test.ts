/**
 * The one table of commands, walked: each row says all that it has to, runs with its least arguments, and is what COMMAND and `toposphere commands` tell.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { listShown, renderCommands } from '../../src/cli/commands.ts';
import type { Command } from '../../src/server/command.ts';
import { allCommands } from '../../src/server/commandTable.ts';
import { aclCategories } from '../../src/server/introspectionCommand.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import { encode, openRawClient } from './rawClient.ts';

const ROWS: readonly Command[] = allCommands.flatMap((row) => [row, ...(row.subcommands ?? [])]);
/** Answer nothing, or only later, or end the connection, with the least arguments: no reply can be waited for. */
const SILENT: ReadonlySet<string> = new Set(['quit']);
const MARK = '$11\r\nend-of-test\r\n';

/** Whether what was answered is what a command with these words may say: never that it has too few or too many of them. */
function complaintOf(answer: string): string | undefined {
  return /wrong number of arguments|unknown command|unknown subcommand/.exec(answer)?.[0];
}

describe('the table of commands', () => {
  it('has in each row a name, an arity, what is typed behind it, a group, a meaning and what it promises under partition', () => {
    for (const { name, arity, syntax, group, keys, summary, partition, run, unwrap, subcommands } of ROWS) {
      ok(/^[a-z-]+(?:\|[a-z-]+)?$/.test(name), name);
      ok(Number.isInteger(arity) && Math.abs(arity) >= name.split('|').length, `${name}: arity ${arity}`);
      // The compiler says so too; rows that are made by a function must not pass on what is undefined.
      ok(typeof (syntax as unknown) === 'string', `${name} has no syntax of its own`);
      ok(!/\bargument\b/.test(syntax), `${name}: '${syntax}' names no argument`);
      ok(group.length > 0, name);
      for (const text of [summary, partition])
        ok(text.length >= 10 && text === text.trim(), `${name}: '${text}'`);
      ok(/[.!]$/.test(partition), `${name}: a promise is a sentence: '${partition}'`);
      ok(!/[\r\n]/.test(summary + partition), `${name}: one line each`);
      equal(keys.length, 3, name);
      const [first, last, step] = keys;
      ok(
        first === 0 ? last === 0 && step === 0 : step >= 1 && first < Math.abs(arity),
        `${name}: keys ${keys.join()}`,
      );
      ok(run !== undefined || unwrap !== undefined || subcommands !== undefined, `${name} does nothing`);
    }
  });

  it('flags each row that names keys as reading or writing, never as both', () => {
    for (const { name, flags, keys, needs } of ROWS) {
      const isRead = flags.includes('readonly') || needs === 'read'; // WATCH, which Redis flags as neither
      const isWrite = flags.includes('write');
      ok(!(isRead && isWrite), name);
      if (keys[0] !== 0) ok(isRead || isWrite, `${name} names keys`);
    }
  });

  it('says in each row that names keys what is done to them: reading ones only look, writing ones write, but for where COPY looks', () => {
    for (const { name, flags, keys, access } of ROWS) {
      if (keys[0] === 0) ok(access === undefined, name);
      const said = typeof access === 'function' ? access([name]) : access;
      for (const text of said === undefined ? [] : [said].flat())
        ok(
          /^(?:RO(?: access)?|(?:RW|OW|RM)(?: access)?(?: (?:update|insert|delete))?)$/.test(text) &&
            (text.startsWith('RO') === !flags.includes('write') || name === 'copy'),
          `${name}: ${text}`,
        );
    }
  });

  it('runs each row with its least arguments, and answers with exactly one reply', async () => {
    const server = await startRedisServer({ backend: createMapBackend(), host: '127.0.0.1', port: 0 });
    let ran = 0;
    try {
      for (const { name, arity, run, unwrap } of ROWS) {
        if ((run === undefined && unwrap === undefined) || SILENT.has(name)) continue;
        const words = name.split('|');
        while (words.length < Math.abs(arity)) words.push('1');
        const client = openRawClient(server.port);
        client.send(Buffer.concat([encode(...words), encode('RESET'), encode('ECHO', 'end-of-test')]));
        while (!client.received().endsWith(MARK)) await client.waitForBytes(client.received().length + 1);
        const answer = client.received().slice(0, -MARK.length);
        client.destroy();
        equal(complaintOf(answer), undefined, `${words.join(' ')} answered ${answer}`);
        ok(
          answer.endsWith('+RESET\r\n') && answer.length > '+RESET\r\n'.length,
          `${words.join(' ')} answered ${answer}`,
        );
        ran += 1;
      }
    } finally {
      await server.close();
    }
    ok(ran > 70, `only ${ran} rows ran`);
  }).timeout(20_000);

  it('is what COMMAND DOCS tells, row by row', async () => {
    const server = await startRedisServer({ backend: createMapBackend(), host: '127.0.0.1', port: 0 });
    const client = openRawClient(server.port);
    try {
      client.send(Buffer.concat([encode('COMMAND', 'DOCS'), encode('ECHO', 'end-of-test')]));
      while (!client.received().endsWith(MARK)) await client.waitForBytes(client.received().length + 1);
      const docs = Buffer.from(client.received(), 'latin1').toString();
      for (const { name, summary, partition, group } of ROWS) {
        const said = [name, 'summary', summary, 'since', '0.1.0', 'group', group, 'partition', partition];
        const lengths = said.map((text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`);
        const [head = '', ...rest] = lengths;
        const at = docs.indexOf(`${head}*`);
        ok(
          at >= 0 &&
            docs
              .slice(at + head.length)
              .replace(/^\*\d+\r\n/, '')
              .startsWith(rest.join('')),
          name,
        );
      }
    } finally {
      client.destroy();
      await server.close();
    }
  });

  it('is what `toposphere commands` prints, whole', () => {
    const runnable = ROWS.filter(({ run, unwrap }) => run !== undefined || unwrap !== undefined);
    const shown = listShown(allCommands);
    deepEqual(
      shown.map(({ name }) => name).sort(),
      runnable.map(({ name }) => name.replace('|', ' ').toUpperCase()).sort(),
    );
    const text = renderCommands(shown).join('\n');
    for (const { name, syntax, summary, partition } of runnable) {
      const shownName = `${name.replace('|', ' ').toUpperCase()} ${syntax}`.trimEnd();
      ok(text.includes(`${shownName}\n    ${summary}\n    Partition: ${partition}\n`), shownName);
    }
  });

  it('names only categories that a client can ask for', () => {
    for (const row of ROWS)
      ok(
        aclCategories(row).every((category) => /^@[a-z]+$/.test(category)),
        row.name,
      );
  });
});
