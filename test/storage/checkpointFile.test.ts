/** Checkpoint files: what one holds, that damage is found wherever it is, which are kept, and that a failed attempt leaves the others alone. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Key } from '../../src/core/types.ts';
import {
  extractCheckpoint,
  listCheckpoints,
  pruneCheckpoints,
  readManifest,
  verifyCheckpoint,
  writeCheckpoint,
} from '../../src/storage/checkpointFile.ts';
import type { CheckpointFacts } from '../../src/storage/checkpointFile.ts';
import { openLmdbStore } from '../../src/storage/lmdbStore.ts';
import type { LmdbStore } from '../../src/storage/lmdbStore.ts';
import { commitTurn, entryNumber, plainEntry } from './entries.ts';
import { fillDisk, mountSmall, unmount } from '../smallDisk.ts';
import { makeTemporaryDirectory } from './temporaryStores.ts';
import type { TemporaryDirectory } from './temporaryStores.ts';

const FACTS: CheckpointFacts = {
  id: 'alpha',
  clusterId: 'test',
  keys: 500,
  vector: { 'alpha/1': 500 },
  horizonMs: 0,
  fingerprint: '1',
};
const START_MS = Date.UTC(2026, 0, 1);

describe('checkpoint files', () => {
  let temporary: TemporaryDirectory;
  let folder: string;
  let store: LmdbStore;

  beforeEach(async () => {
    temporary = makeTemporaryDirectory();
    folder = temporary.path;
    store = await openLmdbStore({ directory: join(folder, 'store') });
    for (let at = 0; at < 500; at += 1) store.writeEntry(`k${at}` as Key, entryNumber(at + 1));
    store.writeState('phase', 'member');
    await commitTurn(store);
  });

  afterEach(async () => {
    await store.close();
    temporary.remove();
  });

  function write(facts: Partial<CheckpointFacts> = {}, minutes = 0, storeBytes = 0): Promise<string> {
    return writeCheckpoint({
      folder: join(folder, 'saved'),
      facts: { ...FACTS, ...facts },
      nowMs: START_MS + minutes * 60_000,
      storeBytes,
      copyTo: (empty) => store.copyTo(empty),
    });
  }

  const list = (): Promise<string[]> => listCheckpoints(join(folder, 'saved'), 'alpha');

  it('hold every turn that was closed before, and become a store again', async () => {
    store.writeEntry('late' as Key, entryNumber(1000));
    const committed = commitTurn(store);
    const path = await write();
    await committed;
    assert.match(path, /alpha-20260101T000000000Z\.checkpoint$/);
    const manifest = await verifyCheckpoint(path);
    assert.deepEqual(manifest, { ...manifest, ...FACTS, writtenAt: '2026-01-01T00:00:00.000Z' });
    const restored = join(folder, 'restored');
    await extractCheckpoint(path, manifest, restored);
    const opened = await openLmdbStore({ directory: restored });
    try {
      assert.equal([...opened.entries({})].length, 501);
      assert.deepEqual(plainEntry(opened.readEntry('k7' as Key)), plainEntry(store.readEntry('k7' as Key)));
      assert.deepEqual(
        plainEntry(opened.readEntry('late' as Key)),
        plainEntry(store.readEntry('late' as Key)),
      );
      assert.equal(opened.readState('phase'), 'member');
    } finally {
      await opened.close();
    }
  });

  it('are refused by name wherever a bit is wrong, and however they are cut short', async () => {
    const path = await write();
    const whole = readFileSync(path);
    const refused = { code: 'BAD_CHECKPOINT', message: new RegExp(`^${path} is not used: `) };
    const { bytes } = await readManifest(path);
    for (const at of [0, 24, 4096, bytes - 1, bytes, whole.length - 20, whole.length - 9, whole.length - 1]) {
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
      writeFileSync(path, damaged);
      await assert.rejects(verifyCheckpoint(path), refused, `byte ${at}`);
    }
    for (const length of [0, 5, 4096, bytes, whole.length - 1]) {
      writeFileSync(path, whole);
      truncateSync(path, length);
      await assert.rejects(verifyCheckpoint(path), refused, `${length} bytes`);
    }
    writeFileSync(path, whole);
    await verifyCheckpoint(path);
    await assert.rejects(verifyCheckpoint(join(folder, 'none')), { code: 'BAD_CHECKPOINT' });
  });

  it('are listed by time, of one peer alone, and the newest are kept', async () => {
    assert.deepEqual(await list(), []);
    const paths = [];
    for (const minute of [2, 0, 1]) paths.push(await write({}, minute));
    await write({ id: 'alpha-b' });
    await write({ id: 'beta' });
    const [second, zeroth, first] = paths;
    assert.deepEqual(await list(), [second, first, zeroth]);
    await pruneCheckpoints(join(folder, 'saved'), 'alpha', 2);
    assert.deepEqual(await list(), [second, first]);
    assert.equal(readdirSync(join(folder, 'saved')).length, 4);
  });

  it('meet a disk that runs full in the middle with its reason, and leave the earlier ones as they are', async function () {
    const saved = join(folder, 'saved');
    mkdirSync(saved);
    if (!mountSmall(saved, 24)) this.skip();
    try {
      const path = await write();
      let giveBack = (): void => undefined;
      const failing = writeCheckpoint({
        folder: saved,
        facts: FACTS,
        nowMs: START_MS + 60_000,
        storeBytes: 0,
        copyTo: (empty) => {
          giveBack = fillDisk(saved, 0);
          return store.copyTo(empty);
        },
      });
      await assert.rejects(failing, {
        code: 'STORAGE_FAILED',
        message: /No space left on device.*earlier ones are as they were/,
      });
      assert.deepEqual(await list(), [path]);
      await verifyCheckpoint(path);
      giveBack();
      await verifyCheckpoint(await write({}, 2));
      assert.deepEqual(readdirSync(saved).length, 2);
    } finally {
      unmount(saved);
    }
  });

  it('are not begun where there is no room, and leave nothing when the copy fails', async () => {
    const path = await write();
    await assert.rejects(write({}, 1, 2 ** 52), {
      code: 'DISK_FULL',
      message: /^no checkpoint was written: .* MiB free, and a copy may need .*--checkpoint-directory$/,
    });
    const saved = join(folder, 'saved');
    const failing = writeCheckpoint({
      folder: saved,
      facts: FACTS,
      nowMs: START_MS,
      storeBytes: 0,
      copyTo: () => Promise.reject(new Error('input/output error')),
    });
    await assert.rejects(failing, { code: 'STORAGE_FAILED', message: /input\/output error.*earlier ones/ });
    mkdirSync(join(saved, '.alpha-partial-dead'));
    const next = await write({}, 2);
    assert.deepEqual(
      readdirSync(saved)
        .map((name) => join(saved, name))
        .sort(),
      [path, next].sort(),
    );
  });
});
