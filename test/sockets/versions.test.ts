/**
 * Peers of different releases on real sockets: they are upgraded one by one, and whoever shares no version is named.
 */
import assert from 'node:assert/strict';
import { resolvePeerOptions } from '../../src/peer/configuration.ts';
import type { LogRecord } from '../../src/peer/logger.ts';
import { Peer } from '../../src/peer/peer.ts';
import type { VersionRange } from '../../src/wire/versions.ts';
import { useClusters, type Site } from './cluster.ts';
import { waitUntil } from './waiting.ts';

const LARGE = 'x'.repeat(200_000);

describe('peers of several versions', function () {
  this.timeout(60_000);
  const clusters = useClusters();
  const records: LogRecord[] = [];

  /** A peer as a release would be that reads these versions. */
  async function open(site: Site, id: string, lowest: number, highest: number): Promise<Peer> {
    const options = await resolvePeerOptions({ ...site.settings, id }, (record) => void records.push(record));
    const versions: VersionRange = { lowest, highest };
    const peer = await Peer.openWith({ ...options, versions });
    clusters.onEnd(() => peer.close());
    return peer;
  }

  const protocolOf = (peer: Peer): unknown => peer.status()['protocol'];
  const isAlive = (peer: Peer, id: string): boolean =>
    peer.status().members.some((member) => member.id === id && member.alive);

  it('go on together while they are upgraded, datagrams and streams alike', async () => {
    const site = await clusters.prepare({ ids: ['alpha', 'beta'] });
    let alpha = await open(site, 'alpha', 1, 1);
    let beta = await open(site, 'beta', 1, 1);
    await alpha.caughtUp();
    for (const [id, toAll] of [
      ['alpha', 1],
      ['beta', 2],
    ] as const) {
      const [old, other] = id === 'alpha' ? [alpha, beta] : [beta, alpha];
      await old.close();
      const upgraded = await open(site, id, 1, 2);
      if (id === 'alpha') alpha = upgraded;
      else beta = upgraded;
      await waitUntil('both hear each other', () => isAlive(upgraded, other.id) && isAlive(other, id));
      await upgraded.set(`from ${id}`, LARGE); // too long for a datagram
      await waitUntil('a long value came', () => other.getText(`from ${id}`) === LARGE);
      await other.set(`to ${id}`, 'short');
      await waitUntil('a short value came', () => upgraded.getText(`to ${id}`) === 'short');
      const spoken = { reads: { lowest: 1, highest: toAll }, spoken: toAll };
      assert.deepEqual(protocolOf(upgraded), {
        reads: { lowest: 1, highest: 2 },
        toAll,
        members: { [other.id]: spoken },
      });
    }
    assert.ok(!records.some(({ event }) => event === 'versionsApart'));
  });

  it('that share none say so, once, and speak when one of them is put right', async () => {
    const site = await clusters.prepare({ ids: ['alpha', 'beta'], settings: { bootstrap: true } });
    records.length = 0;
    const alpha = await open(site, 'alpha', 1, 1);
    const tooNew = await open(site, 'beta', 2, 3);
    await waitUntil('alpha names beta', () =>
      records.some(({ event, peer }) => event === 'versionsApart' && peer === 'alpha'),
    );
    await waitUntil('beta names alpha', () =>
      records.some(({ event, peer }) => event === 'versionsApart' && peer === 'beta'),
    );
    const { drops } = alpha.status();
    await waitUntil(
      'more is refused',
      () => (alpha.status().drops['version'] ?? 0) > (drops['version'] ?? 0) + 3,
    );
    assert.equal(records.filter(({ event }) => event === 'versionsApart').length, 2);
    assert.match(
      records.find(({ event }) => event === 'versionsApart')?.message ?? '',
      /upgrade toposphere on alpha/,
    );
    assert.equal(isAlive(alpha, 'beta'), false);
    await tooNew.close();
    const beta = await open(site, 'beta', 1, 2);
    await waitUntil('both hear each other', () => isAlive(alpha, 'beta') && isAlive(beta, 'alpha'));
    await waitUntil('alpha says so', () =>
      records.some(({ event, peer }) => event === 'versionsShared' && peer === 'alpha'),
    );
  });
});
