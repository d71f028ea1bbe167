/**
 * The sticky-session client over real peers: it goes on when its peer is killed, paused or stopped, reads what it wrote, and says what it cannot know.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StickyClient } from '../../src/client/index.ts';
import type { Failover, StickyClientOptions } from '../../src/client/index.ts';
import { addClientUser } from '../../src/peer/clientUsers.ts';
import { AUTHORITY } from '../server/certificates.ts';
import type { ChildPeer } from './childPeer.ts';
import { TLS_DISTANCE, useClusters } from './cluster.ts';
import type { ChildCluster } from './cluster.ts';

const THREE = ['alpha', 'beta', 'gamma'];

describe('the sticky-session client', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  async function connect(options: StickyClientOptions): Promise<StickyClient> {
    const client = await StickyClient.connect(options);
    clusters.onEnd(() => client.close());
    return client;
  }

  const peerOf = ({ peers }: ChildCluster, { peer }: StickyClient): ChildPeer => {
    const found = peers.find(({ clientPort }) => peer === `127.0.0.1:${clientPort}`);
    assert.ok(found !== undefined, `no such peer: ${peer}`);
    return found;
  };

  it('reads what it wrote while one peer after the other is killed or paused under it', async () => {
    const cluster = await clusters.start();
    const client = await connect({ servers: cluster.serversPath, deadlineMs: 20_000 });
    const failovers: Failover[] = [];
    client.on('failover', (failover) => failovers.push(failover));
    for (let turn = 0; turn < 6; turn += 1) {
      const left = peerOf(cluster, client);
      await client.set('turn', `${turn}`);
      if (turn % 2 === 0) await left.kill();
      else left.signal('SIGSTOP');
      assert.equal(await client.getText('turn'), `${turn}`);
      assert.notEqual(peerOf(cluster, client), left);
      if (turn % 2 === 0) await left.start();
      else left.signal('SIGCONT');
    }
    assert.equal(failovers.length, 6);
    assert.equal(await client.delete('turn'), true);
    assert.equal(await client.has('turn'), false);
  });

  it('goes from peer to peer over TLS as a named user, and tells a peer whose certificate it does not trust from one that is away', async () => {
    const site = await clusters.prepare({ ids: [] });
    const clientUsersFile = join(site.folder, 'users');
    const user = { name: 'shop', rights: 'write', prefixes: ['shop:'], password: 'shop-horse' };
    await writeFile(clientUsersFile, addClientUser(undefined, 'users', user), { mode: 0o600 });
    const settings = { clientUsersFile, clientPasswordFile: join(site.folder, 'password') };
    await writeFile(settings.clientPasswordFile, 'correct-horse', { mode: 0o600 });
    const { peers } = await clusters.start({ ids: ['alpha', 'beta'], tls: true, settings });
    const portOf = ({ clientPort }: ChildPeer): number => clientPort + TLS_DISTANCE;
    const options = {
      peers: peers.map((peer) => `127.0.0.1:${portOf(peer)}`),
      username: 'shop',
      password: 'shop-horse',
      nearCache: true,
      deadlineMs: 20_000,
    };
    const client = await connect({ ...options, tls: { ca: AUTHORITY } });
    for (let turn = 0; turn < 2; turn += 1) {
      const left = peers.find((peer) => client.peer === `127.0.0.1:${portOf(peer)}`);
      assert.ok(left !== undefined);
      await client.set('shop:turn', `${turn}`, {
        once: true,
        write: { replicated: 'all', withinMs: 10_000 },
      });
      await left.kill();
      assert.equal(await client.getText('shop:turn'), `${turn}`);
      assert.notEqual(client.peer, `127.0.0.1:${portOf(left)}`);
      await left.start();
    }
    await assert.rejects(client.set('other', '1'), /NOPERM/);
    const stranger = StickyClient.connect({ ...options, tls: true, deadlineMs: 500 });
    await assert.rejects(stranger, /: shows a certificate of an authority that is not known here/);
  });

  it('is one session with the next client that brings its token, and merges another', async () => {
    const { peers } = await clusters.start({ ids: THREE });
    const [one, other] = await Promise.all(
      ['one', 'other'].map((affinity) =>
        connect({ peers: peers.map(({ clientPort }) => `127.0.0.1:${clientPort}`), affinity }),
      ),
    );
    assert.ok(one !== undefined && other !== undefined);
    await Promise.all([one.set('of one', 'here'), other.set('of other', 'there', { write: 'durable' })]);
    one.session.merge(other.session.token);
    assert.equal(await one.getText('of other'), 'there');
    for (const { clientPort } of peers) {
      const next = await connect({ peers: [`127.0.0.1:${clientPort}`], sessionToken: one.session.token });
      assert.deepEqual(await Promise.all([next.getText('of one'), next.getText('of other')]), [
        'here',
        'there',
      ]);
    }
  });

  it('says which peers there are and what was seen of each, when none serves until the deadline', async () => {
    const { peers } = await clusters.start({ ids: ['alpha', 'beta'] });
    const names = peers.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
    const client = await connect({ peers: names, deadlineMs: 400 });
    for (const peer of peers) await peer.kill();
    for (const attempt of [
      client.get('k'),
      client.set('k', 'v'),
      StickyClient.connect({ peers: names, deadlineMs: 300 }),
    ])
      await assert.rejects(attempt, ({ code, message }: { code: string; message: string }) => {
        assert.equal(code, 'NO_PEER');
        for (const name of names)
          assert.match(message, new RegExp(`${name}: (?:ECONNREFUSED|ECONNRESET|Socket closed)`));
        return true;
      });
    for (const peer of peers) await peer.start();
    assert.equal(await client.get('k', { deadlineMs: 20_000 }), undefined);
  });

  it('tells a peer that is behind from one that is not there', async () => {
    const { peer } = await clusters.start({ ids: ['alpha', 'beta'], settings: { allowFaults: true } });
    const [alpha, beta] = [peer('alpha'), peer('beta')].map(({ clientPort }) => `127.0.0.1:${clientPort}`);
    assert.ok(alpha !== undefined && beta !== undefined);
    await peer('beta').faults('drop', '100');
    const writer = await connect({ peers: [alpha] });
    await writer.set('k', '1');
    const behind = { peers: [beta], sessionToken: writer.session.token };
    await assert.rejects(StickyClient.connect({ ...behind, deadlineMs: 700 }), { code: 'BEHIND' });
    await peer('beta').faults('heal');
    const reader = await connect({ ...behind, deadlineMs: 20_000 });
    assert.equal(await reader.getText('k'), '1');
  });
});
