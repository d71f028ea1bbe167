/** Keys that expire (protocol.md, section 8): noticed in time, by everyone for itself, as tombstones under their own tags. */
import assert from 'node:assert/strict';
import { hasExpired } from '../../src/core/expiry.ts';
import { findBrokenInvariants } from '../../src/core/invariants.ts';
import { defaultLimits, defaultSettings } from '../../src/core/settings.ts';
import { compareTags, type Entry, type Key } from '../../src/core/types.ts';
import { digestEntries } from '../../src/peer/digest.ts';
import { loadHashing } from '../../src/wire/hash.ts';
import { Cluster } from './cluster.ts';
import { THREE } from './three.ts';

const HOUR_MS = 3_600_000;
/** No round ends in these tests unless one says so. */
const NO_ROUNDS = { ...defaultSettings, gcIntervalMs: 1e9 };
/** Longer than from the moment of an expiry to when it is noticed. */
const NOTICED_MS = 100;

function threePeers(settings = NO_ROUNDS): Cluster {
  const cluster = new Cluster(THREE, 1, settings);
  cluster.run(2000);
  return cluster;
}

function entryAt(cluster: Cluster, id: string, key: string): Entry | undefined {
  return cluster.at(id).disk.store.readEntry(key as Key);
}

function assertSound(cluster: Cluster): void {
  for (const { id, state } of cluster.members) assert.deepEqual(findBrokenInvariants(state), [], id);
}

describe('expiry', () => {
  it('leaves a tombstone under its own tag at every peer, and nothing is sent for it', () => {
    const cluster = threePeers();
    cluster.write('alpha', 'k', 'v', 1000);
    cluster.run(500);
    for (const id of THREE) assert.equal(cluster.read(id, 'k'), 'v', id);
    const written = entryAt(cluster, 'alpha', 'k');
    cluster.sent.length = 0;
    cluster.run(500 + NOTICED_MS);
    for (const { id, state } of cluster.members) {
      assert.equal(cluster.read(id, 'k'), undefined, id);
      const entry = entryAt(cluster, id, 'k');
      assert.ok(entry !== undefined && written !== undefined);
      assert.equal(compareTags(entry, written), 0, id);
      assert.deepEqual(
        [entry.kind, entry.expiresAt, entry.value.length],
        ['tombstone', written.expiresAt, 0],
      );
      assert.deepEqual([state.visibleKeys, state.tombstones.count, state.counters.entriesExpired], [0, 1, 1]);
    }
    const kinds = new Set(cluster.sent.map(({ message }) => message.kind));
    assert.deepEqual([...kinds].sort(), ['heartbeat', 'keepalive']);
    assertSound(cluster);
  });

  it('tells of what was there to whoever follows changes', () => {
    const cluster = threePeers();
    cluster.write('alpha', 'k', 'v', 1000);
    cluster.run(10);
    const { state } = cluster.at('beta');
    state.changes.length = 0;
    cluster.run(1000 + NOTICED_MS);
    assert.deepEqual(
      state.changes.map(({ key, previous, entry }) => [key, previous?.kind, entry?.kind]),
      [['k', 'value', 'tombstone']],
    );
  });

  it('heeds the last time that was given: renewed, made to last, deleted, written in the same moment', () => {
    const cluster = threePeers();
    for (const key of ['renewed', 'lasting', 'deleted', 'ends']) cluster.write('alpha', key, '1', 1000);
    cluster.run(10);
    cluster.write('alpha', 'renewed', '2', 5000);
    cluster.write('beta', 'lasting', '2');
    cluster.write('gamma', 'deleted', undefined);
    cluster.run(1000 + NOTICED_MS);
    for (const id of THREE) {
      assert.equal(cluster.read(id, 'renewed'), '2', id);
      assert.equal(cluster.read(id, 'lasting'), '2', id);
      assert.equal(cluster.read(id, 'ends'), undefined, id);
      assert.equal(entryAt(cluster, id, 'ends')?.kind, 'tombstone', id);
    }
    cluster.run(4000);
    for (const id of THREE) assert.equal(entryAt(cluster, id, 'renewed')?.kind, 'tombstone', id);
    assertSound(cluster);
  });

  it('is noticed after a time when nothing was to expire, though one that was gone is still remembered', () => {
    const cluster = threePeers();
    cluster.write('alpha', 'gone', '1', 5000);
    cluster.run(100);
    cluster.write('alpha', 'gone', undefined);
    cluster.run(2500); // long enough for the peers to stop looking, if they would
    cluster.write('alpha', 'k', 'v', 10_000);
    cluster.run(10_000 + NOTICED_MS);
    for (const id of THREE) assert.equal(entryAt(cluster, id, 'k')?.kind, 'tombstone', id);
  });

  it('is found by walking through the store: more keys than are remembered, and after a restart', () => {
    const limits = { ...defaultLimits, maxQueuedExpiries: 3, sweepEntries: 4 };
    const cluster = threePeers({ ...NO_ROUNDS, limits });
    for (let at = 0; at < 40; at += 1) cluster.write('alpha', `k${at}`, 'v', at % 2 === 0 ? 3000 : 500_000);
    cluster.run(2000);
    cluster.restart('beta');
    cluster.run(2000);
    for (const id of THREE)
      for (let at = 0; at < 40; at += 2) assert.equal(cluster.read(id, `k${at}`), undefined);
    // Reading does not wait for the walk.
    cluster.run(2000);
    for (const { id, state } of cluster.members) {
      assert.equal(state.tombstones.count, 20, id);
      assert.equal(cluster.read(id, 'k1'), 'v', id);
    }
    cluster.run(492_000);
    for (const { id, state } of cluster.members) {
      assert.equal(state.tombstones.count, 20, id);
      assert.ok(state.expiries.heap.length <= 2 * limits.maxQueuedExpiries, id);
    }
    cluster.run(4000);
    for (const { id, state } of cluster.members) assert.equal(state.tombstones.count, 40, id);
    assertSound(cluster);
  });

  it('does not come undone: who has said that a key is gone goes on saying so when its wall steps back', () => {
    const cluster = new Cluster(['alpha'], 1, NO_ROUNDS);
    cluster.write('alpha', 'k', 'v', 1000);
    const { state } = cluster.at('alpha');
    const expiresAt = entryAt(cluster, 'alpha', 'k')?.expiresAt ?? 0;
    const member = cluster.at('alpha');
    member.offsetMs = 1000;
    assert.equal(hasExpired(state, cluster.now(member), expiresAt), true);
    member.offsetMs = -HOUR_MS;
    assert.equal(hasExpired(state, cluster.now(member), expiresAt), true);
    assert.equal(hasExpired(state, cluster.now(member), 0), false);
  });

  it('goes by the others where its wall is an hour from theirs, ahead or behind', () => {
    for (const offsetMs of [HOUR_MS, -HOUR_MS]) {
      const cluster = threePeers();
      cluster.at('gamma').offsetMs = offsetMs;
      cluster.run(2000);
      cluster.write('alpha', 'k', 'v', 5000);
      cluster.run(4000);
      assert.equal(cluster.read('gamma', 'k'), 'v', `${offsetMs}`);
      cluster.run(1000 + defaultSettings.maxDriftMs);
      assert.equal(cluster.read('gamma', 'k'), undefined, `${offsetMs}`);
    }
  });

  it("goes on by the others' time where they are not heard any more, whatever its wall was and is set to", () => {
    for (const [offsetMs, laterMs] of [
      [-HOUR_MS, -HOUR_MS],
      [-HOUR_MS, 0],
      [HOUR_MS, HOUR_MS],
      [0, HOUR_MS],
    ] as const) {
      const cluster = threePeers();
      cluster.at('gamma').offsetMs = offsetMs;
      cluster.write('alpha', 'k', 'v', 20_000);
      cluster.run(8000);
      cluster.loses = (_message, from, to) => from === 'gamma' || to === 'gamma';
      cluster.run(5000);
      cluster.at('gamma').offsetMs = laterMs;
      cluster.run(5000);
      const what = `${offsetMs}, then ${laterMs}`;
      assert.equal(cluster.read('gamma', 'k'), 'v', what);
      cluster.run(2000 + defaultSettings.maxDriftMs + NOTICED_MS);
      assert.equal(cluster.read('gamma', 'k'), undefined, what);
    }
  });

  it('R8: it is forgotten when the horizon is past its expiry, not when it is past its tag', () => {
    const cluster = threePeers({ ...defaultSettings, gcIntervalMs: 200 });
    cluster.write('alpha', 'k', 'v', 20_000);
    cluster.run(10_000);
    for (const { id, state } of cluster.members) {
      const entry = entryAt(cluster, id, 'k');
      assert.ok(entry !== undefined && state.horizon > entry.timestamp, id);
      assert.equal(cluster.read(id, 'k'), 'v', id);
    }
    cluster.run(10_000 + NOTICED_MS);
    const { state } = cluster.at('beta');
    const entry = entryAt(cluster, 'beta', 'k');
    assert.ok(entry === undefined || state.horizon < entry.expiresAt);
    cluster.run(5000);
    for (const { id } of cluster.members) assert.equal(entryAt(cluster, id, 'k'), undefined, id);
    assertSound(cluster);
  });

  it('makes no difference to digests whether it was noticed already', async () => {
    const hashing = await loadHashing();
    const digestOf = (entry: Entry) =>
      digestEntries(
        (async function* () {
          yield ['k' as Key, entry] as const;
          await Promise.resolve();
        })(),
        hashing.createHash64(),
      );
    const cluster = threePeers();
    cluster.write('alpha', 'k', 'v', 1000);
    const value = entryAt(cluster, 'alpha', 'k');
    cluster.run(1000 + NOTICED_MS);
    const tombstone = entryAt(cluster, 'alpha', 'k');
    assert.ok(value !== undefined && tombstone !== undefined);
    assert.deepEqual([value.kind, tombstone.kind], ['value', 'tombstone']);
    assert.equal((await digestOf(value)).digest, (await digestOf(tombstone)).digest);
    assert.notEqual(
      (await digestOf(value)).digest,
      (await digestOf({ ...value, timestamp: value.timestamp + 1 } as Entry)).digest,
    );
  });
});
