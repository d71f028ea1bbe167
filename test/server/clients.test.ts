/**
 * The clients that people use, with their default options: node-redis, ioredis, redis-cli and redis-benchmark.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';

const run = promisify(execFile);

describe('clients', () => {
  let server: RedisServer;

  beforeEach(async () => {
    server = await startRedisServer({ backend: createMapBackend(), host: '127.0.0.1', port: 0 });
  });

  afterEach(async () => {
    await server.close();
  });

  it('node-redis connects with default options, sets, gets, pipelines and scans', async () => {
    const client = createClient({ url: `redis://127.0.0.1:${server.port}` });
    await client.connect();
    try {
      equal(await client.set('k', 'v'), 'OK');
      equal(await client.get('k'), 'v');
      equal(await client.get('none'), null);
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, index) => client.set(`p:${index}`, String(index))),
      );
      equal(answers.length, 100);
      deepEqual(await client.mGet(['p:1', 'none', 'p:99']), ['1', null, '99']);
      const found: string[] = [];
      for await (const keys of client.scanIterator({ MATCH: 'p:*', COUNT: 7 })) found.push(...keys);
      equal(new Set(found).size, 100);
      equal(found.length, 100);
      equal(await client.del('k'), 1);
      equal(await client.type('p:1'), 'string');
      equal(await client.dbSize(), 100);
    } finally {
      client.destroy();
    }
  });

  it('ioredis connects with default options, sets, gets and pipelines', async () => {
    const client = new Redis(server.port, '127.0.0.1');
    try {
      equal(await client.set('k', 'v'), 'OK');
      equal(await client.get('k'), 'v');
      const results = await client.pipeline().set('a', '1').get('a').del('a').get('a').exec();
      deepEqual(results, [
        [null, 'OK'],
        [null, '1'],
        [null, 1],
        [null, null],
      ]);
      const bytes = Buffer.from([0, 255, 13, 10, 0]);
      await client.set('bytes', bytes);
      deepEqual(await client.getBuffer('bytes'), bytes);
    } finally {
      client.disconnect();
    }
  });

  it('redis-cli sets, gets, scans, and loads through --pipe', async function () {
    if (!(await isInstalled('redis-cli'))) {
      this.skip();
    }
    const cli = async (...words: string[]): Promise<string> =>
      (await run('redis-cli', ['-h', '127.0.0.1', '-p', String(server.port), ...words])).stdout;
    equal(await cli('set', 'a', '1'), 'OK\n');
    equal(await cli('get', 'a'), '1\n');
    equal(await cli('--scan'), 'a\n');
    ok((await cli('info', 'server')).includes('redis_version:'));
    const load = execFile('redis-cli', ['-h', '127.0.0.1', '-p', String(server.port), '--pipe']);
    const output = new Promise<string>((resolve) => {
      let text = '';
      load.stdout?.on('data', (chunk: string) => (text += chunk));
      load.on('close', () => {
        resolve(text);
      });
    });
    load.stdin?.end('SET x 1\r\n'.repeat(1000));
    ok((await output).includes('errors: 0, replies: 1000'));
  });

  it('redis-benchmark runs SET and GET', async function () {
    if (!(await isInstalled('redis-benchmark'))) {
      this.skip();
    }
    const words = [
      '-h',
      '127.0.0.1',
      '-p',
      String(server.port),
      '-n',
      '2000',
      '-q',
      '-t',
      'set,get',
      '-P',
      '4',
    ];
    const { stdout } = await run('redis-benchmark', words);
    equal(stdout.match(/requests per second/g)?.length, 2);
  });
});

async function isInstalled(program: string): Promise<boolean> {
  return run(program, ['--version']).then(
    () => true,
    () => false,
  );
}
