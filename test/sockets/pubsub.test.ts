/**
 * Messages on channels over real sockets, while every peer loses a twentieth of the datagrams that arrive: of each publisher in order, none twice, 999 of 1,000 told.
 *
 * The short form is 2,000 messages; `npm run test:messages` publishes 10,000. In the simulator it is publish.test.ts's, through all faults.
 */
import assert from 'node:assert/strict';
import { createClient } from 'redis';
import type { Published } from '../../src/peer/channels.ts';
import { useClusters } from './cluster.ts';
import type { RespClient } from './respClient.ts';
import { duration, report, waitUntil } from './waiting.ts';

const EACH = process.env['ALL_MESSAGES'] === undefined ? 500 : 2_500;
/** Messages that each peer is given at a time, and how long after that the next, milliseconds. */
const BURST = 10;
const PAUSE_MS = 20;
const LEAST_SHARE = 0.999;
/** What is missing is given up by then. */
const PATIENCE_MS = 4_000;

/** What one listener was told; faults are kept for the test to find. */
class Listener {
  told = 0;
  readonly faults: string[] = [];
  readonly #last = new Map<string, number>();

  readonly take = (message: string): void => {
    const [publisher = '', text = ''] = message.split(' ');
    const number = Number(text);
    const last = this.#last.get(publisher) ?? 0;
    if (number <= last) this.faults.push(`${message} after ${last}`);
    this.#last.set(publisher, number);
    this.told += 1;
  };
}

/** Each peer tells its own listeners of what the first one did: there as the commands, elsewhere as the changes that they made. */
async function tellEvents(
  first: RespClient | undefined,
  [own = [], ...others]: readonly string[][],
): Promise<void> {
  assert.ok(first !== undefined && others.length === 3);
  const steps = [
    ['SETRANGE k 0 x', ['new k', 'setrange k'], ['new k', 'set k']],
    ['INCRBYFLOAT n 0.5', ['new n', 'incrbyfloat n'], ['new n', 'incrby n']],
    ['EXPIRE k 100', ['expire k'], ['set k']],
    ['GETDEL k', ['del k'], ['del k']],
    ['PSETEX e 50 x', ['new e', 'set e', 'expire e', 'expired e'], ['new e', 'set e', 'expired e']],
  ] as const;
  for (const [line, here, there] of steps) {
    for (const told of [own, ...others]) told.length = 0;
    await first.call(...line.split(' '));
    await waitUntil(
      `${line} is told everywhere`,
      () => own.length >= here.length && others.every(({ length }) => length >= there.length),
    );
    assert.deepEqual(own, here);
    for (const told of others) assert.deepEqual(told, there);
  }
}

describe('messages on channels', () => {
  const clusters = useClusters();

  it(`${4 * EACH} with 5% of all datagrams lost: none twice, in order, 999 of 1,000 told at four peers`, async () => {
    const settings = { allowFaults: true, notifyKeyspaceEvents: 'EAn' };
    const { peers } = await clusters.start({ settings });
    const listeners: Listener[] = [];
    /** Of each peer. */
    const events: string[][] = [];
    for (const { clientPort } of peers) {
      const client = createClient({ socket: { host: '127.0.0.1', port: clientPort } });
      client.on('error', () => undefined);
      clusters.onEnd(() => {
        client.destroy();
      });
      await client.connect();
      const listener = new Listener();
      await client.subscribe('feed', listener.take);
      listeners.push(listener);
      const told: string[] = [];
      await client.pSubscribe('__keyevent@0__:*', (key, channel) => {
        told.push(`${channel.replace('__keyevent@0__:', '')} ${key}`);
      });
      events.push(told);
    }
    const publishers = await Promise.all(peers.map((peer) => clusters.connect(peer)));
    await tellEvents(publishers[0], events);
    await Promise.all(peers.map((peer) => peer.faults('drop', '5')));
    const replies: unknown[] = [];
    for (let number = 1; number <= EACH; number += 1) {
      for (const [at, { id }] of peers.entries())
        publishers[at]?.post(['PUBLISH', 'feed', `${id} ${number}`], (reply) => void replies.push(reply));
      if (number % BURST === 0) await duration(PAUSE_MS);
    }
    await waitUntil('all answered', () => replies.length === EACH * peers.length);
    assert.ok(
      replies.every((reply) => reply === 1),
      'each peer has one subscriber',
    );
    const due = EACH * peers.length * listeners.length;
    const countTold = (): number => listeners.reduce((sum, { told }) => sum + told, 0);
    const startMs = performance.now();
    await waitUntil(
      'told, or given up',
      () => countTold() >= due || performance.now() - startMs > PATIENCE_MS,
    );
    const lost = await Promise.all(
      peers.map(async (peer) => (await peer.status()).drops['rehearsedFault'] ?? 0),
    );
    report(
      `${countTold()} of ${due} told ${Math.round(performance.now() - startMs)} ms after the last; ${lost.join(', ')} datagrams lost`,
    );
    assert.deepEqual(
      listeners.flatMap(({ faults }) => faults),
      [],
    );
    assert.ok(countTold() >= LEAST_SHARE * due, `${countTold()} of ${due}`);
    assert.ok(lost.reduce((sum, count) => sum + count, 0) > 20, 'the loss was on');
  }).timeout(60_000);

  it('between programs that embed a peer: short ones, and one that goes over TCP', async () => {
    const { peers } = await clusters.startEmbedded({ ids: ['alpha', 'beta'] });
    const [alpha, beta] = peers;
    assert.ok(alpha !== undefined && beta !== undefined);
    const heard: Published[] = [];
    const end = beta.subscribe('news', (published) => heard.push(published));
    assert.equal(alpha.publish('news', 'short'), 0);
    alpha.publish('news', Buffer.alloc(500_000, 7));
    assert.equal(beta.publish('news', 'own'), 1);
    await waitUntil('three heard', () => heard.length === 3);
    assert.deepEqual(
      heard.map(({ message }) => message.length).sort((a, b) => a - b),
      [3, 5, 500_000],
    );
    assert.throws(() => alpha.publish('news', Buffer.alloc(1024 * 1024)), { code: 'VALUE_TOO_LONG' });
    end();
    assert.equal(beta.publish('news', 'nobody'), 0);
  }).timeout(30_000);
});
