/**
 * Clients that count, through faults: every total is what the increments come to that survive. That the checks find what they are for is tools/mutants' to show.
 */
import assert from 'node:assert/strict';
import type { CounterFigures } from '../../src/simulator/counterClients.ts';
import { formatAmount, parseAmount } from '../../src/simulator/counterGhost.ts';
import { simulate } from '../../src/simulator/index.ts';

const SEEDS = 8;

describe('simulated counters', function () {
  this.timeout(120_000);

  it(`come to what was counted in seeds 1 to ${SEEDS}, and meet every answer there is`, async () => {
    const met: Record<keyof CounterFigures, number> = {
      incremented: 0,
      faulty: 0,
      refused: 0,
      full: 0,
      transacted: 0,
      listed: 0,
      begun: 0,
      judged: 0,
      unsure: 0,
    };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { failure, counters } = await simulate({
        seed,
        servers: 3 + (seed % 2),
        minutes: 0.3,
        counters: 2,
        groups: Number(seed > 6),
      });
      assert.equal(failure, undefined, `seed ${seed}: ${failure?.detail ?? ''}`);
      for (const figure of Object.keys(met) as (keyof CounterFigures)[])
        met[figure] += counters?.[figure] ?? 0;
    }
    for (const [figure, count] of Object.entries(met))
      assert.ok(count > 0 || figure === 'unsure', `${figure}: none in all seeds`);
    assert.ok(met.judged > 4 * met.unsure, 'of most keys it can be told');
  });

  it('change nothing of a schedule that asks for none', async () => {
    const [one, other] = await Promise.all(
      [{}, { counters: 0 }].map((counters) => simulate({ seed: 7, servers: 3, minutes: 0.2, ...counters })),
    );
    assert.equal(one?.traceHash, other?.traceHash);
    const withClients = await simulate({ seed: 7, servers: 3, minutes: 0.2, counters: 2 });
    assert.notEqual(withClients.traceHash, one?.traceHash);
    assert.deepEqual(withClients.schedule?.events, one?.schedule?.events);
  });

  it('are reckoned in whole numbers of the least they differ by', () => {
    for (const text of [
      '0',
      '-0.25',
      '7',
      '-70',
      '0.5',
      '10.01',
      '-0.00000000000000001',
      '9223372036854775807',
    ]) {
      const amount = parseAmount(text);
      assert.ok(amount !== undefined);
      assert.equal(formatAmount(amount), text);
    }
    assert.equal(parseAmount('no number'), undefined);
  });
});
