/**
 * kill -9 of who gives a checkpoint, or of who takes it, at points of the transfer, while others write.
 *
 * Owns the points: so many tenths of the store have come, by the joiner's own status. The transfer is held to a rate, so that there is a
 * middle to kill it in. What may happen to a transfer besides is the simulator's.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import type { ChildPeer } from './childPeer.ts';
import { awaitTakingPart, useClusters } from './cluster.ts';
import { awaitCollected } from './collection.ts';
import { awaitEqualDigests } from './convergence.ts';
import { choosePoints } from './points.ts';
import { assertAcknowledged, createAcknowledged, writeSteadily, type SteadyWriter } from './steadyWrites.ts';
import { report, waitUntil } from './waiting.ts';

const IDS = ['alpha', 'beta', 'gamma'] as const;
const TENTHS = 10;
const POINTS = choosePoints(TENTHS);
const VALUES = 96;
const VALUE_BYTES = 100 * 1024;
/** The least that the setting allows: the store takes a little more than two seconds. */
const RATE = 4 * 1024 * 1024;
const SETTINGS = {
  keepaliveMs: 50,
  heartbeatMs: 100,
  deadAfterMs: 600,
  gcIntervalMs: 300,
  transferBytesPerSecond: RATE,
};

/** Waits until so much of a checkpoint has come of a peer that is not `away`; answers of which. */
async function awaitArrived(joiner: ChildPeer, bytes: number, away: ReadonlySet<string>): Promise<string> {
  let seen = '';
  let donor = '';
  const hasCome = async (): Promise<boolean> => {
    const { phase, joining } = await joiner.status();
    seen = `${phase}, ${joining.bytes} of ${bytes} bytes`;
    assert.notEqual(phase, 'member', `joined before ${bytes} bytes were seen to come`);
    donor = joining.askedOf ?? '';
    return joining.bytes >= bytes && donor !== '' && !away.has(donor);
  };
  await waitUntil(`${bytes} bytes at ${joiner.id}`, hasCome, undefined, () => seen);
  return donor;
}

/** A file for each role: they run side by side. */
export function describeDeathsInTransfer(role: 'joiner' | 'donor'): void {
  describe('transfers and kill -9', () => {
    const clusters = useClusters();

    it(`kill -9 of the ${role} at each of ${POINTS.length} points of a transfer: nothing lost, nothing back, all of it joined`, async () => {
      const { peers, peer } = await clusters.start({ ids: IDS, settings: SETTINGS });
      const joiner = peer('gamma');
      const values = new Map<string, string>();
      for (let at = 0; at < VALUES; at += 1) {
        values.set(`large:${at}`, String.fromCharCode(97 + (at % 26)).repeat(VALUE_BYTES));
        await peer('alpha').set(`large:${at}`, values.get(`large:${at}`) ?? '');
      }
      await awaitEqualDigests(peers);
      await awaitCollected(peers); // from now on nobody begins by itself (R10)
      await joiner.stop();
      await rm(joiner.dataDirectory, { recursive: true });
      const acknowledged = createAcknowledged();
      const writers: SteadyWriter[] = [];
      const write = (at: ChildPeer): void => {
        writers.push(writeSteadily(at, `${at.id}:${writers.length}`, acknowledged));
      };
      for (const id of ['alpha', 'beta']) write(peer(id));
      await joiner.start();
      const asked = new Set<string>();
      const restarts: Promise<void>[] = [];
      const away = new Set<string>();
      for (const point of POINTS) {
        const donor = await awaitArrived(joiner, (point * VALUES * VALUE_BYTES) / (TENTHS + 1), away);
        asked.add(donor);
        const victim = role === 'joiner' ? joiner : peer(donor);
        await victim.kill();
        away.add(victim.id);
        const isBack = victim.start().then(() => {
          away.delete(victim.id);
          if (role === 'donor') write(victim);
        });
        if (role === 'joiner') await isBack;
        else restarts.push(isBack); // the other donor is asked, and dies in the middle as well
      }
      await Promise.all(restarts);
      const tookMs = await awaitTakingPart(peers, 30_000);
      for (const writer of writers) await writer.stop();
      await awaitEqualDigests(peers);
      await assertAcknowledged(peers, acknowledged);
      for (const [key, value] of values) assert.equal(await joiner.get(key), value, key);
      await awaitCollected(peers);
      report(
        `${POINTS.length} deaths of the ${role}, ${[...asked].sort().join(' and ')} asked; joined ${Math.round(tookMs)} ms after the last; ` +
          `${acknowledged.values.size} values and ${acknowledged.deleted.size} deletions kept`,
      );
    }).timeout(120_000);
  });
}
