/**
 * Small files that are whole at any moment: whoever opens one reads the old text or the new one, also when the power goes between.
 *
 * Owns how that is done: a draft beside the file, synced, takes its name, and the folder is synced. What the text means, and the words for a failure,
 * are its writer's. Invariant: a failure leaves no draft behind, and the file as it was unless the new text already had its name.
 */
import { randomBytes } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Anybody reads it, its owner writes it, less what the umask takes. */
const PUBLIC_MODE = 0o644;

interface WholeFileOptions {
  /** Exactly this mode from the first byte on, whatever the umask; left out: as other files. */
  readonly mode?: number;
  /** False: a file that is there is kept, and the error is EEXIST. */
  readonly mayReplace?: boolean;
}

/** Rejects with the operating system's error. */
export async function writeWholeFile(
  path: string,
  text: string,
  { mode, mayReplace = true }: WholeFileOptions = {},
): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    await writeDraft(draft, text, mode);
    if (mayReplace) await rename(draft, path);
    else {
      await link(draft, path); // not rename: that would replace a file which is there
      await rm(draft);
    }
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined); // the failure before it is the one to tell
    throw error;
  }
}

/** A name that was given is on disk once its folder is. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return; // a folder cannot be opened there
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** `wx`: nobody else has the file open, nor led its name elsewhere. */
async function writeDraft(draft: string, text: string, mode: number | undefined): Promise<void> {
  const file = await open(draft, 'wx', mode ?? PUBLIC_MODE);
  try {
    if (mode !== undefined) await file.chmod(mode); // a umask may have taken bits of it
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
