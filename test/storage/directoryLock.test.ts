/** One process for each directory, and no dead one in the way. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ToposphereError } from '../../src/core/errors.ts';
import { lockDirectory } from '../../src/storage/directoryLock.ts';
import { makeTemporaryDirectory } from './temporaryStores.ts';
import type { TemporaryDirectory } from './temporaryStores.ts';

describe('the lock of a directory', () => {
  let directory: TemporaryDirectory;
  let path: string;
  beforeEach(() => {
    directory = makeTemporaryDirectory();
    path = join(directory.path, 'owner.lock');
  });
  afterEach(() => {
    directory.remove();
  });

  const isLocked = (error: unknown): boolean => (error as ToposphereError).code === 'STORE_LOCKED';

  it('is taken once, and again when it was given back, leaving nothing behind', () => {
    const unlock = lockDirectory(directory.path);
    assert.throws(() => lockDirectory(directory.path), isLocked);
    unlock();
    lockDirectory(directory.path)();
    assert.deepEqual(readdirSync(directory.path), []);
  });

  it('is refused while another process that holds it lives, naming it; and is free when that one was killed', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("up")'], {
      stdio: 'pipe',
    });
    const ended = once(child, 'close');
    await once(child.stdout, 'data');
    // The child's own line: what this process would write, with the child's number and start time.
    const stat = (pid: number): string | undefined => {
      const text = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'latin1') : undefined;
      return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
    };
    const unlock = lockDirectory(directory.path);
    const [, identity = ''] = readFileSync(path, 'latin1').split(' ');
    unlock();
    const started = stat(child.pid ?? 0);
    const theirs = started === undefined ? '-' : `${identity.split('/')[0] ?? ''}/${started}`;
    writeFileSync(path, `${child.pid ?? 0} ${theirs} 1\n`);
    assert.throws(
      () => lockDirectory(directory.path),
      (error) => isLocked(error) && (error as Error).message.includes(`process ${child.pid ?? 0} `),
    );
    child.kill('SIGKILL');
    await ended;
    lockDirectory(directory.path)();
  });

  it('is free when the owner died and its number went to another process', function () {
    if (!existsSync('/proc/self/stat')) this.skip();
    writeFileSync(path, `${process.pid} another-boot/1 1\n`);
    lockDirectory(directory.path)();
  });

  it('is free when the file says nothing', () => {
    for (const nothing of ['', 'no number\n', '0 - 1\n', '-1 - 1\n']) {
      writeFileSync(path, nothing);
      lockDirectory(directory.path)();
    }
  });

  it('is not taken away by an owner that lost it', () => {
    const unlock = lockDirectory(directory.path);
    writeFileSync(path, 'another owner\n');
    unlock();
    assert.equal(readFileSync(path, 'latin1'), 'another owner\n');
  });
});
