/**
 * A command on one key as a majority of the members answers it: READ MAJORITY, LINEARIZABLE and STALE of TOPOSPHERE DO.
 *
 *     READ LINEARIZABLE   GET key; SET key value and DEL key, which are linearizable with it
 *     READ MAJORITY       GET key
 *     READ STALE ms       GET key
 *
 * Owns which commands these go with, and what does not go together. The waiting is the backend's. A session sees what is read and written. Invariant: nothing is run that would promise less than
 * was chosen.
 */
import { ToposphereError } from '../core/errors.ts';
import { MAJORITY_WAIT_MS } from '../peer/backend.ts';
import type { ReadLevel } from '../peer/backend.ts';
import type { Command, CommandChoices, CommandContext, LateReply } from './command.ts';
import { argumentKey, argumentValue } from './command.ts';
import type { Request } from './requestParser.ts';

/** The level that a majority, or the clock, has to answer for; undefined where this peer answers by itself. */
export function majorityLevelOf({ read }: CommandChoices): ReadLevel | undefined {
  return read === 'local' || read === 'session' ? undefined : read;
}

/** The command, run so. Throws BAD_ARGUMENT where it cannot be. */
export function byMajority(command: Command, level: ReadLevel, choices: CommandChoices): Command {
  assertFits(choices);
  return {
    ...command,
    run: (context, request) =>
      run(context, command.name, request, level, choices.withinMs ?? MAJORITY_WAIT_MS),
  };
}

function assertFits({ acknowledge, request }: CommandChoices): void {
  if (acknowledge !== undefined)
    throw new ToposphereError(
      'BAD_ARGUMENT',
      `ACK ${acknowledge.toUpperCase()} does not go with this READ: a linearizable write is on the disks of a majority when it is answered, and anything less would break it`,
    );
  if (request !== undefined)
    throw new ToposphereError('BAD_ARGUMENT', 'ID does not go with this READ: say one of them');
}

function run(
  context: CommandContext,
  name: string,
  request: Request,
  level: ReadLevel,
  withinMs: number,
): LateReply {
  const { registers } = context.backend;
  const key = argumentKey(request, 1);
  if (name === 'get')
    return registers.read(key, level, withinMs).then((value) => (reply) => {
      noteSeen(context, key);
      if (value === undefined) reply.null();
      else reply.bulk(value);
    });
  if (level === 'linearizable') context.session?.follow(); // R3: a write is stamped above what the session has seen
  if (level === 'linearizable' && name === 'set' && request.count === 3)
    return registers.write(key, argumentValue(request, 2), withinMs).then(() => (reply) => {
      noteSeen(context, key);
      reply.ok();
    });
  if (level === 'linearizable' && name === 'del' && request.count === 2)
    return registers.write(key, undefined, withinMs).then((wasThere) => (reply) => {
      noteSeen(context, key);
      reply.integer(wasThere ? 1 : 0);
    });
  throw new ToposphereError(
    'BAD_ARGUMENT',
    level === 'linearizable'
      ? 'READ LINEARIZABLE is for GET key, SET key value (which does not expire) and DEL key'
      : 'READ MAJORITY and READ STALE are for GET key',
  );
}

/** What this peer holds by now is at least as new as what was answered. */
function noteSeen({ session }: CommandContext, key: ReturnType<typeof argumentKey>): void {
  session?.keys.read(key);
}
