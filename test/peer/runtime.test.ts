import assert from 'node:assert/strict';
import { findBrokenInvariants } from '../../src/core/invariants.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { Message } from '../../src/core/messages.ts';
import type { Incarnation, Key, PeerId, Timestamp } from '../../src/core/types.ts';
import type { AcknowledgementLevel } from '../../src/peer/backend.ts';
import { Faults } from '../../src/peer/faults.ts';
import { Runtime } from '../../src/peer/runtime.ts';
import { openMemoryStore, type MemoryStore } from '../../src/storage/memoryStore.ts';
import { createEnvelope } from '../../src/wire/envelope.ts';
import { sealing, type SealingEnvelope } from '../wire/sealing.ts';
import { loadHashing, type Hashing } from '../../src/wire/hash.ts';
import { decodeMessage, encodeMessage } from '../../src/wire/messageCodec.ts';
import type { VersionRange } from '../../src/wire/versions.ts';

const ALPHA = 'alpha' as PeerId;
const BETA = 'beta' as PeerId;
const WALL_MS = Date.UTC(2026, 0, 1);
const value = Buffer.from('v');
const SOURCE = { address: '127.0.0.1', port: 7402 };
const key = (name: string): Key => name as Key;

/** One runtime in a world where nothing happens unless the test says so. */
class World {
  readonly disk: MemoryStore = openMemoryStore();
  readonly runtime: Runtime;
  readonly sent: Uint8Array[] = [];
  readonly failures: string[] = [];
  readonly verdicts: string[] = [];
  readonly ofBeta: SealingEnvelope;
  timeMs = 0;
  readonly #hashing: Hashing;
  #turnEnds: (() => void)[] = [];
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];

  constructor(hashing: Hashing) {
    this.#hashing = hashing;
    const record = (bytes: Uint8Array): void => void this.sent.push(bytes);
    this.runtime = new Runtime(
      {
        id: ALPHA,
        members: [ALPHA, BETA],
        settings: defaultSettings,
        store: this.disk.store,
        random: () => 0.5,
        isBootstrap: true,
      },
      {
        now: () => ({ monotonicMs: this.timeMs, wallMs: WALL_MS + this.timeMs }),
        random: () => 0.5,
        after: (delayMs, run) => void this.#timers.push({ atMs: this.timeMs + delayMs, run }),
        endOfTurn: (run) => void this.#turnEnds.push(run),
        soon: (run) => void this.#turnEnds.push(run),
        transport: {
          multicast: record,
          unicast: (_to, bytes) => {
            record(bytes);
          },
          stream: (_to, bytes) => {
            record(bytes);
          },
        },
      },
      new Faults(
        false,
        () => [],
        () => 0.5,
      ),
      {
        onNotice: () => undefined,
        onFailure: (failure) => void this.failures.push(failure.code),
        onVersions: (id, { lowest, highest }, verdict) =>
          void this.verdicts.push(`${id} ${verdict} ${lowest}..${highest}`),
      },
    );
    this.ofBeta = sealing(
      createEnvelope({
        hashing,
        clusterId: 'test',
        self: { id: BETA, incarnation: 7 as never },
        membershipHash: 1,
      }),
    );
  }

  async start(): Promise<void> {
    const envelope = createEnvelope({
      hashing: this.#hashing,
      clusterId: 'test',
      self: this.runtime.state.self,
      membershipHash: 1,
    });
    const started = this.runtime.start(envelope);
    this.endTurns();
    this.disk.completeCommits();
    this.disk.completeFlushes();
    await started;
    this.endTurns();
    this.sent.length = 0;
  }

  /** The end of one event-loop turn. */
  endTurn(): void {
    for (const run of this.#turnEnds.splice(0)) run();
  }

  endTurns(): void {
    for (let run = this.#turnEnds.shift(); run !== undefined; run = this.#turnEnds.shift()) run();
  }

  pass(forMs: number): void {
    this.timeMs += forMs;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.timeMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.timeMs);
    for (const { run } of due) run();
    this.endTurns();
  }

  receiveUpdate(sequence: number): void {
    const record = {
      sequence,
      key: key(`r${sequence}`),
      timestamp: 1000 as never,
      kind: 'value',
      expiresAt: 0,
      value,
    } as const;
    this.runtime.receive(
      this.ofBeta.seal(encodeMessage({ kind: 'update', records: [record] }), 'datagram'),
      'multicast',
      SOURCE,
    );
  }

  receive(message: Message): void {
    this.runtime.receive(this.ofBeta.seal(encodeMessage(message), 'datagram'), 'unicast', SOURCE);
  }

  /** Kinds of the messages sent so far, as one receiver takes them in, in this order; or why it refuses them. */
  kinds(): string[] {
    const reader = createEnvelope({
      hashing: this.#hashing,
      clusterId: 'test',
      self: { id: BETA, incarnation: 8 as never },
      membershipHash: 1,
    });
    return this.sent.map((bytes) => {
      const asDatagram = reader.open(bytes, 'datagram');
      const isStream = !asDatagram.ok && asDatagram.reason === 'wrongChannel';
      const opened = isStream ? reader.open(bytes, 'stream') : asDatagram;
      if (!opened.ok) return opened.reason;
      const decoded = decodeMessage(opened.payload);
      return decoded.ok ? decoded.message.kind : decoded.reason;
    });
  }

  /** Completes every commit and flush that is due. */
  settleDisk(): void {
    this.disk.completeCommits();
    this.disk.completeFlushes();
    this.endTurns();
  }
}

describe('runtime', () => {
  let world: World;
  beforeEach(async () => {
    world = new World(await loadHashing());
    await world.start();
  });

  it('neither acknowledges nor sends a write before its turn is committed', () => {
    const acknowledged: string[] = [];
    world.runtime.write(key('k'), value, false);
    world.runtime.acknowledge('committed', () => acknowledged.push('committed'));
    world.runtime.acknowledge('durable', () => acknowledged.push('durable'));
    world.endTurns();
    assert.deepEqual([acknowledged, world.kinds()], [[], []]);
    world.disk.completeCommits();
    assert.deepEqual([acknowledged, world.kinds()], [['committed'], ['update']]);
    world.disk.completeFlushes();
    assert.deepEqual(acknowledged, ['committed', 'durable']);
  });

  it('acknowledges and sends a fast write at once', () => {
    const acknowledged: string[] = [];
    world.runtime.write(key('k'), value, true);
    world.runtime.acknowledge('fast', () => acknowledged.push('fast'));
    world.endTurns();
    assert.deepEqual([acknowledged, world.kinds()], [['fast'], ['update']]);
  });

  it('commits all writes of a turn as one, and those of other peers with what comes next or soon', () => {
    world.runtime.write(key('a'), value, false);
    world.runtime.write(key('b'), value, false);
    world.runtime.acknowledge('committed', () => undefined);
    world.endTurns();
    assert.deepEqual(world.disk.pendingTurns().uncommitted, 1);
    world.disk.completeCommits();
    for (let sequence = 1; sequence <= 5; sequence += 1) {
      world.receiveUpdate(sequence);
      world.endTurns();
    }
    assert.equal(world.disk.pendingTurns().uncommitted, 0, 'nobody waits for them');
    world.pass(10);
    assert.equal(world.disk.pendingTurns().uncommitted, 1, 'and yet they are committed soon');
  });

  it('tells watchers of an arrival before its turn ends', () => {
    const seen: string[] = [];
    world.runtime.watchers.add(key('r'), (change) => seen.push(change.key));
    world.receiveUpdate(1);
    assert.deepEqual(seen, ['r1']);
    world.endTurns();
    assert.deepEqual(seen, ['r1']);
  });

  it('keeps a turn open while many writes stream in, but not for long', () => {
    const write = (count: number): void => {
      for (let at = 0; at < count; at += 1) world.runtime.write(key(`s${at}`), value, false);
    };
    world.runtime.acknowledge('committed', () => undefined);
    write(20);
    world.endTurn();
    assert.equal(world.disk.pendingTurns().uncommitted, 0, 'the next event-loop turn may bring more');
    write(20);
    world.timeMs += 1;
    world.endTurn();
    assert.equal(world.disk.pendingTurns().uncommitted, 1, 'it was open long enough');
    world.runtime.acknowledge('committed', () => undefined);
    write(1);
    world.endTurn();
    assert.equal(world.disk.pendingTurns().uncommitted, 2, 'a lone write waits for nobody');
  });

  it("makes what a watcher writes a turn of its own, and acknowledges it with that turn's commit", () => {
    const acknowledged: string[] = [];
    world.runtime.watchers.add(key('src'), () => {
      world.runtime.write(key('mirror'), value, false);
      world.runtime.acknowledge('committed', () => acknowledged.push('mirror'));
    });
    world.runtime.write(key('src'), value, false);
    world.runtime.acknowledge('committed', () => acknowledged.push('src'));
    world.endTurns();
    assert.equal(world.disk.pendingTurns().uncommitted, 2);
    world.disk.completeCommits(1);
    assert.deepEqual(acknowledged, ['src']);
    world.disk.completeCommits(1);
    assert.deepEqual(acknowledged, ['src', 'mirror']);
    assert.deepEqual(findBrokenInvariants(world.runtime.state), []);
  });

  it('answers whoever asks for an acknowledgement after stop', () => {
    world.runtime.stop();
    const outcomes: (string | undefined)[] = [];
    world.runtime.acknowledge('committed', (failure) => outcomes.push(failure?.message));
    assert.match(outcomes[0] ?? '', /closing/);
  });

  it('commits on stop what was taken in', () => {
    world.receiveUpdate(1);
    world.runtime.stop();
    assert.equal(world.disk.pendingTurns().uncommitted, 1);
    assert.throws(
      () => {
        world.runtime.write(key('k'), value, false);
      },
      { code: 'CLOSED' },
    );
  });

  describe('when it leaves', () => {
    let isDone = false;
    const leave = (): void => {
      isDone = false;
      world.runtime.leave(() => {
        isDone = true;
      });
      world.endTurns();
    };
    const passAll = (): void => {
      for (let passedMs = 0; passedMs < 100; passedMs += 10) world.pass(10);
    };
    /** Beta has not said that it hears multicast: it is sent the same datagrams by unicast, and takes each once. */
    const said = (): string[] => world.kinds().filter((kind) => kind !== 'replayed');
    const leaving = ['leaving', 'leaving', 'leaving'];

    it('says its last updates when they are committed, then that it leaves, a few times, each taken once', () => {
      world.runtime.write(key('k'), value, false);
      leave();
      assert.deepEqual([said(), isDone], [[], false]);
      world.disk.completeCommits();
      world.endTurns();
      assert.deepEqual([said(), isDone], [['update', 'leaving'], false]);
      world.pass(10);
      assert.equal(isDone, false);
      passAll();
      assert.deepEqual([said(), isDone], [['update', ...leaving], true]);
    });

    it('says so behind whatever waits in the send queue', () => {
      for (let at = 0; at < 50; at += 1) world.runtime.write(key(`k${at}`), Buffer.alloc(1200), false);
      leave();
      world.disk.completeCommits();
      for (let turn = 0; turn < 3; turn += 1) world.endTurn();
      passAll();
      assert.deepEqual(said(), [...Array.from({ length: 50 }, () => 'update'), ...leaving]);
    });

    it('takes nothing in and says nothing else from then on', () => {
      leave();
      world.receive({ kind: 'nak', origin: world.runtime.state.self, ranges: [[1, 1]] });
      passAll();
      world.pass(5000); // every timer of the protocol
      assert.deepEqual([said(), isDone], [leaving, true]);
      assert.throws(
        () => {
          world.runtime.write(key('k'), value, false);
        },
        { code: 'CLOSED' },
      );
    });

    it('waits for a disk that stands still no longer than a second, and what is not committed stays unsaid', () => {
      world.runtime.write(key('k'), value, false);
      leave();
      world.pass(999);
      assert.deepEqual([said(), isDone], [[], false]);
      world.pass(1);
      passAll();
      assert.deepEqual([said(), isDone], [leaving, true]);
      world.settleDisk();
      assert.deepEqual(said(), leaving);
    });

    it('says nothing when its commit failed', () => {
      world.runtime.write(key('k'), value, false);
      world.disk.failNext(new Error('no space'));
      leave();
      world.disk.completeCommits();
      passAll();
      assert.deepEqual([said(), isDone], [[], true]);
    });
  });

  it('gives no acknowledgement after a failed commit, takes no write and says so once', () => {
    const outcomes: string[] = [];
    world.runtime.write(key('k'), value, false);
    world.runtime.acknowledge('committed', (failure) =>
      outcomes.push(failure === undefined ? 'ok' : 'failed'),
    );
    world.endTurns();
    world.runtime.acknowledge('durable', (failure) => outcomes.push(failure === undefined ? 'ok' : 'failed'));
    world.disk.failNext(new Error('no space'));
    world.disk.completeCommits();
    world.endTurns();
    assert.deepEqual(outcomes, ['failed', 'failed']);
    assert.deepEqual(world.failures, ['STORAGE_FAILED']);
    assert.throws(
      () => {
        world.runtime.write(key('k2'), value, false);
      },
      { code: 'STORAGE_FAILED' },
    );
    assert.deepEqual(world.kinds(), [], 'an update whose commit failed was sent');
  });

  describe('when its incarnation ends', () => {
    const outcomes: string[] = [];
    const expectAcknowledgement = (level: AcknowledgementLevel): void => {
      world.runtime.acknowledge(level, (failure) => outcomes.push(`${level} ${failure?.name ?? 'given'}`));
    };
    const fence = (): void => {
      const incarnation = (world.runtime.state.self.incarnation + 1) as Incarnation;
      world.receive({ kind: 'fenced', incarnation, promised: 0 as Timestamp, isForgotten: false });
    };
    beforeEach(() => {
      outcomes.length = 0;
    });

    it('fails what waits for the same turn, for nothing of it is on disk, and saves it', () => {
      world.runtime.write(key('k'), value, false);
      expectAcknowledgement('committed');
      expectAcknowledgement('durable');
      fence();
      world.endTurns();
      assert.deepEqual(outcomes, ['committed ToposphereError', 'durable ToposphereError']);
      assert.equal(world.disk.pendingTurns().uncommitted, 1, 'and nothing is committed twice');
      assert.deepEqual(world.failures, [], 'the owner is told when what this peer was told is saved');
      world.settleDisk();
      assert.deepEqual(world.failures, ['FENCED']);
    });

    it('answers those who wait for an earlier turn once, though that turn still reaches the disk', () => {
      world.runtime.write(key('k'), value, false);
      expectAcknowledgement('committed');
      world.endTurns();
      fence();
      world.endTurns();
      world.settleDisk();
      assert.deepEqual(outcomes, ['committed ToposphereError']);
      assert.deepEqual(world.kinds(), [], 'and says nothing any more');
    });
  });

  it('sends a stream that waits for the flush and a later one that does not so that both are accepted', () => {
    for (let at = 0; at < 40; at += 1) world.runtime.write(key(`k${at}`), Buffer.alloc(1000), false);
    world.endTurns();
    world.settleDisk();
    world.pass(defaultSettings.limits.settleMs * 10); // old enough to be told in answer to a HEARTBEAT
    world.settleDisk();
    world.pass(defaultSettings.limits.settleMs * 10);
    world.settleDisk();
    world.sent.length = 0;
    world.receive({ kind: 'join', snapshot: 0, part: 0 }); // answered when durable
    world.endTurns();
    world.pass(1); // the part with the facts waits for that
    world.endTurns();
    assert.deepEqual(world.kinds(), []);
    const have = { vector: [], closures: [], promises: [] };
    world.receive({ kind: 'pull', number: 0, part: 0, have }); // when committed
    world.endTurns();
    world.pass(1); // a part with entries, and what was pulled
    world.settleDisk();
    assert.deepEqual(world.kinds().sort(), ['checkpoint', 'checkpoint', 'sync']);
  });

  it('drops what it cannot read and counts it by reason', () => {
    world.runtime.receive(Buffer.from('GET / HTTP/1.1'), 'unicast', SOURCE);
    const packet = world.ofBeta.seal(encodeMessage({ kind: 'heartbeat', vectorHash: 0 }), 'datagram');
    packet[packet.length - 1] = (packet.at(-1) ?? 0) ^ 1;
    world.runtime.receive(packet, 'unicast', SOURCE);
    assert.equal(
      [...world.runtime.arrivals.drops.values()].reduce((sum, count) => sum + count, 0),
      2,
    );
    assert.equal(world.runtime.arrivals.drops.get('badChecksum'), 1);
  });

  it('counts what members say in a version it does not read, and says once who shares none with it', async () => {
    const hashing = await loadHashing();
    const say = (id: string, versions: VersionRange, incarnation = 9): boolean => {
      const envelope = sealing(
        createEnvelope({
          hashing,
          clusterId: 'test',
          self: { id: id as PeerId, incarnation: incarnation as Incarnation },
          membershipHash: 1,
          versions,
        }),
      );
      return world.runtime.receive(envelope.seal(Buffer.of(1), 'datagram'), 'unicast', SOURCE);
    };
    const { drops } = world.runtime.arrivals;
    assert.ok(say(BETA, { lowest: 2, highest: 3 }), 'genuine: no stranger');
    say(BETA, { lowest: 3, highest: 4 }, 10);
    say('stranger', { lowest: 2, highest: 2 });
    assert.equal(drops.get('version'), 3);
    assert.deepEqual(world.verdicts, ['beta apart 2..3']);
    const { members } = world.runtime.versions.describe();
    assert.deepEqual(members, { beta: { reads: { lowest: 3, highest: 4 }, spoken: null } });
    say(BETA, { lowest: 1, highest: 3 }, 11);
    say(BETA, { lowest: 2, highest: 3 }, 10); // an earlier process
    assert.deepEqual(world.verdicts, ['beta apart 2..3', 'beta shared 1..3']);
  });
});
