/**
 * Processes that die, stop and come back.
 *
 * Owns the promise of the acknowledgement levels across kill -9 (a power cut is not rehearsed here), a
 * process that stood still for ten seconds, and a clean stop.
 */
import assert from 'node:assert/strict';
import { awaitInTouch, useClusters } from '../cluster.ts';
import { assertAllPresent, awaitEqualDigests } from '../convergence.ts';
import { startLoad } from '../load.ts';
import { duration, report, waitUntil } from '../waiting.ts';

const STOPPED_MS = 10_000;
const CLEAN_STOP_WITHIN_MS = 2000;

describe('crash', () => {
  const clusters = useClusters();

  for (const level of ['committed', 'durable'] as const) {
    it(`kill -9 under load: every write acknowledged at ${level} is everywhere after the restart`, async () => {
      const { peers, peer } = await clusters.start();
      const victim = peer('beta');
      const acknowledged = new Map<string, string>();
      const ofVictim = { acknowledged: 0 };
      const loads = await Promise.all(
        peers.map(async (one) => {
          const client = await one.connect();
          clusters.onEnd(() => {
            client.close();
          });
          await client.call('TOPOSPHERE', 'ACK', level);
          return startLoad({
            clients: [client],
            ratePerSecond: 1000,
            count: 100_000,
            limitMs: 15_000,
            write: (index) => ({ key: `${one.id}:${index}`, value: `${level} ${index}` }),
            onAcknowledged: ({ key, value }) => {
              acknowledged.set(key, value);
              if (one === victim) ofVictim.acknowledged += 1;
            },
          });
        }),
      );
      await waitUntil('a load on the victim', () => ofVictim.acknowledged > 1500);
      await victim.kill();
      const atDeath = ofVictim.acknowledged;
      await waitUntil(
        'writes on the survivors after the death',
        () => acknowledged.size > atDeath * 4 + 1000,
      );
      await victim.start();
      for (const load of loads) load.stop();
      const results = await Promise.all(loads.map((load) => load.done));
      const { tookMs } = await awaitEqualDigests(peers);
      const lost = results.reduce((sum, { refused }) => sum + refused, 0);
      report(
        `kill -9 at ${level}: ${atDeath} acknowledged by the victim, ${acknowledged.size} in all, ` +
          `${lost} unanswered; equal ${Math.round(tookMs)} ms after the restart and the end of the load`,
      );
      peers.forEach((one, index) => {
        if (one !== victim) assert.deepEqual(results[index]?.refusals, [], `refused by ${one.id}`);
      });
      await assertAllPresent(peers, acknowledged);
      await victim.set('again', 'written');
      await awaitEqualDigests(peers);
    }).timeout(60_000);
  }

  for (const level of ['committed', 'durable'] as const) {
    it(`alone, killed -9 at the moment of an OK: every write acknowledged at ${level} is on its own disk`, async () => {
      // Nobody else has a copy, and the kill follows the reply at once: an OK that came early is a lost write.
      const { peer } = await clusters.start({ ids: ['alpha', 'beta'], absent: ['beta'] });
      const alpha = peer('alpha');
      const acknowledged = new Map<string, string>();
      const rounds = 3;
      for (let round = 1; round <= rounds; round += 1) {
        const client = await alpha.connect();
        await client.call('TOPOSPHERE', 'ACK', level);
        const killAt = acknowledged.size + 1000 + round * 137;
        const load = startLoad({
          clients: [client],
          ratePerSecond: 20_000,
          count: 100_000,
          limitMs: 10_000,
          write: (index) => ({ key: `${round}:${index}`, value: `${level} ${index}` }),
          onAcknowledged: ({ key, value }) => {
            acknowledged.set(key, value);
            if (acknowledged.size === killAt) alpha.signal('SIGKILL');
          },
        });
        await alpha.awaitEnd(10_000);
        load.stop();
        await load.done;
        client.close();
        await alpha.start();
        await assertAllPresent([alpha], acknowledged);
      }
      report(`kill -9 alone at ${level}: ${acknowledged.size} acknowledged over ${rounds} kills, none lost`);
      assert.ok(acknowledged.size > rounds * 1000);
    }).timeout(40_000);
  }

  it('SIGSTOP for 10 s under writes, SIGCONT: converges, and holds nobody for dead for long', async () => {
    const { peers, peer } = await clusters.start();
    const sleeper = peer('gamma');
    const others = peers.filter((one) => one !== sleeper);
    await sleeper.set('before', 'sleep');
    const clients = await Promise.all(others.map((one) => one.connect()));
    clusters.onEnd(() => {
      for (const client of clients) client.close();
    });
    sleeper.signal('SIGSTOP');
    const startMs = performance.now();
    const acknowledged = new Map<string, string>();
    const load = startLoad({
      clients,
      ratePerSecond: 1500,
      count: 9000,
      limitMs: STOPPED_MS,
      write: (index) => ({ key: `while:${index % 6000}`, value: String(index) }),
      onAcknowledged: ({ key, value }) => acknowledged.set(key, value),
    });
    const { refusals } = await load.done;
    await duration(Math.max(0, STOPPED_MS - (performance.now() - startMs)));
    const linesBefore = sleeper.log.length;
    sleeper.signal('SIGCONT');
    const [{ tookMs, visible }, inTouchMs] = await Promise.all([
      awaitEqualDigests(peers),
      awaitInTouch(peers),
    ]);
    const verdicts = sleeper.log.slice(linesBefore).filter((line) => line.includes('not heard any more'));
    report(
      `SIGSTOP for 10 s: equal ${Math.round(tookMs)} ms after SIGCONT, all in touch after ${Math.round(inTouchMs)} ms; ` +
        `the sleeper held ${verdicts.length} peers for dead`,
    );
    assert.deepEqual(refusals, []);
    assert.equal(visible, 6001);
    await sleeper.set('after', 'sleep');
    await waitUntil('the sleeper is heard', async () => (await peer('alpha').get('after')) === 'sleep');
  }).timeout(60_000);

  it('a peer that stood still for 3 s takes every write it is given when it runs again', async () => {
    const { peer } = await clusters.start();
    const sleeper = peer('gamma');
    const client = await sleeper.connect();
    clusters.onEnd(() => {
      client.close();
    });
    sleeper.signal('SIGSTOP');
    await duration(3000);
    sleeper.signal('SIGCONT');
    // Its sockets are full of what others said seconds ago: no reason to doubt its own clock.
    const load = startLoad({
      clients: [client],
      ratePerSecond: 500,
      count: 750,
      limitMs: 10_000,
      write: (index) => ({ key: `awake:${index}`, value: String(index) }),
    });
    const { acknowledged, refusals } = await load.done;
    assert.deepEqual(refusals, []);
    assert.equal(acknowledged, 750);
  }).timeout(30_000);

  it('SIGTERM under load stops cleanly within 2 s, and what was acknowledged is kept', async () => {
    const { peers, peer } = await clusters.start({ ids: ['alpha', 'beta'] });
    const stopped = peer('alpha');
    const client = await stopped.connect();
    clusters.onEnd(() => {
      client.close();
    });
    const acknowledged = new Map<string, string>();
    const load = startLoad({
      clients: [client],
      ratePerSecond: 3000,
      count: 60_000,
      limitMs: 15_000,
      write: (index) => ({ key: `stop:${index}`, value: String(index) }),
      onAcknowledged: ({ key, value }) => acknowledged.set(key, value),
    });
    await waitUntil('a load', () => acknowledged.size > 2000);
    const startMs = performance.now();
    stopped.signal('SIGTERM');
    const ended = await stopped.awaitEnd(15_000);
    const tookMs = performance.now() - startMs;
    load.stop();
    await load.done;
    report(
      `SIGTERM under load: ended after ${Math.round(tookMs)} ms, ${acknowledged.size} writes acknowledged`,
    );
    assert.deepEqual(ended, { code: 0, signal: null });
    assert.ok(tookMs <= CLEAN_STOP_WITHIN_MS, `${Math.round(tookMs)} ms`);
    await stopped.start();
    await awaitEqualDigests(peers);
    await assertAllPresent(peers, acknowledged);
  }).timeout(60_000);
});
