/** Questions to a majority (quorum.ts, onFetch.ts): who counts, what is written back, and what is durable before it is said. */
import assert from 'node:assert/strict';
import { HIDDEN_PREFIX } from '../../src/core/hiddenKeys.ts';
import type { Answer, QuestionKind } from '../../src/core/quorum.ts';
import { isSure } from '../../src/core/quorum.ts';
import { defaultLimits, defaultSettings } from '../../src/core/settings.ts';
import type { Incarnation, Key, PeerId, Timestamp } from '../../src/core/types.ts';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';
import { Cluster } from './cluster.ts';
import { QUICK, sent, three } from './three.ts';

const FIVE = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];

/** What a peer was answered within so long; undefined while it waits. */
function answerTo(
  made: Cluster,
  at: string,
  kind: QuestionKind,
  key: string,
  withinMs = 500,
): Answer | undefined {
  const number = made.ask(at, kind, key, withinMs);
  made.run(withinMs + 50);
  return made.answers.find((one) => one.at === at && one.number === number)?.answer;
}

function textOf(answer: Answer | undefined): string {
  if (answer?.kind !== 'majority') return assert.fail(JSON.stringify(answer));
  return answer.entry?.kind === 'value' ? new TextDecoder().decode(answer.entry.value) : 'nothing';
}

function shortOf(answer: Answer | undefined): Extract<Answer, { kind: 'short' }> {
  return answer?.kind === 'short' ? answer : assert.fail(JSON.stringify(answer));
}

/** Nothing passes between these and the others. */
function cutOff(made: Cluster, ...ids: readonly string[]): void {
  made.loses = (_message, from, to) => ids.includes(from) !== ids.includes(to);
}

/** Updates, repairs and heartbeats are lost: what is known elsewhere was asked for by a register. */
function fetchOnly(made: Cluster): void {
  made.loses = ({ kind }) => ['update', 'sync', 'nak', 'heartbeat'].includes(kind);
}

describe('a question to a majority', () => {
  it('finds what is newest there, wherever it was asked', () => {
    const made = three();
    made.loses = ({ kind }, from, to) => kind === 'update' || from === 'gamma' || to === 'gamma';
    assert.equal(made.write('alpha', 'k', 'one'), undefined);
    assert.equal(made.read('beta', 'k'), undefined);
    assert.equal(textOf(answerTo(made, 'beta', 'newest', 'k')), 'one');
    assert.equal(made.read('beta', 'k'), 'one', 'what came along is applied');
  });

  it('is answered by nothing where there is nothing', () => {
    const made = three();
    for (const kind of ['newest', 'read'] as const)
      assert.equal(textOf(answerTo(made, 'beta', kind, 'k')), 'nothing');
  });

  it('asks all members, and again whoever is silent, with pauses that grow', () => {
    const made = three();
    cutOff(made, 'alpha');
    made.sent.length = 0;
    const { needed, counted, silent } = shortOf(answerTo(made, 'alpha', 'newest', 'k', 1000));
    assert.deepEqual([needed, counted, silent], [2, 1, ['beta', 'gamma']]);
    const asked = sent(made, 'fetch', 'alpha').filter(({ to }) => to === 'beta').length;
    assert.ok(asked >= 4 && asked <= 8, `${asked} times in a second`);
    made.sent.length = 0;
    made.run(2000);
    assert.equal(sent(made, 'fetch').length, 0, 'given up');
  });

  it('counts all members, not those that live', () => {
    const made = new Cluster(FIVE, 1, QUICK);
    made.run(1000);
    cutOff(made, 'alpha', 'beta');
    made.run(5000);
    assert.equal([...made.at('alpha').state.peers.values()].filter(({ isLive }) => isLive).length, 1);
    for (const kind of ['newest', 'stamp', 'read', 'hold'] as const)
      assert.equal(shortOf(answerTo(made, 'alpha', kind, 'k')).needed, 3, kind);
    assert.equal(textOf(answerTo(made, 'gamma', 'read', 'k')), 'nothing');
  });

  it('goes on when somebody is back in time', () => {
    const made = three();
    cutOff(made, 'alpha');
    const number = made.ask('alpha', 'read', 'k', 1000);
    made.run(500);
    assert.equal(made.answers.length, 0);
    made.loses = () => false;
    made.run(450);
    assert.deepEqual(
      made.answers.map(({ number: of, answer }) => [of, answer.kind]),
      [[number, 'majority']],
    );
  });

  it('refuses as many as may be open and one more, but never to hold what was written', () => {
    const made = three({ ...QUICK, limits: { ...defaultLimits, maxQuestions: 2 } });
    cutOff(made, 'alpha');
    assert.notEqual(made.ask('alpha', 'read', 'k', 100), undefined);
    assert.notEqual(made.ask('alpha', 'stamp', 'k', 100), undefined);
    assert.equal(made.ask('alpha', 'read', 'k', 100), undefined);
    assert.notEqual(made.ask('alpha', 'hold', 'k', 100), undefined);
    made.run(200);
    assert.notEqual(made.ask('alpha', 'read', 'k', 100), undefined);
  });
});

describe('a write by majority', () => {
  it('is stamped above what a majority has, though the value never came and the clock here is slow', () => {
    const made = three();
    made.at('beta').offsetMs = -400;
    made.run(3000);
    made.loses = ({ kind }, from, to) =>
      !['fetch', 'fetched'].includes(kind) || from === 'gamma' || to === 'gamma';
    assert.equal(made.write('alpha', 'k', 'one'), undefined);
    const { timestamp } = made.at('alpha').disk.store.readEntry('k' as Key) ?? assert.fail();
    assert.ok(made.at('beta').state.clock < timestamp, 'or this shows nothing');
    assert.equal(answerTo(made, 'beta', 'stamp', 'k', 40)?.kind, 'majority');
    assert.ok(made.at('beta').state.clock >= timestamp);
    assert.equal(made.read('beta', 'k'), undefined, 'the tag alone was asked for');
    const told = sent(made, 'fetched').map(({ message }) => message.kind === 'fetched' && message.record);
    assert.ok(told.length > 0 && told.every((record) => record === undefined));
  });

  it('is not stamped above what is too far ahead: it waits', () => {
    const made = three();
    const { state } = made.at('beta');
    const number = made.ask('beta', 'stamp', 'k', 100) ?? 0;
    const before = state.clock;
    made.deliver('gamma', 'beta', {
      kind: 'fetched',
      asker: state.self.incarnation,
      number,
      membershipHash: state.membershipHash,
      tag: {
        timestamp: (state.clock + 4096 * 60_000) as Timestamp,
        id: 'gamma' as PeerId,
        incarnation: 1 as Incarnation,
        sequence: 1,
      },
    });
    assert.ok(state.clock - before < 4096 * 1000);
    assert.equal(state.counters.droppedAheadOfClock, 1);
  });

  it('is held when a majority has it on its disks, by UPDATE or by the question itself', () => {
    for (const isLost of [false, true]) {
      const made = three();
      if (isLost) fetchOnly(made);
      made.write('alpha', 'k', 'one');
      const number = made.ask('alpha', 'hold', 'k', 500);
      made.run(100);
      assert.deepEqual(
        made.answers.map((one) => [one.number, one.answer.kind]),
        [[number, 'majority']],
      );
      assert.equal(made.read('beta', 'k') ?? made.read('gamma', 'k'), 'one');
      const withRecord = sent(made, 'fetch').filter(
        ({ message }) => message.kind === 'fetch' && message.record,
      );
      if (isLost) assert.ok(withRecord.length > 0);
    }
  });

  it('is not held before it is on the disk of a second member', () => {
    const made = three();
    // Their disks take nothing: what they say must wait for ever.
    for (const id of ['beta', 'gamma']) made.at(id).disk.completeFlushes = () => 0;
    made.write('alpha', 'k', 'one');
    assert.equal(shortOf(answerTo(made, 'alpha', 'hold', 'k')).counted, 1);
    assert.equal(made.read('beta', 'k'), 'one', 'it has it, and not on its disk');
  });

  it('is not held before it is on the own disk', () => {
    const made = three();
    made.at('alpha').disk.completeFlushes = () => 0;
    cutOff(made, 'gamma');
    made.write('alpha', 'k', 'one');
    assert.equal(shortOf(answerTo(made, 'alpha', 'hold', 'k')).counted, 1);
  });

  it('takes a long value by stream', () => {
    const made = three();
    fetchOnly(made);
    const long = 'x'.repeat(3000);
    made.write('alpha', 'k', long);
    assert.equal(answerTo(made, 'alpha', 'hold', 'k')?.kind, 'majority');
    assert.equal(textOf(answerTo(made, 'beta', 'newest', 'k')), long);
    for (const { channel, message } of made.sent) {
      if (message.kind !== 'fetch' && message.kind !== 'fetched') continue;
      assert.equal(channel, message.record === undefined ? 'unicast' : 'stream');
    }
  });
});

describe('a read by majority', () => {
  it('writes back what less than a majority holds, and only to whom lacks it', () => {
    const made = new Cluster(FIVE, 1, QUICK);
    made.run(1000);
    made.loses = ({ kind }, _from, to) => kind === 'update' && to !== 'beta';
    made.write('alpha', 'k', 'one');
    made.run(3);
    fetchOnly(made);
    cutOff(made, 'delta', 'epsilon');
    assert.equal(made.read('beta', 'k'), 'one');
    assert.equal(made.read('gamma', 'k'), undefined);
    made.sent.length = 0;
    assert.equal(textOf(answerTo(made, 'beta', 'read', 'k', 100)), 'one');
    const back = sent(made, 'fetch').filter(({ message }) => message.kind === 'fetch' && message.record);
    assert.ok(back.length > 0);
    for (const { to } of back) assert.ok(to === 'gamma', String(to));
    assert.equal(made.read('gamma', 'k'), 'one');
  });

  it('asks nobody twice for what a majority holds already', () => {
    const made = three();
    made.write('alpha', 'k', 'one');
    made.run(100);
    made.sent.length = 0;
    assert.equal(textOf(answerTo(made, 'beta', 'read', 'k', 10)), 'one');
    assert.equal(sent(made, 'fetch').length, 2);
  });

  it('brings a deletion to whoever lacks it, also when it is forgotten where it was', () => {
    const made = three();
    // What clients write is kept until all have it; a record of a request may be forgotten.
    const k = `${HIDDEN_PREFIX}q1`;
    made.write('alpha', k, 'one');
    made.run(100);
    // gamma hears neither of the deletion nor of the round's end.
    made.loses = ({ kind }, _from, to) =>
      to === 'gamma' && ['update', 'sync', 'commit', 'heartbeat'].includes(kind);
    made.write('alpha', k, undefined);
    made.run(5000);
    assert.equal(made.at('alpha').disk.store.readEntry(k as Key), undefined, 'dropped');
    assert.equal(made.read('gamma', k), 'one');
    made.loses = ({ kind }, from, to) =>
      kind === 'update' || kind === 'sync' || from === 'beta' || to === 'beta';
    assert.equal(textOf(answerTo(made, 'gamma', 'read', k, 100)), 'nothing');
    assert.equal(made.read('gamma', k), undefined);
  });
});

describe('an answer to a question', () => {
  it('does not count from who knows other members, and says so', () => {
    const listed = (id: string): readonly string[] =>
      id === 'alpha' ? [...FIVE.slice(0, 3), 'newcomer'] : FIVE.slice(0, 3);
    const made = new Cluster(FIVE.slice(0, 3), 1, QUICK, true, listed);
    // They are not told: what they know of members goes by heartbeat.
    made.loses = ({ kind }) => kind === 'heartbeat' || kind === 'sync';
    made.run(1000);
    const { strangers, needed, counted } = shortOf(answerTo(made, 'alpha', 'read', 'k'));
    assert.deepEqual([strangers, needed, counted], [['beta', 'gamma'], 3, 1]);
  });

  it('is for one process and one question: of an earlier one it changes nothing', () => {
    const made = three();
    cutOff(made, 'alpha');
    const number = made.ask('alpha', 'stamp', 'k', 200) ?? 0;
    const { self, membershipHash } = made.at('alpha').state;
    const tag = {
      timestamp: 1 as Timestamp,
      id: 'beta' as PeerId,
      incarnation: 1 as Incarnation,
      sequence: 1,
    };
    const about = { kind: 'fetched', membershipHash, tag } as const;
    made.deliver('beta', 'alpha', { ...about, number, asker: (self.incarnation - 1) as Incarnation });
    made.deliver('beta', 'alpha', { ...about, number: number + 1, asker: self.incarnation });
    assert.equal(made.answers.length, 0);
    made.deliver('beta', 'alpha', { ...about, number, asker: self.incarnation });
    assert.equal(made.answers.length, 1);
  });

  it('with a record of another key is refused', () => {
    const made = three();
    const number = made.ask('alpha', 'newest', 'k', 200) ?? 0;
    const { self, membershipHash, counters } = made.at('alpha').state;
    const tag = {
      timestamp: 1 as Timestamp,
      id: 'beta' as PeerId,
      incarnation: 1 as Incarnation,
      sequence: 1,
    };
    const record = {
      ...tag,
      kind: 'entry',
      key: 'other' as Key,
      entryKind: 'value',
      expiresAt: 0,
      value: new Uint8Array(0),
      covers: [],
    } as const;
    made.deliver('beta', 'alpha', {
      kind: 'fetched',
      asker: self.incarnation,
      number,
      membershipHash,
      tag,
      record,
    });
    assert.deepEqual([made.answers.length, counters.fetchedRefused], [0, 1]);
    assert.equal(made.at('alpha').disk.store.readEntry('other' as Key), undefined);
  });

  it('is not given by who has joined with another disk, until a round with all members has ended', () => {
    const settings = { ...defaultSettings, gcIntervalMs: 1000 };
    const made = three(settings);
    made.write('alpha', 'k', 'one');
    made.run(4000);
    made.write('alpha', 'k', 'two');
    made.run(500);
    cutOff(made, 'gamma');
    made.run(100);
    const wiped = made.at('beta');
    wiped.disk = openMemoryStore();
    made.restart('beta');
    made.at('beta').state.phase = 'fresh';
    made.run(1500);
    const { state } = made.at('beta');
    assert.equal(state.phase, 'member', 'it has joined');
    assert.ok(!isSure(state));
    const { unsure, silent, counted } = shortOf(answerTo(made, 'alpha', 'read', 'k'));
    assert.deepEqual([unsure, silent, counted], [['beta'], ['gamma'], 1]);
    made.loses = () => false;
    assert.equal(textOf(answerTo(made, 'alpha', 'read', 'k')), 'two', 'gamma answers');
    made.run(5000);
    assert.ok(isSure(made.at('beta').state), 'a round was asked for, and has ended');
    cutOff(made, 'gamma');
    assert.equal(textOf(answerTo(made, 'alpha', 'read', 'k')), 'two');
    made.restart('beta', 'power');
    assert.ok(isSure(made.at('beta').state), 'for good');
  });
});
