/** What is taken from others at once: whole checkpoints, facts of rounds, and how far either is believed. */
import assert from 'node:assert/strict';
import { buildCheckpoint } from '../../src/core/buildCheckpoint.ts';
import { findBrokenInvariants } from '../../src/core/invariants.ts';
import type { HaveReport } from '../../src/core/messages.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { Incarnation, PeerId, SequenceRange } from '../../src/core/types.ts';
import { MAX_FRAME_BYTES } from '../../src/network/frames.ts';
import { encodeMessage } from '../../src/wire/messageCodec.ts';
import { Cluster } from './cluster.ts';

/** No rounds, so that nothing moves but what a test moves. */
const STILL = { ...defaultSettings, gcUpdateCount: 1e9, gcIntervalMs: 1e9 };
const NOTHING: HaveReport = { vector: [], closures: [], promises: [] };

function cluster(ids: readonly string[], settings = STILL): Cluster {
  const made = new Cluster(ids, 1, settings);
  made.run(1000);
  return made;
}

function assertSound(made: Cluster): void {
  for (const { id, isUp, state } of made.members)
    if (isUp) assert.deepEqual(findBrokenInvariants(state), [], id);
}

describe('facts of rounds', () => {
  it('are taken in with as many intervals as a message may hold', () => {
    const made = cluster(['alpha', 'beta']);
    made.write('alpha', 'k', '1');
    made.run(500);
    const { incarnation } = made.at('alpha').state.self;
    const ranges = Array.from({ length: 100_000 }, (_, at): SequenceRange => [2 + 2 * at, 2 + 2 * at]);
    const closedBelow = (incarnation + 10) as Incarnation;
    const closure = { id: 'alpha' as PeerId, closedBelow, foldedBelow: 0 as Incarnation };
    const have = { ...NOTHING, closures: [{ ...closure, kept: [{ incarnation, ranges }] }] };
    made.deliver('alpha', 'beta', { kind: 'heartbeat', vectorHash: 5, have }, 'stream', closedBelow);
    const [origin] = [...made.at('beta').state.origins.values()].filter(({ id }) => id === 'alpha');
    assert.equal(origin?.have.gaps.length, 2 * 99_999);
    assertSound(made);
  });
});

describe('a checkpoint', () => {
  it('has no part that exceeds a frame, though a longest value follows many short ones', () => {
    const made = cluster(['alpha', 'beta']);
    for (let at = 10; at < 46; at += 1) made.write('alpha', `k${at}`, 'v'.repeat(100_000));
    made.write('alpha', 'z', 'v'.repeat(defaultSettings.limits.maxValueBytes));
    const parts = buildCheckpoint(made.at('alpha').state, 1 as Incarnation) ?? [];
    assert.equal(parts.flatMap(({ entries }) => entries).length, 37);
    for (const part of parts) assert.ok(encodeMessage(part).length <= MAX_FRAME_BYTES);
  });
});
