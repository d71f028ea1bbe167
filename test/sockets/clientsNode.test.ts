/**
 * The Node clients that applications have, unchanged, in what an application does with them, until their peer is killed and they go on at another.
 *
 * Owns node-redis, ioredis 6 and 5, and connect-redis. That each connects and moves bytes is clients.test.ts's, client-side caching across peers tracking.test.ts's;
 * Debian's clients are clientsDebian.test.ts's.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RedisStore } from 'connect-redis';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { createClient, WatchError } from 'redis';
import type { RedisClientOptions, RedisClientType } from 'redis';
import { connectTo } from '../../tools/examples/connectRedis.ts';
import { createApplication } from '../../tools/examples/sessionStore.ts';
import type { ChildCluster } from './cluster.ts';
import { useClusters } from './cluster.ts';
import { awaitEqualDigests } from './convergence.ts';
import { nameAddresses } from './oneName.ts';
import { waitUntil } from './waiting.ts';

const NAME = 'toposphere.test';
const IDS = ['alpha', 'beta'];

describe('clients of others, in an application', function () {
  this.timeout(40_000);
  const clusters = useClusters();

  /** Two peers behind one name; whoever connects is at alpha until that is killed. */
  async function startNamed(): Promise<{ readonly cluster: ChildCluster; readonly port: number }> {
    const cluster = await clusters.start({ ids: IDS, sameClientPort: true });
    clusters.onEnd(
      nameAddresses(
        NAME,
        IDS.map((_, index) => `127.0.0.${index + 1}`),
      ),
    );
    return { cluster, port: cluster.peer('alpha').clientPort };
  }

  const idIn = (info: string): string | undefined => /^id:(.*)\r$/m.exec(info)?.[1];

  /** Publishes at beta until whoever listens, and has lost its peer, hears it there. */
  async function awaitHeard(cluster: ChildCluster, heard: readonly string[]): Promise<void> {
    await waitUntil('it listens again', async () => {
      await cluster.peer('beta').ask('PUBLISH', 'news', 'again');
      return heard.includes('again') && heard.includes('news: again');
    });
  }

  it('node-redis: strings, counters, MULTI, expiry, pipelines, pub/sub, scans, errors; its peer dies, and it goes on at the other', async () => {
    const { cluster, port } = await startNamed();
    const errors: Error[] = [];
    const connect = async (options: RedisClientOptions = {}): Promise<RedisClientType> => {
      const client = createClient({ url: `redis://${NAME}:${port}`, ...options }) as RedisClientType;
      client.on('error', (error: Error) => errors.push(error));
      await client.connect();
      clusters.onEnd(() => {
        client.destroy();
      });
      return client;
    };
    const client = await connect();
    assert.match(await client.sendCommand(['CLIENT', 'LIST']).then(String), /lib-name=node-redis/);

    assert.equal(await client.set('user:1', 'ada', { condition: 'NX' }), 'OK');
    assert.equal(await client.set('user:1', 'bob', { condition: 'NX' }), null);
    assert.equal(await client.set('user:1', 'eve', { condition: 'XX', GET: true }), 'ada');
    assert.equal(await client.append('user:1', '!'), 4);
    assert.equal(await client.getRange('user:1', 0, 1), 'ev');
    assert.equal(await client.copy('user:1', 'copied'), 1);
    assert.equal(await client.rename('copied', 'renamed'), 'OK');
    assert.equal(await client.getDel('renamed'), 'eve!');
    await client.mSet({ 'user:2': 'two', 'user:3': 'three' });
    assert.deepEqual(await client.mGet(['user:1', 'user:2', 'none']), ['eve!', 'two', null]);
    assert.equal(await client.exists(['user:1', 'none', 'user:1']), 2);

    assert.deepEqual(
      await Promise.all([client.incr('counter'), client.incrBy('counter', 41), client.decr('counter')]),
      [1, 42, 41],
    );
    assert.equal(await client.incrByFloat('counter', 0.5), '41.5');
    await assert.rejects(client.incr('user:1'), /value is not an integer or out of range/);

    assert.deepEqual(await client.multi().set('one', '1').incr('one').get('one').exec(), ['OK', 2, '2']);
    await client.watch('one');
    await (await connect()).set('one', '9');
    await assert.rejects(client.multi().incr('one').exec(), WatchError);
    assert.equal(await client.get('one'), '9');

    await client.set('brief', 'x', { expiration: { type: 'PX', value: 60_000 } });
    assert.equal(await client.expire('brief', 100), 1);
    assert.ok((await client.ttl('brief')) > 90);
    assert.equal(await client.persist('brief'), 1);
    assert.equal(await client.ttl('brief'), -1);

    // One turn is one pipeline; each reply is its own, a refusal among them too.
    const [first, refused, last] = await Promise.allSettled([
      client.set('turn', '1'),
      client.sendCommand(['LPUSH', 'list', '1']),
      client.get('turn'),
    ]);
    assert.deepEqual([first.status, last], ['fulfilled', { status: 'fulfilled', value: '1' }]);
    assert.match(refused.status === 'rejected' ? String(refused.reason) : '', /unknown command 'LPUSH'/);
    assert.deepEqual(await client.multi().set('piped', '1').get('piped').del('piped').execAsPipeline(), [
      'OK',
      '1',
      1,
    ]);

    const found: string[] = [];
    for await (const keys of client.scanIterator({ MATCH: 'user:*', COUNT: 2 })) found.push(...keys);
    assert.deepEqual(found.sort(), ['user:1', 'user:2', 'user:3']);

    const [listener, heard] = [await connect(), new Array<string>()];
    await listener.subscribe('news', (message) => heard.push(message));
    await listener.pSubscribe('n?ws', (message, channel) => heard.push(`${channel}: ${message}`));
    await cluster.peer('beta').ask('PUBLISH', 'news', 'first');
    await waitUntil('what was published at beta', () => heard.length >= 2);
    assert.deepEqual(heard, ['first', 'news: first']);
    const cached = await connect({ clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: 'LRU' } });
    for (let reads = 0; reads < 2; reads += 1) assert.equal(await cached.get('user:1'), 'eve!');
    assert.equal(cached.clientSideCache?.stats().hitCount, 1);
    assert.deepEqual(errors, []);

    assert.equal(idIn(await client.info('toposphere')), 'alpha');
    await awaitEqualDigests(cluster.peers);
    await cluster.peer('alpha').kill();
    await waitUntil('node-redis at beta', () =>
      client.info('toposphere').then(
        (info) => idIn(info) === 'beta',
        () => false, // what was on its way when the peer died: said, and not sent again
      ),
    );
    assert.equal(await client.get('user:1'), 'eve!');
    assert.equal(await client.set('after', '1'), 'OK');
    await awaitHeard(cluster, heard);
    await cluster.peer('beta').set('user:1', 'changed');
    // What it keeps is of a connection that is gone.
    await waitUntil('the cache asks again', () =>
      cached.get('user:1').then(
        (value) => value === 'changed',
        () => false,
      ),
    );
    assert.ok(errors.length > 0);
  });

  for (const [version, create] of [
    ['ioredis 6', (port: number) => new Redis(port, NAME)],
    // The two versions have the types of the same methods, each its own.
    ['ioredis 5', (port: number) => new Redis5(port, NAME) as unknown as Redis],
  ] as const) {
    it(`${version}: strings, counters, MULTI, expiry, pipelines, pub/sub, scans, errors; its peer dies, and it goes on at the other`, async () => {
      const { cluster, port } = await startNamed();
      const errors: Error[] = [];
      const client = create(port);
      client.on('error', (error: Error) => errors.push(error));
      clusters.onEnd(() => {
        client.disconnect();
      });
      assert.match(String(await client.client('LIST')), /lib-name=ioredis/);

      assert.equal(await client.set('user:1', 'ada', 'NX'), 'OK');
      assert.equal(await client.set('user:1', 'bob', 'NX'), null);
      assert.equal(await client.set('user:1', 'eve', 'XX', 'GET'), 'ada');
      assert.equal(await client.append('user:1', '!'), 4);
      assert.equal(await client.getrange('user:1', 0, 1), 'ev');
      assert.equal(await client.copy('user:1', 'copied'), 1);
      assert.equal(await client.rename('copied', 'renamed'), 'OK');
      assert.equal(await client.getdel('renamed'), 'eve!');
      assert.equal(await client.mset({ 'user:2': 'two', 'user:3': 'three' }), 'OK');
      assert.deepEqual(await client.mget('user:1', 'user:2', 'none'), ['eve!', 'two', null]);

      assert.deepEqual(
        await Promise.all([client.incr('counter'), client.incrby('counter', 41), client.decr('counter')]),
        [1, 42, 41],
      );
      assert.equal(await client.incrbyfloat('counter', 0.5), '41.5');
      await assert.rejects(client.incr('user:1'), /value is not an integer or out of range/);

      await client.set('brief', 'x', 'PX', 60_000);
      assert.equal(await client.expire('brief', 100), 1);
      assert.ok((await client.ttl('brief')) > 90);
      assert.equal(await client.persist('brief'), 1);

      const replies = await client.pipeline().set('turn', '1').lpush('list', '1').get('turn').exec();
      assert.deepEqual(replies?.[0], [null, 'OK']);
      assert.match(String(replies[1]?.[0]), /unknown command 'lpush'/);
      assert.deepEqual(replies[2], [null, '1']);

      assert.deepEqual(await client.multi().set('one', '1').incr('one').exec(), [
        [null, 'OK'],
        [null, 2],
      ]);
      await client.watch('one');
      await cluster.peer('beta').set('one', '9');
      await waitUntil('beta wrote it', async () => (await client.get('one')) === '9');
      assert.equal(await client.multi().incr('one').exec(), null);

      const [listener, heard] = [create(port), new Array<string>()];
      listener.on('error', (error: Error) => errors.push(error));
      clusters.onEnd(() => {
        listener.disconnect();
      });
      listener.on('message', (_, message: string) => heard.push(message));
      listener.on('pmessage', (_, channel: string, message: string) => heard.push(`${channel}: ${message}`));
      await listener.subscribe('news');
      await listener.psubscribe('n?ws');
      await cluster.peer('beta').ask('PUBLISH', 'news', 'first');
      await waitUntil('what was published at beta', () => heard.length >= 2);
      assert.deepEqual(heard, ['first', 'news: first']);

      const found: string[] = [];
      for await (const keys of client.scanStream({ match: 'user:*', count: 2 }))
        found.push(...(keys as string[]));
      assert.deepEqual(found.sort(), ['user:1', 'user:2', 'user:3']);
      assert.deepEqual(errors, []);

      assert.equal(idIn(await client.info('toposphere')), 'alpha');
      await awaitEqualDigests(cluster.peers);
      await cluster.peer('alpha').kill();
      // ioredis sends again what was not answered: nothing is refused.
      assert.equal(await client.get('user:1'), 'eve!');
      assert.equal(idIn(await client.info('toposphere')), 'beta');
      assert.equal(await client.set('after', '1'), 'OK');
      await awaitHeard(cluster, heard);
    });
  }

  it('connect-redis: who logged in at one peer stays logged in when that dies, and logs out at the other', async () => {
    const { cluster, port } = await startNamed();
    const client: RedisClientType = await connectTo(`redis://${NAME}:${port}`, () => undefined);
    clusters.onEnd(() => {
      client.destroy();
    });
    const store = new RedisStore({ client });
    const server = createServer(createApplication(store, 'secret'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    clusters.onEnd(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const post = (path: string, cookie: string, name = ''): Promise<Response> =>
      fetch(url + path, { method: 'POST', headers: { cookie }, body: new URLSearchParams({ name }) });
    const logIn = async (name: string): Promise<string> => {
      const answer = await post('/login', '', name);
      assert.equal(await answer.text(), `welcome, ${name}\n`);
      return answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    };
    const me = async (cookie: string): Promise<string> =>
      (await fetch(`${url}/me`, { headers: { cookie } })).text();
    const [ada, bob] = [await logIn('ada'), await logIn('bob')];
    assert.equal(await me(ada), 'you are ada\n');
    assert.equal(idIn(await client.info('toposphere')), 'alpha');

    await awaitEqualDigests(cluster.peers);
    await cluster.peer('alpha').kill();
    await waitUntil('ada is known at beta', async () => (await me(ada)) === 'you are ada\n');
    assert.equal(idIn(await client.info('toposphere')), 'beta');
    assert.equal(await me(bob), 'you are bob\n');
    const left = await client.ttl((await client.keys('sess:*'))[0] ?? '');
    assert.ok(left > 86_300 && left <= 86_400, `${left} s left of a day`);
    assert.equal(await store.length(), 2);
    assert.deepEqual(((await store.all()) as { name?: string }[]).map(({ name }) => name).sort(), [
      'ada',
      'bob',
    ]);
    await post('/logout', ada);
    assert.equal(await me(ada), 'log in first\n');
    await store.clear();
    assert.equal(await me(bob), 'log in first\n');
  });
});
