/**
 * One process for each directory: a file that names its owner.
 *
 * Owns `owner.lock` in the directory. A process that died without unlocking (kill -9, power cut) does not block the
 * next: an owner counts only while a process with its number *and* its start time lives in this boot of the machine.
 * Where start times cannot be read, a living process with the number counts.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ToposphereError } from '../core/errors.ts';
import { isCode } from './fileNames.ts';

const LOCK_FILE = 'owner.lock';
/** Attempts to take a lock that others take or leave at the same moment. */
const MAXIMUM_ATTEMPTS = 10;

let locksTaken = 0;

/**
 * Takes the directory (which must exist) for this process and returns the function that gives it back.
 * Throws STORE_LOCKED when a living process holds it, this one included; file errors as they come.
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, LOCK_FILE);
  const identity = processIdentity(process.pid);
  const mine = `${process.pid} ${identity} ${++locksTaken}\n`;
  const draft = `${path}.${process.pid}.${locksTaken}`;
  writeFileSync(draft, mine);
  try {
    for (let attempt = 0; attempt < MAXIMUM_ATTEMPTS; attempt++) {
      try {
        // The whole content appears at once: nobody reads a lock that is half written.
        linkSync(draft, path);
        return () => {
          if (readIfThere(path) === mine) rmSync(path, { force: true });
        };
      } catch (error) {
        if (!isCode(error, 'EEXIST')) throw error;
      }
      const owner = readIfThere(path);
      if (owner === undefined) continue;
      if (isOwnerAlive(owner)) throw lockedError(directory, owner);
      removeStale(path, owner, draft);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new ToposphereError(
    'STORE_LOCKED',
    `opening ${directory} failed: other processes keep taking and leaving it. Start one at a time`,
  );
}

/** Sets a dead owner's lock aside. If a quicker process has put its own there meanwhile, that one is put back. */
function removeStale(path: string, owner: string, draft: string): void {
  const aside = `${draft}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    throw error;
  }
  if (readIfThere(aside) !== owner) {
    try {
      linkSync(aside, path);
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
    }
  }
  rmSync(aside, { force: true });
}

function lockedError(directory: string, owner: string): ToposphereError {
  const pid = owner.split(' ')[0] ?? '?';
  const who = pid === String(process.pid) ? 'this process has it open already' : `process ${pid} has it open`;
  return new ToposphereError(
    'STORE_LOCKED',
    `opening ${directory} failed: ${who}. Stop that one first, or give this peer a directory of its own`,
  );
}

function isOwnerAlive(owner: string): boolean {
  const [pidText, identity] = owner.trim().split(' ');
  const pid = Number(pidText);
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, under another user.
    if (isCode(error, 'ESRCH')) return false;
  }
  const now = processIdentity(pid);
  return now === UNKNOWN_IDENTITY || identity === UNKNOWN_IDENTITY || now === identity;
}

const UNKNOWN_IDENTITY = '-';

/** Boot and start time of a process, so that a process number used again is not taken for its former owner. */
function processIdentity(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold spaces: count fields after it. The start time is the 22nd of all.
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return started === undefined ? UNKNOWN_IDENTITY : `${boot}/${started}`;
  } catch {
    return UNKNOWN_IDENTITY;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
