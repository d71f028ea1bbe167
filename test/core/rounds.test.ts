/** Checkpoint rounds, the join gate and dropping, one rule at a time. */
import assert from 'node:assert/strict';
import { learnMembers } from '../../src/core/members.ts';
import type { PreparedMessage, PrepareMessage } from '../../src/core/messages.ts';
import { defaultLimits, defaultSettings } from '../../src/core/settings.ts';
import type { Incarnation, PeerId, Timestamp } from '../../src/core/types.ts';
import { findBrokenInvariants } from '../../src/core/invariants.ts';
import { QUICK, sent, THREE, three } from './three.ts';
import { Cluster } from './cluster.ts';

function assertSound(cluster: Cluster): void {
  for (const member of cluster.members)
    if (member.isUp) assert.deepEqual(findBrokenInvariants(member.state), [], member.id);
}

/** A PREPARE that a member has no reason to refuse. */
function prepareFor(cluster: Cluster, id: string): PrepareMessage {
  const { membershipHash } = cluster.at(id).state;
  const incarnations = cluster.members.map(({ state }) => state.self);
  return { kind: 'prepare', number: 7, membershipHash, incarnations, remembered: 0 as Timestamp };
}

describe('checkpoint rounds', () => {
  it('drop tombstones and table rows that everyone has, and then say nothing more', () => {
    const cluster = three();
    for (let at = 0; at < 20; at += 1) cluster.write('alpha', `k${at}`, 'v');
    for (let at = 0; at < 10; at += 1) cluster.write('beta', `k${at}`, undefined);
    cluster.run(4000);
    for (const { state, disk } of cluster.members) {
      assert.equal(state.tombstones.count, 0);
      assert.equal([...disk.store.entries({})].length, 10);
      assert.equal(disk.store.readRow(state.own.key, 1), undefined);
      assert.ok(state.horizon > 0);
    }
    assertSound(cluster);
    cluster.sent.length = 0;
    cluster.run(5000);
    assert.equal(sent(cluster, 'prepare').length, 0);
  });

  it('begin after so many own updates as well', () => {
    const cluster = three({ ...defaultSettings, gcUpdateCount: 10, gcIntervalMs: 1e9 });
    for (let at = 0; at < 9; at += 1) cluster.write('alpha', 'k', `${at}`);
    cluster.run(1000);
    assert.equal(sent(cluster, 'prepare').length, 0);
    cluster.write('alpha', 'k', 'tenth');
    cluster.run(1000);
    assert.ok(sent(cluster, 'prepare', 'alpha').length > 0);
  });

  it('do not end among members of a list that has grown meanwhile', () => {
    const cluster = three({ ...defaultSettings, gcIntervalMs: 1e9, gcUpdateCount: 3 });
    cluster.loses = (message) => message.kind === 'prepared';
    for (const key of ['a', 'b', 'c']) cluster.write('alpha', key, 'v');
    cluster.run(400);
    const answers = sent(cluster, 'prepared').slice(-2);
    assert.equal(new Set(answers.map(({ from }) => from)).size, 2);
    const { state } = cluster.at('alpha');
    learnMembers(state, { admitted: ['delta' as PeerId], forgotten: [] });
    for (const { from, message } of answers) cluster.deliver(from, 'alpha', message);
    assert.equal(state.rounds.finished, 0);
    cluster.run(1000);
    assert.equal(sent(cluster, 'commit').length, 0);
    assert.deepEqual([...state.rounds.waitingFor.keys()].includes('delta' as PeerId), true);
  });

  it('wait for a member that is down, and say for whom', () => {
    const cluster = three();
    cluster.at('gamma').isUp = false;
    cluster.run(3000);
    cluster.write('alpha', 'k', 'v');
    cluster.write('alpha', 'k', undefined);
    cluster.run(3000);
    const { rounds, tombstones } = cluster.at('alpha').state;
    assert.deepEqual([...rounds.waitingFor.keys()], ['gamma']);
    assert.equal(tombstones.count, 1);
    assert.equal(sent(cluster, 'commit').length, 0);
  });

  it('answer PREPARE only when fence, promise and have are durable', () => {
    const cluster = three({ ...defaultSettings, gcIntervalMs: 1e9 });
    const beta = cluster.at('beta');
    beta.disk.completeCommits = () => 0; // its disk stands still
    beta.disk.completeFlushes = () => 0;
    cluster.deliver('alpha', 'beta', prepareFor(cluster, 'beta'));
    cluster.run(500);
    assert.equal(sent(cluster, 'prepared', 'beta').length, 0);
    assert.ok(beta.state.promised > 0);
  });

  it('fence, and promise a bound that nothing is stamped at or below', () => {
    const cluster = three({ ...defaultSettings, gcIntervalMs: 1e9 });
    const beta = cluster.at('beta');
    cluster.deliver('alpha', 'beta', prepareFor(cluster, 'beta'));
    cluster.run(20);
    const [answer] = sent(cluster, 'prepared', 'beta');
    const { promised } = answer?.message as PreparedMessage;
    assert.equal(beta.state.promised, promised);
    beta.offsetMs = -60_000;
    cluster.write('beta', 'k', 'v');
    assert.ok((beta.disk.store.readEntry('k' as never)?.timestamp ?? 0) > promised);
    cluster.restart('beta', 'power');
    assert.equal(cluster.at('beta').state.promised, promised, 'a promise survives a power cut');
    assert.equal(
      cluster.at('beta').state.fences.get('alpha' as PeerId),
      cluster.at('alpha').state.self.incarnation,
    );
  });

  for (const [why, change] of [
    ['members', { membershipHash: 1 }],
    ['incarnations', { incarnations: [] }],
  ] as const) {
    it(`are refused when the ${why} differ, and nothing is promised`, () => {
      const cluster = three({ ...defaultSettings, gcIntervalMs: 1e9 });
      const beta = cluster.at('beta');
      cluster.deliver('alpha', 'beta', { ...prepareFor(cluster, 'beta'), ...change });
      cluster.run(20);
      const [refusal] = sent(cluster, 'refuse', 'beta');
      assert.ok(refusal?.message.kind === 'refuse');
      assert.equal(refusal.message.reason, why);
      assert.equal(beta.state.promised, 0);
    });
  }

  it('that are refused begin again after pauses that grow, and are told of now and then', () => {
    const cluster = three({ ...defaultSettings, gcUpdateCount: 1, gcIntervalMs: 1e9 });
    cluster.loses = (message, _from, to) => message.kind === 'prepare' && to === 'gamma';
    const { state } = cluster.at('alpha');
    const begunBefore = state.counters.roundsBegun;
    cluster.write('alpha', 'k', 'v');
    const refuse = (): void => {
      const { round, self } = state;
      if (round === undefined) return;
      const name = { ...self, number: round.number };
      cluster.deliver('gamma', 'alpha', {
        kind: 'refuse',
        round: name,
        reason: 'members',
        incarnations: [],
        promises: [],
      });
      assert.deepEqual([...state.rounds.waitingFor.keys()], ['gamma']);
    };
    for (let at = 0; at < 600; at += 1) {
      cluster.run(100);
      refuse();
    }
    const begun = state.counters.roundsBegun - begunBefore;
    assert.ok(begun >= 8 && begun <= 12, `${begun} rounds in a minute`);
    const told = cluster.notices.filter(({ name }) => name === 'roundRefused').length;
    assert.ok(told >= 2 && told <= 6, `told ${told} times`);
    cluster.loses = () => false;
    cluster.run(35_000);
    assert.ok(state.rounds.finished > 0);
    assert.equal(state.rounds.refusals, 0);
  });

  it('ignore an answer that promises more than the drift limit allows', () => {
    const cluster = three({ ...defaultSettings, gcUpdateCount: 1, gcIntervalMs: 1e9 });
    cluster.loses = (message) => message.kind === 'prepared';
    cluster.write('alpha', 'k', 'v');
    cluster.run(300);
    const { round, self, promised } = cluster.at('alpha').state;
    assert.ok(round);
    const far = (promised + 4096 * 10_000) as Timestamp;
    const have = { vector: [], closures: [], promises: [] };
    cluster.deliver('beta', 'alpha', {
      kind: 'prepared',
      round: { ...self, number: round.number },
      promised: far,
      have,
    });
    assert.equal(round.answers.has('beta' as PeerId), false);
    assert.equal(cluster.at('alpha').state.counters.promisesAhead, 1);
  });

  it('call void what only a dead incarnation could send, so that nobody waits for it', () => {
    const cluster = three();
    cluster.loses = (message, _from, to) => message.kind === 'update' && to === 'gamma';
    cluster.write('alpha', 'a', '1');
    cluster.run(1);
    const { incarnation } = cluster.at('alpha').state.self;
    cluster.loses = () => false;
    cluster.deliver('alpha', 'gamma', {
      kind: 'update',
      records: [
        {
          sequence: 5,
          key: 'e' as never,
          timestamp: cluster.at('alpha').state.clock,
          kind: 'value',
          expiresAt: 0,
          value: new Uint8Array(1),
        },
      ],
    });
    cluster.restart('alpha', 'power');
    cluster.run(6000);
    for (const { state } of cluster.members) {
      const closure = state.closures.get('alpha' as PeerId);
      assert.ok(closure && closure.foldedBelow > incarnation, `${state.self.id} has folded it`);
      assert.equal([...state.origins.values()].filter(({ id }) => id === 'alpha').length, 1);
    }
    for (const id of THREE) assert.equal(cluster.read(id, 'e')?.length, 1, id);
  });

  it('keep a vector from growing with restarts', () => {
    const cluster = three();
    for (let at = 0; at < 40; at += 1) {
      cluster.write('alpha', 'k', `${at}`);
      cluster.run(200);
      cluster.restart('alpha', at % 2 === 0 ? 'process' : 'power');
      cluster.run(400);
    }
    cluster.run(5000);
    for (const { state } of cluster.members)
      assert.ok(state.origins.size <= 6, `${state.origins.size} origins`);
    for (const id of THREE) assert.equal(cluster.read(id, 'k'), '39');
    assertSound(cluster);
  });
});

describe('R10, the join gate', () => {
  it('lets peers without state begin only when all of them are there', () => {
    const cluster = new Cluster(THREE, 1, QUICK, false);
    cluster.at('gamma').isUp = false;
    cluster.run(3000);
    assert.equal(cluster.write('alpha', 'k', 'v')?.code, 'LOADING');
    cluster.restart('gamma');
    cluster.run(1000);
    for (const id of THREE) assert.equal(cluster.at(id).state.phase, 'member', id);
    assert.equal(cluster.write('alpha', 'k', 'v'), undefined);
  });

  it('sends a peer whose promise is older than what others remember to join, and lets it in again', () => {
    const cluster = three();
    cluster.write('alpha', 'k', 'v');
    cluster.run(3000);
    const gamma = cluster.at('gamma');
    const promised = gamma.state.promised;
    gamma.state.promised = (promised - 4096) as Timestamp; // as a rolled-back disk would have it
    cluster.run(400);
    assert.ok(sent(cluster, 'join', 'gamma').length > 0 || gamma.state.phase === 'joining');
    cluster.run(3000);
    assert.equal(gamma.state.phase, 'member');
    assert.ok(gamma.state.promised >= promised, 'an old promise binds for ever');
  });

  it('takes nothing but KEEPALIVE, FENCED and CHECKPOINT before it has joined, and refuses PREPARE', () => {
    const cluster = new Cluster(THREE, 1, QUICK, false);
    const alpha = cluster.at('alpha');
    cluster.loses = () => true;
    const { membershipHash } = alpha.state;
    cluster.deliver('beta', 'alpha', { kind: 'update', records: [] });
    cluster.deliver('beta', 'alpha', { kind: 'sync', records: [], more: false });
    cluster.deliver('beta', 'alpha', { kind: 'prepare', number: 1, membershipHash, incarnations: [] });
    cluster.run(10);
    assert.equal(alpha.state.counters.droppedNotJoined, 3);
    assert.equal(sent(cluster, 'refuse', 'alpha').length, 1);
  });

  it('ignores a checkpoint that names another incarnation of it', () => {
    const cluster = three();
    const before = cluster.at('alpha').state.counters.checkpointsJoined;
    cluster.deliver('beta', 'alpha', {
      kind: 'checkpoint',
      snapshot: 1,
      part: 0,
      joiner: 5 as Incarnation,
      entries: [],
      rows: [],
    });
    assert.equal(cluster.at('alpha').state.counters.checkpointsJoined, before);
    assert.equal(cluster.at('alpha').state.counters.droppedMisdirected, 1);
  });
});

describe('update tables while a member is down', () => {
  it('are cut at their limit, and a checkpoint brings the member back', () => {
    const limits = { ...defaultLimits, maxTableRows: 20 };
    const cluster = three({ ...QUICK, limits });
    cluster.at('gamma').isUp = false;
    cluster.run(3000);
    for (let at = 0; at < 100; at += 1) cluster.write('alpha', `k${at}`, 'v');
    cluster.run(1000);
    const { own } = cluster.at('alpha').state;
    assert.ok(own.have.contiguous - own.trim <= 20, `${own.have.contiguous - own.trim} rows`);
    cluster.restart('gamma');
    cluster.run(5000);
    for (let at = 0; at < 100; at += 1) assert.equal(cluster.read('gamma', `k${at}`), 'v');
    assert.ok(cluster.at('gamma').state.counters.checkpointsJoined > 0);
    assertSound(cluster);
  });
});

describe('what all others have trimmed', () => {
  it('is asked for of those who have it, and of nobody else', () => {
    const limits = { ...defaultLimits, maxTableRows: 20 };
    const ids = ['alpha', 'beta', 'gamma', 'delta'];
    const cluster = new Cluster(ids, 3, { ...defaultSettings, ...QUICK, limits });
    cluster.run(1000);
    cluster.loses = () => true;
    cluster.run(3000);
    for (let at = 0; at < 100; at += 1) cluster.write('alpha', `k${at}`, 'v');
    for (const id of ids) cluster.write(id, `of ${id}`, 'v'); // the others lack more than the same
    cluster.run(1000);
    const asked: boolean[] = [];
    cluster.loses = (message, _from, to) => {
      if (message.kind === 'join' && message.part === 0) asked.push(cluster.read(to, 'k0') === 'v');
      return false;
    };
    cluster.run(8000);
    for (const id of ids)
      for (let at = 0; at < 100; at += 1) assert.equal(cluster.read(id, `k${at}`), 'v', id);
    assert.ok(asked.length > 0);
    assert.ok(!asked.includes(false), asked.join(' '));
    assertSound(cluster);
  });
});

describe('members', () => {
  it('spread with heartbeats, and a forgotten one is refused and told', () => {
    const cluster = three();
    cluster.write('alpha', 'k', 'v');
    cluster.run(2000);
    const { state } = cluster.at('alpha');
    learnMembers(state, { admitted: [], forgotten: ['gamma' as PeerId] });
    cluster.run(3000);
    assert.ok(cluster.at('beta').state.forgotten.has('gamma' as PeerId));
    assert.equal(cluster.at('gamma').state.phase, 'forgotten');
    const refusal = cluster.write('gamma', 'k', 'w');
    assert.equal(refusal?.code, 'FORGOTTEN');
    cluster.write('beta', 'k', undefined);
    cluster.run(4000);
    assert.equal(cluster.at('alpha').state.tombstones.count, 0, 'rounds go on without it');
    // For good: listing it again admits nobody.
    learnMembers(state, { admitted: ['gamma' as PeerId], forgotten: [] });
    assert.equal(state.peers.has('gamma' as PeerId), false);
  });

  it('that are new make the lists differ until everyone knows, and rounds wait for that', () => {
    const cluster = three();
    learnMembers(cluster.at('alpha').state, { admitted: ['delta' as PeerId], forgotten: [] });
    assert.notEqual(cluster.at('alpha').state.membershipHash, cluster.at('beta').state.membershipHash);
    cluster.run(3000);
    for (const { state } of cluster.members) assert.ok(state.peers.has('delta' as PeerId), state.self.id);
    cluster.write('alpha', 'k', 'v');
    cluster.run(3000);
    assert.deepEqual([...cluster.at('alpha').state.rounds.waitingFor.keys()], ['delta']);
  });
});
