/**
 * A disk that runs full under one of the peers: a file system of a few megabytes, filled by somebody else.
 *
 * Owns the mount, which takes root; without it the test says so and is skipped. What LMDB does on a full disk is not reached: that is the point.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { awaitTakingPart, useClusters } from './cluster.ts';
import { awaitCollected } from './collection.ts';
import { awaitEqualDigests } from './convergence.ts';
import { report, waitUntil } from './waiting.ts';

const MEBIBYTE = 1024 * 1024;

/** Why nothing can be mounted here; undefined when it was. */
function mountSmall(folder: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', folder], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[1] ?? error.message) : String(error);
  }
}

describe('a disk that runs full', () => {
  const clusters = useClusters();

  /** A folder on a small file system, with one for data in it; undefined, and said so, where nothing can be mounted. */
  async function prepareSmall(): Promise<string | undefined> {
    const folder = await mkdtemp(join(tmpdir(), 'toposphere-small-'));
    clusters.onEnd(() => rm(folder, { recursive: true, force: true }));
    const refusal = mountSmall(folder);
    if (refusal !== undefined) {
      report(`skipped: no file system could be mounted (${refusal})`);
      return undefined;
    }
    clusters.onEnd(() => {
      execFileSync('umount', ['--lazy', folder]);
    });
    await mkdir(join(folder, 'data'));
    return folder;
  }

  it('stops writes there and nothing else, and writing goes on by itself when there is room', async function () {
    const folder = (await prepareSmall()) ?? this.skip();
    const dataDirectory = join(folder, 'data');
    const { peers, peer } = await clusters.start({
      ids: ['alpha', 'beta'],
      settings: { minFreeBytes: 16 * MEBIBYTE, checkpointIntervalMs: 0 },
      settingsOf: { alpha: { dataDirectory } },
    });
    const [alpha, beta] = [peer('alpha'), peer('beta')];
    await alpha.set('before', '1');
    const filler = join(folder, 'filler');
    await writeFile(filler, Buffer.alloc(36 * MEBIBYTE));
    await waitUntil('the watermark is noticed', async () => (await alpha.status()).disk.isLow);
    await assert.rejects(
      alpha.set('refused', '1'),
      /DISKFULL write refused: the disk of .* less than 16 MiB .* by itself/,
    );
    assert.equal(await alpha.get('before'), '1');
    await beta.set('meanwhile', '1');
    await waitUntil('an update is left', async () => ((await alpha.status()).drops['diskFull'] ?? 0) > 0);
    assert.equal(await alpha.get('meanwhile'), null);
    assert.ok(alpha.isRunning);
    await rm(filler);
    await waitUntil('writing goes on', async () => !(await alpha.status()).disk.isLow);
    await alpha.set('after', '1');
    const { visible } = await awaitEqualDigests(peers);
    assert.equal(visible, 3);
    assert.ok(
      alpha.log.some((line) => line.includes('there is room on the disk again')),
      alpha.log.join('\n'),
    );
  }).timeout(60_000);

  it('in the middle of a join stops that, and it goes on when there is room', async function () {
    const folder = (await prepareSmall()) ?? this.skip();
    const { peers, peer } = await clusters.start({
      ids: ['alpha', 'beta'],
      settings: {
        keepaliveMs: 50,
        heartbeatMs: 100,
        gcIntervalMs: 300,
        minFreeBytes: 16 * MEBIBYTE,
        transferBytesPerSecond: 4 * MEBIBYTE,
      },
      settingsOf: { beta: { dataDirectory: join(folder, 'data'), checkpointIntervalMs: 0 } },
    });
    const [alpha, beta] = [peer('alpha'), peer('beta')];
    for (let at = 0; at < 80; at += 1) await alpha.set(`k${at}`, 'v'.repeat(100_000));
    await awaitEqualDigests(peers);
    await awaitCollected(peers); // from now on nobody begins by itself (R10)
    const before = await awaitEqualDigests(peers);
    await beta.stop();
    await rm(beta.dataDirectory, { recursive: true });
    await beta.start();
    await waitUntil('some of it has come', async () => (await beta.status()).joining.bytes > MEBIBYTE);
    const { bavail, bsize } = await statfs(folder);
    const filler = join(folder, 'filler');
    await writeFile(filler, Buffer.alloc(bavail * bsize - 14 * MEBIBYTE));
    await waitUntil('parts are left', async () => ((await beta.status()).drops['diskFull'] ?? 0) > 0);
    const { phase, disk } = await beta.status();
    assert.deepEqual([phase, disk.isLow], ['joining', true]);
    await assert.rejects(beta.set('k1', 'refused'), /LOADING/);
    assert.ok(beta.isRunning);
    await rm(filler);
    await awaitTakingPart(peers);
    const { visible } = await awaitEqualDigests(peers);
    assert.equal(visible, before.visible);
    assert.equal((await beta.get('k79'))?.length, 100_000);
  }).timeout(60_000);
});
