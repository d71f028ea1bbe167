/**
 * The password of Redis clients, as a file holds it: one line.
 *
 * Owns what may be one, and reading it again while a server asks for it. Asking for it is src/server's, giving it src/cli's; both read it here, so that both
 * mean the same bytes. Invariant: no message quotes it.
 */
import { ToposphereError } from '../core/errors.ts';
import type { Log } from './logger.ts';
import type { FurtherFile } from './reloading.ts';
import { readSecretFile } from './secretFiles.ts';

/** Shortest password, characters: a peer answers as many guesses as a LAN carries. */
const PASSWORD_MINIMUM = 8;

/** Rejects with BAD_CONFIGURATION. */
export async function readClientPassword(path: string): Promise<string> {
  const password = (await readSecretFile(path, 'client password')).replace(/\r?\n$/, '');
  const fault = /[\r\n]/.test(password)
    ? 'has more than one line; write the password alone into it'
    : password.length < PASSWORD_MINIMUM
      ? `holds less than ${PASSWORD_MINIMUM} characters; take a longer password`
      : password !== password.trim()
        ? 'begins or ends with a blank, which nobody sees; take it out'
        : undefined;
  if (fault === undefined) return password;
  throw new ToposphereError('BAD_CONFIGURATION', `${path}: the client password file ${fault}`);
}

/** The file of a server that runs. `take` gives the server the password that holds from now on, and says whether it is another one. */
export function followClientPassword(
  path: string,
  take: (password: string) => boolean,
  log: Log,
): FurtherFile {
  return {
    async read() {
      const password = await readClientPassword(path);
      return () => {
        const changed = take(password) ? 'new connections give the new password' : 'nothing new';
        const said = `${path} was read again: ${changed}`;
        log('passwordReread', said, { path });
        return said;
      };
    },
  };
}
