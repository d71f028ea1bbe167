/**
 * Updates through all four peers while datagrams are lost at every receiver.
 *
 * Owns the kinds of loss. The loss stays on until the digests have been compared. How soon they are equal, and at which rate, is reported here
 * and judged by `npm run bench -- --only loss`.
 */
import assert from 'node:assert/strict';
import { useClusters } from '../cluster.ts';
import { awaitEqualDigests } from '../convergence.ts';
import { createRandom, startLoad } from '../load.ts';
import { report } from '../waiting.ts';

const UPDATES = 15_000;
const PACED_PER_SECOND = 5300;
const PATIENCE_MS = 20_000;
const KEY_SPACE = 15_000;
const HOT_KEYS = 200;
const VALUE_BYTES = 100;

describe('loss', () => {
  const clusters = useClusters();
  const cases = [
    { title: '20% of all datagrams', words: ['drop', '20'] },
    { title: '60% of UPDATE', words: ['drop', '60', 'update'] },
  ] as const;

  for (const { title, words } of cases) {
    it(`${UPDATES} updates with ${title} lost: equal digests, no write refused`, async () => {
      const { peers } = await clusters.start({ settings: { allowFaults: true } });
      const clients = await Promise.all(peers.map((peer) => peer.connect()));
      clusters.onEnd(() => {
        for (const client of clients) client.close();
      });
      await Promise.all(peers.map((peer) => peer.faults(...words)));
      const random = createRandom(20);
      const written = new Set<string>();
      const load = startLoad({
        clients,
        ratePerSecond: PACED_PER_SECOND,
        count: UPDATES,
        limitMs: 60_000,
        write: (index) => {
          const isHot = random() < 0.2;
          const key = isHot
            ? `hot:${Math.floor(random() * HOT_KEYS)}`
            : `key:${Math.floor(random() * KEY_SPACE)}`;
          written.add(key);
          return { key, value: `${index} `.padEnd(VALUE_BYTES, 'v') };
        },
      });
      const { sent, refusals, tookMs } = await load.done;
      const agreed = await awaitEqualDigests(peers, PATIENCE_MS);
      const statuses = await Promise.all(peers.map((peer) => peer.status()));
      const lost = statuses.map(({ drops }) => drops['rehearsedFault'] ?? 0);
      const perSecond = Math.round((sent * 1000) / tookMs);
      report(
        `${title} lost (${lost.join(', ')} datagrams): ${sent} updates at ${perSecond}/s, ` +
          `digests equal ${Math.round(agreed.tookMs)} ms after the last write`,
      );
      assert.deepEqual(refusals, []);
      assert.equal(sent, UPDATES);
      assert.ok(
        lost.every((count) => count > 100),
        'the loss was on',
      );
      assert.equal(agreed.visible, written.size);
    }).timeout(120_000);
  }
});
