/**
 * Peers whose clocks are wrong (protocol.md, R3 and section 8), rehearsed by --clock-offset-ms.
 *
 * Owns three wrong clocks: an hour slow, 400 ms fast (within the limit of 500), an hour fast (beyond).
 */
import assert from 'node:assert/strict';
import { useClusters } from './cluster.ts';
import { awaitEqualDigests } from './convergence.ts';
import { report, waitUntil } from './waiting.ts';

const HOUR_MS = 3_600_000;

describe('clocks', () => {
  const clusters = useClusters();

  it('one peer an hour slow, one 400 ms fast: equal values, and the slow one overwrites what is older', async () => {
    const { peers, peer } = await clusters.start({
      settings: { allowFaults: true },
      settingsOf: { gamma: { clockOffsetMs: -HOUR_MS }, delta: { clockOffsetMs: 400 } },
    });
    const slow = peer('gamma');
    const writers = [peer('alpha'), peer('delta'), peer('beta')];
    for (const [index, writer] of writers.entries()) {
      const key = `slow:${index}`;
      await writer.set(key, 'older');
      await waitUntil(`${key} at the slow peer`, async () => (await slow.get(key)) === 'older');
      await slow.set(key, 'newer');
      for (const one of peers) {
        await waitUntil(`the slow peer's ${key} at ${one.id}`, async () => (await one.get(key)) === 'newer');
      }
      await writer.set(key, 'newest');
      await waitUntil(
        `${writer.id}'s ${key} at the slow peer`,
        async () => (await slow.get(key)) === 'newest',
      );
    }
    // Everybody at once, on the same keys.
    await Promise.all(
      Array.from({ length: 400 }, async (_, index) => {
        await peers[index % 4]?.set(`mixed:${(index >> 2) % 20}`, String(index));
      }),
    );
    const { tookMs, visible } = await awaitEqualDigests(peers);
    report(`one clock an hour slow, one 400 ms fast: equal ${Math.round(tookMs)} ms after 400 mixed writes`);
    assert.equal(visible, writers.length + 20);
    const verdicts = await Promise.all(peers.map(async (one) => (await one.status()).clock.verdict));
    assert.deepEqual(verdicts, ['right', 'right', 'behind', 'right']);
  }).timeout(60_000);

  it('a peer an hour fast answers writes with an error that names its clock; the others are unharmed', async () => {
    const { peers, peer } = await clusters.start({
      settings: { allowFaults: true },
      settingsOf: { delta: { clockOffsetMs: HOUR_MS } },
    });
    const fast = peer('delta');
    const others = peers.filter((one) => one !== fast);
    await waitUntil('the fast peer knows', async () => (await fast.status()).clock.verdict === 'ahead');
    await assert.rejects(
      fast.set('fast', 'refused'),
      /CLOCKAHEAD .*the clock of delta is \d+ ms ahead of .* clocks/,
    );
    assert.equal(await fast.get('fast'), null, 'nothing was changed');
    await Promise.all(
      Array.from({ length: 90 }, async (_, index) => {
        await others[index % 3]?.set(`right:${index}`, String(index));
      }),
    );
    // The fast peer takes part as a reader.
    const { visible } = await awaitEqualDigests(peers);
    assert.equal(visible, 90);
    await assert.rejects(fast.set('right:0', 'refused'), /CLOCKAHEAD/);
    const { writes } = await fast.status();
    assert.deepEqual(writes, { accepted: 0, refusedClockAhead: 2 });
    for (const one of others) assert.equal((await one.status()).clock.verdict, 'right', one.id);
  }).timeout(60_000);

  it('a peer 400 ms fast is within the limit: its writes are taken and reach everyone', async () => {
    const { peers, peer } = await clusters.start({
      ids: ['alpha', 'beta', 'gamma'],
      settings: { allowFaults: true },
      settingsOf: { beta: { clockOffsetMs: 400 } },
    });
    await peer('beta').set('fast', 'taken');
    await awaitEqualDigests(peers);
    assert.equal(await peer('alpha').get('fast'), 'taken');
    // R3: a later write elsewhere is stamped above it, although that clock shows less.
    await peer('alpha').set('fast', 'later');
    await awaitEqualDigests(peers);
    assert.equal(await peer('beta').get('fast'), 'later');
  }).timeout(60_000);
});
