/** Waiting for other peers' disks: when a wait is over, whose word counts, who is asked and how often, and what a deadline means. */
import assert from 'node:assert/strict';
import { raiseAlarm } from '../../src/core/alarms.ts';
import { learnMembers } from '../../src/core/members.ts';
import { onAsk } from '../../src/core/heldUpdates.ts';
import {
  awaitReplication,
  copiesOf,
  endReplicationWait,
  findReplicationRefusal,
  type Copies,
  type ReplicationGoal,
} from '../../src/core/replication.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { Incarnation, Key, PeerId } from '../../src/core/types.ts';
import type { Cluster, Member } from './cluster.ts';
import { QUICK, sent, THREE, three } from './three.ts';

const copies = (count: Copies): ReplicationGoal => ({ kind: 'copies', copies: count });
const others = (count: number): ReplicationGoal => ({ kind: 'others', count });

/** What a peer's disk would show after a power cut of another's updates: the last one without a gap. */
function durableThrough(at: Member, of: Member): number {
  const [, , contiguous = 0] = (at.disk.readDurableState(`vector/${of.state.own.key}`) ?? []) as [
    string?,
    number?,
    number?,
  ];
  return contiguous;
}

/** Nothing passes between one peer and the others. */
function cutOff(made: Cluster, id: string): void {
  made.loses = (_message, from, to) => from === id || to === id;
}

describe('waiting for other disks', () => {
  for (const [goal, least] of [
    [copies(1), 1],
    [copies(2), 2],
    [copies('majority'), 2],
    [copies('all'), 3],
    [others(2), 2],
  ] as const)
    it(`is over when the disks have it: ${JSON.stringify(goal)}`, () => {
      const made = three();
      made.replicate('alpha', 'a', goal);
      const alpha = made.at('alpha');
      while (alpha.replicated.length === 0) made.run(0.05);
      assert.ok(made.timeMs < 1100, `after ${made.timeMs - 1000} ms`);
      const [outcome] = alpha.replicated;
      const sequence = alpha.state.own.have.contiguous;
      const durable = THREE.filter((id) => durableThrough(made.at(id), alpha) >= sequence);
      assert.equal(outcome?.isReached, true);
      assert.ok(outcome.onDisk.length >= least);
      for (const id of outcome.onDisk) assert.ok(durable.includes(id), `${id} has it on disk`);
      assert.deepEqual([...outcome.onDisk, ...outcome.silent].sort(), THREE);
    });

  it('never hears of a disk that has not flushed', () => {
    const made = three();
    let answers = 0;
    made.loses = (message, from, to) => {
      if (message.kind !== 'held') return false;
      assert.equal(to, 'alpha');
      assert.ok(durableThrough(made.at(from), made.at('alpha')) >= message.sequence);
      answers += 1;
      return false;
    };
    for (let at = 0; at < 50; at += 1) {
      made.replicate('alpha', `k${at}`, copies('all'));
      made.run(0.4);
    }
    made.run(100);
    assert.equal(made.at('alpha').replicated.filter(({ isReached }) => isReached).length, 50);
    assert.ok(answers > 50);
  });

  it('that cannot be over in time says who has it and who has not said so; the write stands, and arrives later', () => {
    const made = three();
    cutOff(made, 'gamma');
    const number = made.replicate('alpha', 'a', copies('all'), 300);
    made.run(299);
    assert.deepEqual(made.at('alpha').replicated, []);
    made.run(2);
    assert.deepEqual(made.at('alpha').replicated, [
      { number, isReached: false, onDisk: ['alpha', 'beta'], silent: ['gamma'] },
    ]);
    made.loses = () => false;
    made.run(3000);
    assert.equal(made.read('gamma', 'a'), 'a');
    assert.equal(made.at('alpha').state.counters.replicationsUnknown, 1);
  });

  it('does without the others what only needs one disk, and counts the own one once', () => {
    const made = three();
    made.loses = (_message, from, to) => from === 'alpha' || to === 'alpha';
    made.replicate('alpha', 'a', copies(1), 100);
    made.replicate('alpha', 'b', copies(2), 100);
    made.run(200);
    assert.deepEqual(
      made.at('alpha').replicated.map(({ isReached, onDisk }) => [isReached, onDisk]),
      [
        [true, ['alpha']],
        [false, ['alpha']],
      ],
    );
  });

  it('asks again when an ASK, a HELD or the update itself was lost', () => {
    for (const kind of ['ask', 'held', 'update'] as const) {
      const made = three();
      const lost = new Set<string>();
      made.loses = (message, from, to) => {
        if (message.kind !== kind || lost.has(`${from} ${to}`)) return false;
        lost.add(`${from} ${to}`);
        return true;
      };
      made.replicate('alpha', 'a', copies('all'));
      made.run(120);
      assert.equal(made.at('alpha').replicated[0]?.isReached, true, kind);
      assert.ok(lost.size > 0);
    }
  });

  it('asks the silent with growing pauses, and nobody once it is over', () => {
    const made = three();
    cutOff(made, 'gamma');
    made.replicate('alpha', 'a', copies('all'), 2000);
    made.run(2500);
    const asks = sent(made, 'ask', 'alpha');
    // At once to all, then to gamma while it counts as live.
    assert.equal(asks.filter(({ to }) => to === '*').length, 1);
    assert.ok(asks.length > 3 && asks.length < 15, `${asks.length} asked`);
    assert.ok(asks.slice(1).every(({ to }) => to === 'gamma'));
    made.loses = () => false;
    made.run(3000);
    assert.equal(sent(made, 'ask').length, asks.length);
    // The update may come behind the ASK: then what was missing is told of once more.
    const answers = sent(made, 'held').map(({ from }) => from);
    assert.ok(answers.length <= 2 && answers.every((from) => from === 'beta'), answers.join(' '));
  });

  it('costs one ASK and one HELD a member however many writes share a turn, or ASKs one', () => {
    const made = three();
    const [alpha, beta] = [made.at('alpha'), made.at('beta')];
    const now = made.now(beta);
    const view = beta.state.peers.get('alpha' as PeerId);
    assert.ok(view !== undefined);
    for (let at = 1; at <= 100; at += 1)
      onAsk(beta.state, now, view, alpha.state.self.incarnation, { kind: 'ask', sequence: at % 7 });
    assert.equal(beta.state.asks.size, 1); // I14
    made.deliver('gamma', 'beta', { kind: 'leaving' }); // ends the turn
    made.run(20);
    assert.equal(sent(made, 'held', 'beta').length, 1, 'it lacks them');
    for (let at = 0; at < 6; at += 1) made.write('alpha', `k${at}`, '1');
    made.run(50);
    assert.equal(sent(made, 'held', 'beta').length, 2, 'and has them all');
    const waits = [1, 2, 3].map((count) =>
      awaitReplication(alpha.state, made.now(alpha), copies(count), 6, 1000),
    );
    made.replicate('alpha', 'last', copies(1));
    made.run(50);
    assert.equal(sent(made, 'ask', 'alpha').length, 1);
    assert.equal(alpha.replicated.length, waits.length + 1);
  });

  it('counts a member by the word of its present process alone', () => {
    const made = three();
    cutOff(made, 'gamma');
    const all = made.replicate('alpha', 'a', copies('all'), 5000);
    made.run(50);
    const alpha = made.at('alpha');
    const former = made.at('beta').state.self.incarnation;
    assert.equal(alpha.state.replication.held.get('beta' as PeerId)?.sequence, 1);
    made.loses = (message) => message.kind === 'held' || message.kind === 'ask';
    made.restart('beta');
    made.run(300); // its new process is heard, and has not been asked
    const sequence = alpha.state.own.have.contiguous;
    made.deliver('gamma', 'alpha', { kind: 'held', of: alpha.state.self.incarnation, sequence });
    assert.deepEqual(alpha.replicated, [], 'beta has said nothing since it started anew');
    made.deliver(
      'beta',
      'alpha',
      { kind: 'held', of: alpha.state.self.incarnation, sequence },
      'unicast',
      former,
    );
    assert.deepEqual(alpha.replicated, [], 'what its former process said comes late');
    made.loses = () => false;
    made.run(600);
    assert.deepEqual(
      alpha.replicated.map(({ number, isReached }) => [number, isReached]),
      [[all, true]],
    );
  });

  it('takes no word about another process of this peer, or about what was never written', () => {
    const made = three();
    cutOff(made, 'alpha');
    made.replicate('alpha', 'a', copies(2), 100);
    const { state } = made.at('alpha');
    const { incarnation } = state.self;
    made.deliver('beta', 'alpha', { kind: 'held', of: (incarnation - 1) as Incarnation, sequence: 1 });
    made.deliver('beta', 'alpha', { kind: 'held', of: incarnation, sequence: 2 });
    assert.equal(state.counters.droppedMisdirected, 2);
    made.run(200);
    assert.equal(made.at('alpha').replicated[0]?.isReached, false);
  });

  it('by a process that has ended is not answered', () => {
    const made = three();
    made.replicate('alpha', 'a', copies('all'));
    made.run(50);
    const former = made.at('alpha').state.self.incarnation;
    made.restart('alpha');
    made.run(300);
    const before = sent(made, 'held', 'beta').length;
    made.deliver('alpha', 'beta', { kind: 'ask', sequence: 1 }, 'multicast', former);
    made.run(50);
    assert.equal(sent(made, 'held', 'beta').length, before);
    assert.ok(made.at('beta').state.counters.droppedMisdirected > 0);
  });

  it('is not told that an update is held which came too late to be applied (R4)', () => {
    const made = three();
    made.loses = ({ kind }) => kind === 'alarm';
    const { state } = made.at('beta');
    const alpha = made.at('alpha');
    made.replicate('alpha', 'a', copies(1));
    made.run(20);
    const { id, incarnation } = alpha.state.self;
    raiseAlarm(state, { id, incarnation, sequence: 1, key: 'late' as Key });
    made.deliver('alpha', 'beta', { kind: 'ask', sequence: 1 });
    made.run(20);
    const [answer] = sent(made, 'held', 'beta').slice(-1);
    assert.deepEqual(answer?.message, { kind: 'held', of: incarnation, sequence: 0 });
  });

  it('for all waits for those that are members when it is counted', () => {
    const made = three();
    cutOff(made, 'gamma');
    made.replicate('alpha', 'a', copies('all'), 5000);
    made.run(100);
    assert.deepEqual(made.at('alpha').replicated, []);
    learnMembers(made.at('alpha').state, { admitted: [], forgotten: ['gamma' as PeerId] });
    made.run(300);
    assert.deepEqual(made.at('alpha').replicated[0]?.onDisk, ['alpha', 'beta']);
  });

  it('is refused before anything is written where there are too few members, or too many wait', () => {
    const made = three({ ...QUICK, limits: { ...defaultSettings.limits, maxReplicationWaits: 2 } });
    const { state } = made.at('alpha');
    assert.equal(findReplicationRefusal(state, copies(3)), undefined);
    assert.equal(findReplicationRefusal(state, copies(4))?.code, 'BAD_ARGUMENT');
    assert.equal(findReplicationRefusal(state, others(4)), undefined); // WAIT waits, as Redis does
    cutOff(made, 'alpha');
    made.replicate('alpha', 'a', copies(2));
    const last = made.replicate('alpha', 'b', copies(2));
    assert.equal(findReplicationRefusal(state, copies(2))?.code, 'BUSY');
    endReplicationWait(state, last);
    assert.equal(findReplicationRefusal(state, copies(2)), undefined);
    made.run(1100);
    assert.equal(made.at('alpha').replicated.length, 1, 'the one that was ended is not told of');
  });

  it('counts a majority and all of the members', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((members) => [copiesOf('majority', members), copiesOf('all', members)]),
      [
        [1, 1],
        [2, 2],
        [2, 3],
        [3, 4],
        [3, 5],
      ],
    );
    assert.equal(copiesOf(2, 5), 2);
  });
});
