/** The simulator itself: the same from the same seed, every check seen to fail, small schedules out of large ones. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { hasSequence } from '../../src/core/haveSet.ts';
import type { ToposphereError } from '../../src/core/errors.ts';
import type { Message } from '../../src/core/messages.ts';
import type { Entry, Incarnation, Key, PeerId, Timestamp } from '../../src/core/types.ts';
import { BrokenInvariant } from '../../src/simulator/brokenInvariant.ts';
import type { Checker } from '../../src/simulator/checker.ts';
import { FAULT_KINDS, generateSchedule } from '../../src/simulator/generate.ts';
import { itSimulates, simulate } from '../../src/simulator/index.ts';
import { openStream } from '../../src/simulator/random.ts';
import { runSchedule } from '../../src/simulator/run.ts';
import { isOperation, parseSchedule, type Schedule } from '../../src/simulator/schedule.ts';
import { shrinkSchedule } from '../../src/simulator/shrink.ts';
import type { VirtualPeer } from '../../src/simulator/virtualPeer.ts';
import type { World } from '../../src/simulator/world.ts';
import { loadHashing, type Hashing } from '../../src/wire/hash.ts';

const CHILD = fileURLToPath(new URL('traceChild.ts', import.meta.url));

describe('the simulator', () => {
  let hashing: Hashing;
  before(async () => {
    hashing = await loadHashing();
  });
  const small = (seed: number): Schedule => generateSchedule({ seed, servers: 4, minutes: 0.5 });

  it('gives the same trace for the same seed in every process, and another for another seed', function () {
    this.timeout(60_000);
    const run = (): string[] =>
      execFileSync(process.execPath, ['--import', 'tsx', CHILD, '3', '4', '5'], { encoding: 'utf8' })
        .trim()
        .split('\n');
    const first = run();
    assert.deepEqual(run(), first);
    assert.equal(new Set(first).size, 3);
    assert.equal(runSchedule(small(3), { hashing }).traceHash, first[0]);
  });

  it('replays a saved schedule to the same step', () => {
    const schedule = small(7);
    const saved = parseSchedule(JSON.stringify(schedule));
    const [one, two] = [schedule, saved].map((each) => runSchedule(each, { hashing }));
    assert.deepEqual(two, one);
  });

  it('draws each concern from a stream of its own: one kind of fault less leaves the rest as it was', () => {
    let compared = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      const all = generateSchedule({ seed });
      const without = generateSchedule({ seed, faults: FAULT_KINDS.filter((kind) => kind !== 'partitions') });
      const rest = all.events.filter(({ do: what }) => what !== 'cut' && what !== 'heal');
      assert.deepEqual(without.events, rest, `seed ${seed}`);
      compared += all.events.length - rest.length;
      assert.deepEqual(without.settings, all.settings);
    }
    assert.ok(compared > 0, 'no seed had a partition: the test proves nothing');
  });

  it('draws uniformly, and differently for neighbouring seeds and concerns', () => {
    const draws = [1, 2, 3].flatMap((seed) =>
      ['a', 'b'].map((concern) => {
        const random = openStream(seed, concern);
        return Array.from({ length: 1000 }, random);
      }),
    );
    for (const list of draws) {
      const mean = list.reduce((sum, one) => sum + one, 0) / list.length;
      assert.ok(mean > 0.46 && mean < 0.54, `mean ${mean}`);
    }
    assert.equal(new Set(draws.map(([first]) => first)).size, draws.length);
  });

  it('says what is wrong with a schedule file, everything at once', () => {
    const bad = {
      ...small(1),
      version: 2,
      settings: { limits: { maxGaps: 3 } },
      events: [
        { atMs: 5, do: 'jump' },
        { atMs: 1, do: 'crash', peer: 'omega', power: 1 },
      ],
    };
    assert.throws(
      () => parseSchedule(JSON.stringify(bad)),
      (error: ToposphereError) => {
        for (const text of [
          'version',
          'maxGaps',
          'jump',
          'events[1]: before',
          'events[1].peer',
          'events[1].power',
        ])
          assert.ok(error.message.includes(text), `${text} in ${error.message}`);
        return true;
      },
    );
    assert.throws(() => parseSchedule('{'), /no JSON/);
    assert.throws(() => parseSchedule('[]'), /an object is wanted/);
  });

  it('shrinks a failure to the events it needs, and the small schedule replays it', function () {
    this.timeout(60_000);
    // Planted: breaks when gamma, once crashed, holds a key that was deleted on beta.
    const planted = (): Checker => {
      const deleted = new Set<Key>();
      let hasCrashed = false;
      return {
        beforeCrash: (_world, peer) => {
          if (peer.id === 'gamma') hasCrashed = true;
        },
        afterStep: (_world, peer) => {
          for (const { key, entry } of peer.touched.entries) {
            if (entry.kind === 'tombstone' && entry.id === 'beta') deleted.add(key);
            if (hasCrashed && peer.id === 'gamma' && deleted.has(key))
              throw new BrokenInvariant('planted', key);
          }
        },
      };
    };
    const run = (candidate: Schedule) => runSchedule(candidate, { hashing, checkers: [planted()] });
    let seed = 1;
    let failure = run(small(seed)).failure;
    for (; failure === undefined; failure = run(small(seed)).failure) seed += 1;
    const before = small(seed).events.length;
    const shrunk = shrinkSchedule(small(seed), failure, { run });
    const { events } = shrunk.schedule;
    assert.ok(events.length <= 4, `${events.length} of ${before} events: ${JSON.stringify(events)}`);
    assert.ok(before > 50);
    const replayed = run(parseSchedule(JSON.stringify(shrunk.schedule))).failure;
    assert.deepEqual(replayed, shrunk.failure);
  });

  it('stops shrinking when its runs are used up', () => {
    const checkers = (): Checker[] => [
      {
        afterStep: () => {
          throw new BrokenInvariant('planted', 'at once');
        },
      },
    ];
    const run = (candidate: Schedule) => runSchedule(candidate, { hashing, checkers: checkers() });
    const failure = run(small(1)).failure;
    assert.ok(failure);
    assert.equal(shrinkSchedule(small(1), failure, { run, maximumRuns: 3 }).runs, 3);
  });

  it('makes an error out of the shipped code a verdict, with its stack', async () => {
    const { failure } = await simulate({
      seed: 1,
      servers: 2,
      minutes: 0.1,
      workload: (world) => {
        world.at(100, () => {
          throw new Error('planted');
        });
      },
    });
    assert.equal(failure?.invariant, 'error');
    assert.match(failure.stack ?? '', /planted/);
  });

  it('names the seed in the test that it makes of it, and fails that test with what broke', async () => {
    const tests: { readonly title: string; readonly run: () => Promise<void> }[] = [];
    itSimulates((title, run) => tests.push({ title, run }), 'holds', {
      seeds: 2,
      servers: 2,
      minutes: 0.05,
      checkers: () => [
        {
          atRest: () => {
            throw new BrokenInvariant('mine', 'planted');
          },
        },
      ],
    });
    assert.deepEqual(
      tests.map(({ title }) => title),
      ['holds (seed 1)', 'holds (seed 2)'],
    );
    await assert.rejects(async () => tests[1]?.run(), /seed 2.*mine: planted/);
  });
});

describe('every check fails when what it guards is broken:', () => {
  const EMPTY = new Uint8Array(0);
  const entryOf = (over: Partial<Entry>): Entry => ({
    timestamp: 1 as Timestamp,
    id: 'alpha' as Entry['id'],
    incarnation: 1 as Incarnation,
    sequence: 1,
    kind: 'value',
    expiresAt: 0,
    value: EMPTY,
    ...over,
  });

  /** Two peers that cannot hear each other; alpha has written k, twice. Then `spoil` does something to beta, or to alpha. */
  async function verdict(
    spoil: (world: World, beta: VirtualPeer, alpha: VirtualPeer) => void,
  ): Promise<string> {
    const schedule: Schedule = {
      ...generateSchedule({ seed: 1, servers: 2, minutes: 0.05, faults: [] }),
      settings: { gcIntervalMs: 1000 },
      healthyCore: [],
      events: [],
    };
    const { failure } = await simulate({
      schedule,
      workload: (world) => {
        world.at(500, () => {
          world.cut(['alpha'], ['beta']);
        });
        world.at(1000, () => {
          world.write('alpha', 'k', 'one');
          world.write('alpha', 'k', 'two');
        });
        world.at(1500, () => {
          spoil(world, world.peer('beta'), world.peer('alpha'));
        });
      },
    });
    return failure?.invariant ?? 'nothing';
  }
  const originOf = (peer: VirtualPeer) => peer.state.own.key;

  it('nothing is broken by nothing', async () => {
    assert.equal(await verdict(() => undefined), 'nothing');
  });

  it('I1, an update that nobody wrote', async () => {
    assert.equal(
      await verdict((_world, beta) => {
        beta.state.store.writeEntry('k' as Key, entryOf({}));
      }),
      'I1',
    );
  });

  it('I1, another value than was written', async () => {
    assert.equal(
      await verdict((_world, beta, alpha) => {
        const entry = alpha.disk.store.readEntry('k' as Key);
        assert.ok(entry);
        beta.state.store.writeEntry('k' as Key, { ...entry, value: Buffer.from('three') });
      }),
      'I1',
    );
  });

  it('I2, a dot recorded without an entry that covers it', async () => {
    assert.equal(
      await verdict((_world, beta, alpha) => {
        beta.state.store.writeRow(originOf(alpha), 2, 'k' as Key);
      }),
      'I2',
    );
  });

  it('I3, an entry whose dot is not in have', async () => {
    assert.equal(
      await verdict((_world, beta, alpha) => {
        const entry = alpha.disk.store.readEntry('k' as Key);
        assert.ok(entry && !hasSequence(alpha.state.own.have, 3));
        beta.state.store.writeEntry('k' as Key, entry);
      }),
      'I3',
    );
  });

  it('I4, a clock that goes back', async () => {
    assert.equal(
      await verdict((_world, _beta, alpha) => {
        alpha.state.clock = 5 as Timestamp;
      }),
      'I4',
    );
  });

  it('I4, a vector that goes back', async () => {
    assert.equal(
      await verdict((world, _beta, alpha) => {
        alpha.state.own.have.contiguous = 0;
        alpha.state.store.writeRow(originOf(alpha), 2, 'k' as Key);
        world.run(0);
      }),
      'I4',
    );
  });

  it('I5, an older entry over a newer one', async () => {
    assert.equal(
      await verdict((_world, _beta, alpha) => {
        const entry = alpha.disk.store.readEntry('k' as Key);
        assert.ok(entry);
        alpha.state.store.writeEntry('k' as Key, { ...entry, sequence: 1, timestamp: 7 as Timestamp });
      }),
      'I5',
    );
  });

  it('R1, an acknowledged write that a crash took', async () => {
    assert.equal(
      await verdict((world) => {
        world.setDisk('alpha', 'stalled'); // nothing reaches the disk any more
        const { kind } = world.write('alpha', 'late', '1', { level: 'durable' });
        assert.equal(kind, 'taken');
        for (const written of world.truth.all()) written.isAcknowledged = true;
        world.crash('alpha', true);
      }),
      'R1',
    );
  });

  it('last writer, when a peer at rest holds something else', async () => {
    assert.equal(
      await verdict((_world, _beta, alpha) => {
        alpha.disk.store.writeEntry('stowaway' as Key, entryOf({}));
        alpha.state.visibleKeys += 1;
        alpha.state.clock = Math.max(alpha.state.clock, 2) as Timestamp;
      }),
      'last writer',
    );
  });

  const nak = {
    kind: 'nak',
    origin: { id: 'alpha', incarnation: 1 },
    ranges: [[1, 1]],
  } as unknown as Message;

  it('I14, a datagram that is too long', async () => {
    const record = {
      sequence: 9,
      key: 'k',
      timestamp: 1,
      kind: 'value',
      expiresAt: 0,
      value: Buffer.alloc(3000),
    };
    const message = { kind: 'update', records: [record] } as unknown as Message;
    assert.equal(
      await verdict((_world, _beta, alpha) => {
        alpha.state.effects.push({ kind: 'multicast', message, alsoTo: [], after: 'nothing' });
      }),
      'I14',
    );
  });

  it('section 9, something sent to an address that is not configured', async () => {
    assert.equal(
      await verdict((_world, _beta, alpha) => {
        alpha.state.effects.push({
          kind: 'send',
          to: 'omega' as PeerId,
          by: 'unicast',
          message: nak,
          after: 'nothing',
        });
      }),
      'section 9',
    );
  });

  it('silence, when a peer at rest still asks for something', async () => {
    assert.equal(
      await verdict((world, _beta, alpha) => {
        for (let atMs = 3000; atMs < 30_000; atMs += 200)
          world.at(atMs, () => {
            alpha.state.effects.push({
              kind: 'send',
              to: 'beta' as PeerId,
              by: 'unicast',
              message: nak,
              after: 'nothing',
            });
          });
      }),
      'silence',
    );
  });

  /** A link that no healing heals. */
  function breakForGood(world: World, from: string, to: string): void {
    Object.defineProperty(world.network.link(from, to), 'isCut', { get: () => true, set: () => undefined });
  }

  it('convergence, when a link never heals', async () => {
    assert.equal(
      await verdict((world) => {
        breakForGood(world, 'alpha', 'beta');
      }),
      'convergence',
    );
  });

  it('liveness, when a healthy core does not hear itself', async () => {
    const schedule = generateSchedule({ seed: 2, servers: 4, minutes: 0.05, faults: [] });
    const { failure } = await simulate({
      schedule: {
        ...schedule,
        settings: {},
        healthyCore: ['alpha', 'beta'],
        events: schedule.events.filter(isOperation),
      },
      workload: (world) => {
        breakForGood(world, 'alpha', 'beta');
        world.at(2999, () => {
          world.write('alpha', 'news', '1');
          world.setLinks({ loss: 1 });
        });
      },
    });
    assert.equal(failure?.invariant, 'liveness');
  });
});
