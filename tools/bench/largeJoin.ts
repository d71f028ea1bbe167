/**
 * Part: a peer with an empty disk joins a large store: the memory that it and its donor take, which must not grow with the store.
 *
 * Owns the size and the gates. Leaves the join to coldJoin.ts. What is looked at is memory of the processes' own: pages of LMDB's file that are mapped are
 * the system's cache, and a store larger than the machine's memory has them come and go.
 */
import type { Bench } from './budget.ts';
import { measureJoin, removeDonor, startDonor, stopDonor } from './coldJoin.ts';
import { READ } from './join.ts';
import { startPacedGets } from './pacedGets.ts';
import { readMemory, watchOwnMemory } from './peakMemory.ts';
import type { Gate, PartResult } from './report.ts';
import { formatCount, formatDecimal, percentile } from './statistics.ts';

const VALUE_BYTES = 5000;
/** Either may take so much, MiB, whatever the size of the store. */
const OWN_BOUND_MIB = 512;

export async function runLargeJoin(bench: Bench): Promise<PartResult> {
  const keys = (bench.sizes.largeJoinMegabytes * 1_000_000) / VALUE_BYTES;
  const title = `${formatCount(keys)} x 5 KB`;
  const donor = await startDonor(bench, [{ prefix: 'key:', keys, valueBytes: VALUE_BYTES }, READ]);
  const gets = await startPacedGets(bench);
  const donorId = donor.peer.child.processId;
  const { ownMiB: donorBeforeMiB } = await readMemory(donorId);
  const endDonorWatch = watchOwnMemory(donorId);
  let endJoinerWatch = (): number => NaN;
  const join = await measureJoin(bench, donor, gets, READ, (joiner) => {
    endJoinerWatch = watchOwnMemory(joiner.child.processId);
  });
  const [joinerMiB, donorMiB] = [endJoinerWatch(), endDonorWatch()];
  await stopDonor(bench, donor);
  await removeDonor(donor);
  const p99 = (values: readonly number[]): string => formatDecimal(percentile(values, 0.99));
  return {
    sections: [
      {
        title: `A peer with an empty disk joins ${formatCount(bench.sizes.largeJoinMegabytes)} MB`,
        columns: [
          'data',
          'join s',
          'folded s',
          'joiner own MiB',
          'donor before MiB',
          'donor own MiB',
          'GET p99 ms at rest',
          'meanwhile',
        ],
        rows: [
          [
            title,
            formatDecimal(join.joinedMs / 1000),
            formatDecimal(join.foldedMs / 1000),
            formatCount(joinerMiB),
            formatCount(donorBeforeMiB),
            formatCount(donorMiB),
            p99(join.atRestMs),
            p99(join.meanwhileMs),
          ],
        ],
        notes: [
          'own: the highest of resident memory that belongs to no file, until both had told their digests',
        ],
      },
    ],
    gates: [gateOf(`joiner of ${title}`, joinerMiB), gateOf(`donor of ${title}`, donorMiB)],
  };
}

function gateOf(whose: string, ownMiB: number): Gate {
  return {
    name: `own memory of the ${whose}, MiB`,
    value: ownMiB,
    bound: { kind: 'atMost', value: OWN_BOUND_MIB },
    sides: `${formatCount(ownMiB)} MiB`,
    why: 'this system does not tell it',
  };
}
