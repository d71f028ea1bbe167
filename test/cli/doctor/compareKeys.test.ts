/** The comparison of keys over real client ports, in front of stores without peers: how far it descends, and what it takes for a difference. */
import assert from 'node:assert/strict';
import { compareKeys } from '../../../src/cli/doctor/compareKeys.ts';
import type { Compared } from '../../../src/cli/doctor/compareKeys.ts';
import type { Store } from '../../../src/core/store.ts';
import type { Entry, Key } from '../../../src/core/types.ts';
import { digestParts, divideRange, markRange } from '../../../src/peer/rangeDigests.ts';
import { startRedisServer, type RedisServer } from '../../../src/server/server.ts';
import { openMemoryStore } from '../../../src/storage/memoryStore.ts';
import { loadHashing } from '../../../src/wire/hash.ts';
import { createMapBackend } from '../../server/mapBackend.ts';
import { entryNumber } from '../../storage/entries.ts';

interface Stand {
  readonly store: Store;
  /** By origin; what its STATUS says. */
  vector: Record<string, number>;
  /** Called before each STATUS is answered. */
  onStatus: () => void;
  readonly compared: Compared;
  /** Entries hashed for answers. */
  hashed: number;
}

const OPTIONS = { above: 0, maxKeys: 20, settleMs: 400 };

function keyNumber(number: number): Key {
  return `key:${String(number).padStart(7, '0')}` as Key;
}

/** An entry that never expires. */
function plain(number: number): Entry {
  return { ...entryNumber(number), expiresAt: 0 };
}

describe('the comparison of keys', () => {
  const servers: RedisServer[] = [];
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });

  async function stand(name: string, keys: number): Promise<Stand> {
    const hashing = await loadHashing();
    const { store } = openMemoryStore({ automatic: true });
    for (let at = 0; at < keys; at += 1) store.writeEntry(keyNumber(at), plain(at));
    const snapshot = () => store.openSnapshot();
    const hash = () => {
      made.hashed += 1;
      return hashing.createHash64();
    };
    const server = await startRedisServer({
      host: '127.0.0.1',
      port: 0,
      acknowledge: 'committed',
      backend: {
        ...createMapBackend(),
        describe: () => {
          made.onStatus();
          return { id: name, keys, lagUpdates: 0, vector: made.vector };
        },
        divideRange: (range, parts) => divideRange(snapshot, hash, range, parts),
        digestParts: (range, bounds) => digestParts(snapshot, hash, range, bounds),
        markRange: (range, count) => markRange(snapshot, hash, range, count),
      },
    });
    servers.push(server);
    const made: Stand = {
      store,
      vector: { 'alpha/1': 1 },
      onStatus: () => undefined,
      hashed: 0,
      compared: { name, address: { host: '127.0.0.1', port: server.port } },
    };
    return made;
  }

  async function stands(...keys: readonly number[]): Promise<readonly Stand[]> {
    return Promise.all(keys.map((count, at) => stand(`peer${at}`, count)));
  }

  const compare = (peers: readonly Stand[], options = OPTIONS) =>
    compareKeys(
      peers.map(({ compared }) => compared),
      options,
    );

  it('finds nothing where all is equal, empty stores and a single peer included', async () => {
    for (const keys of [[0, 0], [3000, 3000, 3000], [10]]) {
      const found = await compare(await stands(...keys));
      assert.deepEqual(
        [found.differing, found.unsettled, found.unseenKeys, found.fault],
        [[], [], 0, undefined],
      );
    }
  });

  it('finds a value, a tag, a key that is missing and one that is too many among 20,000, and reads little twice', async () => {
    const [one, two] = await stands(20_000, 20_000);
    assert.ok(one && two);
    two.store.writeEntry(keyNumber(11), { ...plain(11), value: Buffer.from('other') });
    two.store.writeEntry(keyNumber(9000), { ...plain(9000), sequence: 1 });
    two.store.removeEntry(keyNumber(19_999));
    two.store.writeEntry('zzz' as Key, plain(5));
    const { differing, unsettled, unseenKeys } = await compare([one, two]);
    assert.deepEqual(
      differing.map(({ key }) => key),
      [keyNumber(11), keyNumber(9000), keyNumber(19_999), 'zzz'],
    );
    assert.deepEqual([unsettled.length, unseenKeys], [0, 0]);
    assert.equal(differing[2]?.held.get('peer1'), undefined);
    assert.equal(differing[2]?.held.get('peer0')?.sequence, 19_999);
    assert.equal(differing[1]?.held.get('peer1')?.sequence, 1);
    // Once whole, then the parts that differ: 64 of at most 640 keys.
    assert.ok(two.hashed < 20_000 + 5000, `${two.hashed} entries hashed`);
  }).timeout(30_000);

  it('names no more keys than asked for, and says how many there may be', async () => {
    const { differing, unseenKeys } = await compare(await stands(5000, 0, 5000), { ...OPTIONS, maxKeys: 5 });
    assert.deepEqual(
      differing.map(({ key }) => key),
      [0, 1, 2, 3, 4].map(keyNumber),
    );
    assert.ok(unseenKeys >= 4000 && unseenKeys <= 5000, `${unseenKeys} more`);
  }).timeout(30_000);

  it('lets a key be that becomes equal while it looks again', async () => {
    const [one, two] = await stands(1000, 1000);
    assert.ok(one && two);
    one.store.writeEntry(keyNumber(3), plain(2000));
    one.vector = { 'alpha/1': 2 };
    let asked = 0;
    two.onStatus = () => {
      asked += 1;
      if (asked < 3) return;
      two.store.writeEntry(keyNumber(3), plain(2000));
      two.vector = { 'alpha/1': 2 };
    };
    const { differing, unsettled } = await compare([one, two]);
    assert.deepEqual([differing, unsettled], [[], []]);
    assert.ok(asked >= 3);
  });

  it('leaves open what may be on its way, and calls it a difference where the loser has recorded the winner', async () => {
    const [one, two] = await stands(100, 100);
    assert.ok(one && two);
    const winner = {
      ...plain(2000),
      id: 'alpha' as Entry['id'],
      incarnation: 1 as Entry['incarnation'],
      sequence: 9,
    };
    one.store.writeEntry(keyNumber(3), winner);
    one.vector = { 'alpha/1': 9 };
    two.vector = { 'alpha/1': 8 };
    const open = await compare([one, two]);
    assert.deepEqual([open.differing.length, open.unsettled.map(({ key }) => key)], [0, [keyNumber(3)]]);
    // I2: recorded, and not held; that something else is still on its way does not matter.
    two.vector = { 'alpha/1': 9, 'beta/1': 4 };
    const settled = await compare([one, two]);
    assert.deepEqual([settled.differing.map(({ key }) => key), settled.unsettled], [[keyNumber(3)], []]);
  });

  it('does not count what a horizon allows to be gone', async () => {
    const [one, two] = await stands(10, 10);
    assert.ok(one && two);
    const gone = { ...plain(3), kind: 'tombstone', value: new Uint8Array(0) } as const;
    one.store.writeEntry('gone' as Key, gone);
    assert.equal((await compare([one, two])).differing.length, 1);
    assert.equal((await compare([one, two], { ...OPTIONS, above: gone.timestamp })).differing.length, 0);
  });

  it('says so where a peer does not answer', async () => {
    const [one, two] = await stands(10, 10);
    assert.ok(one && two);
    await servers.pop()?.close();
    assert.match((await compare([one, two])).fault ?? '', /cannot reach a peer/);
  });
});
