/**
 * TOPOSPHERE SESSION: a client's session over the Redis protocol, in words that any client in any language can say.
 *
 *     TOPOSPHERE SESSION BEGIN [WAIT milliseconds] [token ...]   OK, or -BEHIND, -UNDECIDED, -LOSTWRITE
 *     TOPOSPHERE SESSION TOKEN                                   a text of at most 16,384 characters
 *     TOPOSPHERE SESSION END                                     OK
 *
 * A session is one connection's; what it has seen goes on at any peer with the token. BEGIN takes in the tokens it is given, beside what the connection has seen:
 * that is how tokens of several connections (a pool) merge. Until BEGIN is answered with OK, commands on keys are refused. Commands of a pipeline are of the session from BEGIN on, in their
 * order; TOKEN holds what was written before it, and comes behind the acknowledgement. Keys named by a command are noted; what SCAN, KEYS, DBSIZE and watches tell is not.
 */
import { ToposphereError } from '../core/errors.ts';
import { SESSION_WAIT_MS } from '../peer/backend.ts';
import type { Command, CommandContext, LateReply } from './command.ts';
import { argumentText, NO_KEYS, readInteger } from './command.ts';
import type { Request } from './requestParser.ts';

/** How long BEGIN may say to wait, milliseconds. */
const LONGEST_WAIT_MS = 60_000;
/** Tokens of one BEGIN. */
const TOKENS_LIMIT = 64;

export const sessionSubcommand: Command = {
  name: 'toposphere|session',
  arity: -3,
  flags: ['noscript', 'loading', 'stale'],
  group: 'server',
  keys: NO_KEYS,
  syntax: 'BEGIN|TOKEN|END [WAIT ms] [token ...]',
  summary:
    'Read your own writes and never go back in time, from peer to peer: TOPOSPHERE SESSION BEGIN [WAIT ms] [token ...] | TOKEN | END',
  partition:
    'A peer that has not got what the session has seen says so (BEHIND, UNDECIDED), and a write that was lost is said to be (LOSTWRITE): never silence.',
  run: (context, request) => {
    const word = argumentText(request, 2).toLowerCase();
    if (word === 'begin') return begin(context, request);
    if (request.count > 3) throw wrongWords();
    if (word === 'token') context.reply.bulkText(tokenOf(context));
    else if (word === 'end') {
      leaveSession(context);
      context.reply.ok();
    } else throw wrongWords();
    return undefined;
  },
};

/** From now on the connection reads and writes as if it had no session. */
export function leaveSession(context: CommandContext): void {
  context.session = undefined;
  context.keys = context.backend;
}

function begin(context: CommandContext, request: Request): LateReply {
  const isTimed = request.count > 3 && argumentText(request, 3).toLowerCase() === 'wait';
  const waitMs = isTimed ? readWait(request) : SESSION_WAIT_MS;
  const first = isTimed ? 5 : 3;
  if (request.count - first > TOKENS_LIMIT)
    throw new ToposphereError('BAD_ARGUMENT', `a session begins with at most ${TOKENS_LIMIT} tokens`);
  const session = context.session ?? context.backend.openSession();
  for (let index = first; index < request.count; index += 1) session.merge(argumentText(request, index));
  context.session = session;
  context.keys = session.keys;
  return session.served(waitMs).then(() => (reply) => {
    reply.ok();
  });
}

function readWait(request: Request): number {
  const waitMs = request.count > 4 ? readInteger(argumentText(request, 4)) : undefined;
  if (waitMs !== undefined && waitMs >= 0 && waitMs <= LONGEST_WAIT_MS) return waitMs;
  throw new ToposphereError('BAD_ARGUMENT', `WAIT takes 0 to ${LONGEST_WAIT_MS} milliseconds`);
}

function tokenOf({ session }: CommandContext): string {
  if (session !== undefined) return session.token();
  throw new ToposphereError(
    'BAD_ARGUMENT',
    'this connection has no session: say TOPOSPHERE SESSION BEGIN first',
  );
}

function wrongWords(): ToposphereError {
  return new ToposphereError(
    'BAD_ARGUMENT',
    'say TOPOSPHERE SESSION BEGIN [WAIT ms] [token ...], TOPOSPHERE SESSION TOKEN or TOPOSPHERE SESSION END',
  );
}
