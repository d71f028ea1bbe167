/** A join in slices: what a peer that takes no part does with parts as they come, and with those of a transfer that breaks off. */
import assert from 'node:assert/strict';
import { onTimer, onTurnEnd } from '../../src/core/core.ts';
import type { Effect } from '../../src/core/effects.ts';
import { askForCheckpoint, bootstrap } from '../../src/core/join.ts';
import { learnMembers } from '../../src/core/members.ts';
import type { CoreLimits } from '../../src/core/settings.ts';
import type { CheckpointMessage } from '../../src/core/messages.ts';
import { SYNTHETIC_ID } from '../../src/core/types.ts';
import type { Incarnation, Key, PeerId, Timestamp } from '../../src/core/types.ts';
import { MAX_ROWS_PER_MESSAGE } from '../../src/wire/limits.ts';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';
import type { Cluster, Member, Sent } from './cluster.ts';
import { allParts, assertSound, bounded, cluster, handOn, holdBack, makeJoin } from './transfers.ts';

const VALUE = 'v'.repeat(100);

/** Two peers, of which beta joins and alpha has twelve keys, a few a part. */
function twoWithData(limits: Partial<CoreLimits> = {}): Cluster {
  const made = cluster(['alpha', 'beta'], bounded({ checkpointPartBytes: 300, ...limits }));
  for (let at = 10; at < 22; at += 1) made.write('alpha', `k${at}`, VALUE);
  made.run(1000);
  return made;
}

/** Lets so many parts through to beta, one by one, and loses what else there is. */
function handOnSome(made: Cluster, held: Sent[], parts: number): void {
  for (let at = 0; at < parts; at += 1) {
    for (let waited = 0; held.length === 0; waited += 1) {
      assert.ok(waited < 10_000, 'no part comes');
      made.run(1);
    }
    handOn(made, held.shift());
    made.run(1);
  }
}

function countJoins(effects: readonly Effect[]): number {
  return effects.filter((effect) => effect.kind === 'send' && effect.message.kind === 'join').length;
}

function keysOf({ disk }: Member): Key[] {
  return Array.from(disk.store.entries({}), ([key]) => key);
}

describe('a join in slices', () => {
  it('keeps nothing of a part that it has joined, and says that it has come then', () => {
    const made = twoWithData({ transferWindow: 1 });
    const beta = made.at('beta');
    makeJoin(made, 'beta', true);
    const held = holdBack(made, 'beta');
    for (const joined of [1, 2, 3]) {
      handOnSome(made, held, 1);
      const { arrived, parts, keptBytes } = beta.state.joining;
      assert.deepEqual([arrived, parts.length, keptBytes], [joined, 0, 0]);
      const told = made.sent.filter(({ from, message }) => from === 'beta' && message.kind === 'join').at(-1);
      assert.ok(told?.message.kind === 'join' && told.message.part === joined);
    }
    assert.ok(keysOf(beta).length > 0);
    assert.equal(beta.state.phase, 'joining');
    assert.equal(beta.state.origins.get(made.at('alpha').state.own.key), undefined, 'nothing is claimed yet');
  });

  it('looks at so many own entries a turn and no more, whatever a part says of them', () => {
    const made = twoWithData({ sweepEntries: 3 });
    const [alpha, beta] = [made.at('alpha'), made.at('beta')];
    const parts = allParts(alpha.state, beta.state.self.incarnation).map((part) => ({
      ...part,
      entries: [],
    }));
    makeJoin(made, 'beta');
    holdBack(made, 'beta');
    for (let waited = 0; beta.state.joining.askedOf === undefined; waited += 1) {
      assert.ok(waited < 10_000, 'nobody is asked');
      made.run(1);
    }
    // All twelve keys are gone there, and known to all: the horizon is above them.
    const [first] = parts;
    const facts = { ...(first?.facts ?? assert.fail()), horizon: alpha.state.clock };
    made.deliver('alpha', 'beta', { ...(first ?? assert.fail()), facts }, 'stream');
    assert.equal(keysOf(beta).length, 12);
    made.deliver('alpha', 'beta', lastOf(parts, 1), 'stream');
    const left: number[] = [];
    let told = 0;
    const isDone = (): boolean => beta.state.phase === 'member';
    while (!isDone()) {
      left.push(beta.state.visibleKeys);
      onTimer(beta.state, made.now(beta), 'join', beta.state.timers.join.token);
      told += countJoins(onTurnEnd(beta.state, made.now(beta)));
      assert.equal(told, isDone() ? 1 : 0, 'the next part is asked for when this one is joined');
    }
    assert.deepEqual(left, [9, 6, 3]);
    assert.equal(beta.state.visibleKeys, 0);
  });

  it('waits for a disk that does not keep up, and is not asked for again', () => {
    const made = twoWithData({ joinRetryMs: 1000, transferWindow: 2 });
    const beta = made.at('beta');
    makeJoin(made, 'beta', true);
    let isBusy = true;
    Object.assign(beta.state, { store: { ...beta.disk.store, isBusy: () => isBusy } });
    made.run(5000);
    const { arrived, parts } = beta.state.joining;
    assert.deepEqual([arrived, parts.length, keysOf(beta).length], [2, 2, 0]);
    isBusy = false;
    made.run(2000);
    assert.equal(beta.state.phase, 'member');
    assert.equal(beta.state.counters.checkpointsAsked, 1);
    assertSound(made);
  });

  it('takes a part of as many runs of rows as a message may hold', () => {
    const made = twoWithData();
    makeJoin(made, 'beta', true);
    holdBack(made, 'beta');
    made.run(1000);
    const { state } = made.at('beta');
    const [facts] = allParts(made.at('alpha').state, state.self.incarnation);
    const run = { ...made.at('alpha').state.self, from: 1, keys: [] };
    const rows = new Array<typeof run>(MAX_ROWS_PER_MESSAGE).fill(run);
    made.deliver('alpha', 'beta', { ...(facts ?? assert.fail()), rows }, 'stream');
    assert.equal(state.joining.join?.rows.length, MAX_ROWS_PER_MESSAGE);
  });

  it('of a member is done in one turn, and shows nothing before', () => {
    const made = twoWithData();
    const beta = made.at('beta');
    made.loses = () => true;
    for (let at = 10; at < 22; at += 1) made.write('alpha', `k${at}`, 'changed');
    made.run(10);
    const parts = allParts(made.at('alpha').state, beta.state.self.incarnation);
    askForCheckpoint(beta.state, made.now(beta));
    for (const part of parts.slice(0, -1)) {
      made.deliver('alpha', 'beta', part, 'stream');
      assert.equal(made.read('beta', 'k10'), VALUE);
    }
    made.deliver('alpha', 'beta', lastOf(parts), 'stream');
    for (let at = 10; at < 22; at += 1) assert.equal(made.read('beta', `k${at}`), 'changed');
    assertSound(made);
  });
});

describe('a join that breaks off', () => {
  it('when a fresh peer begins without it is not gone on with: what is written by then stays', () => {
    const made = twoWithData();
    makeJoin(made, 'beta', true);
    holdBack(made, 'beta');
    made.run(1000);
    const { state } = made.at('beta');
    state.phase = 'fresh';
    const [facts, ...parts] = allParts(made.at('alpha').state, state.self.incarnation);
    made.deliver('alpha', 'beta', facts ?? assert.fail(), 'stream');
    assert.equal(state.joining.arrived, 1);
    made.run(300);
    assert.equal(state.phase, 'member');
    assert.equal(made.write('beta', 'k10', 'written'), undefined);
    for (const part of parts) made.deliver('alpha', 'beta', part, 'stream');
    assert.equal(made.read('beta', 'k10'), 'written');
    made.loses = () => false;
    made.run(2000);
    for (const id of ['alpha', 'beta']) assert.equal(made.read(id, 'k10'), 'written');
    assertSound(made);
  });

  /** Beta's process has joined so many parts, and ends. */
  function breakOff(made: Cluster, parts: number): Member {
    handOnSome(made, holdBack(made, 'beta'), parts);
    made.loses = () => true;
    made.restart('beta');
    made.run(10);
    return made.at('beta');
  }

  it('because the peer was forgotten makes it no member', () => {
    const made = twoWithData();
    makeJoin(made, 'beta', true);
    handOnSome(made, holdBack(made, 'beta'), 3);
    const { state } = made.at('beta');
    assert.ok(state.joining.join !== undefined);
    learnMembers(state, { admitted: [], forgotten: ['beta' as PeerId] });
    const { arrived, snapshot } = state.joining;
    for (const part of allParts(made.at('alpha').state, state.self.incarnation, snapshot).slice(arrived))
      made.deliver('alpha', 'beta', part, 'stream');
    assert.equal(state.phase, 'forgotten');
    assert.equal(state.counters.checkpointsJoined, 0);
  });

  it('leaves a peer that must join, and not one without state: it would begin by itself with half of it', () => {
    const made = twoWithData();
    const wiped = made.at('beta');
    wiped.disk = openMemoryStore();
    made.restart('beta');
    wiped.state.phase = 'fresh';
    made.at('alpha').state.promised = 1 as Timestamp; // a round may have ended: nobody begins without it
    const beta = breakOff(made, 3);
    assert.equal(beta.state.phase, 'joining');
    assert.ok(keysOf(beta).length > 0);
    made.loses = () => false;
    made.run(3000);
    assert.equal(beta.state.phase, 'member');
    assert.equal(beta.state.visibleKeys, 12);
    assertSound(made);
  });

  it('leaves what an operator can go on with: it is claimed then, and reaches the others', () => {
    const made = twoWithData();
    makeJoin(made, 'beta', true);
    const beta = breakOff(made, 3);
    const keys = keysOf(beta);
    beta.state.phase = 'joining';
    bootstrap(beta.state);
    onTurnEnd(beta.state, made.now(beta));
    assertSound(made);
    made.at('alpha').disk = openMemoryStore();
    made.restart('alpha');
    made.loses = () => false;
    made.at('alpha').state.phase = 'joining';
    made.run(5000);
    assert.deepEqual(keysOf(made.at('alpha')), keys);
  });

  it('has not covered what this peer wrote and nobody has: the next one finds it, and stamps it anew', () => {
    const made = twoWithData();
    const beta = made.at('beta');
    made.loses = () => true;
    made.write('beta', 'k', 'late');
    made.run(10);
    const tag = {
      timestamp: (beta.state.clock + 1) as Timestamp,
      id: SYNTHETIC_ID,
      incarnation: 0 as Incarnation,
    };
    const nothing = { sequence: 0, expiresAt: 0, value: new Uint8Array() };
    const tombstone = { key: 'k' as Key, ...tag, ...nothing, entryKind: 'synthetic' } as const;
    const give = (count?: number): void => {
      makeJoin(made, 'beta');
      made.loses = (message) => message.kind === 'checkpoint';
      for (let waited = 0; beta.state.joining.askedOf === undefined; waited += 1) {
        assert.ok(waited < 10_000, 'nobody is asked');
        made.run(1);
      }
      for (const part of allParts(made.at('alpha').state, beta.state.self.incarnation).slice(0, count)) {
        const entries = part.part === 1 ? [tombstone, ...part.entries] : part.entries;
        made.deliver('alpha', 'beta', { ...part, entries }, 'stream');
      }
    };
    give(2);
    made.run(100);
    assert.equal(beta.state.phase, 'joining');
    made.restart('beta');
    assert.equal(made.read('beta', 'k'), 'late');
    give();
    assert.equal(beta.state.phase, 'member');
    made.loses = () => false;
    made.run(2000);
    for (const id of ['alpha', 'beta']) assert.equal(made.read(id, 'k'), 'late', id);
    assertSound(made);
  });
});

/** The last part, in the place of one of so many before. */
function lastOf(parts: readonly CheckpointMessage[], part = parts.length - 1): CheckpointMessage {
  return { ...(parts.at(-1) ?? assert.fail()), part };
}
