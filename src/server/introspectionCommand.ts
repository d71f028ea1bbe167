/**
 * COMMAND, COMMAND COUNT, INFO, LIST, DOCS, GETKEYS and GETKEYSANDFLAGS: the table of commands, as Redis clients expect to read it.
 *
 * Owns the encoding of a row. Leaves the rows to the family files. DOCS carries, beside Redis's fields, what a
 * command promises while peers are cut off from each other (`partition`): the client's own help is then true here.
 * Invariant: everything printed is read from the table; nothing is said twice.
 */
import type { Command, CommandContext } from './command.ts';
import { argumentsFrom, LOCAL_TO_PEER, NO_KEYS } from './command.ts';
import { compileGlob } from './globPattern.ts';
import type { ReplyWriter } from './reply.ts';
import { argumentsOf } from './commandSyntax.ts';
import type { SyntaxArgument } from './commandSyntax.ts';

/** The version DOCS names as the first to have a command. */
const SINCE = '0.1.0';
const ORDINARY = {
  flags: ['loading', 'stale'],
  group: 'server',
  keys: NO_KEYS,
  partition: LOCAL_TO_PEER,
} as const;

export const introspectionCommand: Command = {
  ...ORDINARY,
  name: 'command',
  arity: -1,
  syntax: '',
  summary: 'Tell about all commands',
  run: ({ server, reply }) => {
    reply.array(server.table.commands.length);
    for (const command of server.table.commands) writeInfo(reply, command);
    return undefined;
  },
  subcommands: [
    {
      ...ORDINARY,
      name: 'command|count',
      arity: 2,
      syntax: '',
      summary: 'Count the commands',
      run: ({ server, reply }) => {
        reply.integer(server.table.commands.length);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'command|info',
      arity: -2,
      syntax: '[command-name [command-name ...]]',
      summary: 'Tell about the commands named, or all',
      run: (context, request) => {
        const { reply } = context;
        const names = argumentsFrom(request, 2);
        const rows =
          names.length === 0 ? context.server.table.commands : names.map((name) => findRow(context, name));
        reply.array(rows.length);
        for (const command of rows) {
          if (command === undefined) reply.null();
          else writeInfo(reply, command);
        }
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'command|docs',
      arity: -2,
      syntax: '[command-name [command-name ...]]',
      summary: 'Tell what the commands named, or all, are for and what they promise',
      run: (context, request) => {
        const names = argumentsFrom(request, 2);
        const rows =
          names.length === 0
            ? context.server.table.commands
            : names.map((name) => findRow(context, name)).filter((command) => command !== undefined);
        context.reply.map(rows.length);
        for (const command of rows) writeDocs(context.reply, command);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'command|list',
      arity: -2,
      syntax: '[FILTERBY MODULE module-name|ACLCAT category|PATTERN pattern]',
      summary: 'List the names of all commands, or LIST FILTERBY MODULE name|ACLCAT category|PATTERN pattern',
      run: ({ server, reply }, request) => {
        const isListed = readListFilter(argumentsFrom(request, 2));
        if (isListed === undefined) {
          reply.error('ERR syntax error');
          return undefined;
        }
        const listed = server.table.commands.filter(isListed);
        reply.array(listed.length);
        for (const command of listed) reply.bulkText(command.name);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'command|getkeys',
      arity: -4,
      syntax: 'command arg [arg ...]',
      summary: 'Tell which arguments of a command are keys: GETKEYS command [arg ...]',
      run: (context, request) => {
        const found = readKeys(context, argumentsFrom(request, 2));
        if (typeof found === 'string') {
          context.reply.error(found);
          return undefined;
        }
        context.reply.array(found.keys.length);
        for (const key of found.keys) context.reply.bulkText(key);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'command|getkeysandflags',
      arity: -4,
      syntax: 'command arg [arg ...]',
      summary: 'Tell which arguments of a command are keys, and what is done to each',
      run: (context, request) => {
        const words = argumentsFrom(request, 2);
        const found = readKeys(context, words);
        if (typeof found === 'string') {
          context.reply.error(found);
          return undefined;
        }
        context.reply.array(found.keys.length);
        for (const [index, key] of found.keys.entries()) {
          const flags = accessOf(found.command, words, index).split(' ');
          context.reply.array(2);
          context.reply.bulkText(key);
          context.reply.set(flags.length);
          for (const flag of flags) context.reply.simple(flag);
        }
        return undefined;
      },
    },
  ],
};

/** The row of `get` or of `client|list`. */
function findRow({ server }: CommandContext, name: string): Command | undefined {
  const bar = name.indexOf('|');
  if (bar === -1) return server.table.find(name);
  const container = server.table.find(name.slice(0, bar));
  return container === undefined ? undefined : server.table.findSubcommand(container, name.slice(bar + 1));
}

/** Undefined: the words are none of Redis's. */
function readListFilter(words: readonly string[]): ((command: Command) => boolean) | undefined {
  if (words.length === 0) return () => true;
  const [filterBy = '', kind = '', value = ''] = words;
  if (filterBy.toLowerCase() !== 'filterby' || words.length !== 3) return undefined;
  switch (kind.toLowerCase()) {
    case 'module':
      return () => false;
    case 'aclcat':
      return (command) => aclCategories(command).includes(`@${value.toLowerCase()}`);
    case 'pattern': {
      const { isMatch } = compileGlob(value.toLowerCase());
      return ({ name }) => isMatch(name);
    }
    default:
      return undefined;
  }
}

/** The keys among the words of a request, or in Redis's words why there are none. */
function readKeys(
  context: CommandContext,
  words: readonly string[],
): { readonly command: Command; readonly keys: readonly string[] } | string {
  const [name = '', second = ''] = words;
  const found = context.server.table.find(name);
  const inner =
    found?.subcommands === undefined ? undefined : context.server.table.findSubcommand(found, second);
  const command = inner ?? found;
  if (command === undefined) return 'ERR Invalid command specified';
  const { arity } = command;
  const [first, last, step] = command.keys;
  if (first === 0) return 'ERR The command has no key arguments';
  if (arity > 0 ? words.length !== arity : words.length < -arity)
    return 'ERR Invalid number of arguments specified for command';
  const end = last < 0 ? words.length + last : last;
  const isKey = (index: number): boolean => index >= first && index <= end && (index - first) % step === 0;
  return { command, keys: words.filter((_, index) => isKey(index)) };
}

/** What the command does to its key number `index`. */
function accessOf({ access, flags }: Command, words: readonly string[], index: number): string {
  if (access === undefined) return flags.includes('write') ? 'OW update' : 'RO access';
  if (typeof access === 'string') return access;
  if (typeof access === 'function') return access(words);
  return access[index === 0 ? 0 : 1];
}

/** The ten fields of Redis 7: name, arity, flags, first key, last key, step, categories, tips, key specs, subcommands. */
function writeInfo(reply: ReplyWriter, command: Command): void {
  reply.array(10);
  reply.bulkText(command.name);
  reply.integer(command.arity);
  reply.set(command.flags.length);
  for (const flag of command.flags) reply.simple(flag);
  for (const position of command.keys) reply.integer(position);
  const categories = aclCategories(command);
  reply.set(categories.length);
  for (const category of categories) reply.simple(category);
  reply.set(0);
  reply.set(0);
  const subcommands = command.subcommands ?? [];
  reply.set(subcommands.length);
  for (const subcommand of subcommands) writeInfo(reply, subcommand);
}

export function aclCategories(command: Command): string[] {
  const categories: string[] = [];
  if (command.flags.includes('write')) categories.push('@write');
  if (command.flags.includes('readonly')) categories.push('@read');
  if (command.group === 'string') categories.push('@string');
  if (command.group === 'generic') categories.push('@keyspace');
  if (command.flags.includes('admin')) categories.push('@admin', '@dangerous');
  categories.push(command.flags.includes('fast') ? '@fast' : '@slow');
  if (command.group === 'pubsub') categories.push('@pubsub');
  if (command.group === 'connection') categories.push('@connection');
  return categories;
}

function writeDocs(reply: ReplyWriter, command: Command): void {
  const subcommands = command.subcommands ?? [];
  const syntax = argumentsOf(command);
  reply.bulkText(command.name);
  reply.map(4 + (syntax.length > 0 ? 1 : 0) + (subcommands.length > 0 ? 1 : 0));
  reply.bulkText('summary');
  reply.bulkUtf8(command.summary);
  reply.bulkText('since');
  reply.bulkText(SINCE);
  reply.bulkText('group');
  reply.bulkText(command.group);
  reply.bulkText('partition');
  reply.bulkUtf8(command.partition);
  if (syntax.length > 0) writeArguments(reply, syntax);
  if (subcommands.length === 0) return;
  reply.bulkText('subcommands');
  reply.map(subcommands.length);
  for (const subcommand of subcommands) writeDocs(reply, subcommand);
}

function writeArguments(reply: ReplyWriter, syntax: readonly SyntaxArgument[]): void {
  reply.bulkText('arguments');
  reply.array(syntax.length);
  for (const { name, isOptional, isMultiple } of syntax) {
    const flags = [...(isOptional ? ['optional'] : []), ...(isMultiple ? ['multiple'] : [])];
    reply.map(flags.length > 0 ? 3 : 2);
    reply.bulkText('name');
    reply.bulkText(name);
    reply.bulkText('type');
    reply.bulkText(name === 'key' ? 'key' : 'string');
    if (flags.length === 0) continue;
    reply.bulkText('flags');
    reply.set(flags.length);
    for (const flag of flags) reply.simple(flag);
  }
}
