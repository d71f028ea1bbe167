/** Section 8 over restarts and cuts: what was measured of a clock says nothing of the clock that was set since. */
import assert from 'node:assert/strict';
import { Cluster } from './cluster.ts';

const THREE = ['alpha', 'beta', 'gamma'];
const FAST_MS = 10_000;

function assertTakesWrites(cluster: Cluster, id: string, forMs: number): void {
  for (let at = 0; at < forMs; at += 10) {
    cluster.run(10);
    assert.equal(cluster.write(id, 'k', `${at}`), undefined, `refused after ${at} ms`);
  }
}

describe('a clock that is set right', () => {
  it('together with a restart refuses no write, there or elsewhere', () => {
    const cluster = new Cluster(THREE);
    cluster.run(3000);
    cluster.at('alpha').offsetMs = FAST_MS;
    cluster.run(5000);
    assert.equal(cluster.write('alpha', 'k', 'early')?.code, 'CLOCK_AHEAD');
    cluster.at('alpha').offsetMs = 0;
    cluster.restart('alpha');
    assertTakesWrites(cluster, 'alpha', 4000);
    assert.deepEqual(
      cluster.notices.filter(({ at, name }) => at !== 'alpha' && name.startsWith('clock')),
      [],
    );
  });

  it('during a cut refuses no write when the cut heals', () => {
    for (const isTwoWay of [true, false]) {
      const cluster = new Cluster(THREE);
      cluster.run(3000);
      cluster.at('alpha').offsetMs = FAST_MS;
      cluster.run(3000);
      cluster.loses = (_message, from, to) => from === 'alpha' || (isTwoWay && to === 'alpha');
      cluster.run(3000);
      cluster.at('alpha').offsetMs = 0;
      cluster.run(3000);
      cluster.loses = () => false;
      assertTakesWrites(cluster, 'alpha', 4000);
    }
  });

  it('is still found fast at once when it is not: a restart and a cut hide nothing', () => {
    const cluster = new Cluster(THREE);
    cluster.run(3000);
    cluster.at('alpha').offsetMs = FAST_MS;
    cluster.restart('alpha');
    cluster.run(600);
    assert.equal(cluster.write('alpha', 'k', 'early')?.code, 'CLOCK_AHEAD');
    cluster.loses = (_message, from, to) => from === 'alpha' || to === 'alpha';
    cluster.run(3000);
    cluster.loses = () => false;
    cluster.run(600);
    assert.equal(cluster.write('alpha', 'k', 'early')?.code, 'CLOCK_AHEAD');
  });
});
