/**
 * Requests with an id over real sockets: what one peer executed every other one answers, hidden from all that lists keys; and a client whose peer is killed
 * under it, again and again, appends each of its words at most once.
 */
import assert from 'node:assert/strict';
import type { ChildPeer } from './childPeer.ts';
import { useClusters } from './cluster.ts';
import type { RespClient } from './respClient.ts';
import { waitUntil } from './waiting.ts';

const THREE = ['alpha', 'beta', 'gamma'];
/** Times that a client's peer is killed. */
const KILLS = 3;
const WORDS_AT_ONCE = 5;
const MOST_WORDS = 500;

describe('requests with an id', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  const { connect } = clusters;

  const once = (client: RespClient, id: string, words: string, attempt = ''): Promise<unknown> =>
    client.call(...`TOPOSPHERE DO ID ${id} ${attempt} RUN ${words}`.split(/ +/));
  const digests = (peers: readonly ChildPeer[]): Promise<unknown[]> =>
    Promise.all(peers.map(async (peer) => (await peer.connect()).call('TOPOSPHERE', 'DIGEST')));

  it('are executed once, answered by every peer, after a restart too, and seen in no list of keys', async () => {
    const { peers, peer } = await clusters.start({ ids: THREE });
    const [alpha, beta] = [await connect(peer('alpha')), await connect(peer('beta'))];
    assert.equal(await once(alpha, 'x', 'APPEND log one'), 3);
    assert.equal(await once(alpha, 'x', 'APPEND log one'), 3);
    const again = (): Promise<unknown> => once(beta, 'x', 'APPEND log one', 'AGAIN').catch(String);
    await waitUntil('beta has the record', async () => (await again()) === 3);
    assert.equal(await beta.text('GET', 'log'), 'one');
    assert.match(String(await once(beta, 'y', 'APPEND log one', 'AGAIN').catch(String)), /MAYBEAPPLIED/);
    await peer('alpha').kill();
    await peer('alpha').start();
    const anew = await connect(peer('alpha'));
    await waitUntil('alpha takes part', async () => {
      const met = await once(anew, 'x', 'APPEND log one', 'AGAIN').catch(String);
      return met === 3;
    });
    for (const client of [anew, beta]) {
      assert.deepEqual(await client.call('KEYS', '*'), [Buffer.from('log')]);
      assert.deepEqual(await client.call('SCAN', '0'), [Buffer.from('0'), [Buffer.from('log')]]);
      assert.equal(await client.call('DBSIZE'), 1);
      const record = Buffer.concat([Buffer.from([0xff, 0xff]), Buffer.from('topo/qx')]);
      assert.equal(await client.call('EXISTS', record), 0);
      assert.equal(await client.call('GET', record), null);
      await assert.rejects(
        client.call('SET', record, '1'),
        /keys that begin with FF FF topo\/ are the store's own/,
      );
    }
    await waitUntil('equal', async () => {
      const seen = await digests(peers);
      return seen.every((one) => JSON.stringify(one) === JSON.stringify(seen[0]));
    });
  });

  it('asked for again with a number of disks are never said to be on more than is known', async () => {
    const { peer } = await clusters.start({ ids: THREE });
    const [alpha, beta] = [await connect(peer('alpha')), await connect(peer('beta'))];
    const onDisks = (client: RespClient, disks: number, withinMs: number): Promise<string> =>
      client
        .call(...`TOPOSPHERE DO ACK REPLICATED ${disks} WITHIN ${withinMs} ID x AGAIN RUN SET k v`.split(' '))
        .then(String, String);
    // Of beta's own updates every disk is known to have all.
    assert.equal(
      String(await beta.call(...'TOPOSPHERE DO ACK REPLICATED 3 WITHIN 20000 RUN SET b 1'.split(' '))),
      'OK',
    );
    peer('gamma').signal('SIGSTOP');
    try {
      assert.equal(String(await once(alpha, 'x', 'SET k v')), 'OK');
      await waitUntil('beta has the record', async () =>
        once(beta, 'x', 'SET k v', 'AGAIN').then(
          () => true,
          () => false,
        ),
      );
      assert.match(await onDisks(beta, 3, 300), /UNKNOWN nothing was executed now: .* by another process/);
      await assert.rejects(beta.call('WAIT', '1', '300'), /UNKNOWN/);
      assert.match(await onDisks(alpha, 3, 300), /UNKNOWN the write stands on alpha .*gamma did not say so/);
      assert.equal(await onDisks(alpha, 2, 20_000), 'OK');
    } finally {
      peer('gamma').signal('SIGCONT');
    }
    assert.equal(await onDisks(alpha, 3, 20_000), 'OK');
    assert.match(await onDisks(beta, 3, 300), /UNKNOWN/, 'there is nobody whom beta could ask');
  });

  it('append each word at most once, though the peer is killed under its client', async () => {
    const { peers } = await clusters.start({ ids: THREE });
    let serial = 0;
    let unsure = 0;
    let recorded = 0;
    const certain = new Set<string>();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const [peer, next] = [peers[kill % peers.length], peers[(kill + 1) % peers.length]];
      assert.ok(peer !== undefined && next !== undefined);
      const client = await peer.connect();
      const sent: string[] = [];
      const replies: Promise<string | undefined>[] = [];
      let isKilled = false;
      // Words keep coming while the peer dies: of the last ones nobody knows how far they got.
      const pour = (): void => {
        for (let count = 0; count < WORDS_AT_ONCE; count += 1) {
          const word = `w${(serial += 1)}`;
          sent.push(word);
          const reply = once(client, word, `APPEND of${kill} ${word}.`);
          replies.push(
            reply.then(
              () => word,
              () => undefined,
            ),
          );
        }
        if (!isKilled && sent.length < MOST_WORDS) setImmediate(pour);
      };
      pour();
      await replies[0];
      await peer.kill();
      isKilled = true;
      const known = new Set(await Promise.all(replies));
      const other = await connect(next);
      for (const word of sent) {
        if (known.has(word)) {
          certain.add(word);
          continue;
        }
        const met = await once(other, word, `APPEND of${kill} ${word}.`, 'AGAIN').catch(String);
        if (typeof met === 'number') {
          recorded += 1;
          certain.add(word);
        } else {
          assert.match(String(met), /MAYBEAPPLIED nothing was executed now/);
          unsure += 1;
        }
      }
      await peer.start();
    }
    const client = await connect(peers[0] as ChildPeer);
    await waitUntil('all words that were acknowledged', async () => {
      const texts = await Promise.all(
        Array.from({ length: KILLS }, async (_, kill) => (await client.text('GET', `of${kill}`)) ?? ''),
      );
      const words = texts
        .join('')
        .split('.')
        .filter((word) => word !== '');
      assert.equal(new Set(words).size, words.length, 'a word twice');
      return [...certain].every((word) => words.includes(word));
    });
    assert.ok(certain.size > 0);
    assert.equal(certain.size + unsure, serial);
    console.log(
      `      ${certain.size} of ${serial} words for certain, ${recorded} of them by their record, ${unsure} unsure`,
    );
  });
});
