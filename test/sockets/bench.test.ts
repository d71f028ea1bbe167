/** `toposphere bench` over real peers: levels, a peer that dies in the middle, and that nothing is left. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Report } from '../../src/cli/bench/report.ts';
import { startCommand } from '../cli/runCommand.ts';
import { useClusters } from './cluster.ts';
import { RespClient } from './respClient.ts';
import { waitUntil } from './waiting.ts';

/** What --write and --read take, and a few operations at each. */
const LEVELS = [
  ['--write=fast', '--mix=set=1'],
  ['--write=committed', '--mix=set=1'],
  ['--write=durable', '--mix=set=1'],
  ['--read=local', '--mix=c'],
  ['--read=session', '--mix=a'],
  ['--read=majority', '--mix=c', '--within=20000'],
  ['--read=stale:20000', '--mix=c', '--within=20000'],
  ['--read=linearizable', '--write=linearizable', '--mix=a', '--within=20000'],
] as const;

describe('a load on peers', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  it('goes on at the others when one dies, and leaves nothing behind', async () => {
    const { peer, serversPath, folder } = await clusters.start({ ids: ['alpha', 'beta'] });
    const file = join(folder, 'result.json');
    const words = [
      'bench',
      `--servers=${serversPath}`,
      '--seconds=4',
      '--mix=get=2,set=2,del=1',
      '--keys=200',
    ];
    const { outcome } = startCommand(
      [...words, '--zipf=0.99', '--clients=4', '--write=durable', '--read=local', `--json=${file}`],
      folder,
    );
    const alpha = await RespClient.connect(peer('alpha').clientPort);
    const countKeys = async (): Promise<number> => Number(await alpha.call('DBSIZE'));
    await waitUntil('the load has begun', async () => (await countKeys()) > 0);
    await waitUntil('the load writes and deletes', async () => (await countKeys()) < 200);
    await peer('beta').kill();
    const { code, errors } = await outcome;
    assert.equal(code, 0, errors);
    const { all, byPeer, operations, generator } = JSON.parse(await readFile(file, 'utf8')) as Report;
    assert.deepEqual(
      operations.map(({ name }) => name),
      ['get', 'set', 'del'],
    );
    assert.ok(operations.every(({ latency }) => latency.count > 0));
    const [here, there] = byPeer;
    assert.ok(here !== undefined && there !== undefined);
    assert.equal(here.failed, 0);
    assert.ok(here.latency.count > there.latency.count);
    assert.equal(generator.connectionsBroken, 2);
    assert.deepEqual(Object.keys(all.failures), ['CONNECTION']);
    assert.equal(await countKeys(), 0);
    alpha.close();
  });

  it('is at each level that there is', async () => {
    const { serversPath, folder } = await clusters.start({ ids: ['alpha', 'beta', 'gamma'] });
    for (const level of LEVELS) {
      const file = join(folder, 'result.json');
      const words = [
        'bench',
        `--servers=${serversPath}`,
        '--operations=120',
        '--keys=50',
        '--clients=6',
        ...level,
      ];
      const { code, output, errors } = await startCommand([...words, `--json=${file}`], folder).outcome;
      assert.equal(code, 0, errors);
      const { all, byPeer } = JSON.parse(await readFile(file, 'utf8')) as Report;
      assert.equal(all.latency.count, 120, `${level.join(' ')}: ${output.toString()}`);
      assert.ok(byPeer.length === 3 && byPeer.every(({ latency }) => latency.count > 0));
    }
  });
});
