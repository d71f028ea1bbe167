/** Files that are whole at any moment: what a failure leaves, on a full disk too, and which mode a file has from its first byte on. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildServersText, writeServersText } from '../../src/peer/knownPeers.ts';
import { writeWholeFile } from '../../src/storage/wholeFile.ts';
import { fillDisk, mountSmall, unmount } from '../smallDisk.ts';
import { makeTemporaryDirectory } from './temporaryStores.ts';
import type { TemporaryDirectory } from './temporaryStores.ts';

const OLD = 'the old text\n';

describe('a whole file', () => {
  let temporary: TemporaryDirectory;
  let path: string;

  beforeEach(() => {
    temporary = makeTemporaryDirectory();
    path = join(temporary.path, 'file');
  });

  afterEach(() => {
    temporary.remove();
  });

  it('is written anew or for the first time, as other files are', async () => {
    const before = process.umask(0o027);
    try {
      await writeWholeFile(path, OLD);
      await writeWholeFile(path, 'the new text\n');
    } finally {
      process.umask(before);
    }
    assert.equal(readFileSync(path, 'utf8'), 'the new text\n');
    assert.equal(statSync(path).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(temporary.path), ['file']);
  });

  it('has exactly the mode that was asked for, whatever the umask', async () => {
    const before = process.umask(0o277);
    try {
      await writeWholeFile(path, OLD, { mode: 0o640 });
    } finally {
      process.umask(before);
    }
    assert.equal(statSync(path).mode & 0o777, 0o640);
  });

  it('is kept where it may not be replaced', async () => {
    writeFileSync(path, OLD);
    await assert.rejects(writeWholeFile(path, 'another', { mayReplace: false }), { code: 'EEXIST' });
    assert.equal(readFileSync(path, 'utf8'), OLD);
    assert.deepEqual(readdirSync(temporary.path), ['file']);
  });

  it('leaves no draft behind when it cannot get its name, and says what to do', async () => {
    mkdirSync(join(path, 'something'), { recursive: true }); // a folder has the name
    await assert.rejects(writeServersText(path, buildServersText([])), {
      code: 'STORAGE_FAILED',
      message: /^writing .* failed \(EISDIR\): what is there is whole; give this user the right/,
    });
    assert.deepEqual(readdirSync(temporary.path), ['file']);
  });

  it('is as it was when the disk is full, and no draft is left', async function () {
    if (!mountSmall(temporary.path, 1)) this.skip();
    try {
      writeFileSync(path, OLD);
      const free = fillDisk(temporary.path, 4096);
      await assert.rejects(writeWholeFile(path, 'x'.repeat(100_000)), { code: 'ENOSPC' });
      assert.equal(readFileSync(path, 'utf8'), OLD);
      assert.deepEqual(readdirSync(temporary.path).sort(), ['file', 'filler']);
      free();
      await writeWholeFile(path, 'x'.repeat(100_000));
      assert.equal(statSync(path).size, 100_000);
    } finally {
      unmount(temporary.path);
    }
  });
});
