/**
 * Writes a sealed working set into the trees, in key order, a slice at a time.
 *
 * Owns the pace: a slice holds the event loop for a few milliseconds at most, and at most SLICES_IN_FLIGHT are with
 * LMDB at once, for a turn's commit waits behind them. The slices grow with the pressure the caller reports.
 * Invariants: only committed turns are written; the log records of the set stay until every slice is committed, so a fold that is cut short by a crash
 * is simply done again from the log; transactions commit in order, so the log is never cleared before its contents are in the trees.
 */
import { compareTags } from '../core/types.ts';
import type { Key } from '../core/types.ts';
import { confirmWritten } from './confirmWritten.ts';
import { createRecordCutter } from './entryRecord.ts';
import type { Checksum } from './entryRecord.ts';
import type { LogName, Trees } from './lmdbTrees.ts';
import type { WorkingSet } from './workingSet.ts';

/** Entries or rows of one slice, without and with pressure. LMDB writes and syncs a page or so for each. */
const CALM_SLICE_WRITES = 128;
const PRESSED_SLICE_WRITES = 4096;
/** A slice ends at these many bytes of records, and at this time on the event loop, milliseconds. */
const SLICE_BYTES = 512 * 1024;
const SLICE_MS = 3;
const SLICES_IN_FLIGHT = 2;
/** What the removal of a row counts for. */
const ROW_BYTES = 16;
/** Writes between two looks at the clock. */
const CLOCK_EVERY = 64;

interface FoldPorts {
  readonly trees: Trees;
  readonly checksum: Checksum;
  /** 0 when there is plenty of time, 1 when writers are about to be held up. */
  readonly pressure: () => number;
  /** Resolves when the log shows every turn of the set: nothing of a turn that may yet fail must reach the trees. */
  readonly whenCommitted: () => Promise<void>;
}

/** Resolves when the trees hold the whole set and `log` is empty; rejects with the first failed commit. */
export async function foldWorkingSet(set: WorkingSet, log: LogName, ports: FoldPorts): Promise<void> {
  const { trees } = ports;
  await ports.whenCommitted();
  const inFlight: Promise<void>[] = [];
  const writes = foldWrites(set, ports);
  for (;;) {
    const slice = putSlice(writes, ports.pressure());
    if (slice === undefined) break;
    const committed = slice.committed.then(() => confirmWritten(slice.isThere, 'a part of a fold'));
    // Handled where it is awaited below; until then it must not count as unhandled.
    committed.catch(() => undefined);
    inFlight.push(committed);
    if (inFlight.length >= SLICES_IN_FLIGHT) await inFlight.shift();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(inFlight);
  await trees.clearLog(log);
  // Turns left in the log would look, beside later ones, as if those between were lost.
  await confirmWritten(() => trees.nextTurn(log, 0) === undefined, 'the clearing of a log');
}

interface Write {
  readonly committed: Promise<unknown>;
  /** Whether a reader sees it. */
  readonly isThere: () => boolean;
  readonly sizeBytes: number;
}

/** Puts one slice and answers its last write, undefined when all is done. A slice is one transaction: the last stands for all. */
function putSlice(writes: Iterator<Write>, pressure: number): Write | undefined {
  const limit = CALM_SLICE_WRITES + Math.floor((PRESSED_SLICE_WRITES - CALM_SLICE_WRITES) * pressure);
  const started = performance.now();
  let last: Write | undefined;
  let sizeBytes = 0;
  for (let count = 1; count <= limit && sizeBytes < SLICE_BYTES; count++) {
    const next = writes.next();
    if (next.done === true) break;
    if (last?.committed !== next.value.committed) next.value.committed.catch(() => undefined);
    last = next.value;
    sizeBytes += last.sizeBytes;
    if (count % CLOCK_EVERY === 0 && performance.now() - started > SLICE_MS) break;
  }
  return last;
}

function removal(key: Key, trees: Trees): Write {
  return {
    committed: trees.removeEntry(key),
    isThere: () => {
      trees.refresh();
      return trees.readEntry(key) === undefined;
    },
    sizeBytes: key.length,
  };
}

function* foldWrites(set: WorkingSet, { trees, checksum }: FoldPorts): Generator<Write, undefined> {
  const cut = createRecordCutter(checksum);
  const next = set.changes({});
  for (let change = next(); change !== undefined; change = next()) {
    const { key, entry } = change;
    if (entry === undefined) {
      yield removal(key, trees);
      continue;
    }
    const record = cut(entry);
    yield {
      committed: trees.putEntry(key, record),
      isThere: () => {
        trees.refresh();
        const found = trees.readEntry(key);
        return found !== undefined && compareTags(found, entry) === 0;
      },
      sizeBytes: record.length,
    };
  }
  if (set.droppedRows.size > 0) trees.refresh();
  for (const [origin, through] of set.droppedRows) {
    for (const row of trees.rowsThrough(origin, through)) {
      yield {
        committed: row.remove(),
        isThere: () => {
          trees.refresh();
          return trees.readRow(origin, row.sequence) === undefined;
        },
        sizeBytes: ROW_BYTES,
      };
    }
  }
  for (const [origin, table] of set.rows) {
    for (const [sequence, key] of table.rows()) {
      yield {
        committed: trees.putRow(origin, sequence, key),
        isThere: () => {
          trees.refresh();
          return trees.readRow(origin, sequence) === key;
        },
        sizeBytes: key.length,
      };
    }
  }
  for (const [name, value] of set.states) {
    yield {
      committed: value === undefined ? trees.removeState(name) : trees.putState(name, value),
      isThere: () => {
        trees.refresh();
        return trees.hasState(name, value);
      },
      sizeBytes: name.length,
    };
  }
  return undefined;
}
