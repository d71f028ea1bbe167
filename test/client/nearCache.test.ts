/**
 * The near cache by itself, under a clock of the test's own: what it serves, and above all what it does not.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { NearCache } from '../../src/client/nearCache.ts';

const LEASE_MS = 100;
const STEPS = ['change', 'read', 'ping', 'arrive', 'deliver', 'conclude', 'serve', 'wait', 'break'] as const;
type Step = (typeof STEPS)[number];
/** How often each is drawn. */
const WEIGHTS: readonly number[] = [3, 3, 4, 8, 8, 8, 8, 5, 1];

describe('the near cache', () => {
  let nowMs = 1000;
  let cache: NearCache;

  beforeEach(() => {
    nowMs = 1000;
    cache = new NearCache({ maxEntries: 4, maxBytes: 4000, leaseMs: LEASE_MS }, () => nowMs);
    cache.prove(nowMs);
  });

  const keep = (key: string, value: string | undefined): void => {
    cache.settle(cache.expect(key), value === undefined ? undefined : Buffer.from(value));
  };
  /** null: nothing is served. */
  const served = (key: string): string | undefined | null => {
    const found = cache.find(key);
    return found === undefined ? null : found.value?.toString();
  };

  it('serves what was read, also that there is nothing', () => {
    keep('a', '1');
    keep('none', undefined);
    assert.equal(served('a'), '1');
    assert.equal(served('none'), undefined);
    assert.equal(served('b'), null);
    const { hits, misses, entries } = cache.counts();
    assert.deepEqual({ hits, misses, entries }, { hits: 2, misses: 1, entries: 2 });
  });

  it('serves nothing once the peer has answered no question of within the lease, and again when it has', () => {
    keep('a', '1');
    nowMs += LEASE_MS - 1;
    assert.equal(served('a'), '1');
    nowMs += 1;
    assert.equal(served('a'), null);
    // An answer that was long on its way proves nothing of the time since it was asked for.
    cache.prove(nowMs - LEASE_MS);
    assert.equal(served('a'), null);
    cache.prove(nowMs - 1);
    assert.equal(served('a'), '1');
    cache.prove(nowMs - 50); // behind it in the pipeline, and asked for before: no step back
    nowMs += LEASE_MS - 2;
    assert.equal(served('a'), '1');
    assert.equal(cache.counts().doubted, 2);
  });

  it('does not keep a reply that an invalidation, an own write, a merged token or another connection has overtaken', () => {
    const overtakings: readonly (() => void)[] = [
      () => {
        cache.invalidate(['a']);
      },
      () => {
        cache.flush();
      },
      () => {
        cache.leave();
        cache.prove(nowMs);
      },
    ];
    for (const overtake of overtakings) {
      const [early, other] = [cache.expect('a'), cache.expect('b')];
      overtake();
      const late = cache.expect('a');
      cache.settle(early, Buffer.from('old'));
      assert.equal(served('a'), null);
      cache.settle(late, Buffer.from('new'));
      assert.equal(served('a'), 'new');
      cache.abandon(other);
      cache.invalidate(['a', 'b']);
    }
    assert.equal(cache.counts().overtaken, overtakings.length);
  });

  it('lets go of what changed, and of nothing else', () => {
    keep('a', '1');
    keep('b', '2');
    cache.invalidate(['a', 'c']);
    assert.equal(served('a'), null);
    assert.equal(served('b'), '2');
    cache.flush();
    assert.equal(served('b'), null);
    assert.equal(cache.counts().invalidations, 2);
  });

  it('serves nothing of a connection that was left, not even within the lease', () => {
    keep('a', '1');
    cache.leave();
    assert.equal(served('a'), null);
    keep('b', '1'); // of the next one, which has not answered anything yet
    assert.equal(served('b'), null);
    cache.prove(nowMs);
    assert.equal(served('a'), null);
    assert.equal(served('b'), '1');
  });

  it('keeps so many entries and bytes, those that were asked for last', () => {
    for (const key of ['a', 'b', 'c', 'd']) keep(key, key);
    served('a');
    keep('e', 'e');
    assert.deepEqual(['a', 'b', 'c', 'd', 'e'].map(served), ['a', null, 'c', 'd', 'e']);
    keep('long', 'v'.repeat(3000));
    assert.ok(cache.counts().bytes <= 4000);
    assert.equal(cache.counts().evictions, 1 + (4 - (cache.counts().entries - 1)));
    assert.equal(served('long')?.length, 3000);
    keep('too long', 'v'.repeat(4000));
    assert.equal(served('too long'), null);
    assert.equal(served('long')?.length, 3000);
    keep('long', 'short now');
    assert.equal(served('long'), 'short now');
  });

  it('never serves what a peer had more than the lease ago, whatever was late, lost or paused between', () => {
    const step = fc.oneof(
      ...STEPS.map((name, index) => ({ arbitrary: fc.constant(name), weight: WEIGHTS[index] ?? 1 })),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.nat(60)), { minLength: 50, maxLength: 400 }), (run) => {
        nowMs = 1000;
        cache = new NearCache({ maxEntries: 4, maxBytes: 4000, leaseMs: LEASE_MS }, () => nowMs);
        rehearse(run);
      }),
      { numRuns: 1500 },
    );
  });

  /** A peer with one key, and a line to it on which all comes in order, but as late as chance has it. */
  function rehearse(run: readonly (readonly [Step, number])[]): void {
    /** When each version was replaced. */
    const replacedAtMs = [Infinity];
    let isTracked = false;
    let toPeer: (() => void)[] = [];
    let toClient: (() => void)[] = [];
    const concluding: (() => void)[] = [];
    const steps: Readonly<Record<Step, (amount: number) => void>> = {
      wait: (amount) => {
        nowMs += amount;
      },
      change: () => {
        replacedAtMs[replacedAtMs.length - 1] = nowMs;
        replacedAtMs.push(Infinity);
        if (isTracked)
          toClient.push(() => {
            cache.invalidate(['k']);
          });
        isTracked = false;
      },
      read: () => {
        const [fetch, askedAtMs] = [cache.expect('k'), nowMs];
        toPeer.push(() => {
          isTracked = true;
          const value = Buffer.from(`${replacedAtMs.length - 1}`);
          toClient.push(() => {
            // What comes with the reply in one piece is heard before whoever awaits the reply.
            concluding.push(() => {
              cache.prove(askedAtMs);
              cache.settle(fetch, value);
            });
          });
        });
      },
      ping: () => {
        const askedAtMs = nowMs;
        toPeer.push(() => {
          toClient.push(() => {
            cache.prove(askedAtMs);
          });
        });
      },
      arrive: () => toPeer.shift()?.(),
      deliver: () => toClient.shift()?.(),
      conclude: () => concluding.shift()?.(),
      break: () => {
        [toPeer, toClient] = [[], []];
        isTracked = false;
        cache.leave();
      },
      serve: () => {
        const found = served('k');
        if (found === null) return;
        const staleMs = nowMs - (replacedAtMs[Number(found)] ?? 0);
        assert.ok(staleMs < LEASE_MS, `version ${found} was replaced ${staleMs} ms ago`);
      },
    };
    for (const [step, amount] of run) steps[step](amount);
  }
});
