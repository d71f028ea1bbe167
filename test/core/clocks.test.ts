/** Section 8 over restarts and cuts: what was measured of a clock says nothing of the clock that was set since. */
import assert from 'node:assert/strict';
import { defaultSettings } from '../../src/core/settings.ts';
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

describe('clocks', () => {
  it('are compared at every KEEPALIVE where they are few, and a few times a period where they are many', () => {
    const judgements = (peers: number): number => {
      const made = new Cluster(Array.from({ length: peers }, (_, at) => `p${at + 10}`));
      made.run(1000);
      const { state } = made.at('p10');
      let changes = 0;
      for (let at = 0; at < 4 * defaultSettings.keepaliveMs; at += 1) {
        const before = state.lastClockJudgedMs;
        made.run(1);
        if (state.lastClockJudgedMs !== before) changes += 1;
      }
      return changes / 4;
    };
    assert.ok(judgements(20) > 12, 'nineteen others, less those that are heard in the same millisecond');
    const many = judgements(40);
    assert.ok(many > 3 && many <= 6, `${many} in a period: five, and those of the liveness timer`);
  });
});
