/** A store's file that was cut short or overwritten is known before it is opened; one that is whole is not suspected. */
import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findDamage } from '../../src/storage/dataFileCheck.ts';
import { openLmdbStore } from '../../src/storage/lmdbStore.ts';
import { asKey, commitTurn, entryNumber, listEntries } from './entries.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from './temporaryStores.ts';

const PAGE_BYTES = 4096;
const KEYS = 150;
/** Every so many-th value takes pages of its own. */
const LONG_EVERY = 60;
const LONG_BYTES = 20_000;
/** Where a snapshot has its roots, its transaction and the run of the machine, from the start of its page. */
const ROOT_OFFSETS = [88, 136];
const TRANSACTION_OFFSET = 152;
const BOOT_OFFSET = 160;

describe('the check of a data file', () => {
  let directory: TemporaryDirectory;
  let path = '';
  let whole: Buffer;
  let contents: readonly unknown[];
  let pages = 0;

  before(async () => {
    directory = makeTemporaryDirectory();
    path = join(directory.path, 'data.mdb');
    const store = await openLmdbStore({ directory: directory.path });
    for (let round = 0; round < 3; round += 1) {
      for (let number = round; number < KEYS; number += round + 1) {
        const value = Buffer.alloc(number % LONG_EVERY === 0 ? LONG_BYTES : 100, round + 1);
        store.writeEntry(asKey(`k${number}`), { ...entryNumber(number), value });
        if (number % 50 === 0) await commitTurn(store);
      }
      await commitTurn(store);
      await store.fold(); // frees pages, and lets others be used again
    }
    contents = listEntries(store.entries({}));
    await store.close();
    whole = readFileSync(path);
    pages = whole.length / PAGE_BYTES;
  });
  beforeEach(() => {
    writeFileSync(path, whole);
  });
  after(() => {
    directory.remove();
  });

  async function readAll(): Promise<readonly unknown[]> {
    const store = await openLmdbStore({ directory: directory.path });
    const read = listEntries(store.entries({}));
    await store.close();
    return read;
  }

  it('finds nothing wrong with a whole file, nor with an empty one', async () => {
    assert.equal(await findDamage(path), undefined);
    assert.deepEqual(await readAll(), contents);
    writeFileSync(path, '');
    assert.equal(await findDamage(path), undefined);
  });

  it('finds one that was cut short, wherever that took away what it needs', async () => {
    let found = 0;
    for (let cut = 2; cut < pages; cut += 1) {
      writeFileSync(path, whole.subarray(0, cut * PAGE_BYTES));
      const damage = await findDamage(path);
      if (damage !== undefined)
        assert.match(damage, /^has been cut short: it ends after page \d+, and page \d+ is needed$/);
      else assert.deepEqual(await readAll(), contents, `cut after ${cut} of ${pages} pages`);
      found += damage === undefined ? 0 : 1;
    }
    assert.ok(found > pages / 2, `${found} of ${pages}`);
    truncateSync(path, 4000);
    assert.match(
      (await findDamage(path)) ?? '',
      /is not an LMDB file, or its first pages have been overwritten/,
    );
  });

  it('finds one with a page overwritten, whichever its trees reach', async () => {
    let found = 0;
    for (let page = 0; page < pages; page += 1) {
      const damaged = Buffer.from(whole);
      randomFillSync(damaged, page * PAGE_BYTES, PAGE_BYTES);
      writeFileSync(path, damaged);
      const damage = await findDamage(path);
      if (damage !== undefined) {
        assert.match(
          damage,
          page < 2 ? /^is not an LMDB file/ : /^has been overwritten: page \d+ of \d+ is not the one/,
        );
        found += 1;
        continue;
      }
      // Free, or within a long value: an entry has a checksum, and nothing else is touched.
      const read = await readAll();
      const touched = read.filter((one, at) => JSON.stringify(one) !== JSON.stringify(contents[at]));
      assert.ok(
        touched.length <= 1 && read.length === contents.length,
        `page ${page} of ${pages}: ${touched.length}`,
      );
      for (const one of touched) assert.ok(JSON.stringify(one).length > LONG_BYTES);
    }
    assert.ok(found > pages / 10, `${found} of ${pages}`);
  }).timeout(60_000);

  it('goes by what was flushed where the machine has started anew since: a power cut took the rest', async () => {
    // Both snapshots of the first two pages are later, of another run of the machine, and their trees never reached the disk.
    const cut = Buffer.from(whole);
    for (const page of [0, PAGE_BYTES]) {
      cut.writeBigUInt64LE(cut.readBigUInt64LE(page + TRANSACTION_OFFSET) + 10n, page + TRANSACTION_OFFSET);
      cut.writeBigInt64LE(4711n, page + BOOT_OFFSET);
      for (const root of ROOT_OFFSETS) cut.writeBigUInt64LE(BigInt(pages + 7), page + root);
    }
    writeFileSync(path, cut);
    assert.equal(await findDamage(path), undefined);
    assert.deepEqual(await readAll(), contents, 'LMDB opens the same one');
    const sameRun = Buffer.from(cut);
    for (const page of [0, PAGE_BYTES])
      whole.copy(sameRun, page + BOOT_OFFSET, page + BOOT_OFFSET, page + BOOT_OFFSET + 8);
    writeFileSync(path, sameRun);
    assert.match(
      (await findDamage(path)) ?? '',
      /cut short/,
      'its writes are in memory: nothing is lost by itself',
    );
    for (const root of ROOT_OFFSETS) cut.writeBigUInt64LE(BigInt(pages + 7), PAGE_BYTES / 2 + root);
    writeFileSync(path, cut);
    assert.match((await findDamage(path)) ?? '', /cut short/, 'none is left');
  });

  it('refuses a damaged store in one line, or moves it aside and begins empty', async () => {
    writeFileSync(path, whole.subarray(0, whole.length / 2));
    await assert.rejects(openLmdbStore({ directory: directory.path }), {
      code: 'STORE_DAMAGED',
      message: /data\.mdb has been cut short: .*toposphere restore --replace/,
    });
    assert.equal(statSync(path).size, whole.length / 2, 'untouched');
    const told: string[] = [];
    const store = await openLmdbStore({
      directory: directory.path,
      onDamage: (description) => told.push(description),
    });
    assert.equal([...store.entries({})].length, 0);
    await store.close();
    const aside = readdirSync(directory.path).filter((name) => name.includes('.damaged-'));
    assert.equal(aside.length, 1);
    assert.match(
      told.join('\n'),
      /^opening .* failed: data\.mdb has been cut short: [^.]*; the file is kept as .*data\.mdb\.damaged-/,
    );
    assert.deepEqual(readFileSync(join(directory.path, aside[0] ?? '')), whole.subarray(0, whole.length / 2));
    assert.ok(!existsSync(join(directory.path, 'owner.lock')));
  });
});
