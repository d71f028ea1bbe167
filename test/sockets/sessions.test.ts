/**
 * Sessions of the embedded API on real sockets and real LMDB: a client goes from peer to peer with its token.
 */
import assert from 'node:assert/strict';
import { ToposphereError, type Peer } from '../../src/index.ts';
import { useClusters } from './cluster.ts';
import { waitUntil } from './waiting.ts';

const THREE = ['alpha', 'beta', 'gamma'];
const FAULTS = { allowFaults: true };

function code(wanted: string): (error: unknown) => boolean {
  return (error) => error instanceof ToposphereError && error.code === wanted;
}

describe('sessions', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  async function startThree(): Promise<readonly [Peer, Peer, Peer]> {
    const { peers } = await clusters.startEmbedded({ ids: THREE, settings: FAULTS });
    const [alpha, beta, gamma] = peers;
    assert.ok(alpha !== undefined && beta !== undefined && gamma !== undefined);
    return [alpha, beta, gamma];
  }

  it('read at every peer what they wrote at the last one, at once', async () => {
    const [alpha, beta, gamma] = await startThree();
    let token: string | undefined;
    for (let at = 0; at < 60; at += 1) {
      const peer = [alpha, beta, gamma][at % 3] ?? alpha;
      const session = peer.session(token);
      if (at > 0) assert.equal(await session.getText('turn'), `${at - 1}`);
      await session.set('turn', `${at}`, { acknowledge: at % 2 === 0 ? 'fast' : 'committed' });
      ({ token } = session);
    }
    assert.ok((token ?? '').length < 300, token);
  });

  it('wait for what comes late, and say BEHIND when it does not come in time', async () => {
    const [alpha, beta] = await startThree();
    beta.backend.rehearseFaults(['drop', '100']);
    const session = alpha.session();
    await session.set('k', '1');
    const late = beta.session(session.token);
    await assert.rejects(late.get('k', { waitMs: 60 }), code('BEHIND'));
    await assert.rejects(late.set('other', '1', { waitMs: 0 }), code('BEHIND'));
    assert.equal(beta.get('other'), undefined);
    const waiting = late.getText('k', { waitMs: 20_000 });
    beta.backend.rehearseFaults(['heal']);
    assert.equal(await waiting, '1');
  });

  it('say who is away with what they have seen', async () => {
    const [alpha, beta, gamma] = await startThree();
    gamma.backend.rehearseFaults(['cut', 'alpha', 'beta']);
    for (const peer of [alpha, beta]) peer.backend.rehearseFaults(['cut', 'gamma']);
    const session = gamma.session();
    await session.set('k', '1');
    const moved = alpha.session(session.token);
    await waitUntil('gamma is away for alpha', async () => {
      const refused: unknown = await moved.get('k', { waitMs: 0 }).catch((error: unknown) => error);
      return code('UNDECIDED')(refused) && String(refused).includes('only gamma');
    });
    await alpha.session().set('k', '2'); // without the session's token everybody is served
    for (const peer of [alpha, beta, gamma]) peer.backend.rehearseFaults(['heal']);
    const text = await moved.getText('k', { waitMs: 20_000 });
    assert.equal(text, '2'); // the later of the two
  });

  it('remember what a delete did not find', async () => {
    const [alpha, beta, gamma] = await startThree();
    await alpha.set('k', '1');
    await waitUntil('all have it', () => beta.has('k') && gamma.has('k'));
    gamma.backend.rehearseFaults(['drop', '100']);
    await alpha.delete('k');
    const session = alpha.session();
    assert.equal(await session.delete('k'), false);
    await assert.rejects(gamma.session(session.token).get('k', { waitMs: 0 }), code('BEHIND'));
  });

  it('of one client merge, take no other text, and end with their peer', async () => {
    const [alpha, beta] = await startThree();
    const [one, other] = [alpha.session(), beta.session()];
    await Promise.all([one.set('a', '1'), other.set('b', '1')]);
    one.merge(other.token);
    assert.equal(await one.getText('b'), '1');
    assert.equal(await one.delete('b'), true);
    assert.equal(await one.delete('none'), false);
    assert.equal(await beta.session(one.token).get('b'), undefined);
    assert.throws(() => alpha.session('s1.nonsense'), code('BAD_ARGUMENT'));
    assert.throws(() => {
      one.merge('');
    }, code('BAD_ARGUMENT'));
    await alpha.close();
    await assert.rejects(one.get('a'), code('CLOSED'));
  });
});
