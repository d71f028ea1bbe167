/**
 * Writes that wait for other peers' disks, on real sockets and real LMDB: in a program and from Redis clients, with all four peers there, one paused, one cut off; and WAIT.
 */
import assert from 'node:assert/strict';
import { createClient } from 'redis';
import { ToposphereError, type Peer } from '../../src/index.ts';
import { FOUR_IDS, useClusters } from './cluster.ts';
import { waitUntil } from './waiting.ts';

const FAULTS = { allowFaults: true };

describe('writes that wait for other disks', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  const { connect } = clusters;

  /** Everything that a peer says and hears is lost from now on. */
  function cutOff(peers: readonly Peer[], away: Peer): void {
    away.backend.rehearseFaults(['cut', ...peers.filter((peer) => peer !== away).map(({ id }) => id)]);
    for (const peer of peers) if (peer !== away) peer.backend.rehearseFaults(['cut', away.id]);
  }

  it('of a program resolve when the disks have them, and are UNKNOWN where one is away, with who has answered', async () => {
    const { peers } = await clusters.startEmbedded({ ids: FOUR_IDS, settings: FAULTS });
    const [alpha, , , delta] = peers;
    assert.ok(alpha !== undefined && delta !== undefined);
    for (const replicated of [1, 2, 3, 4, 'majority', 'all'] as const)
      await alpha.set('a', `${replicated}`, { acknowledge: { replicated, withinMs: 20_000 } });
    for (const peer of peers) assert.equal(peer.getText('a'), 'all');
    cutOff(peers, delta);
    await alpha.set('a', 'most', { acknowledge: { replicated: 'majority', withinMs: 20_000 } });
    await assert.rejects(
      alpha.set('a', 'some', { acknowledge: { replicated: 'all', withinMs: 300 } }),
      (error) => {
        assert.ok(error instanceof ToposphereError);
        assert.deepEqual([error.code, error.changed], ['UNKNOWN', true]);
        assert.deepEqual(error.replicas, { onDisk: ['alpha', 'beta', 'gamma'], silent: ['delta'] });
        return true;
      },
    );
    assert.equal(alpha.getText('a'), 'some', 'it stands');
    const session = alpha.session();
    await session.set('s', '1', { acknowledge: { replicated: 3, withinMs: 20_000 } });
    assert.equal(await session.delete('s', { acknowledge: { replicated: 3, withinMs: 20_000 } }), true);
    const waiting = alpha.set('b', '1', { acknowledge: { replicated: 'all', withinMs: 20_000 } });
    for (const peer of peers) peer.backend.rehearseFaults(['heal']);
    await waiting;
    assert.equal(delta.getText('b'), '1');
    assert.equal(delta.getText('a'), 'some');
  });

  it('of a program are refused before anything is written where they cannot be', async () => {
    const { peers } = await clusters.startEmbedded({ ids: ['alpha', 'beta'] });
    const [alpha] = peers;
    assert.ok(alpha !== undefined);
    for (const acknowledge of [
      { replicated: 3 },
      { replicated: 0 },
      { replicated: 1.5 },
      { replicated: 2, withinMs: 0 },
      { replicated: 2, withinMs: Infinity },
    ])
      await assert.rejects(
        alpha.set('a', '1', { acknowledge }),
        (error) => error instanceof ToposphereError && error.code === 'BAD_ARGUMENT',
      );
    assert.equal(alpha.get('a'), undefined);
  });

  it('of a Redis client are answered in order when the disks have them, or UNKNOWN, by connection or by command', async () => {
    const { peer } = await clusters.start({ ids: FOUR_IDS, settings: FAULTS });
    const client = await connect(peer('alpha'));
    const say = (line: string): Promise<string | null> => client.text(...line.split(' '));
    assert.equal(await say('TOPOSPHERE ACK REPLICATED all WITHIN 20000'), 'OK');
    assert.equal(await say('TOPOSPHERE ACK'), 'replicated all within 20000');
    const replies = await Promise.all([
      say('SET a 1'),
      say('GET a'),
      client.call('DEL', 'nothing'),
      say('TOPOSPHERE DO ACK fast RUN SET a 2'),
      say('GETSET a 3'),
    ]);
    assert.deepEqual(replies, ['OK', '1', 0, 'OK', '2']);
    for (const id of FOUR_IDS) assert.equal(await (await connect(peer(id))).text('GET', 'a'), '3');
    await assert.rejects(say('TOPOSPHERE ACK REPLICATED 5'), /ERR replicated 5 asks for more disks/);
    await assert.rejects(say('TOPOSPHERE ACK REPLICATED none'), /ERR the acknowledgement level is one of/);
    await assert.rejects(say('TOPOSPHERE ACK REPLICATED 2 WITHIN 0'), /ERR WITHIN takes 1 to/);
    peer('delta').signal('SIGSTOP');
    try {
      assert.equal(await say('TOPOSPHERE ACK durable'), 'OK');
      const [most, all, next] = await Promise.allSettled([
        say('TOPOSPHERE DO ACK REPLICATED majority WITHIN 20000 RUN SET a 4'),
        say('TOPOSPHERE DO ACK REPLICATED ALL WITHIN 200 RUN SET a 5'),
        say('GET a'),
      ]);
      assert.deepEqual(
        [most, next],
        [
          { status: 'fulfilled', value: 'OK' },
          { status: 'fulfilled', value: '5' },
        ],
      );
      assert.match(
        String((all as PromiseRejectedResult).reason),
        /UNKNOWN the write stands on alpha .*disks of alpha, beta, gamma, .*delta did not say so in time/,
      );
    } finally {
      peer('delta').signal('SIGCONT');
    }
    await waitUntil(
      'delta has it',
      async () => (await (await connect(peer('delta'))).text('GET', 'a')) === '5',
    );
  });

  it('are counted by WAIT for a client that everybody uses: others alone, what this connection wrote, within the timeout', async () => {
    const { peer } = await clusters.start({ ids: FOUR_IDS, settings: FAULTS });
    const client = createClient({ socket: { host: '127.0.0.1', port: peer('alpha').clientPort } });
    client.on('error', () => undefined);
    await client.connect();
    clusters.onEnd(() => {
      client.destroy();
    });
    assert.equal(await client.wait(3, 20_000), 3, 'nothing was written: all have that');
    const [, counted] = await Promise.all([client.set('a', '1'), client.wait(3, 20_000)]);
    assert.equal(counted, 3);
    peer('delta').signal('SIGSTOP');
    try {
      await client.set('a', '2');
      assert.equal(await client.wait(2, 20_000), 2);
      const startedMs = performance.now();
      assert.equal(await client.wait(3, 150), 2);
      assert.ok(performance.now() - startedMs >= 145);
      // Without limit, until the connection is gone: the peer goes on, and forgets it.
      const raw = await connect(peer('alpha'));
      const endless = raw.call('SET', 'b', '1').then(() => raw.call('WAIT', '3', '0'));
      await waitUntil('it waits', async () =>
        /cmd=wait/.test((await client.sendCommand(['CLIENT', 'LIST'])) as unknown as string),
      );
      raw.close();
      await assert.rejects(endless);
      await waitUntil(
        'it is gone',
        async () => !/cmd=wait/.test((await client.sendCommand(['CLIENT', 'LIST'])) as unknown as string),
      );
    } finally {
      peer('delta').signal('SIGCONT');
    }
    assert.equal(await client.wait(3, 20_000), 3);
    for (const [words, reason] of [
      [['WAIT', 'x', '0'], /ERR value is not an integer or out of range/],
      [['WAIT', '1', 'x'], /ERR timeout is not an integer or out of range/],
      [['WAIT', '1', '-1'], /ERR timeout is negative/],
      [['WAIT', '1'], /ERR wrong number of arguments for 'wait' command/],
    ] as const)
      await assert.rejects(client.sendCommand([...words]), reason);
  });
});
