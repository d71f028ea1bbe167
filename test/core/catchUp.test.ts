/** A large difference: offered by all who have it, pulled from one, each key once; and what becomes of it when one of the two stops. */
import assert from 'node:assert/strict';
import { onMessage, onTimer, onTurnEnd } from '../../src/core/core.ts';
import { findBrokenInvariants } from '../../src/core/invariants.ts';
import type { Message, PullMessage, SyncMessage } from '../../src/core/messages.ts';
import { defaultLimits, defaultSettings, type CoreLimits } from '../../src/core/settings.ts';
import type { Incarnation, Key, Origin, PeerId, Timestamp } from '../../src/core/types.ts';
import { Cluster } from './cluster.ts';

const THREE = ['alpha', 'beta', 'gamma'];
const KEYS = 60;

function cluster(limits: Partial<CoreLimits> = {}, ids: readonly string[] = THREE): Cluster {
  const settings = { ...defaultSettings, gcUpdateCount: 1e9, gcIntervalMs: 1e9 };
  const made = new Cluster(ids, 1, {
    ...settings,
    // What is missing at gamma is too much for NAKs and for datagrams, and takes several parts.
    limits: {
      ...defaultLimits,
      maxNakBacklog: 20,
      streamThresholdBytes: 1000,
      maxAnswerBytes: 2000,
      ...limits,
    },
  });
  made.run(1000);
  return made;
}

function cut(made: Cluster, id = 'gamma'): void {
  made.loses = (_message, from, to) => from === id || to === id;
  made.run(3000);
}

/** Every key ten times, at these peers in turn. */
function writeMuch(made: Cluster, ...ids: readonly string[]): void {
  for (let at = 0; at < 10 * KEYS; at += 1)
    made.write(ids[at % ids.length] ?? '', `k${(at * 7) % KEYS}`, `${at}`);
  made.run(2000);
}

function sentTo(made: Cluster, id: string): Message[] {
  return made.sent.filter(({ to }) => to === id).map(({ message }) => message);
}

function partsTo(made: Cluster, id = 'gamma'): SyncMessage[] {
  return sentTo(made, id).filter(
    (message) => message.kind === 'sync' && message.catchUp !== undefined,
  ) as SyncMessage[];
}

function pullsOf(made: Cluster, id = 'gamma'): { readonly to: string; readonly message: PullMessage }[] {
  return made.sent.flatMap(({ from, to, message }) =>
    from === id && message.kind === 'pull' ? [{ to, message }] : [],
  );
}

function assertSame(made: Cluster, ...ids: readonly string[]): void {
  for (const id of ids) {
    assert.deepEqual(made.contents(id), made.contents('alpha'), id);
    assert.deepEqual(findBrokenInvariants(made.at(id).state), [], id);
  }
}

describe('a catch-up', () => {
  it('brings each key once, of one giver, and nothing of it is asked for by NAK', () => {
    const made = cluster();
    cut(made);
    writeMuch(made, 'alpha', 'beta');
    made.sent.length = 0;
    made.loses = () => false;
    made.run(3000);
    assertSame(made, 'beta', 'gamma');
    const records = sentTo(made, 'gamma').flatMap((message) =>
      message.kind === 'sync' ? message.records : [],
    );
    assert.equal(records.length, KEYS);
    assert.ok(partsTo(made).length > 3);
    assert.equal(new Set(pullsOf(made).map(({ to }) => to)).size, 1);
    assert.equal(made.sent.filter(({ message }) => message.kind === 'nak').length, 0);
    const giver = made.at(pullsOf(made)[0]?.to ?? '');
    assert.equal(giver.state.catchUps.size, 0, 'it is let go when all of it has come');
  });

  it('is of what is lacked when it is pulled, however old the offer', () => {
    const made = cluster();
    for (let at = 0; at < KEYS; at += 1) made.write('alpha', `k${at}`, 'v'.repeat(100));
    made.run(3000);
    const view = made.at('beta').state.peers.get('gamma' as PeerId);
    assert.ok(view !== undefined);
    view.claims = new Map(); // what gamma had said before it had all this
    made.sent.length = 0;
    made.deliver('beta', 'gamma', { kind: 'sync', records: [], more: true });
    made.run(1000);
    assert.deepEqual(
      partsTo(made).map(({ records }) => records),
      [[]],
    );
  });

  it('is pulled from the first who offers, though nobody has said yet that this peer is heard again', () => {
    const made = cluster();
    cut(made);
    made.sent.length = 0;
    for (const id of ['alpha', 'beta']) made.deliver(id, 'gamma', { kind: 'sync', records: [], more: true });
    made.run(10);
    assert.deepEqual(
      pullsOf(made).map(({ to }) => to),
      ['alpha'],
    );
  });

  it('that brought nothing new, and nothing that must be refused, puts its giver off for no time', () => {
    const made = cluster();
    cut(made);
    made.sent.length = 0;
    for (const number of [1, 2]) {
      made.deliver('alpha', 'gamma', { kind: 'sync', records: [], more: true });
      made.deliver(
        'alpha',
        'gamma',
        { kind: 'sync', records: [], more: false, catchUp: { number, part: 0 } },
        'stream',
      );
    }
    made.run(10);
    assert.equal(pullsOf(made).filter(({ message }) => message.number === 0).length, 2);
  });

  it('is of entries as they are when they leave', () => {
    const made = cluster({ transferWindow: 1 }, ['alpha', 'gamma']);
    cut(made);
    for (let at = 0; at < KEYS; at += 1) made.write('alpha', `k${at}`, 'before '.repeat(10));
    made.run(2000);
    let parts = 0;
    made.loses = (message) => {
      if (message.kind === 'sync' && message.catchUp !== undefined && (parts += 1) === 2)
        for (let at = 0; at < KEYS; at += 1) made.write('alpha', `k${at}`, 'after');
      return false;
    };
    made.run(3000);
    assertSame(made, 'gamma');
    const [first, , third] = partsTo(made);
    const values = (message: SyncMessage | undefined): string[] =>
      (message?.records ?? []).map((record) =>
        record.kind === 'entry' ? Buffer.from(record.value).toString() : '',
      );
    assert.match(values(first)[0] ?? '', /^before/);
    assert.deepEqual(new Set(values(third)), new Set(['after']));
  });

  it('has no more on its way than a window of parts, or one long value', () => {
    const made = cluster({ transferWindow: 3 }, ['alpha', 'gamma']);
    cut(made);
    for (let at = 0; at < 6; at += 1) made.write('alpha', `k${at}`, 'v'.repeat(100_000));
    made.run(2000);
    made.loses = (message) => message.kind === 'pull' && message.part > 0;
    made.run(1000);
    assert.equal(partsTo(made).length, 1);
    made.loses = () => false;
    made.run(8000);
    assertSame(made, 'gamma');

    const short = cluster({ transferWindow: 3 }, ['alpha', 'gamma']);
    cut(short);
    writeMuch(short, 'alpha');
    short.loses = (message) => message.kind === 'pull' && message.part > 0;
    short.run(1000);
    assert.equal(partsTo(short).length, 3);
  });

  it('comes from another when its giver stops, and from the same when a part was lost', () => {
    const made = cluster({ transferWindow: 1 });
    cut(made);
    writeMuch(made, 'alpha', 'beta');
    let lost = '';
    made.loses = (message, from) => {
      if (lost === '' && message.kind === 'sync' && message.catchUp?.part === 1) lost = from;
      return from === lost;
    };
    made.run(1500);
    assert.notEqual(lost, '');
    assert.notDeepEqual(made.contents('gamma'), made.contents('alpha'));
    made.run(4000);
    assertSame(made, 'gamma');

    const again = cluster({ transferWindow: 1 }, ['alpha', 'gamma']);
    cut(again);
    for (let at = 0; at < KEYS; at += 1) again.write('alpha', `k${at}`, 'v'.repeat(100));
    again.run(2000);
    let parts = 0;
    again.loses = (message) => message.kind === 'sync' && message.catchUp !== undefined && (parts += 1) === 2;
    again.run(6000);
    assertSame(again, 'gamma');
    assert.equal(again.at('alpha').state.counters.catchUpsGiven, 2);
  });

  it('of a taker that never lets on that all has come holds nothing up', () => {
    const made = cluster({}, ['alpha', 'gamma']);
    cut(made);
    writeMuch(made, 'alpha');
    made.loses = (message) => message.kind === 'pull' && message.part > 1;
    made.run(6000);
    made.loses = () => false;
    made.write('alpha', 'later', '1');
    made.run(3000);
    assertSame(made, 'gamma');
    made.loses = (message) => message.kind === 'pull';
    made.deliver('gamma', 'alpha', { kind: 'pull', number: 0, part: 0 }, 'stream');
    made.run(1000);
    assert.equal(made.at('alpha').state.catchUps.size, 1);
    made.run(defaultSettings.deadAfterMs + defaultSettings.heartbeatMs);
    assert.equal(made.at('alpha').state.catchUps.size, 0);
  });

  it('is given to so many at once, and who is refused asks another', () => {
    const made = cluster({ maxTransfers: 1, transferWindow: 1 }, ['alpha', 'beta', 'gamma', 'delta']);
    for (const id of ['gamma', 'delta']) made.at(id).isUp = false;
    made.run(3000);
    writeMuch(made, 'alpha', 'beta');
    made.loses = (message, from, to) =>
      message.kind === 'pull' && message.part > 0 && from === 'gamma' && to === 'alpha';
    for (const id of ['gamma', 'delta']) made.restart(id);
    made.run(8000);
    assertSame(made, 'beta', 'gamma', 'delta');
    for (const { state } of made.members) assert.ok(state.catchUps.size <= 1);
    const refused = made.sent.filter(
      ({ message }) => message.kind === 'sync' && message.catchUp?.number === 0,
    );
    assert.ok(refused.length > 0);
  });

  it('makes room for the next taker when it has had a HEARTBEAT period, and goes on later', () => {
    const made = cluster({ maxTransfers: 1, transferWindow: 1 }, ['alpha', 'gamma', 'delta']);
    made.loses = (_message, from, to) => from !== 'alpha' || to !== 'alpha';
    made.run(3000);
    writeMuch(made, 'alpha');
    // The first taker's link is so slow that nothing it says of its parts arrives.
    const isSlow = (message: Message, from: string): boolean =>
      from === 'gamma' && message.kind === 'pull' && message.part > 0;
    made.loses = (message, from, to) => isSlow(message, from) || from === 'delta' || to === 'delta';
    made.run(500);
    assert.ok(made.at('alpha').state.catchUps.has('gamma' as PeerId));
    made.loses = isSlow;
    made.run(1500); // before anybody gives up
    assertSame(made, 'delta');
    made.loses = () => false;
    made.run(5000);
    assertSame(made, 'gamma', 'delta');
  });

  it('is not asked of a process that is gone, though its offer comes late', () => {
    const made = cluster({}, ['alpha', 'gamma']);
    const gone = made.at('alpha').state.self;
    made.restart('alpha');
    made.run(1000);
    const { state } = made.at('gamma');
    const now = made.now(made.at('gamma'));
    onTurnEnd(state, now);
    const pullsOf = ({ id, incarnation }: Origin): number => {
      onMessage(state, now, id, incarnation, 'unicast', { kind: 'sync', records: [], more: true });
      return onTurnEnd(state, now).filter(
        (effect) => effect.kind === 'send' && effect.message.kind === 'pull',
      ).length;
    };
    assert.equal(pullsOf(gone), 0);
    assert.equal(pullsOf(made.at('alpha').state.self), 1);
  });

  it('of more dots than one may have goes on with the next', () => {
    const made = cluster({ maxAnswerDots: 100 }, ['alpha', 'gamma']);
    cut(made);
    writeMuch(made, 'alpha');
    made.loses = () => false;
    made.run(1500);
    assertSame(made, 'gamma');
    assert.equal(made.at('alpha').state.counters.catchUpsGiven, 6);
  });

  it('is gathered a slice a turn and goes a part a turn: between them the giver does other things', () => {
    const made = cluster({}, ['alpha', 'gamma']);
    cut(made);
    for (let at = 0; at < 10_000; at += 1) made.write('alpha', `k${at % 100}`, `${at}`);
    made.run(2000);
    const { state } = made.at('alpha');
    const { self } = made.at('gamma').state;
    const now = made.now(made.at('alpha'));
    const partsOfTurn = (): number =>
      onTurnEnd(state, now).filter(
        ({ kind, ...effect }) => kind === 'send' && 'by' in effect && effect.by === 'stream',
      ).length;
    const tick = (): number => {
      onTimer(state, now, 'catchUp', state.timers.catchUp.token);
      return partsOfTurn();
    };
    onTurnEnd(state, now);
    onMessage(state, now, self.id, self.incarnation, 'stream', { kind: 'pull', number: 0, part: 0 });
    assert.equal(partsOfTurn(), 0);
    const [catchUp] = state.catchUps.values();
    for (const gathered of [4096, 8192]) {
      assert.equal(tick(), 0);
      assert.equal(catchUp?.gathered, gathered);
    }
    for (let at = 0; at < defaultLimits.transferWindow; at += 1) assert.equal(tick(), 1);
    assert.equal(tick(), 0, 'the window is full');
  });

  it('ends when its giver takes part no more, and is begun anew when it does again', () => {
    const made = cluster({}, ['alpha', 'gamma']);
    cut(made);
    writeMuch(made, 'alpha');
    const { state } = made.at('alpha');
    made.deliver('gamma', 'alpha', { kind: 'pull', number: 0, part: 0 }, 'stream');
    state.phase = 'joining';
    made.run(100);
    assert.equal(state.catchUps.size, 0);
    state.phase = 'member';
    made.loses = () => false;
    made.run(3000);
    assertSame(made, 'gamma');
  });

  it('that was refused whole is not pulled again at once', () => {
    const made = cluster({}, ['alpha', 'gamma']);
    const far = (made.at('alpha').state.clock + 4096 * 3_600_000) as Timestamp;
    const tag = { timestamp: far, id: 'alpha' as PeerId, incarnation: 1 as Incarnation, sequence: 1 };
    const value = {
      key: 'k' as Key,
      kind: 'entry',
      entryKind: 'value',
      expiresAt: 0,
      value: new Uint8Array(1),
    } as const;
    const record = { ...tag, ...value, covers: [] };
    const offer = { kind: 'sync', records: [], more: true } as const;
    made.loses = (_message, from) => from === 'alpha';
    made.sent.length = 0;
    made.deliver('alpha', 'gamma', offer);
    made.run(5);
    const part = { kind: 'sync', records: [record], more: false, catchUp: { number: 1, part: 0 } } as const;
    made.deliver('alpha', 'gamma', part, 'stream');
    made.deliver('alpha', 'gamma', offer);
    made.run(5);
    assert.deepEqual(
      pullsOf(made).map(({ message }) => [message.number, message.part]),
      [
        [0, 0],
        [1, 1],
      ],
    );
    made.loses = () => false;
    made.run(defaultSettings.deadAfterMs);
    made.deliver('alpha', 'gamma', offer);
    made.run(5);
    assert.equal(pullsOf(made)[2]?.message.number, 0);
  });

  it('is no business of who was not asked, and nothing is given that was not begun', () => {
    const made = cluster();
    const gamma = made.at('gamma').state;
    const part = { kind: 'sync', records: [], more: true, catchUp: { number: 1, part: 0 } } as const;
    made.deliver('alpha', 'gamma', part, 'stream');
    assert.equal(gamma.counters.droppedMisdirected, 1);
    made.loses = (message) => message.kind === 'pull';
    made.deliver('beta', 'gamma', { kind: 'sync', records: [], more: true });
    made.deliver('alpha', 'gamma', part, 'stream');
    made.deliver('beta', 'gamma', { ...part, catchUp: { number: 1, part: 1 } }, 'stream');
    assert.equal(gamma.counters.droppedMisdirected, 3);
    const alpha = made.at('alpha').state;
    made.deliver('gamma', 'alpha', { kind: 'pull', number: 7, part: 3 }, 'stream');
    assert.equal(alpha.counters.droppedMisdirected, 1);
    assert.equal(alpha.catchUps.size, 0);
  });
});
