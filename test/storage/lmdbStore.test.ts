/** The store on LMDB: the common contract over all its layers, and what only a store on disk must do. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { ToposphereError } from '../../src/core/errors.ts';
import { openLmdbStore } from '../../src/storage/lmdbStore.ts';
import type { LmdbStoreOptions } from '../../src/storage/lmdbStore.ts';
import { asKey, commitTurn, entryNumber, listEntries, ORIGIN, plainEntry } from './entries.ts';
import { describeStoreContract } from './storeContract.ts';
import type { StoreSubject } from './storeContract.ts';
import { makeTemporaryDirectory } from './temporaryStores.ts';
import type { TemporaryDirectory } from './temporaryStores.ts';

async function lmdbSubject(options: Omit<LmdbStoreOptions, 'directory'>): Promise<StoreSubject> {
  const directory = makeTemporaryDirectory();
  let store = await openLmdbStore({ directory: directory.path, ...options });
  return {
    store: () => store,
    reopen: async () => {
      await store.close();
      store = await openLmdbStore({ directory: directory.path, ...options });
    },
    settle: async (wait) => {
      // An open turn is never folded, and this test is the one that would close it.
      if (store.hasChanges()) return;
      const folded = store.fold();
      if (wait) await folded;
    },
    close: async () => {
      await store.close();
      directory.remove();
    },
  };
}

describeStoreContract('the LMDB store', () => lmdbSubject({ foldIdleMs: 60_000 }), 40);
describeStoreContract(
  'the LMDB store that folds all the time',
  () => lmdbSubject({ activeLimitKeys: 3, foldIdleMs: 1 }),
  40,
);

describe('the LMDB store', () => {
  let directory: TemporaryDirectory;
  beforeEach(() => {
    directory = makeTemporaryDirectory();
  });
  afterEach(() => {
    directory.remove();
  });

  const fail = (reason: Error): void => {
    throw reason;
  };

  const isError =
    (code: string, text: RegExp) =>
    (error: unknown): boolean => {
      assert.equal((error as ToposphereError).code, code);
      assert.match((error as Error).message, text);
      return true;
    };

  const never = (): boolean => false;

  it("hands out values as the caller's own, the same from memory and from disk, whatever their length", async () => {
    const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 60_000 });
    const lengths = [0, 1, 2, 3, 4, 5, 100, 1_000, 1_024, 1_025, 5_000];
    const valueOf = (length: number): Buffer =>
      Buffer.from(Array.from({ length }, (_, at) => (length + at) % 251));
    for (const [number, length] of lengths.entries())
      store.writeEntry(asKey(`k${length}`), { ...entryNumber(number), value: valueOf(length) });
    for (const kind of ['tombstone', 'synthetic'] as const)
      store.writeEntry(asKey(kind), entryNumber(8, kind));
    await commitTurn(store);
    for (const where of ['memory', 'disk']) {
      if (where === 'disk') await store.fold();
      const held = lengths.map((length) => store.readOwnValue(asKey(`k${length}`), never));
      for (const [at, length] of lengths.entries())
        assert.deepEqual(held[at], valueOf(length), `${length} bytes from ${where}`);
      for (const value of held) value?.fill(0xff); // theirs to change: nobody else sees it
      for (const length of lengths) {
        assert.deepEqual(store.readOwnValue(asKey(`k${length}`), never), valueOf(length));
        assert.deepEqual(Buffer.from(store.readEntry(asKey(`k${length}`))?.value ?? []), valueOf(length));
      }
      for (const key of ['tombstone', 'synthetic', 'none'])
        assert.equal(store.readOwnValue(asKey(key), never), undefined);
    }
    await store.close();
  });

  it('shows what a key holds now, however often it was read before', async () => {
    const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 60_000 });
    const key = asKey('read often');
    const shown = (): string[] => {
      const reads = Array.from({ length: 4 }, () => store.readValue(key, (expiresAt) => expiresAt < 10));
      return [
        ...new Set(reads.map((value) => (value === undefined ? 'nothing' : Buffer.from(value).toString()))),
      ];
    };
    const steps: readonly (readonly [what: string, change: () => void, seen: string])[] = [
      [
        'first',
        () => {
          store.writeEntry(key, { ...entryNumber(1), value: Buffer.from('one') });
        },
        'one',
      ],
      [
        'again',
        () => {
          store.writeEntry(key, { ...entryNumber(2), value: Buffer.from('two') });
        },
        'two',
      ],
      [
        'deleted',
        () => {
          store.writeEntry(key, entryNumber(3, 'tombstone'));
        },
        'nothing',
      ],
      [
        'loaded',
        () => {
          store.loadEntry(key, { ...entryNumber(4), value: Buffer.from('three') });
        },
        'three',
      ],
      [
        'dropped',
        () => {
          store.removeEntry(key);
        },
        'nothing',
      ],
      [
        'past',
        () => {
          store.writeEntry(key, { ...entryNumber(5), expiresAt: 9 });
        },
        'nothing',
      ],
      [
        'long',
        () => {
          store.writeEntry(key, { ...entryNumber(6), value: Buffer.alloc(2000, 'x') });
        },
        'x'.repeat(2000),
      ],
    ];
    for (const [what, change, seen] of steps) {
      shown();
      change();
      assert.deepEqual(shown(), [seen], `${what}, before its commit`);
      await commitTurn(store);
      assert.deepEqual(shown(), [seen], `${what}, committed`);
      await store.fold();
      assert.deepEqual(shown(), [seen], `${what}, folded`);
    }
    await store.close();
  });

  it('refuses a directory that this process has open, and opens it once it is closed', async () => {
    const first = await openLmdbStore({ directory: directory.path });
    await assert.rejects(
      openLmdbStore({ directory: directory.path }),
      isError('STORE_LOCKED', /this process/),
    );
    first.writeState('still', 'works');
    await commitTurn(first);
    await first.close();
    const second = await openLmdbStore({ directory: directory.path });
    assert.equal(second.readState('still'), 'works');
    await second.close();
    assert.deepEqual(readdirSync(directory.path).sort(), ['data.mdb', 'lock.mdb']);
  });

  it('names a directory that cannot be made, and what to do', async () => {
    const file = join(directory.path, 'file');
    writeFileSync(file, '');
    const below = join(file, 'below');
    await assert.rejects(
      openLmdbStore({ directory: below }),
      isError('STORAGE_FAILED', /file\/below failed.*needs a directory/),
    );
    await assert.rejects(openLmdbStore({ directory: file }), isError('STORAGE_FAILED', /file failed/));
  });

  it('names a directory that it may not write to', async function () {
    // The superuser may write anywhere.
    if (process.getuid?.() === 0) this.skip();
    chmodSync(directory.path, 0o500);
    await assert.rejects(
      openLmdbStore({ directory: directory.path }),
      isError('STORAGE_FAILED', /may read and write/),
    );
    chmodSync(directory.path, 0o700);
  });

  it('refuses a file that is no database, and lets go of the directory', async () => {
    writeFileSync(join(directory.path, 'data.mdb'), Buffer.alloc(16_384, 7));
    await assert.rejects(
      openLmdbStore({ directory: directory.path }),
      isError('STORE_DAMAGED', /data.mdb is not an LMDB file/),
    );
    assert.equal(existsSync(join(directory.path, 'owner.lock')), false);
  });

  it('brings back from the log what was never folded', async () => {
    const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 60_000 });
    store.writeEntry(asKey('k'), entryNumber(1));
    await commitTurn(store);
    store.writeState('open turn', 'keeps close() from folding');
    await store.close();
    const again = await openLmdbStore({ directory: directory.path, foldIdleMs: 60_000 });
    assert.equal(again.report().treeEntries, 0);
    assert.equal(again.report().activeKeys, 1);
    assert.deepEqual(plainEntry(again.readEntry(asKey('k'))), plainEntry(entryNumber(1)));
    await again.fold();
    assert.equal(again.report().treeEntries, 1);
    assert.equal(again.report().activeKeys, 0);
    await again.close();
  });

  /** Leaves five committed turns in the log, none folded. */
  async function leaveFiveTurns(): Promise<void> {
    const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 60_000 });
    for (let number = 1; number <= 5; number++) {
      store.writeEntry(asKey(`k${number}`), entryNumber(number));
      await commitTurn(store);
    }
    store.writeState('open turn', 'keeps close() from folding');
    await store.close();
  }

  /** Changes one tree of a closed store behind its back. */
  async function tamper(
    tree: string,
    change: (key: Uint8Array, value: Buffer) => Buffer | undefined,
  ): Promise<number> {
    const root = open({ path: directory.path, noSubdir: false });
    const database = root.openDB<Buffer, Uint8Array>(tree, { encoding: 'binary', keyEncoding: 'binary' });
    let changed = 0;
    for (const { key, value } of [...database.getRange()]) {
      const next = change(key, value);
      if (next?.equals(value) === true) continue;
      changed++;
      if (next === undefined) await database.remove(key);
      else await database.put(key, next);
    }
    await root.close();
    return changed;
  }

  /** The log that holds the turns after a first start. */
  const LOG = 'logOdd';

  it('refuses a log in which one bit of one turn is wrong, or moves its file aside', async () => {
    await leaveFiveTurns();
    const changed = await tamper(LOG, (key, value) => {
      const copy = Buffer.from(value);
      if (key.at(-1) === 3) copy[copy.length - 2] = (copy[copy.length - 2] ?? 0) ^ 4;
      return copy;
    });
    assert.equal(changed, 1);
    await assert.rejects(
      openLmdbStore({ directory: directory.path }),
      isError('STORE_DAMAGED', /turn 3 .*damaged.*move the directory/),
    );
    const told: string[] = [];
    const store = await openLmdbStore({
      directory: directory.path,
      onDamage: (description) => told.push(description),
    });
    assert.match(told.join('\n'), /turn 3 of its log is damaged.*; the file is kept as .*\.damaged-/);
    store.writeEntry(asKey('new'), entryNumber(1));
    await commitTurn(store);
    assert.equal([...store.entries({})].length, 1);
    await store.close();
  });

  it('takes back the turns after one whose commit failed, and goes on from there', async () => {
    await leaveFiveTurns();
    assert.equal(await tamper(LOG, (key, value) => (key.at(-1) === 3 ? undefined : value)), 1);
    for (const present of [2, 3]) {
      const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 60_000 });
      assert.equal([...store.entries({})].length, present);
      assert.equal(store.readEntry(asKey('k4')), undefined);
      assert.equal(store.report().turns, present);
      // The next turn takes the number of the lost one: those after it must be gone from the log.
      store.writeEntry(asKey(`new ${present}`), entryNumber(1));
      await commitTurn(store);
      store.writeState('open turn', 'keeps close() from folding');
      await store.close();
    }
  });

  it('finds a damaged entry in a snapshot', async () => {
    const store = await openLmdbStore({ directory: directory.path });
    store.writeEntry(asKey('k'), entryNumber(1));
    await commitTurn(store);
    await store.close();
    await tamper('entries', (_, value) => {
      const copy = Buffer.from(value);
      copy[copy.length - 1] = 0;
      return copy;
    });
    const again = await openLmdbStore({ directory: directory.path });
    await assert.rejects(
      async () => {
        for await (const [key] of again.snapshot()) assert.fail(`gave out ${key}`);
      },
      isError('STORE_DAMAGED', /key "k"/),
    );
    await again.close();
  });

  it('takes a snapshot of one instant, whatever is written meanwhile', async () => {
    const store = await openLmdbStore({ directory: directory.path, activeLimitKeys: 500, foldIdleMs: 1 });
    const count = 5_000;
    for (let number = 0; number < count; number++) store.writeEntry(asKey(`k${number}`), entryNumber(number));
    await commitTurn(store);
    const seen: unknown[] = [];
    for await (const pair of store.snapshot()) {
      seen.push(...listEntries([pair]));
      // The first is written before the walk gets there, and folded under it.
      if (seen.length % 10 === 0) {
        store.writeEntry(asKey(`k${count - seen.length}`), entryNumber(count + seen.length));
        store.writeEntry(asKey(`new ${seen.length}`), entryNumber(1));
        void commitTurn(store);
      }
    }
    const expected = Array.from(
      { length: count },
      (_, number) => [`k${number}`, plainEntry(entryNumber(number))] as const,
    );
    expected.sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(seen, expected);
    await store.close();
  });

  it('ends a snapshot with an error, not early, when it is closed under it', async () => {
    const store = await openLmdbStore({ directory: directory.path });
    for (let number = 0; number < 10; number++) store.writeEntry(asKey(`k${number}`), entryNumber(number));
    await commitTurn(store);
    const snapshot = store.snapshot();
    await snapshot.next();
    await store.close();
    await assert.rejects(snapshot.next(), isError('CLOSED', /is closed/));
    assert.throws(
      () => {
        store.writeState('late', 1);
      },
      isError('CLOSED', /is closed/),
    );
  });

  it('refuses a key that LMDB could not take, and writes nothing of it', async () => {
    const store = await openLmdbStore({ directory: directory.path });
    const tooLong = asKey('x'.repeat(1_901));
    assert.throws(
      () => {
        store.writeEntry(tooLong, entryNumber(1));
      },
      isError('KEY_TOO_LONG', /1901 bytes.*at most 1900/),
    );
    assert.equal(store.hasChanges(), false);
    assert.equal(store.readEntry(tooLong), undefined);
    await store.close();
  });

  it('folds after a pause in writing without being asked', async () => {
    const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 1 });
    store.writeEntry(asKey('k'), entryNumber(1));
    await commitTurn(store);
    // The timer does not keep a process alive; this one does.
    while (store.report().folds === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(store.report().treeEntries, 1);
    await store.close();
  });

  it('folds when its log is long, though one key is all that was written', async () => {
    const store = await openLmdbStore({
      directory: directory.path,
      foldIdleMs: 60_000,
      logLimitBytes: 20_000,
    });
    for (let number = 1; store.report().folds === 0; number++) {
      assert.ok(number < 1_000);
      store.writeEntry(asKey('k'), { ...entryNumber(1), value: Buffer.alloc(1_000) });
      await commitTurn(store);
    }
    assert.equal(store.report().treeEntries, 1);
    await store.close();
  });

  it('counts the log that it finds at its start: the next turn folds it, if it is long', async () => {
    const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 60_000 });
    store.writeEntry(asKey('open'), entryNumber(2));
    for (let number = 1; number <= 30; number++) {
      store.writeEntry(asKey('k'), { ...entryNumber(1), value: Buffer.alloc(1_000) });
      await commitTurn(store);
    }
    store.writeEntry(asKey('lost'), entryNumber(3)); // an open turn keeps the close from folding
    await store.close();
    const again = await openLmdbStore({
      directory: directory.path,
      foldIdleMs: 60_000,
      logLimitBytes: 20_000,
    });
    assert.equal(again.report().folds, 0);
    again.writeEntry(asKey('k'), entryNumber(4));
    await commitTurn(again);
    while (again.report().folds === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(again.report().treeEntries, 2);
    await again.close();
  });

  it('never folds half a turn', async () => {
    const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 1, activeLimitKeys: 2 });
    store.writeEntry(asKey('k0'), entryNumber(1));
    const first = commitTurn(store);
    for (let number = 1; number <= 10; number++) store.writeEntry(asKey(`k${number}`), entryNumber(number));
    const folded = store.fold();
    await first;
    // The pause after which a fold starts by itself has long passed.
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([store.report().sealedKeys, store.report().treeEntries], [0, 0]);
    await commitTurn(store);
    await folded;
    await store.fold();
    assert.equal(store.report().treeEntries, 11);
    await store.close();
  });

  it('shows everything at every moment of a fold', async () => {
    const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 60_000 });
    const count = 3_000;
    // k1, k10 to k11, k100 to k119, k1000 to k1199.
    const KEYS_BETWEEN = 1 + 2 + 20 + 200;
    let moments = 0;
    for (const round of [1, 2]) {
      for (let number = 0; number < count; number++) {
        store.writeEntry(asKey(`k${number}`), entryNumber(round * count + number));
        store.writeRow(ORIGIN, round * count + number, asKey(`k${number}`));
      }
      await commitTurn(store);
      const progress: { isFolding: boolean } = { isFolding: true };
      const folded = store.fold().then(() => {
        progress.isFolding = false;
      });
      while (progress.isFolding) {
        for (let number = moments % 97; number < count; number += 97) {
          assert.equal(store.readEntry(asKey(`k${number}`))?.sequence, round * count + number);
          assert.equal(store.readRow(ORIGIN, round * count + number), `k${number}`);
        }
        const walk = [...store.entries({ from: asKey('k1'), before: asKey('k12') })];
        assert.equal(walk.length, KEYS_BETWEEN);
        assert.ok(walk.every(([, entry]) => entry.sequence >= round * count));
        moments++;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await folded;
    }
    assert.ok(moments > 10, `looked ${moments} times`);
    await store.close();
  });

  it('is busy while a fold is behind, and ready again after it', async () => {
    const store = await openLmdbStore({
      directory: directory.path,
      activeLimitKeys: 100,
      foldIdleMs: 60_000,
    });
    let number = 0;
    while (!store.isBusy()) {
      store.writeEntry(asKey(`k${number}`), entryNumber(number));
      store.writeRow(ORIGIN, ++number, asKey(`k${number}`));
      store.commit({ committed: () => undefined, durable: () => undefined, failed: fail });
      assert.ok(number <= 1_000);
    }
    await store.whenReady();
    assert.equal(store.isBusy(), false);
    await store.close();
  });
});
