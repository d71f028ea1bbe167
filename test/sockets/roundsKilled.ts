/**
 * kill -9 at every durability point of a checkpoint round, on real sockets and real LMDB.
 *
 * Owns the deaths, as coordinator and as member, and what must hold after each: nothing lost, nothing back, rounds go on (R8).
 */
import assert from 'node:assert/strict';
import type { ChildPeer } from './childPeer.ts';
import { awaitInTouch, useClusters } from './cluster.ts';
import { assertNoTombstones, awaitCollected } from './collection.ts';
import { awaitEqualDigests } from './convergence.ts';
import { translateKilledPeer } from './killedProgram.ts';
import { assertAcknowledged, createAcknowledged, writeSteadily } from './steadyWrites.ts';
import { choosePoints } from './points.ts';
import { report, waitUntil } from './waiting.ts';

const IDS = ['alpha', 'beta', 'gamma'] as const;
/** Fast enough for a test, slow enough for a busy machine. */
const SETTINGS = { keepaliveMs: 50, heartbeatMs: 100, deadAfterMs: 1000 } as const;
const ROUND_EVERY_MS = 200;
const NEVER_MS = 86_400_000;
/** The turn that promises and the one that takes in COMMIT, three points each, and the next. */
const POINTS = choosePoints(8);

/** Waits until a counter of this peer's has grown by so much. */
async function awaitCounter(peer: ChildPeer, name: string, growth: number): Promise<void> {
  const count = async (): Promise<number> => (await peer.status()).counters[name] ?? 0;
  const before = await count();
  await waitUntil(`${growth} more ${name} at ${peer.id}`, async () => (await count()) >= before + growth);
}

/** A file for each role: they run side by side. */
export function describeDeathsOf(role: 'coordinator' | 'member'): void {
  describe('rounds and kill -9', () => {
    const clusters = useClusters();

    it(`kill -9 of a ${role} at each of ${POINTS.length} durability points of a round: nothing lost, nothing back, rounds go on`, async () => {
      const coordinator = role === 'coordinator' ? 'beta' : 'alpha';
      const cluster = await clusters.start({
        ids: IDS,
        settings: { ...SETTINGS, gcIntervalMs: NEVER_MS },
        settingsOf: { [coordinator]: { gcIntervalMs: ROUND_EVERY_MS } },
        programOf: { beta: translateKilledPeer() },
      });
      const { peers, peer } = cluster;
      const victim = peer('beta');
      const acknowledged = createAcknowledged();
      for (const point of POINTS) {
        const startMs = performance.now();
        const writers = peers.map((one) => writeSteadily(one, `${one.id}:${point}`, acknowledged));
        await awaitCounter(victim, 'writesAccepted', 8);
        await victim.tell({ kind: 'arm', point }, new RegExp(`^armed for point ${point}$`));
        const { signal } = await victim.awaitEnd(15_000);
        assert.equal(signal, 'SIGKILL', `ended by itself before point ${point}`);
        const killed = victim.log.findLast((line) => line.includes('killed at point')) ?? '';
        assert.match(killed, new RegExp(`killed at point ${point}: `));
        await awaitCounter(peer('gamma'), 'writesAccepted', 8);
        await victim.start();
        await awaitInTouch(peers);
        for (const writer of writers) await writer.stop();
        const { tookMs } = await awaitEqualDigests(peers);
        const collectedMs = await awaitCollected(peers);
        await assertAcknowledged(peers, acknowledged);
        await assertNoTombstones(peers);
        // A death is no rolled-back disk: what was promised was durable before it was said.
        assert.equal(
          (await victim.status()).counters['checkpointsJoined'] ?? 0,
          0,
          'joined after a mere death',
        );
        report(
          `${role} ${killed.replace(/^out /, '')}: equal ${Math.round(tookMs)} ms, collected ${Math.round(collectedMs)} ms ` +
            `after the return; ${Math.round(performance.now() - startMs)} ms in all`,
        );
      }
      report(`${acknowledged.values.size} values and ${acknowledged.deleted.size} deletions kept`);
    }).timeout(120_000);
  });
}
