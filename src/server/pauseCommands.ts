/**
 * CLIENT PAUSE and UNPAUSE: how an operator holds clients back while something is changed behind this peer.
 *
 * Owns reading and refusing these words as Redis 7 does. What is held, and until when, is clientPause.ts's.
 */
import type { Command } from './command.ts';
import { argumentText, NO_KEYS, readWideInteger } from './command.ts';
import type { PausedCommands } from './clientPause.ts';
import type { Request } from './requestParser.ts';

const ORDINARY = {
  flags: ['admin', 'noscript', 'loading', 'stale'],
  group: 'connection',
  keys: NO_KEYS,
} as const;

export const pauseSubcommands: readonly Command[] = [
  {
    ...ORDINARY,
    name: 'client|pause',
    arity: -3,
    syntax: 'timeout [WRITE|ALL]',
    summary:
      'Let commands of all clients of this peer wait for some milliseconds: all, UNPAUSE too, but TOPOSPHERE; or those that write or publish (WRITE)',
    partition:
      'Holds back the clients of this peer alone: the others take writes meanwhile, and what they write arrives here and can be read. To pause a cluster, pause each peer.',
    run: ({ reply, server }, request) => {
      const wanted = readPause(request);
      if (typeof wanted === 'string') reply.error(wanted);
      else {
        server.pause.begin(wanted.what, wanted.forMs);
        reply.ok();
      }
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'client|unpause',
    arity: 2,
    syntax: '',
    summary: 'End a pause of commands that write: they are carried out now',
    partition: 'Concerns the clients of this peer alone.',
    run: ({ reply, server }) => {
      server.pause.end();
      reply.ok();
      return undefined;
    },
  },
];

/** What is wrong, in Redis's words and in its order. */
function readPause(request: Request): { readonly what: PausedCommands; readonly forMs: number } | string {
  if (request.count > 4)
    return `ERR unknown subcommand or wrong number of arguments for '${argumentText(request, 1)}'. Try CLIENT HELP.`;
  const mode = request.count === 4 ? argumentText(request, 3).toLowerCase() : 'all';
  if (mode !== 'all' && mode !== 'write') return 'ERR CLIENT PAUSE mode must be WRITE or ALL';
  const forMs = readWideInteger(argumentText(request, 2));
  if (forMs === undefined) return 'ERR timeout is not an integer or out of range';
  return forMs < 0 ? 'ERR timeout is negative' : { what: mode, forMs };
}
