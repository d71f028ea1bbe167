/**
 * What a named user may do, asked of every command before it runs.
 *
 * Owns the three rights, the prefixes of keys and channels, and Redis's words for a refusal. Leaves who somebody is to authentication.ts, the file to src/peer. What a row says of itself decides: `readonly`,
 * `write` and `admin`, its keys, and what it `touches` beside them. Prefixes hold for channels as for keys, and for what a pattern can match: Redis lets KEYS and SCAN name every key to whoever
 * may run them. Invariant: a command that is refused has done nothing, and a connection without a named user is asked nothing here.
 */
import type { ClientRight } from '../peer/backend.ts';
import type { Command, CommandContext } from './command.ts';
import { argumentText } from './command.ts';
import type { Request } from './requestParser.ts';

/** Writes the refusal of a command that this client's user may not run; false when it may. */
export function refuseUnpermitted(
  { client, reply, server }: CommandContext,
  command: Command,
  request: Request,
): boolean {
  const { user } = client;
  if (user === undefined) return false;
  const right = rightFor(command);
  // What only concerns the connection is for everybody, as WRITE includes READ.
  if (right !== undefined && !user.rights.has(right) && !(right === 'read' && user.rights.has('write'))) {
    server.counters.commandsDenied += 1;
    reply.error(`NOPERM this user has no permissions to run the '${command.name}' command`);
    return true;
  }
  const { prefixes } = user;
  if (prefixes === undefined || staysWithin(command, request, prefixes)) return false;
  server.counters.keysDenied += 1;
  const what = command.group === 'pubsub' ? 'channels' : 'keys';
  reply.error(`NOPERM this user has no permissions to access one of the ${what} used as arguments`);
  return true;
}

/** Undefined: it needs none. */
function rightFor({ flags, needs, touches }: Command): ClientRight | undefined {
  if (needs !== undefined) return needs;
  if (flags.includes('admin')) return 'admin';
  if (flags.includes('write')) return 'write';
  return flags.includes('readonly') || touches !== undefined ? 'read' : undefined;
}

function staysWithin(command: Command, request: Request, prefixes: readonly string[]): boolean {
  const isWithin = (name: string): boolean => prefixes.some((prefix) => name.startsWith(prefix));
  const [first, last, step] = command.keys;
  if (first > 0) {
    const end = last < 0 ? request.count + last : last;
    for (let index = first; index <= end; index += step)
      if (!isWithin(argumentText(request, index))) return false;
  }
  return command.touches === undefined || command.touches(request).every(isWithin);
}
