/** Requests at most once (I13): what a record says at every peer, when its absence proves something, and what is said where nothing can be known. */
import assert from 'node:assert/strict';
import { findBrokenInvariants } from '../../src/core/invariants.ts';
import { HIDDEN_PREFIX, isHidden } from '../../src/core/hiddenKeys.ts';
import { decodeRecord, encodeRecord, recordKey } from '../../src/core/requestRecord.ts';
import type { RequestId } from '../../src/core/requestRecord.ts';
import { giveTicket, judgeRequest, onRequest } from '../../src/core/requests.ts';
import type { Attempt, RequestVerdict } from '../../src/core/requests.ts';
import { defaultLimits, type CoreLimits } from '../../src/core/settings.ts';
import { countKeys } from '../../src/core/state.ts';
import type { Incarnation, Key, PeerId } from '../../src/core/types.ts';
import { stampAnew, type WriteRefusal } from '../../src/core/write.ts';
import type { Cluster } from './cluster.ts';
import { QUICK, sent, three, THREE } from './three.ts';

const ONE = 'one' as RequestId;
const OK = new TextEncoder().encode('+OK\r\n');

function made(limits: Partial<CoreLimits> = {}): Cluster {
  return three({ ...QUICK, limits: { ...defaultLimits, ...limits } });
}

/** A peer executes a request that sets keys; its turn ends with the next timer. */
function execute(
  cluster: Cluster,
  at: string,
  id: RequestId,
  values: Readonly<Record<string, string>>,
  reply = OK,
  isFast = false,
): WriteRefusal | undefined {
  const member = cluster.at(at);
  const changes = Object.entries(values).map(([key, value]) => ({
    key: key as Key,
    value: new TextEncoder().encode(value),
    expiresAt: 0,
  }));
  return onRequest(member.state, cluster.now(member), id, reply, changes, isFast);
}

function judge(cluster: Cluster, at: string, id: RequestId, attempt: Attempt): RequestVerdict {
  return judgeRequest(cluster.at(at).state, id, attempt);
}

const EXECUTED: RequestVerdict = { kind: 'executed', reply: OK, isOwn: true };

function assertExecuted(cluster: Cluster, at: string, id = ONE): void {
  const verdict = judge(cluster, at, id, 'again');
  assert.ok(verdict.kind === 'executed', JSON.stringify(verdict));
  assert.deepEqual(Buffer.from(verdict.reply), Buffer.from(OK));
}

describe('a request with an id', () => {
  it('is executed once: every peer that has its record answers from it, whatever the client says', () => {
    const cluster = made();
    assert.deepEqual(judge(cluster, 'alpha', ONE, 'first'), { kind: 'new' });
    assert.equal(execute(cluster, 'alpha', ONE, { a: '1' }), undefined);
    assertExecuted(cluster, 'alpha');
    assert.deepEqual(judge(cluster, 'alpha', ONE, 'first').kind, EXECUTED.kind);
    cluster.run(1000);
    for (const id of THREE) {
      assertExecuted(cluster, id);
      assert.equal(cluster.read(id, 'a'), '1');
      assert.equal(judge(cluster, id, 'on' as RequestId, 'again').kind, 'unsure');
      assert.equal(judge(cluster, id, 'one ' as RequestId, 'again').kind, 'unsure');
    }
  });

  it('is known for its own by the process that executed it, and by no later one of its id', () => {
    const cluster = made();
    execute(cluster, 'alpha', ONE, { a: '1' });
    const isOwn = (): readonly unknown[] =>
      THREE.map((id) => {
        const verdict = judge(cluster, id, ONE, 'again');
        return verdict.kind === 'executed' && verdict.isOwn;
      });
    cluster.run(1000);
    assert.deepEqual(isOwn(), [true, false, false]);
    cluster.restart('alpha');
    cluster.run(1000);
    assertExecuted(cluster, 'alpha');
    assert.deepEqual(isOwn(), [false, false, false]);
  });

  it('travels with its record in one UPDATE, the record first, and neither is a key that clients count', () => {
    const cluster = made();
    const before = sent(cluster, 'update').length;
    execute(cluster, 'alpha', ONE, { a: '1', b: '2' });
    cluster.run(1000);
    const updates = sent(cluster, 'update').slice(before);
    assert.equal(updates.length, 1);
    const [update] = updates;
    assert.ok(update?.message.kind === 'update');
    assert.deepEqual(
      update.message.records.map(({ key }) => key),
      [recordKey(ONE), 'a', 'b'],
    );
    for (const { state } of cluster.members) {
      assert.deepEqual([state.visibleKeys, state.hiddenKeys, countKeys(state)], [3, 1, 2]);
      assert.deepEqual(findBrokenInvariants(state), []);
    }
  });

  it('is unsure where its record is not, and executed there only if the client says that this is the first attempt', () => {
    const cluster = made();
    cluster.loses = () => true;
    execute(cluster, 'alpha', ONE, { a: '1' });
    cluster.run(100);
    assert.deepEqual(judge(cluster, 'beta', ONE, 'again'), { kind: 'unsure', why: 'noRecord' });
    assert.deepEqual(judge(cluster, 'beta', ONE, 'first'), { kind: 'new' });
  });

  it('may be executed again by the process that gave a ticket before, and by nobody else', () => {
    const cluster = made();
    const ticket = giveTicket(cluster.at('alpha').state);
    assert.deepEqual(judge(cluster, 'alpha', ONE, ticket), { kind: 'new' });
    assert.deepEqual(judge(cluster, 'beta', ONE, ticket), { kind: 'unsure', why: 'noRecord' });
    execute(cluster, 'alpha', ONE, { a: '1' });
    assert.equal(judge(cluster, 'alpha', ONE, ticket).kind, 'executed');
    // What the process did before it ended, `fast` and told to others, its disk need not know.
    cluster.restart('alpha');
    cluster.run(100);
    assert.equal(judge(cluster, 'alpha', ONE, ticket).kind, 'unsure');
    assert.equal(judge(cluster, 'alpha', 'two' as RequestId, ticket).kind, 'unsure');
  });

  it('is unsure once its record has expired, and old tickets prove nothing when that is gone', () => {
    const cluster = made({ requestsKeptMs: 2000 });
    const old = giveTicket(cluster.at('alpha').state);
    execute(cluster, 'alpha', ONE, { a: '1' });
    cluster.run(1500);
    for (const id of THREE) assertExecuted(cluster, id);
    cluster.loses = () => true; // no round ends
    cluster.run(1000);
    assert.deepEqual(judge(cluster, 'alpha', ONE, old), { kind: 'unsure', why: 'expired' });
    assert.deepEqual(judge(cluster, 'alpha', ONE, 'first'), { kind: 'unsure', why: 'expired' });
    cluster.loses = () => false;
    cluster.run(10_000);
    for (const { state } of cluster.members) {
      assert.equal(state.store.readEntry(recordKey(ONE)), undefined);
      assert.equal(state.hiddenKeys, 0);
    }
    assert.deepEqual(judge(cluster, 'alpha', ONE, old), { kind: 'unsure', why: 'noRecord' });
    const fresh = giveTicket(cluster.at('alpha').state);
    assert.deepEqual(judge(cluster, 'alpha', 'two' as RequestId, fresh), { kind: 'new' });
  });

  it('is not answered before what it changed is here too', () => {
    const cluster = made({ datagramBudgetBytes: 200 });
    cluster.loses = (message) =>
      message.kind !== 'keepalive' &&
      !(message.kind === 'update' && message.records.some(({ key }) => isHidden(key)));
    execute(cluster, 'alpha', ONE, { a: '1'.repeat(100), b: '2' });
    cluster.run(400);
    assert.deepEqual(judge(cluster, 'beta', ONE, 'again'), { kind: 'unsure', why: 'arriving' });
    cluster.loses = () => false;
    cluster.run(2000);
    assertExecuted(cluster, 'beta');
  });

  it('is said to be lost where its record survived its process, and what it changed did not', () => {
    const cluster = made({ datagramBudgetBytes: 200 });
    cluster.loses = (message) =>
      message.kind === 'update' && !message.records.some(({ key }) => isHidden(key));
    execute(cluster, 'alpha', ONE, { a: '1'.repeat(100), b: '2' }, OK, true);
    cluster.deliver('beta', 'alpha', { kind: 'leaving' }); // ends the turn: what is fast leaves before it is committed
    cluster.restart('alpha', 'power');
    cluster.run(5);
    cluster.loses = () => false;
    let verdict = judge(cluster, 'beta', ONE, 'again');
    assert.deepEqual(verdict, { kind: 'unsure', why: 'arriving' });
    for (let waited = 0; waited < 200 && verdict.kind !== 'lost'; waited += 1) {
      cluster.run(50);
      verdict = judge(cluster, 'beta', ONE, 'again');
    }
    assert.deepEqual(verdict, { kind: 'lost', by: 'alpha' });
  });

  it('keeps a reply up to a limit, and of a longer one that it was given', () => {
    const cluster = made({ maxRecordedReplyBytes: 5 });
    execute(cluster, 'alpha', ONE, { a: '1' });
    execute(cluster, 'alpha', 'two' as RequestId, { b: '1' }, new TextEncoder().encode('$1\r\na\r\n'));
    assertExecuted(cluster, 'alpha');
    assert.deepEqual(judge(cluster, 'alpha', 'two' as RequestId, 'again'), {
      kind: 'unsure',
      why: 'tooLong',
    });
  });

  it('is refused where as many are remembered as may be, and changes nothing', () => {
    const cluster = made({ maxRequests: 2 });
    execute(cluster, 'alpha', ONE, { a: '1' });
    execute(cluster, 'alpha', 'two' as RequestId, { a: '2' });
    const refusal = execute(cluster, 'alpha', 'three' as RequestId, { a: '3' });
    assert.equal(refusal?.code, 'NO_ROOM');
    assert.match(refusal.message, /nothing was executed: alpha remembers 2 requests/);
    assert.equal(cluster.read('alpha', 'a'), '2');
    assert.equal(cluster.at('alpha').state.counters.requestsRefusedFull, 1);
  });

  it('that two peers executed is counted and told where the records meet', () => {
    const cluster = made();
    cluster.loses = () => true;
    const tickets = THREE.map((id) => giveTicket(cluster.at(id).state));
    execute(cluster, 'alpha', ONE, { a: '1' });
    execute(cluster, 'beta', ONE, { a: '1' });
    cluster.run(300);
    cluster.loses = () => false;
    cluster.run(5000);
    assert.ok(cluster.notices.some(({ name }) => name === 'requestExecutedTwice'));
    const counted = cluster.members.filter(({ state }) => state.counters.requestsExecutedTwice > 0);
    assert.ok(counted.length > 0);
    for (const { id } of counted.filter((member) => member.id !== 'gamma')) {
      const ticket = tickets[THREE.indexOf(id)];
      assert.equal(ticket?.id, id);
      assert.equal(judge(cluster, id, 'two' as RequestId, ticket).kind, 'unsure');
    }
  });

  it('is the same one when its record is stamped anew', () => {
    const cluster = made();
    execute(cluster, 'alpha', ONE, { a: '1' });
    cluster.run(1000);
    const { state } = cluster.at('alpha');
    const entry = state.store.readEntry(recordKey(ONE));
    assert.ok(entry !== undefined);
    stampAnew(state, cluster.now(cluster.at('alpha')), recordKey(ONE), entry);
    cluster.run(1000);
    for (const member of cluster.members) {
      assertExecuted(cluster, member.id);
      assert.ok((member.disk.store.readEntry(recordKey(ONE))?.sequence ?? 0) > entry.sequence);
      assert.equal(member.state.counters.requestsExecutedTwice, 0);
    }
  });
});

describe('the record of a request', () => {
  it('is read as it was written, with a reply or without', () => {
    const executed = {
      id: 'alpha' as PeerId,
      incarnation: 8_112_345_678_901_234 as Incarnation,
      sequence: 2 ** 40 + 1,
    };
    for (const reply of [undefined, new Uint8Array(0), OK]) {
      const record = { executed, effects: 70_000, reply };
      const bytes = encodeRecord(record);
      assert.deepEqual(decodeRecord(bytes), record);
      const moved = Buffer.concat([Buffer.from('xyz'), bytes]).subarray(3);
      assert.deepEqual(decodeRecord(moved)?.executed, executed);
    }
  });

  it('is not read from what is none, or cut short', () => {
    const bytes = encodeRecord({
      executed: { id: 'a' as PeerId, incarnation: 1 as Incarnation, sequence: 1 },
      effects: 0,
      reply: undefined,
    });
    for (let length = 0; length < bytes.length; length += 1)
      assert.equal(decodeRecord(bytes.subarray(0, length)), undefined, `${length} bytes`);
    assert.equal(decodeRecord(Uint8Array.of(2, ...bytes.subarray(1))), undefined);
  });

  it('has a key that no text can be', () => {
    assert.ok(recordKey(ONE).startsWith(HIDDEN_PREFIX));
    assert.ok(Buffer.from(HIDDEN_PREFIX, 'latin1').toString('utf8').includes('\ufffd'));
  });
});
