/** The examples of tools/examples, over real peers: what they say of themselves is so. */
import assert from 'node:assert/strict';
import { Registry } from '../../tools/examples/registry.ts';
import { useClusters } from './cluster.ts';
import { waitUntil } from './waiting.ts';

describe('the registry with presence', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  it('lists at every peer who offers a service, and nobody who has ended, whichever way', async () => {
    const { peers } = await clusters.startEmbedded({ ids: ['alpha', 'beta'] });
    const [alpha, beta] = peers;
    assert.ok(alpha !== undefined && beta !== undefined);
    const [here, there] = [new Registry(alpha), new Registry(beta)];
    const seen: string[] = [];
    const stop = there.watch('print', (address, isThere) => seen.push(`${isThere ? '+' : '-'}${address}`));
    const withdraw = await here.offer('print', '10.0.0.1:631');
    const other = await there.offer('print', '10.0.0.2:631');
    await here.offer('scan', '10.0.0.1:80');
    await waitUntil(
      'both are listed',
      () => there.list('print').length === 2 && here.list('print').length === 2,
    );
    assert.deepEqual(here.list('print'), ['10.0.0.1:631', '10.0.0.2:631']);
    await withdraw();
    await waitUntil('it is withdrawn', () => there.list('print').join() === '10.0.0.2:631');
    await alpha.close(); // its services are not renewed any more
    await waitUntil('what nobody renews has expired', () => there.list('scan').length === 0);
    assert.deepEqual(there.list('print'), ['10.0.0.2:631']);
    await other();
    assert.deepEqual(there.list('print'), []);
    await waitUntil('all was told', () => seen.length === 4);
    assert.deepEqual(seen.sort(), ['+10.0.0.1:631', '+10.0.0.2:631', '-10.0.0.1:631', '-10.0.0.2:631']);
    stop();
  });
});
