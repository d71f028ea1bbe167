/**
 * What was acknowledged and is gone when a run has come to rest, by what its client was told: a report, for what may be lost is judged elsewhere (R1, I12).
 *
 * A write is lost when no peer has its update, or all take it for void (`ClosureWatch.isLost`); one that was had and then overwritten is not. What waited for other disks counts as that alone, and
 * not at all unless they were reached. With its disks lost: one that had it is gone for good, or as many as it was said to be on; a power cut alone takes no disk.
 */
import type { Checker } from './checker.ts';
import type { ClosureWatch } from './closureWatch.ts';
import type { ReplicaWatch } from './replicaWatch.ts';
import type { Written } from './truth.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

export interface LossRow {
  /** `fast`, `committed`, `durable`, `WAIT n` (others), `replicated n`. */
  readonly level: string;
  readonly acknowledged: number;
  readonly lost: number;
  /** Of these. */
  readonly lostWithDisks: number;
}

interface LossTally {
  readonly checker: Checker;
  /** As of the last rest; undefined before it. */
  readonly rows: () => readonly LossRow[] | undefined;
}

export function createLossTally(closures: ClosureWatch, replicas: ReplicaWatch): LossTally {
  const acknowledged = new Set<Written>();
  let rows: readonly LossRow[] | undefined;

  function judge(world: World, holder: VirtualPeer, written: Written): LossRow | undefined {
    const fate = replicas.fates.get(written);
    if (fate !== undefined && fate.kind !== 'reached') return undefined;
    const isLost = closures.isLost(world, holder, written);
    const copies = fate?.copies ?? 1;
    return {
      level:
        fate === undefined
          ? written.level
          : `${fate.goal.kind === 'others' ? 'WAIT' : 'replicated'} ${copies}`,
      acknowledged: 1,
      lost: isLost ? 1 : 0,
      lostWithDisks: isLost && replicas.lostDisks(world, written, fate?.goal).size >= copies ? 1 : 0,
    };
  }

  return {
    rows: () => rows,
    checker: {
      onAcknowledged(_world, _peer, written) {
        acknowledged.add(written);
      },
      atRest(world) {
        const [holder] = world.peers;
        if (holder === undefined) return;
        const told = new Set([...acknowledged, ...replicas.fates.keys()]);
        rows = addLosses(Array.from(told, (written) => judge(world, holder, written) ?? []).flat());
      },
    },
  };
}

/** One row for each level, in order. */
export function addLosses(rows: readonly LossRow[]): readonly LossRow[] {
  const sums = new Map<string, LossRow>();
  for (const { level, acknowledged, lost, lostWithDisks } of rows) {
    const sum = sums.get(level);
    sums.set(level, {
      level,
      acknowledged: (sum?.acknowledged ?? 0) + acknowledged,
      lost: (sum?.lost ?? 0) + lost,
      lostWithDisks: (sum?.lostWithDisks ?? 0) + lostWithDisks,
    });
  }
  return [...sums.values()].sort((one, other) => rankOf(one.level) - rankOf(other.level));
}

const ORDER = ['fast', 'committed', 'durable', 'WAIT', 'replicated'];
/** More than there are peers. */
const ROOM_FOR_COPIES = 10_000;

function rankOf(level: string): number {
  const [word = '', copies = '0'] = level.split(' ');
  return ORDER.indexOf(word) * ROOM_FOR_COPIES + Number(copies);
}
