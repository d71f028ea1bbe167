/**
 * AUTH, and who may do what before: the password that Redis clients give, in Redis's own words.
 *
 * Owns the comparisons and the refusals: of the one password of the user `default`, as in a Redis with `requirepass`, and of those of named users. Leaves the files to src/peer, the place of the
 * question to dispatch.ts, what a user may do to permissions.ts. Invariant: a guess takes the same time whatever it has in common with a password, and neither is ever written anywhere.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { hashPassword } from '../peer/backend.ts';
import type { ClientUser } from '../peer/backend.ts';
import type { Command, CommandContext, ServerState } from './command.ts';
import { argumentText, LOCAL_TO_CONNECTION, NO_KEYS } from './command.ts';
import type { Request } from './requestParser.ts';

const USER = 'default';
const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.';
const NO_PASSWORD_CONFIGURED =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?';

/** Compared with where there is no such user; of nothing. */
const NOBODYS_HASH = Buffer.alloc(32);

/** Whether some bytes are the password. */
export type PasswordCheck = (guess: string) => boolean;

/** Guesses come as binary strings, one character a byte. */
export function createPasswordCheck(password: string): PasswordCheck {
  // Hashes have one length, and with a key of this process's own they tell nothing about what was hashed.
  const key = randomBytes(32);
  const hash = (bytes: Buffer): Buffer => createHmac('sha256', key).update(bytes).digest();
  const right = hash(Buffer.from(password));
  return (guess) => timingSafeEqual(hash(Buffer.from(guess, 'latin1')), right);
}

/** Whether a new or reset connection may do everything. */
export function isOpen({ isPassword, users }: Pick<ServerState, 'isPassword' | 'users'>): boolean {
  return isPassword === undefined && users === undefined;
}

/** Writes the refusal of a command that has to wait for the password; false when it may go on. */
export function refuseUnauthenticated({ client, reply }: CommandContext, flags: Command['flags']): boolean {
  if (client.isAuthenticated || flags.includes('no_auth')) return false;
  reply.error('NOAUTH Authentication required.');
  return true;
}

/** Authenticates the connection, or writes why not. */
export function authenticate(context: CommandContext, user: string, guess: string): boolean {
  const { client, reply, server } = context;
  if (isOpen(server)) {
    // A client that is set up for another server: say so, let nobody believe in it.
    reply.error(NO_PASSWORD_CONFIGURED);
    return false;
  }
  // All are looked at, whatever the first says.
  const isDefault = (server.isPassword?.(guess) ?? false) && user === USER;
  const named = server.users?.get(user);
  const isNamed = isPasswordOf(named, guess);
  if (!isDefault && !isNamed) {
    server.counters.authenticationsFailed += 1;
    reply.error(WRONG_PASSWORD);
    return false;
  }
  client.isAuthenticated = true;
  client.user = isDefault ? undefined : named;
  server.noteAuthentication(client);
  return true;
}

/** Takes as long for a user that there is not. */
function isPasswordOf(user: ClientUser | undefined, guess: string): boolean {
  const hash = hashPassword(Buffer.from(guess, 'latin1'));
  let isIt = false;
  for (const known of user?.passwordHashes ?? [NOBODYS_HASH]) if (timingSafeEqual(hash, known)) isIt = true;
  return isIt && user !== undefined;
}

export const authCommand: Command = {
  name: 'auth',
  arity: -2,
  isSecret: true,
  flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth'],
  group: 'connection',
  keys: NO_KEYS,
  syntax: '[username] password',
  summary: 'Give the password: AUTH [user] password',
  partition: LOCAL_TO_CONNECTION,
  run: (context, request) => {
    runAuth(context, request);
    return undefined;
  },
};

function runAuth(context: CommandContext, request: Request): void {
  if (request.count > 3) {
    context.reply.error('ERR syntax error');
    return;
  }
  const user = request.count === 3 ? argumentText(request, 1) : USER;
  if (authenticate(context, user, argumentText(request, request.count - 1))) context.reply.ok();
}
