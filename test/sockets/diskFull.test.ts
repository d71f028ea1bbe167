/**
 * A disk that runs full under one of the peers: a file system of a few megabytes, filled by somebody else.
 *
 * Where the disk is watched, what LMDB does on a full one is not reached: that is the point. Unwatched, it is.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { awaitTakingPart, useClusters } from './cluster.ts';
import { awaitCollected } from './collection.ts';
import { awaitEqualDigests, countMissing } from './convergence.ts';
import { report, waitUntil } from './waiting.ts';
import { fillDisk, mountSmall, unmount } from '../smallDisk.ts';

const MEBIBYTE = 1024 * 1024;

describe('a disk that runs full', () => {
  const clusters = useClusters();

  /** A folder on a small file system, with one for data in it; undefined, and said so, where nothing can be mounted. */
  async function prepareSmall(): Promise<string | undefined> {
    const folder = await mkdtemp(join(tmpdir(), 'toposphere-small-'));
    clusters.onEnd(() => rm(folder, { recursive: true, force: true }));
    if (!mountSmall(folder, 48)) return undefined;
    clusters.onEnd(() => {
      unmount(folder);
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
    const giveBack = fillDisk(folder, 12 * MEBIBYTE);
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
    giveBack();
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
    const giveBack = fillDisk(folder, 14 * MEBIBYTE);
    await waitUntil('parts are left', async () => ((await beta.status()).drops['diskFull'] ?? 0) > 0);
    const { phase, disk } = await beta.status();
    assert.deepEqual([phase, disk.isLow], ['joining', true]);
    await assert.rejects(beta.set('k1', 'refused'), /LOADING/);
    assert.ok(beta.isRunning);
    giveBack();
    await awaitTakingPart(peers);
    const { visible } = await awaitEqualDigests(peers);
    assert.equal(visible, before.visible);
    assert.equal((await beta.get('k79'))?.length, 100_000);
  }).timeout(60_000);

  it('filled to its last byte under writes, unwatched, ends the process; with room again it starts and has lost nothing', async function () {
    const folder = (await prepareSmall()) ?? this.skip();
    const dataDirectory = join(folder, 'data');
    const { peers, peer } = await clusters.start({
      ids: ['alpha', 'beta'],
      settings: { minFreeBytes: 0, checkpointIntervalMs: 0 },
      settingsOf: { alpha: { dataDirectory } },
    });
    const alpha = peer('alpha');
    const acknowledged = new Map<string, string>();
    const giveBack = fillDisk(folder, 2 * MEBIBYTE);
    const value = 'v'.repeat(20_000);
    let failure: unknown;
    for (let at = 0; failure === undefined; at += 1) {
      assert.ok(at < 2_000, 'the disk does not run full');
      await alpha.set(`k${at}`, value).then(
        () => acknowledged.set(`k${at}`, value),
        (error: unknown) => {
          failure = error;
        },
      );
    }
    const ended = await alpha.awaitEnd(10_000);
    // LMDB itself may fall over on a full disk: then there is no line, and nothing is lost all the same.
    if (ended.signal === null) {
      assert.equal(ended.code, 1);
      assert.ok(
        alpha.log.some((line) =>
          /a commit failed: .* failed: .*The disk is full \(\d+ KiB free\): free some space, then start the peer again/.test(
            line,
          ),
        ),
        alpha.log.join('\n'),
      );
    }
    report(`${acknowledged.size} writes taken; ended by ${ended.signal ?? `exit code ${ended.code}`}`);
    await peer('beta').set('meanwhile', '1');
    giveBack();
    await alpha.start();
    const { visible } = await awaitEqualDigests(peers);
    assert.ok(visible > acknowledged.size);
    for (const one of peers) assert.equal(await countMissing(one, acknowledged), 0, one.id);
    await alpha.set('after', '1');
  }).timeout(60_000);
});
