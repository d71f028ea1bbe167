/**
 * Where members are, as discovery found them, kept on disk: a restart needs no discovery.
 *
 * Owns the file beside the peer's store. It has the form of servers.txt, own line included, so that it can be copied and used as one. Invariant: it is
 * whole at any moment, and one that cannot be read keeps nobody from starting: what it says is found again.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ToposphereError } from '../core/errors.ts';
import { errorCode } from '../network/tcp.ts';
import { isCode } from '../storage/fileNames.ts';
import { writeWholeFile } from '../storage/wholeFile.ts';
import type { Log } from './logger.ts';
import { canonicalServersText, parseServersFile, resolveHosts } from './serversFile.ts';
import type { ServerLine, ServersFile } from './serversFile.ts';

const FILE = 'known-servers.txt';
const HEADING =
  '# Members and where they were found (multicast DNS). Written by the peer; a copy serves as servers.txt.\n';

export function knownPeersPath(dataDirectory: string): string {
  return join(dataDirectory, FILE);
}

/** Lines of the others; none when there is no file yet, or, with a word to the log, none that can be read. */
export async function readKnownPeers(path: string, ownId: string, log: Log): Promise<readonly ServerLine[]> {
  try {
    const file = await resolveHosts(parseServersFile(await readFile(path, 'utf8'), path));
    return file.servers.filter(({ id }) => id !== ownId);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return [];
    if (!(error instanceof Error)) throw error;
    const reason = error.message.split('\n')[0] ?? '';
    log(
      'knownServersUnusable',
      `${path} is not used, and is written anew when members are found: ${reason}`,
      { path },
    );
    return [];
  }
}

/** The whole text of such a file. */
export function buildServersText(servers: ServersFile['servers'], heading = HEADING): string {
  return heading + canonicalServersText({ name: FILE, servers });
}

/** Takes effect at once or not at all, also when the power goes. Rejects with STORAGE_FAILED. */
export async function writeServersText(path: string, text: string): Promise<void> {
  try {
    await writeWholeFile(path, text);
  } catch (cause) {
    throw new ToposphereError(
      'STORAGE_FAILED',
      `writing ${path} failed (${errorCode(cause)}): what is there is whole; give this user the right to write there, and the disk room`,
      { cause },
    );
  }
}
