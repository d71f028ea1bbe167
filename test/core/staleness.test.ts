/** What a peer can know of its own lag (staleness.ts): whom it has heard, and whether all is here that was announced. */
import assert from 'node:assert/strict';
import { judgeStaleness, type Staleness } from '../../src/core/staleness.ts';
import type { Cluster } from './cluster.ts';
import { three } from './three.ts';

function staleness(made: Cluster, at: string): Staleness {
  const member = made.at(at);
  return judgeStaleness(member.state, made.now(member));
}

describe('how stale a peer may be', () => {
  it('is the time since the last KEEPALIVE while all arrives, also under load', () => {
    const made = three();
    for (let at = 0; at < 100; at += 1) {
      made.write('alpha', `k${at % 7}`, `${at}`);
      made.run(20);
      const { lagMs } = staleness(made, 'beta');
      assert.ok(lagMs < 300, `${lagMs} ms after ${at} writes`);
    }
  });

  it('grows while updates are announced and do not arrive, and ends when they do', () => {
    const made = three();
    made.loses = ({ kind }, from, to) => to === 'beta' && from === 'alpha' && kind !== 'keepalive';
    made.run(10);
    made.loses = ({ kind }, _from, to) => to === 'beta' && kind !== 'keepalive';
    made.write('alpha', 'k', '1');
    made.run(1500);
    const { lagMs, of, why } = staleness(made, 'beta');
    assert.ok(lagMs > 1200 && lagMs < 1900, `${lagMs}`);
    assert.deepEqual([of, why], ['alpha', 'lacking']);
    made.loses = () => false;
    made.run(1000);
    assert.ok(staleness(made, 'beta').lagMs < 300);
  });

  it('grows while a member is not heard, also when it counts as dead, until it is heard or forgotten', () => {
    const made = three();
    made.loses = (_message, from, to) => from === 'gamma' || to === 'gamma';
    made.run(5000);
    const { lagMs, of, why } = staleness(made, 'alpha');
    assert.ok(lagMs > 4700 && lagMs < 5300, `${lagMs}`);
    assert.deepEqual([of, why], ['gamma', 'unheard']);
    assert.ok(of !== undefined && made.at('alpha').state.peers.get(of)?.isLive === false);
  });

  it('waits for nobody who has said that it stops, once all that it wrote is here', () => {
    for (const isLost of [false, true]) {
      const made = three();
      made.loses = ({ kind }, _from, to) => isLost && to === 'alpha' && ['update', 'sync'].includes(kind);
      made.write('gamma', 'k', '1');
      made.run(600);
      made.at('gamma').isUp = false;
      made.deliver('gamma', 'alpha', { kind: 'leaving' });
      made.loses = ({ kind }, _from, to) => isLost && to === 'alpha' && ['update', 'sync'].includes(kind);
      made.run(4000);
      const { lagMs, of } = staleness(made, 'alpha');
      if (isLost) assert.ok(lagMs > 4000 && of === 'gamma', `${lagMs} of ${of ?? ''}`);
      else assert.ok(lagMs < 300, `${lagMs}`);
    }
  });

  it('is unknown after a start until all have been heard, and after a standstill', () => {
    const made = three();
    made.restart('alpha');
    assert.equal(staleness(made, 'alpha').lagMs, Infinity);
    made.run(2000);
    assert.ok(staleness(made, 'alpha').lagMs < 300);
    made.at('alpha').isPaused = true;
    made.run(5000);
    made.resumeTimers('alpha');
    assert.deepEqual(staleness(made, 'alpha'), { lagMs: Infinity, of: undefined, why: 'standstill' });
    made.resume('alpha');
    made.run(2000);
    assert.ok(staleness(made, 'alpha').lagMs < 300);
  });

  it('is unknown while another claims what a process that has ended wrote', () => {
    const made = three();
    made.loses = ({ kind }, _from, to) => to === 'alpha' && ['update', 'sync'].includes(kind);
    made.write('gamma', 'k', '1');
    made.run(600);
    made.restart('gamma');
    made.run(1500);
    const { lagMs, why } = staleness(made, 'alpha');
    assert.deepEqual([lagMs, why], [Infinity, 'lacking']);
    made.loses = () => false;
    made.run(2000);
    assert.ok(staleness(made, 'alpha').lagMs < 300);
  });
});
