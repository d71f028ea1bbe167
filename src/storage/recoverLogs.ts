/**
 * Reads the logs back at open: what was committed but not yet folded.
 *
 * Owns the order of replay, and the refusal of a log with a damaged turn: a store that lost a committed turn must not
 * open as if nothing had happened. A turn that is *missing* is another matter: its commit failed, and as turns are
 * reported in order, none after it was ever reported committed. What followed is taken back (kept without the one
 * before it, it would claim updates that are not there). The older log is what a fold was writing into the trees
 * when the process ended, the newer one what turns were appended to: that very state is set up again.
 */
import { DamagedStore } from './damagedStore.ts';
import type { Checksum } from './entryRecord.ts';
import type { LogName, Trees } from './lmdbTrees.ts';
import { readTurn } from './turnRecord.ts';
import { createWorkingSet } from './workingSet.ts';
import type { WorkingSet } from './workingSet.ts';

/** Longest stretch of replay that holds the event loop, milliseconds. */
const REPLAY_SLICE_MS = 10;

interface RecoveredLog {
  readonly log: LogName;
  readonly set: WorkingSet;
  readonly firstTurn: number;
  readonly lastTurn: number;
  /** Of its records together. */
  readonly bytes: number;
}

export interface Recovery {
  /** To be folded at once; undefined when no fold was under way. */
  readonly sealed: RecoveredLog | undefined;
  readonly active: RecoveredLog;
}

/** Throws STORE_DAMAGED when a turn is damaged. */
export async function recoverLogs(trees: Trees, checksum: Checksum, directory: string): Promise<Recovery> {
  const even = await replayLog(trees, 'logEven', checksum, directory);
  const odd = await replayLog(trees, 'logOdd', checksum, directory);
  const [older, newer] = even.firstTurn <= odd.firstTurn ? [even, odd] : [odd, even];
  if (older.lastTurn === 0) return { sealed: undefined, active: newer };
  if (newer.firstTurn === older.lastTurn + 1) return { sealed: older, active: newer };
  trees.removeTurns(newer.log, 0);
  return { sealed: undefined, active: older };
}

/** An empty log answers with turns 0..0. */
async function replayLog(
  trees: Trees,
  log: LogName,
  checksum: Checksum,
  directory: string,
): Promise<RecoveredLog> {
  const set = createWorkingSet();
  let firstTurn = 0;
  let lastTurn = 0;
  let bytes = 0;
  let sliceStarted = performance.now();
  // One short read at a time: the cursor of lmdb-js would keep its snapshot while we wait.
  for (let next = trees.nextTurn(log, 0); next !== undefined; next = trees.nextTurn(log, lastTurn + 1)) {
    const [turn, record] = next;
    if (firstTurn === 0) firstTurn = turn;
    else if (turn !== lastTurn + 1) {
      trees.removeTurns(log, turn);
      break;
    }
    if (!readTurn(record, turn, checksum, set)) throw damagedLog(directory, turn);
    lastTurn = turn;
    bytes += record.length;
    if (performance.now() - sliceStarted > REPLAY_SLICE_MS) {
      await new Promise((resolve) => setImmediate(resolve));
      sliceStarted = performance.now();
    }
  }
  return { log, set, firstTurn, lastTurn, bytes };
}

function damagedLog(directory: string, turn: number): DamagedStore {
  return new DamagedStore(
    `opening ${directory} failed: turn ${turn} of its log is damaged, so committed writes would be lost`,
  );
}
