/**
 * A clean stop over real sockets: the others know at once, whatever a silence would take to mean; kill -9 says nothing.
 *
 * With `deadAfterMs` at half a minute nothing here can be owed to a silence.
 */
import assert from 'node:assert/strict';
import { Peer } from '../../src/peer/peer.ts';
import type { Settings } from '../../src/peer/tunables.ts';
import type { ChildPeer, FullStatus } from './childPeer.ts';
import { findGroup } from '../ports.ts';
import { awaitInTouch, useClusters } from './cluster.ts';
import { report, waitUntil } from './waiting.ts';

const IDS = ['alpha', 'beta', 'gamma'];
const DEAD_AFTER_MS = 30_000;
const AT_ONCE_MS = 1_000;

type Seen = Pick<FullStatus['members'][number], 'alive' | 'heard' | 'left'>;

async function seenAt(peer: ChildPeer, id: string): Promise<Seen | undefined> {
  return (await peer.status()).members.find((member) => member.id === id);
}

async function awaitLeft(peers: readonly ChildPeer[], id: string): Promise<number> {
  let seen = '';
  const isSo = async (): Promise<boolean> => {
    const views = await Promise.all(peers.map((peer) => seenAt(peer, id)));
    seen = JSON.stringify(views);
    return views.every((view) => view?.left === true && !view.alive && !view.heard);
  };
  return waitUntil(`${id} has left`, isSo, AT_ONCE_MS, () => seen);
}

/** Each in a group of its own: nobody's multicast reaches anybody. */
async function apart(): Promise<Record<string, Settings>> {
  const settings: Record<string, Settings> = {};
  for (const id of IDS) {
    const { group, port } = await findGroup();
    settings[id] = { multicastGroup: group, multicastPort: port };
  }
  return settings;
}

describe('a clean stop', () => {
  const clusters = useClusters();

  for (const isMulticast of [true, false]) {
    it(`closes the ring within a second${isMulticast ? '' : ', without multicast'}`, async () => {
      const { peer } = await clusters.start({
        ids: IDS,
        settings: { deadAfterMs: DEAD_AFTER_MS },
        ...(isMulticast ? {} : { settingsOf: await apart() }),
      });
      const [alpha, beta, gamma] = [peer('alpha'), peer('beta'), peer('gamma')];
      const isHeardSo = async (): Promise<boolean> =>
        (await alpha.status()).members.every(({ multicast }) => multicast === isMulticast);
      await waitUntil(isMulticast ? 'multicast works' : 'multicast fails', isHeardSo);
      await gamma.set('last', 'word');
      await gamma.stop();
      const tookMs = await awaitLeft([alpha, beta], 'gamma');
      report(`known to have left ${Math.round(tookMs)} ms after its process had ended`);
      assert.equal(await alpha.get('last'), 'word');
      assert.equal(await beta.get('last'), 'word');
      await alpha.set('after', 'it');
      await waitUntil('written after it', async () => (await beta.get('after')) === 'it', AT_ONCE_MS);
      await gamma.start();
      await awaitInTouch([alpha, beta, gamma], 5_000);
      assert.deepEqual((await seenAt(alpha, 'gamma'))?.left, false);
      await waitUntil('gamma has it', async () => (await gamma.get('after')) === 'it', 5_000);
    }).timeout(60_000);
  }

  it('is not what kill -9 is: that takes as long as a silence', async () => {
    const deadAfterMs = 3_000;
    const { peer } = await clusters.start({ ids: IDS, settings: { deadAfterMs } });
    const [alpha, gamma] = [peer('alpha'), peer('gamma')];
    const killedMs = performance.now();
    await gamma.kill();
    assert.equal((await seenAt(alpha, 'gamma'))?.alive, true);
    await waitUntil('gamma is not alive', async () => (await seenAt(alpha, 'gamma'))?.alive === false);
    const tookMs = performance.now() - killedMs;
    report(`kill -9 is noticed after ${Math.round(tookMs)} ms`);
    // Its last KEEPALIVE was up to a period before it died.
    assert.ok(tookMs > deadAfterMs - 500, `${tookMs} ms`);
    assert.equal((await seenAt(alpha, 'gamma'))?.left, false);
  }).timeout(60_000);

  it('of a peer in a program says the same, with what was written last', async () => {
    const { peers, settings } = await clusters.startEmbedded({
      ids: ['alpha', 'beta'],
      settings: { deadAfterMs: DEAD_AFTER_MS },
    });
    const [alpha, beta] = peers;
    assert.ok(alpha !== undefined && beta !== undefined);
    const written = Array.from({ length: 500 }, (_, at) => beta.set(`k${at}`, 'v'.repeat(100)));
    const closing = beta.close(); // its turn is still open
    await Promise.all([...written, closing]);
    const ofBeta = (): Seen | undefined => alpha.status().members.find(({ id }) => id === 'beta');
    await waitUntil('beta has left', () => ofBeta()?.left === true, AT_ONCE_MS);
    assert.equal(alpha.getText('k499'), 'v'.repeat(100));
    const again = await Peer.open({ ...settings, id: 'beta' });
    clusters.onEnd(() => again.close());
    await waitUntil('beta is back', () => ofBeta()?.alive === true, 5_000);
  }).timeout(60_000);
});
