/**
 * Messages on channels between cores: in order, at most once, repaired as long as that is of use, and then given up and counted.
 */
import assert from 'node:assert/strict';
import { defaultLimits, defaultSettings, type CoreLimits } from '../../src/core/settings.ts';
import type { Message } from '../../src/core/messages.ts';
import type { PublishMessage } from '../../src/core/publishMessages.ts';
import type { Incarnation } from '../../src/core/types.ts';
import { Cluster, type Sent } from './cluster.ts';

/** Long enough for what is sent, and what is asked for, to come. */
const SOON_MS = 100;
const KEPT_MS = defaultLimits.publishKeptMs;

function clusterOf(ids: readonly string[], limits: Partial<CoreLimits> = {}): Cluster {
  const cluster = new Cluster(ids, 1, { ...defaultSettings, limits: { ...defaultLimits, ...limits } });
  cluster.run(2 * KEPT_MS); // everybody was there before anything was published
  return cluster;
}

function isPublish(message: Message): message is PublishMessage {
  return message.kind === 'publish';
}

/** Loses these messages wherever they are said for the first time. */
function loseFirst(cluster: Cluster, ...sequences: readonly number[]): void {
  cluster.loses = (message) =>
    isPublish(message) &&
    !message.isRepair &&
    message.records.some(({ sequence }) => sequences.includes(sequence));
}

function countOf(cluster: Cluster, kind: Message['kind'], is: (sent: Sent) => boolean = () => true): number {
  return cluster.sent.filter((sent) => sent.message.kind === kind && is(sent)).length;
}

describe('published messages', () => {
  it('come to all others in order, those of a turn in one datagram, behind what was written before', () => {
    const cluster = clusterOf(['a', 'b', 'c']);
    cluster.write('a', 'k', 'v');
    cluster.sent.length = 0;
    cluster.publish('a', 'news', 'one', 'two', 'three');
    cluster.run(SOON_MS);
    for (const id of ['b', 'c'])
      assert.deepEqual(cluster.at(id).heard, ['a news one', 'a news two', 'a news three']);
    assert.deepEqual(cluster.at('a').heard, [], 'its own are the driver’s to tell');
    const withMessages = cluster.sent.filter(
      ({ message }) => isPublish(message) && message.records.length > 0,
    );
    assert.equal(withMessages.length, 1);
    assert.equal(cluster.at('b').state.counters.messagesDelivered, 3);
  });

  it('leave behind the update of what was written in the same turn', () => {
    const cluster = clusterOf(['a', 'b']);
    cluster.sent.length = 0;
    cluster.write('a', 'k', 'v');
    cluster.publish('a', 'news', 'k');
    cluster.run(1);
    const kinds = cluster.sent.map(({ message }) => message.kind);
    assert.deepEqual(
      kinds.filter((kind) => kind === 'update' || kind === 'publish'),
      ['update', 'publish'],
    );
  });

  it('that were lost are asked for, and come in order, by multicast when two lack them', () => {
    const cluster = clusterOf(['a', 'b', 'c']);
    loseFirst(cluster, 2);
    for (const message of ['one', 'two', 'three']) cluster.publish('a', 'news', message);
    cluster.run(SOON_MS);
    for (const id of ['b', 'c'])
      assert.deepEqual(cluster.at(id).heard, ['a news one', 'a news two', 'a news three']);
    const repairs = cluster.sent.filter(
      ({ message }) => isPublish(message) && message.isRepair && message.records.length > 0,
    );
    assert.deepEqual(
      repairs.map(({ channel }) => channel),
      ['multicast'],
    );
  });

  it('that were lost last are revealed by what follows the last one; then there is silence', () => {
    const cluster = clusterOf(['a', 'b']);
    loseFirst(cluster, 1);
    cluster.publish('a', 'news', 'last');
    cluster.run(SOON_MS);
    assert.deepEqual(cluster.at('b').heard, ['a news last']);
    cluster.run(2 * KEPT_MS);
    cluster.sent.length = 0;
    cluster.run(10_000);
    assert.deepEqual([countOf(cluster, 'publish'), countOf(cluster, 'miss')], [0, 0]);
    assert.equal(cluster.at('a').state.publishing.kept.size, 0);
    assert.equal(cluster.at('a').state.publishing.keptBytes, 0);
  });

  it('are told once, however often they come', () => {
    const cluster = clusterOf(['a', 'b']);
    cluster.publish('a', 'news', 'one', 'two');
    cluster.run(SOON_MS);
    const said = cluster.sent.find(({ message }) => isPublish(message) && message.records.length === 2);
    assert.ok(said !== undefined);
    cluster.deliver('a', 'b', said.message, 'multicast');
    cluster.deliver('a', 'b', { ...(said.message as PublishMessage), isRepair: true });
    assert.deepEqual(cluster.at('b').heard, ['a news one', 'a news two']);
    assert.equal(cluster.at('b').state.counters.messagesDuplicate, 4);
  });

  it('behind one that nobody can repair wait no longer than messages are kept, and the lost one is counted', () => {
    const cluster = clusterOf(['a', 'b']);
    cluster.loses = (message) =>
      message.kind === 'miss' ||
      (isPublish(message) && message.records.some(({ sequence }) => sequence === 2));
    for (const message of ['one', 'two', 'three']) cluster.publish('a', 'news', message);
    cluster.run(KEPT_MS / 2);
    assert.deepEqual(cluster.at('b').heard, ['a news one']);
    cluster.run(KEPT_MS);
    assert.deepEqual(cluster.at('b').heard, ['a news one', 'a news three']);
    assert.equal(cluster.at('b').state.counters.messagesGivenUp, 1);
    cluster.loses = () => false;
    cluster.publish('a', 'news', 'four');
    cluster.run(SOON_MS);
    assert.deepEqual(cluster.at('b').heard, ['a news one', 'a news three', 'a news four']);
  });

  it('that wait below and above what is given up all come, once and in order', () => {
    const cluster = clusterOf(['a', 'b']);
    cluster.loses = (message) =>
      message.kind === 'miss' ||
      (isPublish(message) && message.records.some(({ sequence }) => sequence === 2));
    for (const message of ['one', 'two', 'three', 'four', 'five']) cluster.publish('a', 'news', message);
    cluster.run(SOON_MS);
    const said = cluster.sent.find(({ message }) => isPublish(message) && message.last === 5);
    assert.ok(said !== undefined);
    // Of two, which nobody has any more, three went as well; four and five are still kept.
    cluster.deliver('a', 'b', { ...(said.message as PublishMessage), oldest: 5 });
    cluster.loses = () => false;
    cluster.publish('a', 'news', 'six');
    cluster.run(SOON_MS);
    const { heard, state } = cluster.at('b');
    assert.deepEqual(
      heard,
      ['one', 'three', 'four', 'five', 'six'].map((message) => `a news ${message}`),
    );
    assert.equal(state.counters.messagesGivenUp, 1);
  });

  it('of a cut that has lasted for longer than they are kept are given up at once, those after it come', () => {
    const cluster = clusterOf(['a', 'b']);
    cluster.publish('a', 'news', 'before');
    cluster.run(SOON_MS);
    cluster.loses = () => true;
    for (let at = 0; at < 50; at += 1) {
      cluster.publish('a', 'news', `lost ${at}`);
      cluster.run(100);
    }
    cluster.loses = () => false;
    cluster.publish('a', 'news', 'after');
    cluster.run(SOON_MS);
    const { heard, state } = cluster.at('b');
    assert.equal(heard[0], 'a news before');
    assert.equal(heard.at(-1), 'a news after');
    assert.equal(state.counters.messagesGivenUp + state.counters.messagesDelivered, 52);
    assert.ok(heard.length > 15 && heard.length < 25, `what was kept came too: ${heard.length}`);
  });

  it('too long for a datagram go by stream, in their place, once', () => {
    const cluster = clusterOf(['a', 'b', 'c']);
    cluster.publish('a', 'news', 'one', new Uint8Array(100_000), 'three');
    cluster.run(SOON_MS);
    for (const id of ['b', 'c'])
      assert.deepEqual(cluster.at(id).heard, ['a news one', 'a news 100000 bytes', 'a news three']);
    const bytes = cluster.sent.filter(
      ({ message }) => isPublish(message) && message.records.some((one) => one.message.length > 1000),
    );
    assert.deepEqual(bytes.map(({ channel, to }) => [channel, to]).sort(), [
      ['stream', 'b'],
      ['stream', 'c'],
    ]);
  });

  it('too long for the limit are refused, and say what to do', () => {
    const cluster = clusterOf(['a', 'b'], { maxPublishBytes: 1000 });
    const refusal = cluster.publish('a', 'news', new Uint8Array(997));
    assert.equal(refusal?.code, 'VALUE_TOO_LONG');
    assert.match(refusal.message, /1001 bytes together, the limit is 1000 \(--max-publish-bytes\)/);
    assert.equal(cluster.publish('a', 'news', new Uint8Array(996)), undefined);
    cluster.run(SOON_MS);
    assert.deepEqual(cluster.at('b').heard, ['a news 996 bytes']);
  });

  it('of before a process began to listen are none of its; those of a publisher’s new process are all', () => {
    const cluster = clusterOf(['a', 'b']);
    cluster.publish('a', 'news', 'old');
    cluster.run(10);
    cluster.restart('b');
    cluster.at('b').heard.length = 0;
    cluster.run(10);
    cluster.publish('a', 'news', 'new');
    cluster.run(2 * KEPT_MS);
    assert.deepEqual(cluster.at('b').heard, ['a news new']);
    cluster.restart('a');
    loseFirst(cluster, 1);
    cluster.run(SOON_MS);
    cluster.publish('a', 'news', 'first');
    cluster.run(1);
    cluster.publish('a', 'news', 'second');
    cluster.run(SOON_MS);
    assert.deepEqual(cluster.at('b').heard, ['a news new', 'a news first', 'a news second']);
  });

  it('that were the first ever, and lost, come to one that had begun to listen shortly before', () => {
    const cluster = new Cluster(['a', 'b']);
    cluster.run(1000);
    loseFirst(cluster, 1);
    cluster.publish('a', 'news', 'first');
    cluster.run(1);
    cluster.publish('a', 'news', 'second');
    cluster.run(SOON_MS);
    assert.deepEqual(cluster.at('b').heard, ['a news first', 'a news second']);
  });

  it('of a process of before that come late are dropped', () => {
    const cluster = clusterOf(['a', 'b']);
    cluster.publish('a', 'news', 'old');
    cluster.run(SOON_MS);
    const { incarnation } = cluster.at('a').state.self;
    const late = cluster.sent.find(({ message }) => isPublish(message) && message.records.length === 1);
    assert.ok(late !== undefined);
    cluster.restart('a');
    cluster.run(SOON_MS);
    cluster.publish('a', 'news', 'new');
    cluster.run(SOON_MS);
    cluster.deliver('a', 'b', late.message, 'multicast', incarnation);
    assert.deepEqual(cluster.at('b').heard, ['a news old', 'a news new']);
  });

  it('wait within bounds, whatever a publisher says: what is too much is dropped, and counted', () => {
    const cluster = clusterOf(['a', 'b'], { publishKeptBytes: 1000 });
    const records = Array.from({ length: 12 }, (_, at) => ({
      sequence: at + 2,
      channel: '',
      message: new Uint8Array(100),
    }));
    cluster.deliver('a', 'b', {
      kind: 'publish',
      oldest: 1,
      oldestAgeMs: 0,
      last: 13,
      isRepair: false,
      records,
    });
    const { counters, publishing } = cluster.at('b').state;
    assert.equal(publishing.feeds.get(cluster.at('a').id)?.waitingBytes, 1000);
    assert.equal(counters.messagesWithoutRoom, 2);
    cluster.run(2 * KEPT_MS);
    assert.equal(cluster.at('b').heard.length, 10);
    assert.deepEqual(
      [counters.messagesGivenUp, publishing.feeds.get(cluster.at('a').id)?.waitingBytes],
      [3, 0],
    );
  });

  it('are kept within bounds: count and bytes', () => {
    const cluster = clusterOf(['a', 'b'], { publishKeptBytes: 1000, maxPublishKept: 20 });
    for (let at = 0; at < 30; at += 1) cluster.publish('a', '', new Uint8Array(at < 15 ? 100 : 1));
    assert.equal(cluster.at('a').state.publishing.kept.size, 20);
    for (let at = 0; at < 30; at += 1) cluster.publish('a', '', new Uint8Array(100));
    assert.equal(cluster.at('a').state.publishing.keptBytes, 1000);
  });

  it('further back than the limit are given up', () => {
    const cluster = clusterOf(['a', 'b'], { maxPublishKept: 4 });
    cluster.publish('a', 'news', '1');
    cluster.run(SOON_MS);
    loseFirst(cluster, 2, 3, 4, 5, 6, 7, 8, 9);
    for (let at = 2; at <= 9; at += 1) cluster.publish('a', 'news', `${at}`);
    cluster.run(SOON_MS);
    assert.deepEqual(
      cluster.at('b').heard,
      ['1', '6', '7', '8', '9'].map((one) => `a news ${one}`),
    );
    assert.equal(cluster.at('b').state.counters.messagesGivenUp, 4);
  });

  it('that are asked of another process than the one that runs, or of nobody’s numbers, are not repaired', () => {
    const cluster = clusterOf(['a', 'b']);
    cluster.publish('a', 'news', 'one');
    cluster.run(SOON_MS);
    cluster.sent.length = 0;
    const { incarnation } = cluster.at('a').state.self;
    cluster.deliver('b', 'a', {
      kind: 'miss',
      incarnation: (incarnation - 1) as Incarnation,
      ranges: [[1, 1]],
    });
    assert.equal(cluster.at('a').state.counters.droppedMisdirected, 1);
    cluster.deliver('b', 'a', { kind: 'miss', incarnation, ranges: [[2, Number.MAX_SAFE_INTEGER]] });
    cluster.run(8);
    assert.equal(
      countOf(cluster, 'publish', ({ message }) => isPublish(message) && message.records.length > 0),
      0,
    );
  });

  it('are told to peers that take no part yet, and not to one that was forgotten', () => {
    const cluster = clusterOf(['a', 'b']);
    cluster.at('b').state.phase = 'joining';
    cluster.publish('a', 'news', 'one');
    cluster.run(10);
    assert.deepEqual(cluster.at('b').heard, ['a news one']);
    cluster.at('b').state.phase = 'forgotten';
    cluster.publish('a', 'news', 'two');
    cluster.run(10);
    assert.deepEqual(cluster.at('b').heard, ['a news one']);
    assert.equal(cluster.publish('b', 'news', 'three')?.code, 'FORGOTTEN');
  });
});
