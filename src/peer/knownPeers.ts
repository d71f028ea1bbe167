/**
 * Where members are, as discovery found them, kept on disk: a restart needs no discovery.
 *
 * Owns the file beside the peer's store. It has the form of servers.txt, own line included, so that it can be copied and used as one. Invariant: it is
 * whole at any moment, and one that cannot be used, or a line of it, keeps nobody from starting: what it says is found again.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ToposphereError } from '../core/errors.ts';
import { errorCode, formatAddress } from '../network/tcp.ts';
import { isCode } from '../storage/fileNames.ts';
import { writeWholeFile } from '../storage/wholeFile.ts';
import type { Log } from './logger.ts';
import { canonicalServersText, isLoopback, parseServersFile, resolveHosts } from './serversFile.ts';
import type { ServerLine, ServersFile } from './serversFile.ts';

const FILE = 'known-servers.txt';
const HEADING =
  '# Members and where they were found (multicast DNS). Written by the peer; a copy serves as servers.txt.\n';

export function knownPeersPath(dataDirectory: string): string {
  return join(dataDirectory, FILE);
}

/** What a line must agree with to be used: settings change between two starts. */
interface KnownSurroundings {
  readonly ownId: string;
  /** The lines of servers.txt, or the own one alone: they say where their peers are. */
  readonly listed: readonly ServerLine[];
  readonly multicastPort: number;
  /** Whether this peer has a cluster key. */
  readonly hasKey: boolean;
}

/** Lines of the others that are not listed and can be used. None when there is no file yet or it cannot be read; what is passed over is said to the log. */
export async function readKnownPeers(
  path: string,
  surroundings: KnownSurroundings,
  log: Log,
): Promise<readonly ServerLine[]> {
  const { ownId, listed } = surroundings;
  const lines = await readLines(path, log);
  const others = lines.filter(({ id }) => id !== ownId && !listed.some((line) => line.id === id));
  return others.filter((line) => {
    const fault = findFault(line, surroundings);
    if (fault === undefined) return true;
    const { id, host, port } = line;
    log('knownServersUnusable', `${path}: ${id} at ${formatAddress(host, port)} is passed over: ${fault}`, {
      path,
    });
    return false;
  });
}

async function readLines(path: string, log: Log): Promise<readonly ServerLine[]> {
  try {
    return (await resolveHosts(parseServersFile(await readFile(path, 'utf8'), path))).servers;
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

/** Why nothing is sent there, and what to do. */
function findFault(line: ServerLine, surroundings: KnownSurroundings): string | undefined {
  const { listed, multicastPort, hasKey } = surroundings;
  const there = listed.find(({ address, port }) => address === line.address && port === line.port);
  if (there !== undefined) return `${there.id} is there now; start ${line.id} with another --port, or --host`;
  if (line.port === multicastPort)
    return `its port is the multicast port now; change --multicast-port, or start ${line.id} with another --port`;
  if (!hasKey && !isLoopback(line.address))
    return 'beyond loopback peers talk only with a cluster key; give one with --cluster-key-file';
  return undefined;
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
