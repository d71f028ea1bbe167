/** A store's file that was cut short or overwritten while its peer was down: known before it is trusted, kept, and joined anew. */
import assert from 'node:assert/strict';
import { open, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChildPeer } from './childPeer.ts';
import { awaitInTouch, awaitTakingPart, useClusters } from './cluster.ts';
import { assertAllPresent, awaitEqualDigests } from './convergence.ts';
import { waitUntil } from './waiting.ts';

const KEYS = 300;

/** Writes keys at one; all have them when this resolves. */
async function fill(first: ChildPeer, peers: readonly ChildPeer[]): Promise<Map<string, string>> {
  const written = new Map<string, string>();
  for (let at = 0; at < KEYS; at += 1) written.set(`k${at}`, `value ${at} `.repeat(20));
  await Promise.all([...written].map(([key, value]) => first.set(key, value)));
  await awaitEqualDigests(peers);
  return written;
}

function dataFileOf(peer: ChildPeer): string {
  return join(peer.dataDirectory, 'data.mdb');
}

/** Puts zeros over every page but the first two. */
async function overwrite(path: string): Promise<void> {
  const { size } = await stat(path);
  const file = await open(path, 'r+');
  await file.write(Buffer.alloc(size - 2 * 4096), 0, size - 2 * 4096, 2 * 4096);
  await file.close();
}

describe('a damaged store', () => {
  const clusters = useClusters();

  it('that was cut short, or overwritten, is moved aside, and its peer joins the others', async () => {
    const { peers, peer } = await clusters.start({ ids: ['alpha', 'beta', 'gamma'] });
    const written = await fill(peer('alpha'), peers);
    const beta = peer('beta');
    for (const [damage, said] of [
      [(path: string) => truncate(path, 3 * 4096), /has been cut short.* kept as /],
      [overwrite, /has been overwritten.* kept as /],
    ] as const) {
      await beta.kill();
      await damage(dataFileOf(beta));
      await beta.start();
      await awaitTakingPart(peers);
      await awaitEqualDigests(peers);
      await assertAllPresent(peers, written);
      assert.ok(
        beta.log.some((line) => said.test(line)),
        beta.log.join('\n'),
      );
    }
    assert.equal((await readdir(beta.dataDirectory)).filter((name) => name.includes('.damaged-')).length, 2);
  });

  it('of every peer leaves nobody to join from: none begins by itself, and one is told to', async () => {
    const { peers, peer } = await clusters.start({ ids: ['alpha', 'beta'] });
    await fill(peer('alpha'), peers);
    for (const one of peers) await one.stop();
    for (const one of peers) await truncate(dataFileOf(one), 3 * 4096);
    for (const one of peers) await one.start();
    await awaitInTouch(peers);
    for (const one of peers) {
      assert.equal((await one.status()).phase, 'joining');
      await assert.rejects(one.get('k1'), /LOADING/);
    }
    await peer('alpha').ask('TOPOSPHERE', 'BOOTSTRAP', 'YES');
    await awaitTakingPart(peers);
  });

  it('of a peer that has nobody to join from is refused, and stays as it is', async () => {
    const { peers, peer } = await clusters.start({ ids: ['alpha'] });
    const alpha = peer('alpha');
    await fill(alpha, peers);
    await alpha.stop();
    await truncate(dataFileOf(alpha), 3 * 4096);
    await assert.rejects(alpha.start());
    const { code } = await alpha.awaitEnd(10_000);
    assert.equal(code, 1);
    await waitUntil('its reason', () =>
      alpha.log.some((line) => /data\.mdb has been cut short: .*toposphere restore --replace/.test(line)),
    );
    assert.equal((await stat(dataFileOf(alpha))).size, 3 * 4096);
  });
});
