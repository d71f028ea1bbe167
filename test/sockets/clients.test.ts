/**
 * The Redis clients people use, with their default options, against real peers.
 *
 * Owns what they need to work: their opening words, pipelines, large values, binary keys. The protocol's
 * corners are test/server's.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { createClient, RESP_TYPES } from 'redis';
import type { ChildPeer } from './childPeer.ts';
import type { ChildCluster } from './cluster.ts';
import { useClusters } from './cluster.ts';
import { awaitAllPresent, awaitEqualDigests } from './convergence.ts';
import { report, WAIT_TIMEOUT_MS, waitUntil } from './waiting.ts';

const run = promisify(execFile);
const PIPELINE = 1000;
const MEBIBYTE = 1024 * 1024;
const CLI_TIMEOUT_MS = 10_000;

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function pipelineEntries(prefix: string): Map<string, string> {
  return new Map(Array.from({ length: PIPELINE }, (_, index) => [`${prefix}:${index}`, `value ${index}`]));
}

/** More than one datagram: it goes by TCP. */
const GROUP_KEYS = Array.from({ length: 100 }, (_, index) => `group:${index}`);
const GROUP_VALUE_BYTES = 500;
const GROUP_ROUNDS = 6;

/** What is written at `writer` as one, by EXEC and by MSET, is never seen in part at `reader`, which looks all the while. */
async function assertArriveWhole(writer: ChildPeer, reader: ChildPeer): Promise<void> {
  const isSeen = async (round: number): Promise<boolean> => {
    const values = (await reader.ask('MGET', ...GROUP_KEYS)) as readonly (Buffer | null)[];
    const rounds = new Set(values.map((value) => (value === null ? '0' : value.toString().split('.')[0])));
    assert.equal(rounds.size, 1, `rounds ${[...rounds].join(', ')} at once`);
    return rounds.has(String(round));
  };
  for (let round = 1; round <= GROUP_ROUNDS; round += 1) {
    const pairs = GROUP_KEYS.map((key) => [key, `${round}.`.padEnd(GROUP_VALUE_BYTES, 'x')] as const);
    const write = async (): Promise<void> => {
      if (round % 2 === 0) await writer.ask('MSET', ...pairs.flat());
      else {
        await writer.ask('MULTI');
        await Promise.all(pairs.map(([key, value]) => writer.ask('SET', key, value)));
        assert.equal(((await writer.ask('EXEC')) as readonly unknown[]).length, pairs.length);
      }
    };
    const written = write();
    const deadlineMs = performance.now() + WAIT_TIMEOUT_MS;
    while (!(await isSeen(round))) assert.ok(performance.now() < deadlineMs, `round ${round} did not come`);
    await written;
  }
  assert.equal((await writer.status()).counters['groupsStreamed'], GROUP_ROUNDS);
}

/** A key that is watched at one peer is changed by a client of the other: EXEC runs nothing. */
async function assertOvertaken(alpha: ChildPeer, beta: ChildPeer): Promise<void> {
  const watching = await alpha.connect();
  try {
    assert.equal(await watching.text('WATCH', 'watched'), 'OK');
    await beta.set('watched', 'theirs');
    await waitUntil('the write of beta at alpha', async () => (await alpha.get('watched')) === 'theirs');
    assert.equal(await watching.text('MULTI'), 'OK');
    assert.equal(await watching.text('SET', 'watched', 'mine'), 'QUEUED');
    assert.equal(await watching.text('SET', 'unwatched', 'mine'), 'QUEUED');
    assert.equal(await watching.call('EXEC'), null);
    assert.deepEqual(await watching.call('MGET', 'watched', 'unwatched'), [Buffer.from('theirs'), null]);
  } finally {
    watching.close();
  }
}

describe('clients', () => {
  const clusters = useClusters();

  function portOf(cluster: ChildCluster, id: string): number {
    return cluster.peer(id).clientPort;
  }

  it('node-redis with default options: connects, sets, gets, pipelines; the others have it', async () => {
    const cluster = await clusters.start({ ids: ['alpha', 'beta'] });
    const failures: unknown[] = [];
    const connectTo = async (id: string) => {
      const client = createClient({ url: `redis://127.0.0.1:${portOf(cluster, id)}` });
      client.on('error', (error) => failures.push(error));
      await client.connect();
      clusters.onEnd(() => {
        client.destroy();
      });
      return client;
    };
    const [writer, reader] = [await connectTo('alpha'), await connectTo('beta')];
    assert.equal(await writer.set('greeting', 'héllo'), 'OK');
    assert.equal(await writer.get('greeting'), 'héllo');
    assert.equal(await writer.get('nothing'), null);
    const entries = pipelineEntries('node-redis');
    const multi = Array.from(entries, ([key, value]) => writer.set(key, value)); // one turn: one pipeline
    assert.ok((await Promise.all(multi)).every((reply) => reply === 'OK'));
    await awaitAllPresent(cluster.peers, entries);
    assert.deepEqual(await reader.mGet([...entries.keys()]), [...entries.values()]);
    assert.equal(await reader.del('greeting'), 1);
    await awaitEqualDigests(cluster.peers);
    assert.equal(await writer.exists('greeting'), 0);
    const buffers = writer.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const key = Buffer.from([0, 255, 13, 10, 42, 36, 128]);
    const value = randomBytes(5000);
    await buffers.set(key, value);
    assert.deepEqual(await buffers.get(key), value);
    assert.deepEqual(failures, []);
  }).timeout(40_000);

  it('ioredis with default options: connects, sets, gets, pipelines; the others have it', async () => {
    const cluster = await clusters.start({ ids: ['alpha', 'beta'] });
    const failures: unknown[] = [];
    const connectTo = (id: string): Redis => {
      const client = new Redis(portOf(cluster, id), '127.0.0.1');
      client.on('error', (error) => failures.push(error));
      clusters.onEnd(() => {
        client.disconnect();
      });
      return client;
    };
    const [writer, reader] = [connectTo('alpha'), connectTo('beta')];
    assert.equal(await writer.set('greeting', 'héllo'), 'OK');
    assert.equal(await writer.get('greeting'), 'héllo');
    const entries = pipelineEntries('ioredis');
    const pipeline = writer.pipeline();
    for (const [key, value] of entries) pipeline.set(key, value);
    for (const key of entries.keys()) pipeline.get(key);
    const replies = (await pipeline.exec()) ?? [];
    assert.equal(replies.length, 2 * PIPELINE);
    assert.deepEqual(replies[0], [null, 'OK']);
    assert.deepEqual(
      replies.slice(PIPELINE),
      Array.from(entries.values(), (value) => [null, value]),
    );
    await awaitAllPresent(cluster.peers, entries);
    assert.deepEqual(await reader.mget(...entries.keys()), [...entries.values()]);
    await assert.rejects(writer.call('NOSUCH', 'a'), /unknown command 'NOSUCH'/);
    assert.equal(await writer.get('greeting'), 'héllo', 'an error reply does not disturb the order');
    assert.deepEqual(failures, []);
  }).timeout(40_000);

  it('redis-cli: set at the first, get at the last', async function () {
    try {
      await run('redis-cli', ['--version'], { timeout: CLI_TIMEOUT_MS });
    } catch (error) {
      console.log(
        `      skipped: redis-cli does not run here (${String((error as NodeJS.ErrnoException).code)})`,
      );
      this.skip();
    }
    const cluster = await clusters.start({ ids: ['alpha', 'beta'] });
    const cli = async (id: string, ...words: string[]): Promise<string> => {
      const { stdout } = await run('redis-cli', ['-p', String(portOf(cluster, id)), ...words], {
        timeout: CLI_TIMEOUT_MS,
      });
      return stdout;
    };
    assert.equal(await cli('alpha', 'set', 'a', '1'), 'OK\n');
    await waitUntil('a at the last', async () => (await cli('beta', 'get', 'a')) === '1\n');
    assert.equal(await cli('beta', '-3', 'get', 'a'), '1\n');
  }).timeout(40_000);

  for (const sizeBytes of [MEBIBYTE, 15 * MEBIBYTE]) {
    it(`a value of ${sizeBytes / MEBIBYTE} MiB reaches every peer, and so does the one that replaces it`, async () => {
      const { peers, peer } = await clusters.start();
      for (const writer of ['alpha', 'gamma']) {
        const value = randomBytes(sizeBytes);
        await peer(writer).set('large', value);
        const expected = hashOf(value);
        const tookMs = await waitUntil(
          'the large value everywhere',
          async () => {
            const values = await Promise.all(peers.map((one) => one.getBytes('large')));
            return values.every((held) => held !== null && hashOf(held) === expected);
          },
          30_000,
        );
        report(`${sizeBytes / MEBIBYTE} MiB on all four ${Math.round(tookMs)} ms after ${writer}'s OK`);
      }
      const { visible } = await awaitEqualDigests(peers);
      assert.equal(visible, 1);
    }).timeout(90_000);
  }

  it('keys expire for the clients of every peer, as the last of them has asked; transactions arrive whole, and are overtaken', async () => {
    const cluster = await clusters.start({ ids: ['alpha', 'beta'] });
    const [alpha, beta] = [cluster.peer('alpha'), cluster.peer('beta')];
    await assertArriveWhole(alpha, beta);
    await assertOvertaken(alpha, beta);
    assert.equal(String(await alpha.ask('SET', 'session:1', 'ada', 'EX', '1000')), 'OK');
    await waitUntil('the session at beta', async () => (await beta.get('session:1')) === 'ada');
    const seconds = Number(await beta.ask('TTL', 'session:1'));
    assert.ok(seconds >= 999 && seconds <= 1001, `${seconds} s left`);
    assert.equal(await beta.ask('PEXPIRE', 'session:1', '700'), 1);
    await waitUntil('the new time at alpha', async () => Number(await alpha.ask('PTTL', 'session:1')) < 1200);
    await waitUntil(
      'gone at both',
      async () => (await alpha.get('session:1')) === null && (await beta.get('session:1')) === null,
    );
    assert.equal(await alpha.ask('TTL', 'session:1'), -2);
    // Counts follow when it is noticed: a clock must be sure for that, for reading it need not.
    const left = GROUP_KEYS.length + 1;
    await waitUntil('noticed', async () => (await alpha.ask('DBSIZE')) === left);
    await awaitEqualDigests(cluster.peers);
  });

  it('refuses a value above the limit with an error; the connection stays and nothing is stored', async () => {
    const { peer } = await clusters.start({
      ids: ['alpha', 'beta'],
      absent: ['beta'],
      settings: { maxValueBytes: MEBIBYTE },
    });
    const alpha = peer('alpha');
    await assert.rejects(alpha.set('large', Buffer.alloc(MEBIBYTE + 1)), /VALUETOOLONG|invalid bulk length/);
    assert.equal(await alpha.get('large'), null);
    await alpha.set('large', Buffer.alloc(MEBIBYTE));
    await assert.rejects(alpha.set('k'.repeat(1901), 'v'), /KEYTOOLONG/);
    await alpha.set('k'.repeat(1900), 'v');
  }).timeout(40_000);

  it('keys and values are bytes: every byte, at every length up to the limit, arrives as it was', async () => {
    const { peers, peer } = await clusters.start();
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const keys = [
      Buffer.from([0]),
      Buffer.from([255]),
      Buffer.from([0, 0]),
      every,
      Buffer.from('\r\n$3\r\n'),
      Buffer.from('ключ'),
      Buffer.alloc(1900, 0xff),
    ];
    const values = [
      Buffer.alloc(0),
      every,
      randomBytes(1299),
      randomBytes(1300),
      randomBytes(1301),
      randomBytes(70_000),
    ];
    for (const [index, key] of keys.entries()) {
      await peers[index % 4]?.set(key, values[index % values.length] ?? every);
    }
    const { visible } = await awaitEqualDigests(peers);
    assert.equal(visible, keys.length);
    for (const [index, key] of keys.entries()) {
      for (const one of peers) {
        assert.deepEqual(await one.getBytes(key), values[index % values.length], `key ${index} at ${one.id}`);
      }
    }
    assert.equal(await peer('beta').ask('DEL', ...keys), keys.length);
    assert.equal((await awaitEqualDigests(peers)).visible, 0);
  }).timeout(40_000);
});
