/** Session tokens (section 7): what a peer must have before it serves a client, what it says when it has not, and how a token stays small. */
import assert from 'node:assert/strict';
import { followSession, forgive, judgeSession, noteRead } from '../../src/core/serveSession.ts';
import type { SessionVerdict } from '../../src/core/serveSession.ts';
import {
  EMPTY_SESSION,
  MAX_SESSION_KEY_BYTES,
  MAX_SESSION_PROMISES,
  MAX_SESSION_TAGS,
  mergeSessions,
} from '../../src/core/session.ts';
import type { SessionToken } from '../../src/core/session.ts';
import type { Key, PeerId, Timestamp } from '../../src/core/types.ts';
import type { Cluster } from './cluster.ts';
import { sent, three } from './three.ts';

const A = 'a' as Key;

/** The verdict of a peer, with the turn that its questions leave with. */
function judge(made: Cluster, at: string, token: SessionToken): SessionVerdict {
  const member = made.at(at);
  return judgeSession(member.state, made.now(member), token);
}

function read(made: Cluster, at: string, key: Key, token = EMPTY_SESSION): SessionToken {
  const { state, disk } = made.at(at);
  return noteRead(state, token, key, disk.store.readEntry(key));
}

/** What a client of a peer writes, with its token. */
function write(
  made: Cluster,
  at: string,
  key: string,
  value: string | undefined,
  token = EMPTY_SESSION,
  expiresInMs?: number,
): SessionToken {
  followSession(made.at(at).state, token);
  assert.equal(made.write(at, key, value, expiresInMs), undefined);
  return read(made, at, key as Key, token);
}

/** Cuts one peer off from the others. */
function cutOff(made: Cluster, id: string): void {
  made.loses = (_message, from, to) => from === id || to === id;
}

function heal(made: Cluster): void {
  made.loses = () => false;
}

/** One peer hears everything but what brings updates: a round that closes an incarnation cannot fold it yet. */
function fillNobody(made: Cluster, id: string): void {
  made.loses = ({ kind }, _from, to) => to === id && ['update', 'sync', 'checkpoint'].includes(kind);
}

/** A peer writes what another does not get, and is cut off. */
function lackOne(made: Cluster, id: string, without: string): void {
  fillNobody(made, without);
  write(made, id, 'lacked', '1');
  made.run(100);
  cutOff(made, id);
}

/** Lets time pass until the peer says that something is lost, and why. */
function firstLoss(made: Cluster, at: string, token: SessionToken, why: string) {
  const untilMs = made.timeMs + 20_000;
  while (made.timeMs < untilMs) {
    const verdict = judge(made, at, token);
    if (verdict.kind === 'lost' && verdict.why === why) return verdict;
    made.run(5);
  }
  return assert.fail(`nothing is lost as ${why}`);
}

describe('a session', () => {
  it('is behind where its write has not come, asks for it, and is served when it has', () => {
    const made = three();
    made.loses = (message) => message.kind === 'update';
    const token = write(made, 'alpha', 'a', '1');
    assert.deepEqual(judge(made, 'beta', token), { kind: 'behind', why: 'lacking' });
    heal(made);
    const before = sent(made, 'heartbeat', 'beta').length;
    judge(made, 'beta', token);
    made.deliver('gamma', 'beta', { kind: 'nak', origin: made.at('beta').state.self, ranges: [] }); // a turn, with which the question leaves
    made.run(1);
    assert.ok(sent(made, 'heartbeat', 'beta').length > before);
    made.run(100);
    assert.deepEqual(judge(made, 'beta', token), { kind: 'serves' });
  });

  it('that is asked for without end makes its peer ask the others ten times a second at most', () => {
    const made = three();
    made.loses = (message) => message.kind === 'update' || message.kind === 'sync';
    const token = write(made, 'alpha', 'a', '1');
    const before = sent(made, 'heartbeat', 'beta').length;
    const untilMs = made.timeMs + 1_000;
    while (made.timeMs < untilMs) {
      for (let at = 0; at < 50; at += 1) judge(made, 'beta', token);
      made.run(5);
    }
    assert.ok(sent(made, 'heartbeat', 'beta').length - before < 20);
  });

  it('without a token is served everywhere, and by a peer that takes no part nowhere', () => {
    const made = three();
    assert.deepEqual(judge(made, 'beta', EMPTY_SESSION), { kind: 'serves' });
    made.at('beta').state.phase = 'joining';
    assert.deepEqual(judge(made, 'beta', EMPTY_SESSION), { kind: 'behind', why: 'joining' });
  });

  it('is served by who holds something newer of the key', () => {
    const made = three();
    made.loses = (message) => message.kind === 'update';
    const token = write(made, 'alpha', 'a', '1');
    write(made, 'beta', 'a', '2', token);
    assert.deepEqual(judge(made, 'beta', token), { kind: 'serves' });
  });

  it('is told who is away with what it has seen, and of nobody when its maker lives', () => {
    const made = three();
    cutOff(made, 'gamma');
    const token = write(made, 'gamma', 'a', '1');
    assert.deepEqual(judge(made, 'alpha', token), { kind: 'behind', why: 'lacking' });
    made.run(10_000);
    assert.deepEqual(judge(made, 'alpha', token), { kind: 'undecided', absent: ['gamma'] });
    heal(made);
    made.run(5_000);
    assert.deepEqual(judge(made, 'alpha', token), { kind: 'serves' });
  });

  it('is told that its write is lost once a round has shown it, once', () => {
    const made = three();
    lackOne(made, 'gamma', 'beta');
    const token = write(made, 'gamma', 'a', '1');
    made.restart('gamma', 'power'); // before it was durable
    fillNobody(made, 'beta');
    const verdict = firstLoss(made, 'alpha', token, 'void');
    assert.deepEqual([...verdict.parts.keys], ['a']);
    const forgiven = forgive(token, verdict.parts);
    assert.deepEqual(judge(made, 'alpha', forgiven), { kind: 'serves' });
    assert.equal(forgiven.newest, token.newest); // what it writes next is still stamped above
  });

  it('is not told of a loss when others hold what its peer lost', () => {
    const made = three();
    const token = write(made, 'gamma', 'a', '1');
    made.run(0.9); // on its way to the others, and not yet durable
    made.run(5);
    made.restart('gamma', 'power');
    made.run(10_000);
    for (const id of ['alpha', 'beta', 'gamma'])
      assert.deepEqual(judge(made, id, token), { kind: 'serves' }, id);
  });

  it('that read nothing is behind where an older value still is, not where nothing is', () => {
    const made = three();
    write(made, 'alpha', 'a', '1');
    made.run(100);
    cutOff(made, 'gamma');
    write(made, 'alpha', 'a', undefined);
    made.run(100);
    const token = read(made, 'alpha', A);
    assert.deepEqual(judge(made, 'gamma', token), { kind: 'behind', why: 'lacking' });
    heal(made);
    made.run(5_000); // rounds end, and the tombstone is dropped
    assert.equal(made.at('alpha').disk.store.readEntry(A), undefined);
    const later = read(made, 'alpha', A, token);
    for (const id of ['alpha', 'beta', 'gamma'])
      assert.deepEqual(judge(made, id, later), { kind: 'serves' }, id);
  });

  it('that goes on while its key is deleted by others is not told of a loss when its peer has ended', () => {
    const made = three();
    const token = write(made, 'gamma', 'a', '1');
    made.run(100);
    write(made, 'beta', 'a', undefined);
    made.run(5_000); // the tombstone is dropped
    assert.deepEqual(judge(made, 'alpha', token), { kind: 'serves' });
    const later = read(made, 'alpha', 'b' as Key, token);
    made.restart('gamma');
    made.run(10_000); // what was of its process is folded
    assert.deepEqual(judge(made, 'alpha', later), { kind: 'serves' });
    const verdict = judge(made, 'alpha', token); // one that was idle meanwhile cannot be told which
    assert.equal(verdict.kind === 'lost' ? verdict.why : verdict.kind, 'forgotten');
  });

  it('whose value expired is served where nothing is, also by who never had it', () => {
    const made = three();
    cutOff(made, 'gamma');
    const token = write(made, 'alpha', 'a', '1', EMPTY_SESSION, 500);
    made.run(1_000);
    assert.deepEqual(judge(made, 'gamma', token), { kind: 'serves' });
  });

  it('is stamped above what it has seen, by a peer whose clock is slow', () => {
    const made = three();
    made.at('beta').offsetMs = -100;
    made.loses = (message) => message.kind === 'update' || message.kind === 'keepalive';
    const token = write(made, 'alpha', 'a', '1');
    const after = write(made, 'beta', 'b', '1', token);
    assert.ok(after.newest > token.newest);
  });

  it('with a timestamp ahead of all clocks is served by nobody', () => {
    const made = three();
    const token = { ...EMPTY_SESSION, newest: (Number.MAX_SAFE_INTEGER - 1) as Timestamp };
    assert.deepEqual(judge(made, 'alpha', token), { kind: 'behind', why: 'clock' });
  });
});

describe('a session token', () => {
  it('keeps the last tags one by one, and demands the dots of the others', () => {
    const made = three();
    made.loses = (message) => message.kind === 'update' || message.kind === 'sync';
    let token = EMPTY_SESSION;
    for (let at = 0; at < 5 * MAX_SESSION_TAGS; at += 1) token = write(made, 'alpha', `k${at}`, '1', token);
    assert.equal(token.tags.size, MAX_SESSION_TAGS);
    assert.deepEqual([...token.tags.keys()].at(-1), `k${5 * MAX_SESSION_TAGS - 1}`);
    const [range, ...others] = token.ranges.values();
    assert.equal(others.length, 0);
    assert.deepEqual(range?.seen, [1, 4 * MAX_SESSION_TAGS]);
    assert.deepEqual(judge(made, 'beta', token), { kind: 'behind', why: 'lacking' });
    heal(made);
    made.run(3_000);
    assert.deepEqual(judge(made, 'beta', token), { kind: 'serves' });
  });

  it('demands what lies below the horizon until every member has it, and then nothing', () => {
    const made = three();
    fillNobody(made, 'gamma');
    let token = EMPTY_SESSION;
    for (let at = 0; at < MAX_SESSION_TAGS + 3; at += 1) token = write(made, 'alpha', `k${at}`, '1', token);
    made.run(3_000); // rounds end: gamma answers, and has not got it
    assert.ok(made.at('alpha').state.horizon > token.newest);
    const later = read(made, 'alpha', 'k0' as Key, read(made, 'alpha', 'k5' as Key, token));
    assert.equal(later.tags.size, MAX_SESSION_TAGS);
    assert.deepEqual(
      [...later.ranges.values()].map(({ seen }) => seen?.[0]),
      [1],
    );
    assert.deepEqual(judge(made, 'gamma', later), { kind: 'behind', why: 'lacking' });
    heal(made);
    write(made, 'beta', 'other', '1');
    made.run(5_000);
    assert.deepEqual(judge(made, 'alpha', later), { kind: 'serves' });
    const settled = read(made, 'alpha', 'k0' as Key, later);
    assert.deepEqual([settled.tags.size, settled.ranges.size], [0, 0]);
    assert.equal(settled.newest, later.newest);
  });

  it('that let go of something by a round is not served by a member that knows of less than it had promised then', () => {
    const made = three();
    const before = made.at('gamma').state.promisesMade;
    let token = write(made, 'alpha', 'a', '1');
    made.run(5_000); // a round has found it on every disk
    token = read(made, 'alpha', A, token);
    assert.deepEqual([token.tags.size, token.promises.size], [0, 3]);
    assert.deepEqual(judge(made, 'gamma', token), { kind: 'serves' });
    made.at('gamma').state.promisesMade = before; // as on a disk that was put back
    made.at('gamma').state.horizon = 0 as Timestamp;
    assert.deepEqual(judge(made, 'gamma', token), { kind: 'behind', why: 'disk' });
    assert.deepEqual(judge(made, 'gamma', mergeSessions(EMPTY_SESSION, token)), {
      kind: 'behind',
      why: 'disk',
    });
    assert.deepEqual(judge(made, 'beta', token), { kind: 'serves' });
    made.run(5_000); // the round that it wants has ended
    assert.deepEqual(judge(made, 'gamma', token), { kind: 'serves' });
  });

  it('keeps what it has seen elsewhere when it is noted at a peer that holds something older, which all have', () => {
    const made = three();
    write(made, 'alpha', 'a', '1');
    made.run(5_000); // a round has found it on every disk
    cutOff(made, 'beta');
    const seen = write(made, 'alpha', 'a', '2');
    const token = read(made, 'beta', 'b' as Key, seen); // as when a token is merged while an operation is under way
    assert.equal(token.tags.get(A)?.timestamp, seen.newest);
    assert.deepEqual(judge(made, 'beta', token), { kind: 'behind', why: 'lacking' });
  });

  it('relies on no round where it has no room for what every member promised', () => {
    const made = three();
    let token = write(made, 'alpha', 'a', '1');
    made.run(5_000);
    const { promises } = made.at('alpha').state;
    for (let at = promises.size; at < MAX_SESSION_PROMISES; at += 1)
      promises.set(`other${at}` as PeerId, 1 as Timestamp);
    token = read(made, 'alpha', A, token);
    assert.deepEqual([token.tags.size, token.promises.size], [1, 0]);
  });

  it('keeps no more bytes of keys than it may', () => {
    const made = three();
    let token = EMPTY_SESSION;
    for (let at = 0; at < 5; at += 1) token = write(made, 'alpha', `${at}`.repeat(500), '1', token);
    const bytes = [...token.tags.keys()].reduce((sum, key) => sum + key.length, 0);
    assert.ok(bytes <= MAX_SESSION_KEY_BYTES && token.tags.size === 2);
  });

  it('is told of a loss among the dots that it has no tags of', () => {
    const made = three();
    lackOne(made, 'gamma', 'beta');
    let token = EMPTY_SESSION;
    for (let at = 0; at < MAX_SESSION_TAGS + 3; at += 1) token = write(made, 'gamma', `k${at}`, '1', token);
    made.restart('gamma', 'power');
    for (const why of ['void', 'forgotten']) {
      if (why === 'void') fillNobody(made, 'beta');
      else heal(made);
      const verdict = firstLoss(made, 'alpha', token, why);
      assert.equal(verdict.parts.origins.size, 1);
      assert.equal(verdict.parts.keys.size, MAX_SESSION_TAGS);
    }
  });

  it('that read nothing of many keys demands what its peer had, and no round', () => {
    const made = three();
    write(made, 'alpha', 'a', '1');
    made.run(3_000); // a round has ended
    let token = EMPTY_SESSION;
    for (let at = 0; at < 2 * MAX_SESSION_TAGS; at += 1)
      token = read(made, 'alpha', `none${at}` as Key, token);
    assert.ok(made.at('alpha').state.horizon > 0);
    assert.equal(token.horizon, 0);
    assert.ok(token.ranges.size > 0);
    assert.deepEqual(judge(made, 'gamma', token), { kind: 'serves' });
  });

  it('that demands a round waits for it', () => {
    const made = three();
    const { horizon } = made.at('alpha').state;
    const token = { ...EMPTY_SESSION, horizon: (horizon + 1) as Timestamp };
    assert.deepEqual(judge(made, 'alpha', token), { kind: 'behind', why: 'lacking' });
    write(made, 'alpha', 'a', '1');
    made.run(5_000);
    assert.deepEqual(judge(made, 'alpha', token), { kind: 'serves' });
    const merged = mergeSessions(EMPTY_SESSION, { ...token, newest: (horizon + 2) as Timestamp });
    assert.deepEqual([merged.horizon, merged.newest], [horizon + 1, horizon + 2]);
  });

  it('merged with another demands what either does', () => {
    const made = three();
    made.loses = (message) => message.kind === 'update';
    const one = write(made, 'alpha', 'a', '1');
    const other = write(made, 'beta', 'b', '1');
    const both = mergeSessions(one, other);
    assert.deepEqual([...both.tags.keys()].sort(), ['a', 'b']);
    assert.equal(both.newest, Math.max(one.newest, other.newest));
    assert.deepEqual(mergeSessions(other, one).newest, both.newest);
    assert.deepEqual(judge(made, 'alpha', both), { kind: 'behind', why: 'lacking' });
    assert.deepEqual(judge(made, 'beta', both), { kind: 'behind', why: 'lacking' });
  });
});
