/**
 * Counters on real peers: what two sides of a cut count adds up, and whoever walks, watches, tracks or goes on elsewhere with a session sees a counter as any key.
 */
import assert from 'node:assert/strict';
import { openRawClient } from '../server/rawClient.ts';
import { useClusters } from './cluster.ts';
import { waitUntil } from './waiting.ts';

const TWO = ['alpha', 'beta'];
const COUNTS = 50;

describe('counters', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  it('are the sum of both sides when a cut heals, and what was deleted meanwhile is not', async () => {
    const { peer } = await clusters.start({ ids: TWO, settings: { allowFaults: true } });
    const [alpha, beta] = [await clusters.connect(peer('alpha')), await clusters.connect(peer('beta'))];
    await alpha.call('SET', 'upon', '1000');
    await waitUntil('upon at beta', async () => (await beta.text('GET', 'upon')) === '1000');
    await peer('alpha').faults('cut', 'beta');
    await peer('beta').faults('cut', 'alpha');
    for (const client of [alpha, beta])
      await Promise.all(
        Array.from({ length: COUNTS }, async () => {
          await client.call('INCR', 'upon');
          await client.call('INCRBYFLOAT', 'fraction', '0.1');
          await client.call('INCR', 'deleted');
        }),
      );
    assert.equal(await alpha.text('GET', 'upon'), `${1000 + COUNTS}`);
    assert.equal(await alpha.call('DEL', 'deleted'), 1);
    const refused = /BAD_ARGUMENT|ERR .*is a counter/;
    await assert.rejects(alpha.call(...'TOPOSPHERE DO READ LINEARIZABLE RUN GET upon'.split(' ')), refused);
    await peer('alpha').faults('heal');
    await peer('beta').faults('heal');
    for (const client of [alpha, beta]) {
      await waitUntil('the sum', async () => (await client.text('GET', 'upon')) === `${1000 + 2 * COUNTS}`);
      await waitUntil('the fractions', async () => (await client.text('GET', 'fraction')) === '10');
      await waitUntil('the deletion', async () => (await client.text('GET', 'deleted')) === null);
      assert.deepEqual(
        [await client.call('DBSIZE'), String(await client.call('KEYS', '*'))],
        [2, 'fraction,upon'],
      );
    }
  });

  it('are told of where they are tracked and watched, and go along in a session', async () => {
    const { peer } = await clusters.start({ ids: TWO });
    const [alpha, beta] = [await clusters.connect(peer('alpha')), await clusters.connect(peer('beta'))];
    const reader = openRawClient(peer('beta').clientPort);
    clusters.onEnd(() => {
      reader.destroy();
    });
    reader.send('HELLO 3\r\nCLIENT TRACKING ON\r\nTOPOSPHERE WATCH n\r\nGET n\r\nECHO begun\r\n');
    await waitUntil('begun', () => reader.received().includes('begun'));
    assert.equal(await alpha.text('TOPOSPHERE', 'SESSION', 'BEGIN'), 'OK');
    assert.equal(await alpha.call('INCRBY', 'n', '41'), 41);
    await waitUntil('the invalidation', () => reader.received().includes('invalidate\r\n*1\r\n$1\r\nn\r\n'));
    await waitUntil('the change', () => reader.received().includes('$2\r\n41\r\n'));
    let total = 41;
    for (let turn = 0; turn < 20; turn += 1) {
      const [from, to] = turn % 2 === 0 ? [alpha, beta] : [beta, alpha];
      const token = (await from.text('TOPOSPHERE', 'SESSION', 'TOKEN')) ?? '';
      assert.equal(await to.text('TOPOSPHERE', 'SESSION', 'BEGIN', 'WAIT', '5000', token), 'OK');
      assert.equal(await to.text('GET', 'n'), `${total}`);
      total += 1;
      assert.equal(await to.call('INCR', 'n'), total);
    }
    const id = 'TOPOSPHERE DO ID once RUN INCR n'.split(' ');
    assert.deepEqual([await alpha.call(...id), await alpha.call(...id)], [total + 1, total + 1]);
    await alpha.call('EXPIRE', 'n', '1000');
    assert.deepEqual([await alpha.text('GET', 'n'), await alpha.call('TTL', 'n')], [`${total + 1}`, 1000]);
    assert.equal(await alpha.call('INCR', 'n'), total + 2);
  });

  it('count in a program, which is told of each change', async () => {
    const { peers } = await clusters.startEmbedded({ ids: TWO });
    const [alpha, beta] = peers;
    assert.ok(alpha !== undefined && beta !== undefined);
    const told: string[] = [];
    beta.watch('n', ({ previous, value }) => {
      told.push(`${previous?.toString() ?? ''}>${value?.toString() ?? ''}`);
    });
    assert.equal(await alpha.increment('n'), 1);
    assert.equal(await alpha.increment('n', 9, { acknowledge: 'durable' }), 10);
    await waitUntil('10 at beta', () => beta.getText('n') === '10');
    assert.equal(await beta.increment('n', -3), 7);
    await waitUntil('7 at alpha', () => alpha.getText('n') === '7');
    assert.deepEqual(
      Array.from(alpha.range(), ({ key, value }) => `${key.toString()}=${value.toString()}`),
      ['n=7'],
    );
    assert.equal(told.at(-1), '10>7');
    assert.equal((await alpha.digest()).visible, 1);
    await assert.rejects(alpha.increment('n', 0.5), /an increment is a whole number/);
    assert.equal(await alpha.delete('n'), true);
    await waitUntil('nothing at beta', () => !beta.has('n'));
    assert.equal(told.at(-1), '7>');
    assert.equal(await alpha.increment('n'), 1);
  });
});
