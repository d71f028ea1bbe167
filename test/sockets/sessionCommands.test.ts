/**
 * Sessions over the Redis protocol: what TOPOSPHERE SESSION answers, in pipelines and from peer to peer, with a client that everybody uses, and while the
 * client's peer is killed under it.
 */
import assert from 'node:assert/strict';
import { createClient } from 'redis';
import { useClusters } from './cluster.ts';
import type { RespClient } from './respClient.ts';

const THREE = ['alpha', 'beta', 'gamma'];
const TURNS = 24;

describe('sessions over the Redis protocol', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  const { connect } = clusters;

  const begin = (client: RespClient, ...words: readonly string[]): Promise<string | null> =>
    client.text('TOPOSPHERE', 'SESSION', 'BEGIN', ...words);
  const tokenOf = async (client: RespClient): Promise<string> =>
    (await client.text('TOPOSPHERE', 'SESSION', 'TOKEN')) ?? '';

  it('go on at every peer with the token of the last, also in a pipeline', async () => {
    const { peers } = await clusters.start({ ids: THREE });
    const tokens: string[] = [];
    for (let turn = 0; turn < TURNS; turn += 1) {
      const peer = peers[turn % peers.length];
      assert.ok(peer !== undefined);
      const client = await connect(peer);
      const [begun, found, , set, token] = await Promise.all([
        begin(client, ...tokens.slice(-1)),
        client.text('GET', 'turn'),
        client.call('EXISTS', 'nothing'),
        client.text('SET', 'turn', `${turn}`),
        tokenOf(client),
      ]);
      assert.deepEqual([begun, set], ['OK', 'OK']);
      assert.equal(found, turn === 0 ? null : `${turn - 1}`);
      assert.match(token, /^s1\./);
      tokens.push(token);
      client.close();
    }
    assert.ok((tokens.at(-1)?.length ?? 0) < 400, tokens.at(-1));
  });

  it('are refused by a peer that is behind, with all that would read or write keys, until it is not', async () => {
    const { peer } = await clusters.start({ ids: THREE, settings: { allowFaults: true } });
    const [alpha, beta] = [await connect(peer('alpha')), await connect(peer('beta'))];
    await peer('beta').faults('drop', '100');
    assert.equal(await begin(alpha), 'OK');
    await alpha.call('SET', 'k', '1');
    const token = await tokenOf(alpha);
    await assert.rejects(begin(beta, 'WAIT', '50', token), /^ReplyError: BEHIND beta does not have all/);
    for (const words of [['GET', 'k'], ['SET', 'k', '2'], ['KEYS', '*'], ['DBSIZE']])
      await assert.rejects(beta.call(...words), /BEHIND .*TOPOSPHERE SESSION BEGIN again/);
    assert.equal(await beta.text('PING'), 'PONG');
    assert.equal(await beta.text(...'TOPOSPHERE DO READ LOCAL RUN GET k'.split(' ')), null);
    await assert.rejects(beta.call(...'TOPOSPHERE DO READ SESSION RUN GET k'.split(' ')), /BEHIND/);
    const waiting = begin(beta, 'WAIT', '20000');
    const read = beta.text('GET', 'k'); // behind it in the pipeline
    await peer('beta').faults('heal');
    assert.equal(await waiting, 'OK');
    assert.equal(await read, '1');
    assert.equal(await beta.text(...'TOPOSPHERE DO READ SESSION RUN GET k'.split(' ')), '1');
    await beta.call('DEL', 'k');
    assert.equal(await beta.text('TOPOSPHERE', 'SESSION', 'END'), 'OK');
    await assert.rejects(tokenOf(beta), /no session/);
  });

  it('merge the tokens of several connections, and refuse other words', async () => {
    const { peer } = await clusters.start({ ids: ['alpha', 'beta'] });
    const pool = [await connect(peer('alpha')), await connect(peer('alpha'))];
    for (const [at, client] of pool.entries()) {
      await begin(client);
      await client.call('SET', `of ${at}`, 'here');
    }
    const tokens = await Promise.all(pool.map(tokenOf));
    const beta = await connect(peer('beta'));
    assert.equal(await begin(beta, ...tokens), 'OK');
    assert.deepEqual(await beta.call('MGET', 'of 0', 'of 1'), [Buffer.from('here'), Buffer.from('here')]);
    const wrong: readonly (readonly string[])[] = [
      ['BEGIN', 'WAIT'],
      ['BEGIN', 'WAIT', '-1'],
      ['BEGIN', 'WAIT', '60001'],
      ['BEGIN', 's1.nonsense'],
      ['BEGIN', ...Array.from({ length: 65 }, () => tokens[0] ?? '')],
      ['TOKEN', 'x'],
      ['OTHER'],
    ];
    for (const words of wrong)
      await assert.rejects(
        beta.call('TOPOSPHERE', 'SESSION', ...words),
        /^ReplyError: ERR /,
        words.join(' '),
      );
    assert.equal(await beta.text('RESET'), 'RESET');
    await assert.rejects(tokenOf(beta), /no session/);
  });

  it('work with node-redis, and keep what was acknowledged when their peer is killed', async () => {
    const { peers } = await clusters.start({ ids: THREE });
    let token: string | undefined;
    let delayed = 0;
    for (const [turn, peer] of [...peers, ...peers].entries()) {
      const next = peers[(turn + 1) % peers.length];
      assert.ok(next !== undefined);
      const client = createClient({
        url: `redis://127.0.0.1:${peer.clientPort}`,
        socket: { reconnectStrategy: false },
      });
      client.on('error', () => undefined);
      await client.connect();
      const words = [
        'TOPOSPHERE',
        'SESSION',
        'BEGIN',
        'WAIT',
        '20000',
        ...(token === undefined ? [] : [token]),
      ];
      await client.sendCommand(words);
      if (turn > 0) assert.equal(await client.get('cart'), `${turn - 1}`);
      await client.set('cart', `${turn}`);
      token = await client.sendCommand<string>(['TOPOSPHERE', 'SESSION', 'TOKEN']);
      await peer.kill();
      client.destroy();
      const other = await connect(next);
      // It was acknowledged, so it is with somebody; who has it may be the one that was killed.
      const met = await begin(other, token).catch((error: unknown) => String(error));
      if (met !== 'OK') {
        assert.match(String(met), /BEHIND|UNDECIDED/);
        delayed += 1;
      } else assert.equal(await other.text('GET', 'cart'), `${turn}`);
      other.close();
      await peer.start();
    }
    assert.ok(
      delayed <= peers.length,
      `${delayed} of ${2 * peers.length} sessions had to wait for who was killed`,
    );
  });
});
