/** Peers that were started apart and then put into one servers.txt: nothing is lost without a word. */
import assert from 'node:assert/strict';
import { defaultSettings } from '../../src/core/settings.ts';
import { Cluster } from './cluster.ts';

const QUICK = { ...defaultSettings, gcUpdateCount: 3, gcIntervalMs: 1000 };
const BOTH = ['alpha', 'beta'];

describe('peers that were started apart', () => {
  /** Each ran alone, with rounds of its own that folded a dead incarnation; then both are listed. */
  function startApart(keysOf: Readonly<Record<string, number>>, restarted: readonly string[] = []): Cluster {
    const listed: Record<string, readonly string[]> = { alpha: ['alpha'], beta: ['beta'] };
    const cluster = new Cluster(BOTH, 1, QUICK, false, (id) => listed[id] ?? []);
    cluster.run(100);
    for (const id of BOTH)
      for (let at = 0; at < (keysOf[id] ?? 0); at += 1) cluster.write(id, `${id}${at}`, '1');
    cluster.run(3000);
    cluster.restart('alpha');
    cluster.run(5000);
    for (const id of BOTH) listed[id] = BOTH;
    for (const id of BOTH)
      if (restarted.includes(id)) cluster.restart(id);
      else cluster.reload(id);
    cluster.run(20_000);
    return cluster;
  }

  const told = (cluster: Cluster): string[] =>
    cluster.notices.filter(({ name }) => name === 'startedApart').map(({ at }) => at);

  it('keep their data, exchange none, and say so, where both hold some', () => {
    const cluster = startApart({ alpha: 6, beta: 2 });
    assert.equal(Object.keys(cluster.contents('alpha')).length, 6);
    assert.equal(Object.keys(cluster.contents('beta')).length, 2);
    assert.deepEqual(told(cluster).sort(), BOTH);
    for (const id of BOTH) assert.equal(cluster.write(id, 'more', '1'), undefined, id);
  });

  for (const restarted of [[], ['beta'], BOTH])
    it(`become one where one holds nothing, ${restarted.join(' and ') || 'nobody'} started again`, () => {
      const cluster = startApart({ alpha: 6 }, restarted);
      assert.equal(Object.keys(cluster.contents('beta')).length, 6);
      assert.deepEqual(cluster.contents('beta'), cluster.contents('alpha'));
      assert.deepEqual(told(cluster), []);
      cluster.write('beta', 'more', '1');
      cluster.run(1000);
      assert.equal(cluster.read('alpha', 'more'), '1');
    });

  it('become one where neither holds anything', () => {
    const cluster = startApart({}, BOTH);
    for (const id of BOTH) assert.equal(cluster.write(id, id, '1'), undefined);
    cluster.run(1000);
    assert.deepEqual(cluster.contents('beta'), cluster.contents('alpha'));
    assert.equal(Object.keys(cluster.contents('beta')).length, 2);
  });

  it('agree on one history at a first start, whoever begins first', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const cluster = new Cluster(['alpha', 'beta', 'gamma'], seed, QUICK, false);
      cluster.run(3000);
      assert.equal(
        new Set(cluster.members.map(({ state }) => state.lineage.present)).size,
        1,
        `seed ${seed}`,
      );
    }
  });

  it('have it from the moment they begin, for a power cut could take from one what they agreed on later', () => {
    const cluster = new Cluster(['alpha', 'beta', 'gamma'], 1, QUICK, false);
    const found = new Map<string, number>();
    for (let ms = 0; ms < 1000; ms += 1) {
      cluster.run(1);
      for (const { id, state } of cluster.members)
        if (state.phase === 'member' && !found.has(id)) found.set(id, state.lineage.present);
    }
    assert.equal(found.size, 3);
    assert.equal(new Set(found.values()).size, 1);
  });
});
