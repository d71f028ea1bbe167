/**
 * Writes a sealed working set into the trees, in key order, a slice at a time.
 *
 * Owns the pace: a slice holds the event loop for a few milliseconds at most, and at most SLICES_IN_FLIGHT are with
 * LMDB at once, for a turn's commit waits behind them. The slices grow with the pressure the caller reports.
 * Invariant: the log records of the set stay until every slice is committed, so a fold that is cut short by a crash
 * is simply done again from the log; transactions commit in order, so the log is never cleared before its contents are in the trees.
 */
import { entryRecordBytes, recordView, sealEntryRecord, writeEntryRecord } from './entryRecord.ts';
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
/** Memory that records are cut from. */
const CHUNK_BYTES = 64 * 1024;
/** Writes between two looks at the clock. */
const CLOCK_EVERY = 64;

export interface FoldPorts {
  readonly trees: Trees;
  readonly checksum: Checksum;
  /** 0 when there is plenty of time, 1 when writers are about to be held up. */
  readonly pressure: () => number;
  /** Called when the trees hold everything, before the log is cleared. */
  readonly onContentsVisible: () => void;
}

/** Resolves when the trees hold the whole set and `log` is empty; rejects with the first failed commit. */
export async function foldWorkingSet(set: WorkingSet, log: LogName, ports: FoldPorts): Promise<void> {
  const { trees } = ports;
  const inFlight: Promise<unknown>[] = [];
  const writes = foldWrites(set, ports);
  for (;;) {
    const committed = putSlice(writes, ports.pressure());
    if (committed === undefined) break;
    inFlight.push(committed);
    if (inFlight.length >= SLICES_IN_FLIGHT) await inFlight.shift();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(inFlight);
  ports.onContentsVisible();
  await trees.clearLog(log);
  trees.refresh();
}

interface Write {
  readonly committed: Promise<unknown>;
  readonly sizeBytes: number;
}

/** Puts one slice; answers its last promise (a slice is one transaction or follows in order), undefined when all is done. */
function putSlice(writes: Iterator<Write>, pressure: number): Promise<unknown> | undefined {
  const limit = CALM_SLICE_WRITES + Math.floor((PRESSED_SLICE_WRITES - CALM_SLICE_WRITES) * pressure);
  const started = performance.now();
  let last: Promise<unknown> | undefined;
  let sizeBytes = 0;
  for (let count = 1; count <= limit && sizeBytes < SLICE_BYTES; count++) {
    const next = writes.next();
    if (next.done === true) break;
    if (last !== next.value.committed) {
      last = next.value.committed;
      // Handled where the slice is awaited; until then it must not count as unhandled.
      last.catch(() => undefined);
    }
    sizeBytes += next.value.sizeBytes;
    if (count % CLOCK_EVERY === 0 && performance.now() - started > SLICE_MS) break;
  }
  return last;
}

function* foldWrites(set: WorkingSet, { trees, checksum }: FoldPorts): Generator<Write, undefined> {
  // LMDB keeps references to the records until they are committed: a chunk is only ever appended to.
  let chunk = recordView(Buffer.allocUnsafeSlow(CHUNK_BYTES));
  let at = 0;
  const next = set.changes({});
  for (let change = next(); change !== undefined; change = next()) {
    const sizeBytes = entryRecordBytes(change.entry);
    if (at + sizeBytes > chunk.bytes.length) {
      chunk = recordView(Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, sizeBytes)));
      at = 0;
    }
    const end = writeEntryRecord(chunk, at, change.entry);
    sealEntryRecord(chunk, at, end, checksum);
    yield { committed: trees.putEntry(change.key, chunk.bytes.subarray(at, end)), sizeBytes };
    at = end;
  }
  for (const [origin, table] of set.rows) {
    for (const [sequence, key] of table.rows()) {
      yield { committed: trees.putRow(origin, sequence, key), sizeBytes: key.length };
    }
  }
  for (const [name, value] of set.states) {
    yield { committed: trees.putState(name, value), sizeBytes: name.length };
  }
  return undefined;
}
