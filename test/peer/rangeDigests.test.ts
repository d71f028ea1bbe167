/** Ranges of keys divided and hashed: what two peers compare, and how long a turn of it is. */
import assert from 'node:assert/strict';
import type { Store } from '../../src/core/store.ts';
import type { Entry, Key } from '../../src/core/types.ts';
import { digestParts, divideRange, markRange, type DigestRange } from '../../src/peer/rangeDigests.ts';
import { openLmdbStore } from '../../src/storage/lmdbStore.ts';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';
import { loadHashing, type Hashing } from '../../src/wire/hash.ts';
import { asKey, commitTurn, entryNumber } from '../storage/entries.ts';
import { makeTemporaryDirectory } from '../storage/temporaryStores.ts';

const ALL: DigestRange = { from: undefined, before: undefined, above: 0 };

function keyNumber(number: number): Key {
  return asKey(`k${String(number).padStart(6, '0')}`);
}

/** `count` entries that never expire. */
function storeOf(count: number): Store {
  const { store } = openMemoryStore({ automatic: true });
  for (let at = 0; at < count; at += 1) store.writeEntry(keyNumber(at), { ...entryNumber(at), expiresAt: 0 });
  return store;
}

describe('digests of ranges', () => {
  let hashing: Hashing;
  before(async () => {
    hashing = await loadHashing();
  });
  const divide = (store: Store, range: DigestRange, parts: number) =>
    divideRange(
      () => store.openSnapshot(),
      () => hashing.createHash64(),
      range,
      parts,
    );
  const digestAt = (store: Store, range: DigestRange, bounds: readonly Key[]) =>
    digestParts(
      () => store.openSnapshot(),
      () => hashing.createHash64(),
      range,
      bounds,
    );
  const mark = (store: Store, range: DigestRange, count: number) =>
    markRange(
      () => store.openSnapshot(),
      () => hashing.createHash64(),
      range,
      count,
    );

  it('divides evenly into no more parts than asked for, whatever their number', async () => {
    for (const [keys, parts] of [
      [0, 8],
      [1, 8],
      [8, 8],
      [9, 8],
      [1000, 8],
      [1000, 1],
      [997, 7],
      [5, 1000],
    ] as const) {
      const divided = await divide(storeOf(keys), ALL, parts);
      const counts = divided.map(({ count }) => count);
      assert.equal(
        counts.reduce((sum, count) => sum + count, 0),
        keys,
        `${keys} keys in ${parts}`,
      );
      assert.ok(
        counts.length <= parts && counts.length >= Math.min(keys, Math.ceil(parts / 2)),
        `${counts.length}`,
      );
      assert.ok(
        counts.slice(0, -1).every((count) => count === counts[0]),
        counts.join(' '),
      );
    }
  });

  it('answers alike where another peer is asked for the same parts', async () => {
    const store = storeOf(1000);
    for (const parts of [1, 3, 64, 1000]) {
      const divided = await divide(store, ALL, parts);
      assert.deepEqual(
        await digestAt(
          storeOf(1000),
          ALL,
          divided.map(({ from }) => from),
        ),
        divided,
      );
    }
    const range = { ...ALL, from: keyNumber(100), before: keyNumber(200) };
    const inside = await divide(store, range, 10);
    assert.equal(
      inside.reduce((sum, { count }) => sum + count, 0),
      100,
    );
    assert.equal(inside[0]?.from, keyNumber(100));
    assert.deepEqual(
      await digestAt(
        store,
        range,
        inside.map(({ from }) => from),
      ),
      inside,
    );
  });

  it('differs in the one part that holds another value, another tag, one key more or one less', async () => {
    const bounds = Array.from({ length: 10 }, (_, at) => keyNumber(at * 100));
    const expected = await digestAt(storeOf(1000), ALL, bounds);
    const changes: readonly ((store: Store, entry: Entry) => void)[] = [
      (store, entry) => {
        store.writeEntry(keyNumber(456), { ...entry, value: Buffer.from('other') });
      },
      (store, entry) => {
        store.writeEntry(keyNumber(456), { ...entry, sequence: entry.sequence + 1 });
      },
      (store, entry) => {
        store.writeEntry(asKey(`${keyNumber(456)}x`), entry);
      },
      (store) => {
        store.removeEntry(keyNumber(456));
      },
    ];
    for (const change of changes) {
      const store = storeOf(1000);
      const entry = store.readEntry(keyNumber(456));
      assert.ok(entry);
      change(store, entry);
      const seen = await digestAt(store, ALL, bounds);
      const differing = seen.flatMap(({ digest }, at) => (digest === expected[at]?.digest ? [] : [at]));
      assert.deepEqual(differing, [4]);
    }
  });

  it('leaves out what a horizon allows to be gone, and nothing else', async () => {
    const base = { ...entryNumber(1), expiresAt: 0 };
    const nothing = new Uint8Array(0);
    const at = base.timestamp;
    const store = storeOf(0);
    store.writeEntry(asKey('a value stays'), base);
    store.writeEntry(asKey('b tombstone'), { ...base, kind: 'tombstone', value: nothing });
    store.writeEntry(asKey('c synthetic'), { ...base, kind: 'synthetic', value: nothing });
    store.writeEntry(asKey('d expired'), { ...base, expiresAt: at });
    store.writeEntry(asKey('e expires later'), { ...base, expiresAt: at + 1 });
    const keys = async (above: number) => (await mark(store, { ...ALL, above }, 10)).map(({ key }) => key[0]);
    assert.deepEqual(await keys(0), ['a', 'b', 'c', 'd', 'e']);
    assert.deepEqual(await keys(at - 1), ['a', 'b', 'c', 'd', 'e']);
    assert.deepEqual(await keys(at), ['a', 'e']);
    assert.deepEqual(
      (await divide(store, { ...ALL, above: at }, 1)).map(({ count }) => count),
      [2],
    );
  });

  it('marks no more entries than asked for, with tag and kind', async () => {
    const marks = await mark(storeOf(10), { ...ALL, from: keyNumber(3) }, 2);
    assert.deepEqual(
      marks.map(({ key, sequence, kind }) => [key, sequence, kind]),
      [
        [keyNumber(3), 3, 'value'],
        [keyNumber(4), 4, 'value'],
      ],
    );
  });

  it('refuses bounds that do not ascend', async () => {
    await assert.rejects(digestAt(storeOf(1), ALL, [keyNumber(2), keyNumber(1)]), /bounds of parts ascend/);
  });

  it('lets the event loop go on while it walks, and sees one instant', async () => {
    const store = storeOf(30_000);
    let isDone = false;
    let turns = 0;
    const count = (): void => {
      turns += 1;
      store.removeEntry(keyNumber(29_000 + turns)); // of the snapshot nothing goes
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const [part] = await divide(store, ALL, 1);
    isDone = true;
    assert.ok(turns >= 30_000 / 2000 - 1, `${turns} turns`);
    assert.equal(part?.count, 30_000);
  });

  it('does not pass half of the entries for all when the store is closed meanwhile', async () => {
    const { path, remove } = makeTemporaryDirectory();
    const store = await openLmdbStore({ directory: path });
    for (let at = 0; at < 10_000; at += 1) store.writeEntry(keyNumber(at), entryNumber(at));
    await commitTurn(store);
    await store.fold();
    const digesting = divide(store, ALL, 4);
    const closing = store.close();
    await assert.rejects(digesting, /closed/);
    await closing;
    remove();
  });
});
