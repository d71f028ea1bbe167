/** R7 and R10: what is dropped of an outdated incarnation, who is told, and what it does then. */
import assert from 'node:assert/strict';
import type { Incarnation, PeerId, Timestamp } from '../../src/core/types.ts';
import { sent, three } from './three.ts';

describe('R7, fences', () => {
  it('drop every message of an incarnation below, and tell its sender, not too often', () => {
    const cluster = three();
    cluster.write('alpha', 'k', 'v');
    cluster.run(3000);
    const { counters } = cluster.at('beta').state;
    const old = 5 as Incarnation;
    cluster.sent.length = 0;
    for (let at = 0; at < 5; at += 1)
      for (const message of [
        { kind: 'update', records: [] },
        { kind: 'heartbeat', vectorHash: 1 },
        { kind: 'sync', records: [], more: false },
      ] as const)
        cluster.deliver('alpha', 'beta', message, 'unicast', old);
    cluster.run(5);
    assert.equal(counters.droppedFenced, 15);
    const fenced = sent(cluster, 'fenced', 'beta');
    assert.equal(fenced.length, 1);
    const [told] = fenced;
    assert.ok(told?.message.kind === 'fenced');
    assert.equal(told.message.incarnation, cluster.at('alpha').state.self.incarnation);
  });

  it('tell whoever speaks below the known incarnation, though above the fence, what is known', () => {
    const cluster = three();
    const { fences, incarnations, self } = cluster.at('beta').state;
    const known = cluster.at('alpha').state.self.incarnation;
    assert.equal(fences.get('alpha' as PeerId), undefined);
    cluster.sent.length = 0;
    for (let at = 0; at < 5; at += 1)
      cluster.deliver(
        'alpha',
        'beta',
        { kind: 'join', snapshot: 0, part: 0 },
        'unicast',
        (known - 1) as Incarnation,
      );
    cluster.run(5);
    const [told, ...more] = sent(cluster, 'fenced', self.id);
    assert.ok(told?.message.kind === 'fenced');
    assert.deepEqual([told.to, told.message.incarnation], ['alpha', incarnations.get('alpha' as PeerId)]);
    assert.deepEqual(more, []);
  });

  it('end an incarnation to which a refusal, a PREPARE or a HEARTBEAT names a higher one of its own', () => {
    for (const kind of ['refuse', 'prepare', 'heartbeat'] as const) {
      const cluster = three();
      const { self, membershipHash } = cluster.at('alpha').state;
      const higher = { id: self.id, incarnation: (self.incarnation + 5000) as Incarnation };
      const entry = { ...higher, contiguous: 1, gaps: [], trim: 0 };
      const messages = {
        refuse: {
          kind: 'refuse',
          round: { ...self, number: 1 },
          reason: 'incarnations',
          incarnations: [higher],
          promises: [],
        },
        prepare: { kind: 'prepare', number: 1, membershipHash, incarnations: [higher] },
        heartbeat: {
          kind: 'heartbeat',
          vectorHash: 1,
          have: { vector: [entry], closures: [], promises: [] },
        },
      } as const;
      cluster.deliver('beta', 'alpha', messages[kind]);
      cluster.run(10);
      assert.equal(cluster.at('alpha').isUp, false, kind);
      cluster.restart('alpha');
      assert.ok(cluster.at('alpha').state.self.incarnation > higher.incarnation, kind);
    }
  });

  it('end an incarnation that is told of a higher one, which the next start then exceeds', () => {
    const cluster = three();
    const higher = (cluster.at('alpha').state.self.incarnation + 5000) as Incarnation;
    cluster.deliver('beta', 'alpha', {
      kind: 'fenced',
      incarnation: higher,
      promised: 0 as Timestamp,
      isForgotten: false,
    });
    cluster.run(50);
    assert.equal(cluster.at('alpha').isUp, false);
    cluster.restart('alpha');
    assert.ok(cluster.at('alpha').state.self.incarnation > higher);
    assert.equal(cluster.at('alpha').state.phase, 'joining');
    cluster.run(3000);
    assert.equal(cluster.at('alpha').state.phase, 'member');
  });

  it('end the older of two processes with one id', () => {
    const cluster = three();
    const { incarnation } = cluster.at('alpha').state.self;
    cluster.deliver(
      'alpha',
      'alpha',
      { kind: 'join', snapshot: 0, part: 0 },
      'multicast',
      (incarnation - 1) as Incarnation,
    );
    cluster.run(20);
    assert.equal(cluster.at('alpha').isUp, true);
    cluster.deliver(
      'alpha',
      'alpha',
      { kind: 'join', snapshot: 0, part: 0 },
      'multicast',
      (incarnation + 1) as Incarnation,
    );
    cluster.run(20);
    assert.equal(cluster.at('alpha').isUp, false);
  });
});
