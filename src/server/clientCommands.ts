/**
 * CLIENT: what this server knows of its connections.
 *
 * Owns the names that connections give themselves, and whether they want replies. Whom LIST and KILL mean, and the line of each, is clientList.ts's;
 * CLIENT TRACKING and its kin are in trackingCommands.ts. CLIENT PAUSE in pauseCommands.ts. What is left out (MAINT_NOTIFICATIONS, UNBLOCK…) is an unknown subcommand, in Redis's words.
 * Invariant: a name has no space or line end, so a line of CLIENT LIST can be taken apart again.
 */
import { describeClient, killClients, readListFilter } from './clientList.ts';
import type { ClientState, Command } from './command.ts';
import { argumentText, LOCAL_TO_CONNECTION, LOCAL_TO_PEER, NO_KEYS } from './command.ts';
import type { ReplyWriter } from './reply.ts';
import { pauseSubcommands } from './pauseCommands.ts';
import { trackingSubcommands } from './trackingCommands.ts';

const ORDINARY = { flags: ['noscript', 'loading', 'stale'], group: 'connection', keys: NO_KEYS } as const;

export const clientCommand: Command = {
  name: 'client',
  arity: -2,
  flags: [],
  group: 'connection',
  keys: NO_KEYS,
  syntax: '',
  summary: 'Ask about connections, and name this one',
  partition: LOCAL_TO_PEER,
  subcommands: [
    {
      ...ORDINARY,
      name: 'client|id',
      arity: 2,
      syntax: '',
      summary: 'Tell the number of this connection',
      partition: LOCAL_TO_CONNECTION,
      run: ({ client, reply }) => {
        reply.integer(client.id);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'client|setname',
      arity: 3,
      syntax: 'connection-name',
      summary: 'Name this connection',
      partition: LOCAL_TO_CONNECTION,
      run: ({ client, reply }, request) => {
        const name = argumentText(request, 2);
        const problem = nameProblem(name);
        if (problem === undefined) {
          client.name = name;
          reply.ok();
        } else {
          reply.error(problem);
        }
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'client|getname',
      arity: 2,
      syntax: '',
      summary: 'Tell the name of this connection',
      partition: LOCAL_TO_CONNECTION,
      run: ({ client, reply }) => {
        if (client.name === '') reply.null();
        else reply.bulkText(client.name);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'client|setinfo',
      arity: 4,
      syntax: 'LIB-NAME|LIB-VER value',
      summary: 'Tell which client library this is: LIB-NAME name or LIB-VER version',
      partition: LOCAL_TO_CONNECTION,
      run: ({ client, reply }, request) => {
        const attribute = argumentText(request, 2);
        const value = argumentText(request, 3);
        const isName = attribute.toLowerCase() === 'lib-name';
        if (!isName && attribute.toLowerCase() !== 'lib-ver') {
          reply.error(`ERR Unrecognized option '${attribute}'`);
        } else if (!isPlain(value)) {
          reply.error(
            `ERR ${attribute.toLowerCase()} cannot contain spaces, newlines or special characters.`,
          );
        } else {
          if (isName) client.libraryName = value;
          else client.libraryVersion = value;
          reply.ok();
        }
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'client|info',
      arity: 2,
      syntax: '',
      summary: 'Tell what is known of this connection',
      partition: LOCAL_TO_CONNECTION,
      run: ({ client, reply }) => {
        reply.verbatim(`${describeClient(client)}\n`);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'client|list',
      arity: -2,
      flags: ['admin', 'noscript', 'loading', 'stale'],
      syntax: '[TYPE NORMAL|MASTER|REPLICA|PUBSUB] [ID client-id [client-id ...]]',
      summary:
        'Tell what is known of every connection to this peer, a line each: LIST [TYPE type | ID id ...]',
      partition: LOCAL_TO_PEER,
      run: ({ server, reply }, request) => {
        const isMeant = readListFilter(request);
        if (typeof isMeant === 'string') {
          reply.error(isMeant);
        } else {
          let lines = '';
          for (const client of server.clients()) if (isMeant(client)) lines += `${describeClient(client)}\n`;
          reply.verbatim(lines);
        }
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'client|kill',
      arity: -3,
      flags: ['admin', 'noscript', 'loading', 'stale'],
      syntax: 'ip:port|filter [value] [filter value ...]',
      summary:
        'Close connections: KILL address, or KILL ID|TYPE|ADDR|LADDR|USER|MAXAGE value ... [SKIPME yes|no]',
      partition: LOCAL_TO_PEER,
      run: (context, request) => {
        killClients(context, request);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'client|reply',
      arity: 3,
      syntax: 'ON|OFF|SKIP',
      summary: 'Say whether replies are wanted: ON, OFF, or SKIP for the next one',
      partition: LOCAL_TO_CONNECTION,
      run: ({ client, reply }, request) => {
        chooseReplies(client, reply, argumentText(request, 2).toLowerCase());
        return undefined;
      },
    },
    ...trackingSubcommands,
    ...pauseSubcommands,
    switchCommand('no-evict', 'Accepted for compatibility: no connection is ever closed to save memory'),
    switchCommand('no-touch', 'Accepted for compatibility: reading a key changes nothing about it'),
  ],
};

/** 'on' alone is answered. */
function chooseReplies(client: ClientState, reply: ReplyWriter, word: string): void {
  switch (word) {
    case 'on':
      client.replies = 'on';
      reply.ok();
      break;
    case 'off':
      client.replies = 'off';
      break;
    case 'skip':
      if (client.replies === 'on') client.replies = 'skip';
      break;
    default:
      reply.error('ERR syntax error');
  }
}

/** ON or OFF that change nothing here, because what they switch off never happens. */
function switchCommand(word: string, summary: string): Command {
  return {
    ...ORDINARY,
    name: `client|${word}`,
    arity: 3,
    syntax: 'ON|OFF',
    summary,
    partition: LOCAL_TO_CONNECTION,
    run: ({ reply }, request) => {
      const value = argumentText(request, 2).toLowerCase();
      if (value === 'on' || value === 'off') reply.ok();
      else reply.error('ERR syntax error');
      return undefined;
    },
  };
}

/** Why `name` cannot be a connection's name, in Redis's words. An empty name takes the name away. */
export function nameProblem(name: string): string | undefined {
  return isPlain(name)
    ? undefined
    : 'ERR Client names cannot contain spaces, newlines or special characters.';
}

/** Printable ASCII without spaces. */
function isPlain(text: string): boolean {
  return /^[!-~]*$/.test(text);
}
