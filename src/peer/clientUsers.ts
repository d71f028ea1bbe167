/**
 * The users file of Redis clients: `name sha256:hash[,sha256:hash] rights prefix ...` a line, `#` comments.
 *
 * Owns the file's grammar, adding and removing a user, and reading the file again while a server runs. Leaves its mode to secretFiles.ts, and what a user may do to src/server. The hash is
 * SHA-256, as in an ACL file of Redis, and not one that is slow on purpose: whoever connects may ask for as many as he likes, and slow ones would take the threads that write the log. That is as good where
 * the password cannot be guessed, so `toposphere user add` makes it, of PASSWORD_BYTES random bytes. Invariant: no password is in the file, and no message quotes a line.
 */
import { createHash, randomBytes } from 'node:crypto';
import { ToposphereError } from '../core/errors.ts';
import type { Log } from './logger.ts';
import type { FurtherFile } from './reloading.ts';
import { readSecretFile } from './secretFiles.ts';

const PASSWORD_BYTES = 16;
/** Who gives the client password; it is in a file of its own. */
const DEFAULT_USER = 'default';
const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const HASHES = /^sha256:[0-9a-f]{64}(?:,sha256:[0-9a-f]{64})*$/;
/** Printable, without the sign of a comment: what a line can hold between blanks. */
const PREFIX = /^[!-~]{1,256}$/;
const ALL_KEYS = '*';
const RIGHTS = ['read', 'write', 'admin'] as const;

export type ClientRight = (typeof RIGHTS)[number];

/** What one user of a server may do. */
export interface ClientUser {
  readonly name: string;
  /** SHA-256 of each password that is taken. */
  readonly passwordHashes: readonly Buffer[];
  /** `write` includes reading, for commands that write also tell what was there. */
  readonly rights: ReadonlySet<ClientRight>;
  /** What names of keys and channels have to begin with; undefined: anything. */
  readonly prefixes: readonly string[] | undefined;
}

const HEADER = `# Users of Redis clients, the same on every machine: name, hash of the password, rights (read; write, which includes it; admin), and
# what their keys and channels begin with (* for all). Change it with: toposphere user add|remove; then: toposphere reload
`;

export function hashPassword(password: string | Uint8Array): Buffer {
  return createHash('sha256').update(password).digest();
}

export function generatePassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('hex');
}

/** Throws BAD_CONFIGURATION with a line a fault; `name` is what they call the file. */
export function parseClientUsers(text: string, name: string): readonly ClientUser[] {
  const users: ClientUser[] = [];
  const faults: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const words = (line.split('#', 1)[0] ?? '').split(/\s+/).filter((word) => word !== '');
    if (words.length === 0) continue;
    const user = parseUser(words);
    if (typeof user === 'string') faults.push(`${name}:${index + 1}: ${user}`);
    else if (users.some((known) => known.name === user.name))
      faults.push(`${name}:${index + 1}: '${user.name}' is there already: name each user once`);
    else users.push(user);
  }
  if (faults.length > 0) throw refused(faults.join('\n'));
  if (users.length === 0)
    throw refused(`${name}: holds no user; add one with: toposphere user add ${name} <name>`);
  return users;
}

/** Or what is wrong with the line. */
function parseUser([name = '', hashes = '', rights = '', ...prefixes]: readonly string[]):
  ClientUser | string {
  if (!NAME.test(name)) return 'begins with no name: use 1 to 64 characters of A-Z a-z 0-9 _ . -';
  if (name === DEFAULT_USER)
    return `'${DEFAULT_USER}' is who gives the password of --client-password-file: choose another name`;
  if (!HASHES.test(hashes))
    return `'${name}' has no hash in its second place: write sha256: and 64 hexadecimal digits`;
  const named = rights.split(',');
  const known = RIGHTS.filter((right) => named.includes(right));
  if (known.length === 0 || known.length !== named.length)
    return `'${name}' has no rights in its third place: write one or more of ${RIGHTS.join(',')}`;
  const badPrefix = prefixes.findIndex((prefix) => !PREFIX.test(prefix));
  if (prefixes.length === 0 || badPrefix >= 0)
    return `'${name}' has no prefixes: write what its keys begin with, in printable characters without blanks, or ${ALL_KEYS} for all`;
  return {
    name,
    passwordHashes: hashes.split(',').map((hash) => Buffer.from(hash.slice('sha256:'.length), 'hex')),
    rights: new Set(known),
    prefixes: prefixes.includes(ALL_KEYS) ? undefined : prefixes,
  };
}

/** Rejects with BAD_CONFIGURATION. */
export async function readClientUsers(path: string): Promise<readonly ClientUser[]> {
  return parseClientUsers(await readSecretFile(path, 'users of Redis clients'), path);
}

/** A user to be added: its rights as the file has them, and a password. */
interface NewUser {
  readonly name: string;
  readonly rights: string;
  readonly prefixes: readonly string[];
  readonly password: string;
}

/** The text with one more user; without a text, that of a new file. Throws BAD_CONFIGURATION. */
export function addClientUser(text: string | undefined, file: string, user: NewUser): string {
  const { name, rights, prefixes, password } = user;
  if (password.length === 0) throw refused(`${file}: '${name}' was given no password`);
  const words = [name, `sha256:${hashPassword(password).toString('hex')}`, rights, ...prefixes];
  const fault = prefixes.some((prefix) => /[\s#]/.test(prefix))
    ? 'a prefix has a blank or a # in it'
    : parseUser(words);
  if (typeof fault === 'string') throw refused(`${file}: ${fault}; nothing was changed`);
  const before = text === undefined || text === '' ? HEADER : text.replace(/\n?$/, '\n');
  const after = `${before}${words.join(' ')}\n`;
  parseClientUsers(after, file);
  return after;
}

/** The text without that user. Throws BAD_CONFIGURATION, also for the last one: a server would not start with such a file. */
export function removeClientUser(text: string, file: string, name: string): string {
  if (!parseClientUsers(text, file).some((user) => user.name === name))
    throw refused(`${file}: there is no user '${name}'; nothing was changed`);
  const lines = text
    .split('\n')
    .filter((line) => (line.split('#', 1)[0] ?? '').trim().split(/\s+/)[0] !== name);
  const after = lines.join('\n');
  parseClientUsers(after, file);
  return after;
}

/** The file of a server that runs. `take` gives the server the users that hold from now on, and says in words what that changed. */
export function followClientUsers(
  path: string,
  take: (users: readonly ClientUser[]) => string,
  log: Log,
): FurtherFile {
  return {
    async read() {
      const users = await readClientUsers(path);
      return () => {
        const said = `${path} was read again: ${take(users)}`;
        log('usersReread', said, { path });
        return said;
      };
    },
  };
}

function refused(message: string): ToposphereError {
  return new ToposphereError('BAD_CONFIGURATION', message);
}
