/**
 * Checkpoints over real streams, out of real LMDB: stores that no message could hold.
 *
 * Owns the size, and that the donors are written to meanwhile. What may happen to a transfer is the simulator's.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { awaitInTouch, awaitTakingPart, useClusters } from './cluster.ts';
import { awaitCollected } from './collection.ts';
import { awaitEqualDigests } from './convergence.ts';
import { assertAcknowledged, createAcknowledged, writeSteadily } from './steadyWrites.ts';
import { report, waitUntil } from './waiting.ts';

const IDS = ['alpha', 'beta', 'gamma'] as const;
const LARGE_VALUES = 28;
const MEBIBYTE = 1024 * 1024;
const SMALL_VALUES = 1000;

describe('transfer', () => {
  const clusters = useClusters();

  it(`an empty disk joins a store of ${LARGE_VALUES} MiB and more while its donors are written to`, async () => {
    const { peers, peer } = await clusters.start({
      ids: IDS,
      settings: { keepaliveMs: 50, heartbeatMs: 100, gcIntervalMs: 300 },
    });
    const [alpha, beta, gamma] = [peer('alpha'), peer('beta'), peer('gamma')];
    for (let at = 0; at < LARGE_VALUES; at += 1)
      await alpha.set(`large:${at}`, Buffer.alloc(MEBIBYTE, at).toString('latin1'));
    for (let at = 0; at < SMALL_VALUES; at += 100)
      await Promise.all(
        Array.from({ length: 100 }, (_, more) => beta.set(`small:${at + more}`, `${at + more}`)),
      );
    await awaitEqualDigests(peers);
    await awaitCollected(peers); // from now on nobody begins by itself (R10)
    await gamma.stop();
    await rm(gamma.dataDirectory, { recursive: true });
    const acknowledged = createAcknowledged();
    const writers = [alpha, beta].map((one) => writeSteadily(one, `${one.id}:meanwhile`, acknowledged));
    await gamma.start();
    const joinedMs = await waitUntil(
      'gamma joined',
      async () => ((await gamma.status()).counters['checkpointsJoined'] ?? 0) > 0,
    );
    await awaitInTouch(peers);
    await awaitTakingPart(peers);
    for (const writer of writers) await writer.stop();
    const { visible, tookMs } = await awaitEqualDigests(peers);
    report(
      `joined ${LARGE_VALUES} MiB ${Math.round(joinedMs)} ms after the start; equal ${Math.round(tookMs)} ms later`,
    );
    assert.ok(visible >= LARGE_VALUES + SMALL_VALUES);
    await assertAcknowledged(peers, acknowledged);
    assert.equal((await gamma.get(`large:${LARGE_VALUES - 1}`))?.length, MEBIBYTE);
    await awaitCollected(peers);
  }).timeout(90_000);
});
