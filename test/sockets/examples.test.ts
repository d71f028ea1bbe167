/** The examples of tools/examples, over real peers: what they say of themselves is so. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { StickyClient } from '../../src/client/index.ts';
import { serveNotes } from '../../tools/examples/embeddedPeer.ts';
import { FeatureFlags } from '../../tools/examples/featureFlags.ts';
import { Registry } from '../../tools/examples/registry.ts';
import { createApplication, ToposphereStore } from '../../tools/examples/sessionStore.ts';
import type { Clusters } from './cluster.ts';
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

/** Where a server listens, which ends with the test. */
async function listen(clusters: Clusters, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  clusters.onEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('the sessions of an Express application', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  it('go on at the other peer when the one where the user logged in dies', async () => {
    const { peers } = await clusters.start({ ids: ['alpha', 'beta'] });
    const addresses = peers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
    const client = await StickyClient.connect({ peers: addresses });
    clusters.onEnd(() => client.close());
    const application = createApplication(new ToposphereStore(client), 'secret', () => client.peer);
    const url = await listen(clusters, createServer(application));
    const post = (path: string, cookie = ''): Promise<Response> =>
      fetch(url + path, { method: 'POST', headers: { cookie }, body: new URLSearchParams({ name: 'ada' }) });
    const login = await post('/login');
    assert.equal(await login.text(), 'welcome, ada\n');
    const [cookie = ''] = login.headers.getSetCookie().map((line) => line.split(';')[0] ?? '');
    const me = async (): Promise<string> => (await fetch(`${url}/me`, { headers: { cookie } })).text();
    const [first] = addresses.filter((address) => address === client.peer);
    assert.equal(await me(), `you are ada, and ${first} says so\n`);
    await peers[addresses.indexOf(first ?? '')]?.kill();
    const [second] = addresses.filter((address) => address !== first);
    assert.equal(await me(), `you are ada, and ${second} says so\n`);
    assert.equal((await fetch(`${url}/me`)).status, 401);
    await post('/logout', cookie);
    assert.equal(await me(), 'log in first\n');
  });
});

describe('the feature flags', function () {
  this.timeout(60_000);
  const clusters = useClusters();
  const users = Array.from({ length: 1000 }, (_, number) => `user ${number}`);

  it('are the same everywhere, go on on a machine that is cut off, and agree when the cut heals', async () => {
    const { peers } = await clusters.startEmbedded({
      ids: ['alpha', 'beta'],
      settings: { allowFaults: true, deadAfterMs: 1000 },
    });
    const [alpha, beta] = peers;
    assert.ok(alpha !== undefined && beta !== undefined);
    await alpha.set('flag/old', '100');
    const [here, there] = [new FeatureFlags(alpha), new FeatureFlags(beta)];
    const having = (flags: FeatureFlags, flag: string): readonly string[] =>
      users.filter((user) => flags.isOn(flag, user));
    assert.equal(having(here, 'old').length, users.length);
    await here.turnOn('new', 20);
    await waitUntil('beta hears of it', () => having(there, 'new').length > 0);
    const few = having(there, 'new');
    assert.deepEqual(few, having(here, 'new'));
    assert.ok(few.length > 140 && few.length < 260, `${few.length} of 1000 users at 20%`);
    alpha.backend.rehearseFaults(['cut', 'beta']);
    beta.backend.rehearseFaults(['cut', 'alpha']);
    await here.turnOff('new');
    assert.deepEqual(having(here, 'new'), []);
    assert.deepEqual(having(there, 'new'), few); // cut off: the last it heard
    await there.turnOn('new', 50);
    const half = having(there, 'new');
    assert.ok(half.length > 420 && half.length < 580 && few.every((user) => half.includes(user)));
    alpha.backend.rehearseFaults(['heal']);
    beta.backend.rehearseFaults(['heal']);
    await waitUntil('alpha has the later rule', () => having(here, 'new').length === half.length);
    assert.deepEqual(having(here, 'new'), half);
    there.close();
    await here.turnOff('old');
    await waitUntil('beta has it', () => !beta.has('flag/old'));
    assert.equal(there.isOn('old', 'user 1'), true); // closed: it listens no more
    here.close();
  });
});

describe('the wall of notes', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  it('is one on both machines, whichever a note was written on', async () => {
    const { peers } = await clusters.startEmbedded({ ids: ['alpha', 'beta'] });
    const [here = '', there = ''] = await Promise.all(
      peers.map((peer) => listen(clusters, serveNotes(peer))),
    );
    const put = async (url: string, body: string): Promise<number> =>
      (await fetch(url, { method: 'PUT', body })).status;
    assert.equal(await put(`${here}/lunch`, 'tea'), 204);
    assert.equal(await put(`${there}/to%20do`, 'all of it'), 204);
    for (const url of [here, there])
      await waitUntil(
        'both notes are here',
        async () => (await (await fetch(url)).text()) === 'lunch\nto do\n',
      );
    assert.equal(await (await fetch(`${there}/lunch`)).text(), 'tea');
    assert.equal((await fetch(`${here}/to%20do`, { method: 'DELETE' })).status, 204);
    await waitUntil('it is gone', async () => (await fetch(`${there}/to%20do`)).status === 404);
    assert.equal((await fetch(`${here}/%ff`)).status, 400);
    assert.equal((await fetch(here, { method: 'PATCH' })).status, 405);
    await peers[0]?.close();
    assert.equal(await put(`${here}/late`, 'x'), 503);
  });
});
