/** What a peer says of itself: the reason why it refuses writes, and who holds up collection. */
import assert from 'node:assert/strict';
import { listRemarks, parseStatus } from '../../src/cli/statusReport.ts';
import { Faults } from '../../src/peer/faults.ts';
import { buildStatus, type PeerStatus } from '../../src/peer/status.ts';
import { Cluster } from '../core/cluster.ts';

const THREE = ['alpha', 'beta', 'gamma'];
const MINUTE_MS = 60_000;

function statusOf(cluster: Cluster, id: string): PeerStatus {
  const member = cluster.at(id);
  const faults = new Faults(false, [], () => 0).report();
  return buildStatus(member.state, cluster.now(member), new Map(), new Map(), faults);
}

function remarksOf(cluster: Cluster, id: string): string {
  return listRemarks(id, parseStatus(JSON.stringify(statusOf(cluster, id)))).join('\n');
}

describe('status of refused writes', () => {
  it('says that a clock is fast while it is', () => {
    const cluster = new Cluster(THREE);
    cluster.at('alpha').offsetMs = MINUTE_MS;
    cluster.run(3000);
    const refusal = cluster.write('alpha', 'k', 'v');
    assert.deepEqual(statusOf(cluster, 'alpha').writesRefused, refusal);
    assert.match(
      remarksOf(cluster, 'alpha'),
      /^alpha refuses writes: the clock of alpha is .* set the clock/,
    );
  });

  it('says when time will have caught up where the clock is right and only the last timestamps are ahead', () => {
    const cluster = new Cluster(THREE);
    cluster.at('alpha').offsetMs = MINUTE_MS;
    assert.equal(cluster.write('alpha', 'k', 'written alone'), undefined);
    cluster.at('alpha').offsetMs = 0;
    cluster.run(10_000);
    const status = statusOf(cluster, 'alpha');
    assert.equal(status.clock.verdict, 'right');
    assert.equal(status.writesRefused?.code, 'CLOCK_AHEAD');
    const remark = remarksOf(cluster, 'alpha');
    assert.match(
      remark,
      /last timestamps of alpha, not its clock, .* takes writes again at 00:01:00 UTC, .*nothing needs/,
    );
    assert.doesNotMatch(remark, /set the clock/);
    cluster.run(MINUTE_MS - 10_000);
    assert.equal(statusOf(cluster, 'alpha').writesRefused, null);
    assert.equal(cluster.write('alpha', 'k', 'v'), undefined);
    assert.equal(remarksOf(cluster, 'alpha'), '');
  });
});
