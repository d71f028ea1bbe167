/**
 * Files with a secret in them: read only where nobody else can read them, written so that nobody else ever could.
 *
 * Owns the file's mode. That a file is whole at any moment is wholeFile.ts's, what the text means its reader's. Invariant: no message and no name of a
 * file written here holds any of the secret.
 */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { ToposphereError } from '../core/errors.ts';
import { errorCode } from '../network/tcp.ts';
import { writeWholeFile } from '../storage/wholeFile.ts';

/** Mode bits of the file's group and of all others. */
const OF_OTHERS = 0o077;
const OWN_MODE = 0o600;
/** Longest secret file, bytes: a key file with 255 keys and a comment each. */
const SECRET_FILE_BYTES = 64 * 1024;

/** `what` names the content in messages: 'cluster key'. Rejects with BAD_CONFIGURATION when it cannot be read, or others can read it too. */
export async function readSecretFile(path: string, what: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { mode, size } = await file.stat();
    // Windows has no such bits: what is reported there says nothing.
    if (process.platform !== 'win32' && (mode & OF_OTHERS) !== 0) {
      const bits = (mode & 0o777).toString(8).padStart(3, '0');
      throw refused(
        `${path}: the ${what} can be read or changed by others (mode ${bits}); run: chmod 600 ${path}`,
      );
    }
    if (size > SECRET_FILE_BYTES)
      throw refused(`${path}: has ${size} bytes, too many for a ${what}; correct the path`);
    return await file.readFile('utf8');
  } catch (error) {
    if (error instanceof ToposphereError) throw error;
    throw refused(`${path}: ${what} cannot be read (${errorCode(error)}); correct the path`);
  } finally {
    await file?.close();
  }
}

/** Whether there is a file of this name, whatever is in it. */
export async function hasSecretFile(path: string): Promise<boolean> {
  try {
    await (await open(path, 'r')).close();
    return true;
  } catch (error) {
    return errorCode(error) !== 'ENOENT';
  }
}

/** A new file. Rejects with BAD_CONFIGURATION, and changes nothing, where one is already. */
export async function createSecretFile(path: string, text: string): Promise<void> {
  await writeSecretFile(path, text, false);
}

/** Replaces a file: whoever reads it gets all of the old text or all of the new one. */
export async function replaceSecretFile(path: string, text: string): Promise<void> {
  await writeSecretFile(path, text, true);
}

async function writeSecretFile(path: string, text: string, mayReplace: boolean): Promise<void> {
  try {
    await writeWholeFile(path, text, { mode: OWN_MODE, mayReplace });
  } catch (error) {
    const code = errorCode(error);
    const advice =
      code === 'EEXIST'
        ? 'it is there already, and was not touched; choose another name'
        : `not written (${code})`;
    throw refused(`${path}: ${advice}`);
  }
}

function refused(message: string): ToposphereError {
  return new ToposphereError('BAD_CONFIGURATION', message);
}
