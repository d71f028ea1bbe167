/**
 * The commands that concern the conversation itself: PING ECHO HELLO RESET QUIT.
 *
 * Owns the handshake: protocol 2 or 3, a name. Leaves the password to authentication.ts, closing to connection.ts, which looks at `isClosing` after each command.
 * Invariant: RESET leaves a connection as a new one is.
 */
import { authenticate, isOpen } from './authentication.ts';
import type { Command, CommandContext } from './command.ts';
import {
  argumentText,
  LOCAL_TO_CONNECTION,
  LOCAL_TO_PEER,
  NO_KEYS,
  readInteger,
  untilNul,
} from './command.ts';
import { nameProblem } from './clientCommands.ts';
import { REDIS_VERSION } from './infoCommand.ts';
import type { ProtocolVersion } from './reply.ts';
import type { Request } from './requestParser.ts';
import { leaveSession } from './sessionCommand.ts';
import { leaveAll } from './subscriber.ts';
import { endTransaction } from './transaction.ts';

const HELLO_UNAUTHENTICATED =
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time';

export const connectionCommands: readonly Command[] = [
  {
    name: 'ping',
    arity: -1,
    flags: ['fast'],
    group: 'connection',
    keys: NO_KEYS,
    syntax: '[message]',
    summary: 'Ask whether this peer answers',
    partition: LOCAL_TO_PEER,
    run: ({ client, reply }, request) => {
      if (request.count > 2) reply.error("ERR wrong number of arguments for 'ping' command");
      else if (client.isSubscribed && client.protocol === 2) {
        reply.array(2);
        reply.bulkText('pong');
        reply.bulkText(request.count === 2 ? argumentText(request, 1) : '');
      } else if (request.count === 2) reply.bulkText(argumentText(request, 1));
      else reply.simple('PONG');
      return undefined;
    },
  },
  {
    name: 'echo',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    group: 'connection',
    keys: NO_KEYS,
    syntax: 'message',
    summary: 'Get back what was sent',
    partition: LOCAL_TO_CONNECTION,
    run: ({ reply }, request) => {
      reply.bulkText(argumentText(request, 1));
      return undefined;
    },
  },
  {
    name: 'hello',
    arity: -1,
    isSecret: true,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth'],
    group: 'connection',
    keys: NO_KEYS,
    syntax: '[protover [AUTH username password] [SETNAME clientname]]',
    summary: 'Choose RESP2 or RESP3: HELLO [2|3 [AUTH user password] [SETNAME name]]',
    partition: LOCAL_TO_CONNECTION,
    run: (context, request) => {
      runHello(context, request);
      return undefined;
    },
  },
  {
    name: 'reset',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth'],
    group: 'connection',
    keys: NO_KEYS,
    syntax: '',
    summary:
      'Make this connection as a new one: RESP2, no name, no transaction, no watches, no channels, no tracking, no session, no password given',
    partition: LOCAL_TO_CONNECTION,
    run: (context) => {
      const { client, reply, server, backend } = context;
      endTransaction(client, server);
      leaveSession(context);
      client.protocol = 2;
      reply.protocol = 2;
      client.name = '';
      client.acknowledge = server.acknowledge;
      client.replicated = undefined;
      client.isAuthenticated = isOpen(server);
      client.user = undefined;
      server.noteAuthentication(client);
      for (const endWatch of client.watches.splice(0)) endWatch();
      server.tracking.stop(client);
      leaveAll(client, backend.subscriptions);
      client.isSubscribed = false;
      client.replies = 'on';
      reply.simple('RESET');
      return undefined;
    },
  },
  {
    name: 'quit',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth'],
    group: 'connection',
    keys: NO_KEYS,
    syntax: '',
    summary: 'End this connection after everything asked before was answered',
    partition: LOCAL_TO_CONNECTION,
    run: ({ client, reply }) => {
      client.isClosing = true;
      reply.ok();
      return undefined;
    },
  },
];

function runHello(context: CommandContext, request: Request): void {
  const { client, reply } = context;
  let protocol: ProtocolVersion = client.protocol;
  let name: string | undefined;
  if (request.count > 1) {
    const asked = readInteger(argumentText(request, 1));
    if (asked === undefined) {
      reply.error('ERR Protocol version is not an integer or out of range');
      return;
    }
    if (asked !== 2 && asked !== 3) {
      reply.error('NOPROTO unsupported protocol version');
      return;
    }
    protocol = asked;
  }
  for (let index = 2; index < request.count; index += 1) {
    const option = argumentText(request, index);
    const following = request.count - index - 1;
    if (option.toLowerCase() === 'auth' && following >= 2) {
      if (!authenticate(context, argumentText(request, index + 1), argumentText(request, index + 2))) return;
      index += 2;
    } else if (option.toLowerCase() === 'setname' && following >= 1) {
      name = argumentText(request, index + 1);
      const problem = nameProblem(name);
      if (problem !== undefined) {
        reply.error(problem);
        return;
      }
      index += 1;
    } else {
      reply.error(`ERR Syntax error in HELLO option '${untilNul(option)}'`);
      return;
    }
  }
  if (!client.isAuthenticated) {
    reply.error(HELLO_UNAUTHENTICATED);
    return;
  }
  client.protocol = protocol;
  reply.protocol = protocol;
  if (name !== undefined) client.name = name;
  writeGreeting(context);
}

function writeGreeting({ client, reply }: CommandContext): void {
  reply.map(7);
  reply.bulkText('server');
  reply.bulkText('redis');
  reply.bulkText('version');
  reply.bulkText(REDIS_VERSION);
  reply.bulkText('proto');
  reply.integer(client.protocol);
  reply.bulkText('id');
  reply.integer(client.id);
  reply.bulkText('mode');
  reply.bulkText('standalone');
  reply.bulkText('role');
  reply.bulkText('master');
  reply.bulkText('modules');
  reply.array(0);
}
