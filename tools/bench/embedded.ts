/**
 * Part: the embedded API of one peer alone against bare lmdb, in one process.
 *
 * Owns the table and the gate on cold reads. Leaves the measurements to embeddedProbe.ts, which runs in a process of its own so that
 * nothing else of the benchmark is on its event loop. Invariant: none beyond the probe's.
 */
import { join } from 'node:path';
import type { Bench } from './budget.ts';
import type { EmbeddedAnswer, EmbeddedRow, EmbeddedTask } from './embeddedMessages.ts';
import type { PartResult } from './report.ts';
import { formatCount, formatRatio, formatSpread, median } from './statistics.ts';

/** Milliseconds until the probe must have its figures. */
const PROBE_TIMEOUT_MS = 90_000;
const COLUMNS = ['peer', 'peer /s', '±', 'bare lmdb', 'bare /s', '±', 'peer/bare'];

const ratioOf = ({ peer, bare }: EmbeddedRow): number => median(peer) / median(bare);

function buildRow(row: EmbeddedRow): string[] {
  const { name, bareName, peer, bare } = row;
  return [
    name,
    formatCount(median(peer)),
    formatSpread(peer),
    bareName,
    formatCount(median(bare)),
    formatSpread(bare),
    formatRatio(ratioOf(row)),
  ];
}

export async function runEmbedded(bench: Bench): Promise<PartResult> {
  const { children, workspace, sizes } = bench;
  const cluster = await workspace.cluster(1);
  const task: EmbeddedTask = {
    servers: cluster.path,
    dataDirectory: cluster.dataDirectory,
    clusterId: cluster.clusterId,
    multicastGroup: cluster.multicast.group,
    multicastPort: cluster.multicast.port,
    bareDirectory: join(await workspace.folder('bare'), 'lmdb'),
    keys: sizes.embeddedKeys,
    rounds: sizes.embeddedRounds,
    writeMs: sizes.embeddedWriteMs,
  };
  const probe = children.fork('embedded probe', new URL('embeddedProbe.ts', import.meta.url), [
    JSON.stringify(task),
  ]);
  const { rows, coldGet } = await probe.next<EmbeddedAnswer>('embedded', PROBE_TIMEOUT_MS);
  return {
    sections: [
      {
        title: 'Embedded: one peer alone against bare lmdb, in one process',
        columns: COLUMNS,
        rows: rows.map(buildRow),
        notes: [
          `${formatCount(sizes.embeddedKeys)} keys of 13 bytes in random order, 100-byte values, medians of ${sizes.embeddedRounds} alternating rounds`,
          '`get` hands out a buffer of its own; getBinaryFast lends one that the next call overwrites',
        ],
      },
    ],
    gates: [
      {
        name: 'embedded cold get / bare getBinaryFast',
        value: ratioOf(coldGet),
        bound: { kind: 'atLeast', value: 0.7 },
        sides: `${formatCount(median(coldGet.peer))} / ${formatCount(median(coldGet.bare))} per second`,
      },
    ],
  };
}
