/**
 * ACL: who the users of this server are and what they may do, for reading. They are changed in the users file.
 *
 * Owns the translation into the words of Redis's rules. No hash is shown: a password that people chose could be found from it.
 * Invariant: what is told of a user is what permissions.ts goes by.
 */
import type { ClientUser } from '../peer/backend.ts';
import type { Command, CommandContext, ServerState } from './command.ts';
import { argumentText, untilNul, LOCAL_TO_CONNECTION, LOCAL_TO_PEER, NO_KEYS } from './command.ts';
import { aclCategories } from './introspectionCommand.ts';

const DEFAULT_USER = 'default';
const ORDINARY = {
  flags: ['admin', 'noscript', 'loading', 'stale'],
  group: 'server',
  keys: NO_KEYS,
  partition: LOCAL_TO_PEER,
} as const;
/** Stands where Redis shows a hash. */
const PASSWORD_NOT_SHOWN = '(not shown)';

export const aclCommand: Command = {
  ...ORDINARY,
  flags: [],
  name: 'acl',
  arity: -2,
  syntax: '',
  summary: 'Tell who the users are and what they may do; they are changed in the users file',
  subcommands: [
    {
      ...ORDINARY,
      flags: ['noscript', 'loading', 'stale'],
      name: 'acl|whoami',
      arity: 2,
      syntax: '',
      summary: 'Tell which user this connection is',
      partition: LOCAL_TO_CONNECTION,
      run: ({ client, reply }) => {
        reply.bulkText(userNameOf(client.user));
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'acl|users',
      arity: 2,
      syntax: '',
      summary: 'List the names of all users',
      run: ({ reply, server }) => {
        const names = describeUsers(server).map(({ name }) => name);
        reply.array(names.length);
        for (const name of names) reply.bulkText(name);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'acl|list',
      arity: 2,
      syntax: '',
      summary: "List all users with what they may do, in the words of Redis's rules",
      run: ({ reply, server }) => {
        const users = describeUsers(server);
        reply.array(users.length);
        for (const { name, flags, keys, channels, commands } of users)
          reply.bulkText(['user', name, ...flags, ...keys, ...channels, commands].join(' '));
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'acl|getuser',
      arity: 3,
      syntax: 'username',
      summary: 'Tell what one user may do',
      run: (context, request) => {
        writeUser(context, argumentText(request, 2));
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'acl|cat',
      arity: -2,
      syntax: '[category]',
      summary: 'List the categories of commands, or the commands of one: CAT [category]',
      run: (context, request) => {
        if (request.count > 3)
          context.reply.error(
            `ERR unknown subcommand or wrong number of arguments for '${argumentText(request, 1)}'. Try ACL HELP.`,
          );
        else writeCategories(context, request.count === 3 ? argumentText(request, 2) : undefined);
        return undefined;
      },
    },
  ],
};

interface DescribedUser {
  readonly name: string;
  readonly flags: readonly string[];
  readonly keys: readonly string[];
  readonly channels: readonly string[];
  readonly commands: string;
}

export function userNameOf(user: ClientUser | undefined): string {
  return user?.name ?? DEFAULT_USER;
}

/** Whoever has this name; `default` there always is, though it may be nobody's who has no password for it. */
export function hasUser({ users }: ServerState, name: string): boolean {
  return name === DEFAULT_USER || users?.has(name) === true;
}

function describeUsers({ isPassword, users }: ServerState): readonly DescribedUser[] {
  const flags = isPassword !== undefined ? ['on'] : users === undefined ? ['on', 'nopass'] : ['off'];
  const byDefault = { name: DEFAULT_USER, flags, keys: ['~*'], channels: ['&*'], commands: '+@all' };
  return [byDefault, ...Array.from(users?.values() ?? [], describeUser)];
}

function describeUser({ name, rights, prefixes = [''] }: ClientUser): DescribedUser {
  const may = [
    '+@connection',
    ...(rights.has('write') ? ['+@read'] : []),
    ...Array.from(rights, (right) => `+@${right}`),
  ];
  return {
    name,
    flags: ['on'],
    keys: prefixes.map((prefix) => `~${prefix}*`),
    channels: prefixes.map((prefix) => `&${prefix}*`),
    commands: ['-@all', ...new Set(may)].join(' '),
  };
}

function writeUser({ reply, server }: CommandContext, name: string): void {
  const user = describeUsers(server).find((described) => described.name === name);
  if (user === undefined) {
    reply.null();
    return;
  }
  const hasPassword = user.flags.includes('on') && !user.flags.includes('nopass');
  reply.map(6);
  reply.bulkText('flags');
  writeSet(user.flags);
  reply.bulkText('passwords');
  reply.array(hasPassword ? 1 : 0);
  if (hasPassword) reply.bulkText(PASSWORD_NOT_SHOWN);
  reply.bulkText('commands');
  reply.bulkText(user.commands);
  reply.bulkText('keys');
  reply.bulkText(user.keys.join(' '));
  reply.bulkText('channels');
  reply.bulkText(user.channels.join(' '));
  reply.bulkText('selectors');
  reply.array(0);

  function writeSet(words: readonly string[]): void {
    reply.set(words.length);
    for (const word of words) reply.bulkText(word);
  }
}

function writeCategories({ reply, server }: CommandContext, asked: string | undefined): void {
  const byCategory = new Map<string, string[]>();
  for (const command of server.table.commands)
    for (const row of [command, ...(command.subcommands ?? [])])
      for (const category of aclCategories(row)) {
        const names = byCategory.get(category.slice(1)) ?? [];
        byCategory.set(category.slice(1), names);
        if (row.subcommands === undefined) names.push(row.name);
      }
  const listed = asked === undefined ? [...byCategory.keys()] : byCategory.get(asked.toLowerCase());
  if (listed === undefined) {
    reply.error(`ERR Unknown category '${untilNul(asked ?? '').slice(0, 128)}'`);
    return;
  }
  reply.array(listed.length);
  for (const name of listed) reply.bulkText(name);
}
