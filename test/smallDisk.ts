/**
 * A file system of a few megabytes, for what happens when a disk runs full. It takes root; without it the tests say so and are skipped.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Mounts one over a folder. False, and said why in a line, where nothing can be mounted. */
export function mountSmall(folder: string, mebibytes: number): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder], { stdio: 'pipe' });
    return true;
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[1] ?? error.message) : String(error);
    console.log(`      skipped: no file system could be mounted (${why})`);
    return false;
  }
}

export function unmount(folder: string): void {
  execFileSync('umount', ['--lazy', folder]);
}

/** Takes all but so many bytes of the disk; answers how to give them back. */
export function fillDisk(folder: string, leftBytes: number): () => void {
  const { bavail, bsize } = statfsSync(folder);
  const filler = join(folder, 'filler');
  writeFileSync(filler, Buffer.alloc(bavail * bsize - leftBytes));
  return () => {
    rmSync(filler);
  };
}
