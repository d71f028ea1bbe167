/**
 * Registers on real sockets and real LMDB: linearizable reads and writes by the embedded API and over the Redis protocol, and what is said where a majority does not answer.
 */
import assert from 'node:assert/strict';
import { ToposphereError, type Peer } from '../../src/index.ts';
import { useClusters } from './cluster.ts';
import type { RespClient } from './respClient.ts';
import { waitUntil } from './waiting.ts';

const FAULTS = { allowFaults: true };

function code(wanted: string, changed: boolean | 'unknown' = false): (error: unknown) => boolean {
  return (error) => error instanceof ToposphereError && error.code === wanted && error.changed === changed;
}

describe('registers', function () {
  this.timeout(60_000);
  const clusters = useClusters();

  /** Two that hear each other and nobody else. */
  function cutOff(one: Peer, other: Peer, ...rest: readonly Peer[]): void {
    for (const peer of [one, other]) peer.backend.rehearseFaults(['cut', ...rest.map(({ id }) => id)]);
    for (const peer of rest) peer.backend.rehearseFaults(['cut', one.id, other.id]);
  }

  it('read at every peer what was written last, though no UPDATE arrives', async () => {
    const { peers } = await clusters.startEmbedded({ settings: FAULTS });
    for (const peer of peers) peer.backend.rehearseFaults(['drop', '100', 'update']);
    for (let at = 0; at < 40; at += 1) {
      const [one, other] = [peers[at % 4], peers[(at + 1) % 4]];
      assert.ok(one !== undefined && other !== undefined);
      await one.register('k').set(`${at}`);
      assert.equal(await other.register('k').getText(), `${at}`);
    }
    const [alpha, beta] = peers;
    assert.ok(alpha !== undefined && beta !== undefined);
    assert.equal(await alpha.register('k').delete(), true);
    assert.equal(await beta.register('k').get(), undefined);
    assert.equal(await beta.register('k').delete(), false);
    const long = 'x'.repeat(200_000);
    await alpha.register('long').set(long);
    assert.equal(await beta.register('long').getText({ withinMs: 10_000 }), long);
  });

  it('say NO_MAJORITY or UNKNOWN where half of the members is away, and go on with them', async () => {
    const { peers } = await clusters.startEmbedded({ settings: FAULTS });
    const [alpha, beta, gamma, delta] = peers;
    assert.ok(alpha !== undefined && beta !== undefined && gamma !== undefined && delta !== undefined);
    await alpha.register('k').set('1');
    cutOff(alpha, beta, gamma, delta);
    await assert.rejects(beta.register('k').get({ withinMs: 100 }), code('NO_MAJORITY'));
    await assert.rejects(beta.register('k').set('2', { withinMs: 100 }), code('NO_MAJORITY'));
    assert.equal(beta.getText('k'), '1');
    await assert.rejects(beta.register('k').get({ read: 'majority', withinMs: 100 }), {
      message: /2 of the 3 answered that are a majority of 4 members \(delta, gamma did not answer\)/,
    });
    const waiting = beta.register('k').set('3', { withinMs: 20_000 });
    for (const peer of peers) peer.backend.rehearseFaults(['heal']);
    await waiting;
    assert.equal(await gamma.register('k').getText(), '3');
  });

  it('say UNKNOWN of a write that was made and that a majority has not confirmed', async () => {
    const { peers } = await clusters.startEmbedded({ ids: ['alpha', 'beta', 'gamma'], settings: FAULTS });
    const [alpha, beta, gamma] = peers;
    assert.ok(alpha !== undefined && beta !== undefined && gamma !== undefined);
    // Records and updates are lost, so nobody can hold what alpha writes: they tell what they hold, and that is all.
    const writing = alpha.register('k').set('1', { withinMs: 300 });
    const stop = alpha.watch('k', () => {
      stop();
      for (const peer of [beta, gamma]) peer.backend.rehearseFaults(['drop', '100']);
      alpha.backend.rehearseFaults(['cut', 'beta', 'gamma']);
    });
    await assert.rejects(writing, code('UNKNOWN', 'unknown'));
    assert.equal(alpha.getText('k'), '1', 'it stands here');
    for (const peer of peers) peer.backend.rehearseFaults(['heal']);
    assert.equal(await beta.register('k').getText({ withinMs: 5_000 }), '1');
  });

  it('refuse a key that expires, and what cannot be waited for', async () => {
    const { peers } = await clusters.startEmbedded({ ids: ['alpha', 'beta', 'gamma'] });
    const [alpha, beta] = peers;
    assert.ok(alpha !== undefined && beta !== undefined);
    await alpha.set('k', '1', { expiresInMs: 60_000 });
    await assert.rejects(beta.register('k').get(), code('BAD_ARGUMENT'));
    assert.equal(await beta.register('k').getText({ read: 'majority' }), '1');
    await alpha.register('k').set('2');
    assert.equal(await beta.register('k').getText(), '2', 'set without an expiry it is one');
    for (const withinMs of [0, -1, 1.5, NaN, 600_001])
      await assert.rejects(beta.register('k').get({ withinMs }), code('BAD_ARGUMENT'), String(withinMs));
    await beta.close();
    await assert.rejects(beta.register('k').get(), code('CLOSED'));
  });

  it('serve reads that may be stale while every member is heard, and say whom they miss', async () => {
    const { peers } = await clusters.startEmbedded({ ids: ['alpha', 'beta', 'gamma'], settings: FAULTS });
    const [alpha, beta, gamma] = peers;
    assert.ok(alpha !== undefined && beta !== undefined && gamma !== undefined);
    await alpha.set('k', '1');
    const stale = { read: { staleMs: 2_000 } };
    await waitUntil('beta has it', () => beta.getText('k') === '1');
    await waitUntil('beta can know', async () =>
      beta
        .register('k')
        .getText(stale)
        .then(
          (found) => found === '1',
          () => false,
        ),
    );
    beta.backend.rehearseFaults(['cut', 'gamma']);
    await waitUntil('beta misses gamma', async () =>
      beta
        .register('k')
        .get(stale)
        .then(
          () => false,
          (error: unknown) =>
            code('BEHIND')(error) &&
            error instanceof Error &&
            error.message.includes('has not heard gamma for'),
        ),
    );
    assert.equal(beta.getText('k'), '1');
  });

  describe('over the Redis protocol', () => {
    const { connect } = clusters;
    const say = (client: RespClient, words: string): Promise<unknown> => client.call(...words.split(' '));
    const text = (client: RespClient, words: string): Promise<string | null> =>
      client.text(...words.split(' '));

    it('are commands with a READ of their own, in a pipeline too, and in a session', async () => {
      const { peer } = await clusters.start({ settings: FAULTS });
      const [alpha, beta] = [await connect(peer('alpha')), await connect(peer('beta'))];
      for (const id of ['alpha', 'beta', 'gamma', 'delta']) await peer(id).faults('drop', '100', 'update');
      const linearizable = 'TOPOSPHERE DO READ LINEARIZABLE WITHIN 5000 RUN';
      const [set, get, ping, deleted, gone] = await Promise.all([
        text(alpha, `${linearizable} SET k 1`),
        text(alpha, `${linearizable} GET k`),
        alpha.text('PING'),
        say(alpha, `${linearizable} DEL k`),
        text(alpha, `${linearizable} GET k`),
      ]);
      assert.deepEqual([set, get, ping, deleted, gone], ['OK', '1', 'PONG', 1, null]);
      await text(beta, 'TOPOSPHERE SESSION BEGIN');
      await text(beta, `${linearizable} SET k 2`);
      assert.equal(await text(alpha, 'TOPOSPHERE DO READ MAJORITY RUN GET k'), '2');
      const token = (await text(beta, 'TOPOSPHERE SESSION TOKEN')) ?? '';
      const gamma = await connect(peer('gamma'));
      await text(gamma, `TOPOSPHERE SESSION BEGIN WAIT 20000 ${token}`);
      assert.equal(await gamma.text('GET', 'k'), '2', 'what a register wrote is of the session');
    });

    it('refuse what would break them, before anything is done', async () => {
      const { peer } = await clusters.start({ ids: ['alpha', 'beta', 'gamma'] });
      const client = await connect(peer('alpha'));
      for (const [words, answer] of [
        ['ACK fast READ LINEARIZABLE RUN SET k 1', /ERR ACK FAST does not go with this READ/],
        ['READ LINEARIZABLE ID x RUN SET k 1', /ERR ID does not go with this READ/],
        ['READ LINEARIZABLE RUN SET k 1 EX 5', /ERR READ LINEARIZABLE is for GET key, SET key value/],
        ['READ LINEARIZABLE RUN DEL k l', /ERR READ LINEARIZABLE is for/],
        ['READ LINEARIZABLE RUN APPEND k 1', /ERR READ LINEARIZABLE is for/],
        ['READ MAJORITY RUN SET k 1', /ERR READ MAJORITY and READ STALE are for GET key/],
        ['READ STALE 0 RUN GET k', /ERR READ STALE takes 1 to 600000 milliseconds/],
        ['READ STALE x RUN GET k', /ERR READ STALE takes 1 to 600000 milliseconds/],
        ['WITHIN 0 RUN GET k', /ERR WITHIN takes 1 to 600000 milliseconds/],
        ['READ NEWEST RUN GET k', /ERR TOPOSPHERE DO did not expect READ NEWEST/],
      ] as const)
        await assert.rejects(say(client, `TOPOSPHERE DO ${words}`), answer, words);
      assert.equal(await client.text('GET', 'k'), null);
    });

    it('say NOMAJORITY when two of four are killed, and read what was written when one is back', async () => {
      const { peer } = await clusters.start({ settings: FAULTS });
      const client = await connect(peer('alpha'));
      await text(client, 'TOPOSPHERE DO READ LINEARIZABLE RUN SET k 1');
      await Promise.all([peer('gamma').kill(), peer('delta').kill()]);
      await assert.rejects(
        say(client, 'TOPOSPHERE DO READ LINEARIZABLE WITHIN 300 RUN GET k'),
        /NOMAJORITY read given up after 300 ms, nothing changed: 2 of the 3 answered/,
      );
      await assert.rejects(
        say(client, 'TOPOSPHERE DO READ LINEARIZABLE WITHIN 300 RUN SET k 2'),
        /NOMAJORITY write given up after 300 ms, nothing changed/,
      );
      const waiting = text(client, 'TOPOSPHERE DO READ LINEARIZABLE WITHIN 30000 RUN GET k');
      await peer('gamma').start();
      assert.equal(await waiting, '1');
    });
  });
});
