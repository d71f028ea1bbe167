/**
 * The LMDB environment of a store and its trees: entries, rows, state and two logs.
 *
 * Owns every call that reads or writes LMDB, the bytes of keys and records, and the refusal of a damaged one.
 * Leaves to others what is written when. Writes are asynchronous and ordered: lmdb-js puts the writes of one
 * event-loop turn into one transaction, transactions commit in order, and `noSync` is never used. Every key starts
 * with one byte of ours, for LMDB knows no empty key and its reverse ranges skip <00>.
 */
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import type { Entry, Key, OriginKey } from '../core/types.ts';
import type { StateValue } from '../core/store.ts';
import { readIntactRecord, readEntryRecord, readValueRecord, recordView, wordView } from './entryRecord.ts';
import type { CopyOut } from './entryRecord.ts';
import { DamagedStore } from './damagedStore.ts';
import type { Checksum, RecordView } from './entryRecord.ts';
import type { KeyBounds } from './sortedKeys.ts';
import { packState, unpackState } from './turnRecord.ts';

const KEY_PREFIX = 1;
/** Keys up to this length are written by a loop: quicker than a call into the runtime. */
const SHORT_KEY = 32;
/** Records from here on are looked for without reading them. */
const LARGE_RECORD_BYTES = 8 * 1024;
/** Checksum before a row's or a state's bytes. */
const CHECKSUM_BYTES = 4;
/** Readers of the environment at once; a snapshot takes one, everything else shares one. */
const MAXIMUM_READERS = 126;

export type LogName = 'logEven' | 'logOdd';
export type Trees = ReturnType<typeof openTrees>;

interface TreeFigures {
  /** Entries in the entries tree, tombstones included. */
  readonly entries: number;
  readonly fileBytes: number;
}

/** What lmdb-js's getStats answers, as far as it is used here. */
interface LmdbStats {
  readonly entryCount: number;
  readonly lastPageNumber: number;
  readonly pageSize: number;
}

/** A read snapshot that outlives the turn; `done` must be called, or the file grows. It ends walks that are under way. */
export interface TreeSnapshot {
  readonly entries: (bounds: KeyBounds) => IterableIterator<readonly [Key, Entry]>;
  readonly done: () => void;
}

/** lmdb-js hands `target` in as a Buffer wherever it writes keys. */
const binaryStringKeys = {
  writeKey(key: string | Uint8Array, target: Buffer, start: number): number {
    // `clearAsync` passes an empty array: an instruction without a key.
    if (typeof key !== 'string') return start;
    target[start] = KEY_PREFIX;
    const from = start + 1;
    const length = key.length;
    if (length > SHORT_KEY) return from + target.write(key, from, length, 'latin1');
    for (let index = 0; index < length; index++) target[from + index] = key.charCodeAt(index);
    return from + length;
  },
  readKey: (source: Buffer, start: number, end: number): string => source.toString('latin1', start + 1, end),
};

const turnKeys = {
  writeKey(turn: number | Uint8Array, target: Buffer, start: number): number {
    if (typeof turn !== 'number') return start;
    target[start] = KEY_PREFIX;
    target.writeUInt32BE(Math.floor(turn / 2 ** 32), start + 1);
    return target.writeUInt32BE(turn >>> 0, start + 5);
  },
  readKey: (source: Buffer, start: number): number =>
    source.readUInt32BE(start + 1) * 2 ** 32 + source.readUInt32BE(start + 5),
};

/** Opens or creates the environment; throws what lmdb-js throws. */
export function openTrees(directory: string, checksum: Checksum) {
  const root: RootDatabase<Buffer, string> = open({
    path: directory,
    noSubdir: false,
    maxReaders: MAXIMUM_READERS,
  });
  const stringTree = (name: string): Database<Buffer, string> =>
    root.openDB<Buffer, string>({ name, encoding: 'binary', keyEncoder: binaryStringKeys } as {
      name: string;
    });
  const logTree = (name: string): Database<Buffer, number> =>
    root.openDB<Buffer, number>({ name, encoding: 'binary', keyEncoder: turnKeys } as { name: string });
  const entries = stringTree('entries');
  /** The same tree, for walks that look at every checksum: read where lmdb-js has copied it to, it is copied once less. Undefined for a damaged record. */
  const intactEntries = root.openDB<Entry | undefined, string>({
    name: 'entries',
    keyEncoder: binaryStringKeys,
    encoder: {
      decode: (bytes: Buffer, length: number) => readIntactRecord(viewOf(bytes), length, checksum),
    },
  } as { name: string });
  const rows = stringTree('rows');
  const states = stringTree('states');
  const logs: Readonly<Record<LogName, Database<Buffer, number>>> = {
    logEven: logTree('logEven'),
    logOdd: logTree('logOdd'),
  };

  // lmdb-js makes a promise for some transactions that it gives to nobody: should the commit fail, its rejection would
  // be an unhandled one and end the process, as would that of the promise that names the cause. It is there once the turn's writes are handed over.
  root.on('beforecommit', () => {
    queueMicrotask(() => {
      root.committed.then(undefined, (reason: unknown) => {
        (reason as { readonly commitError?: Promise<unknown> }).commitError?.catch(() => undefined);
      });
    });
  });

  // getBinaryFast answers with one reused buffer whose length is faked over the memory behind it: read through
  // views of our own on that memory, remade when lmdb-js replaces it by a larger one.
  let fastBuffer: Buffer | undefined;
  let fastView = recordView(Buffer.alloc(0));
  function viewOf(fast: Buffer): RecordView {
    if (fast === fastBuffer) return fastView;
    const size = (fast as Buffer & { readonly maxLength?: number }).maxLength ?? fast.length;
    const view = wordView(Buffer.from(fast.buffer, fast.byteOffset, size));
    // Only the shared buffer may be remembered: any other is a mapping that dies with its transaction.
    if ((fast as Buffer & { readonly isGlobal?: boolean }).isGlobal === true) {
      fastBuffer = fast;
      fastView = view;
    }
    return view;
  }

  function damaged(what: string): DamagedStore {
    return new DamagedStore(`reading ${what} in ${directory} failed: its bytes are damaged`);
  }

  function decodeEntry(key: string, view: RecordView, length: number): Entry {
    const entry = readEntryRecord(view, 0, length);
    if (entry === undefined) throw damaged(`the entry of key ${JSON.stringify(key)}`);
    return entry;
  }

  function checkedBytes(tree: Database<Buffer, string>, key: string, what: string): Buffer | undefined {
    const record = tree.getBinary(key);
    return record === undefined ? undefined : unwrapRecord(record, what);
  }

  function unwrapRecord(record: Buffer, what: string): Buffer {
    const bytes = record.subarray(CHECKSUM_BYTES);
    if (record.length < CHECKSUM_BYTES || record.readUInt32LE(0) !== checksum(bytes)) throw damaged(what);
    return bytes;
  }

  function wrapRecord(bytes: Uint8Array): Buffer {
    const record = Buffer.allocUnsafe(CHECKSUM_BYTES + bytes.length);
    record.writeUInt32LE(checksum(bytes), 0);
    record.set(bytes, CHECKSUM_BYTES);
    return record;
  }

  return {
    root,
    readEntry(key: Key): Entry | undefined {
      const fast = entries.getBinaryFast(key);
      return fast === undefined ? undefined : decodeEntry(key, viewOf(fast), fast.length);
    },
    /** The value alone, in bytes that are the caller's: spares the rest of the entry. */
    readValue<Bytes>(
      key: Key,
      hasExpired: (expiresAt: number) => boolean,
      copyOut: CopyOut<Bytes>,
    ): Bytes | undefined {
      const fast = entries.getBinaryFast(key);
      if (fast === undefined) return undefined;
      const value = readValueRecord(viewOf(fast), 0, fast.length, hasExpired, copyOut);
      if (value === 'damaged') throw damaged(`the entry of key ${JSON.stringify(key)}`);
      return value;
    },
    *entries(bounds: KeyBounds): Generator<readonly [Key, Entry], undefined> {
      for (const { key, value } of entries.getRange(rangeOptions(bounds))) {
        yield [key as Key, decodeEntry(key, recordView(value), value.length)];
      }
      return undefined;
    },
    /** `record` is a sealed entry record that nobody writes to again. Any Uint8Array will do for lmdb-js, whatever its types say. */
    putEntry: (key: Key, record: Uint8Array): Promise<boolean> => entries.put(key, record as Buffer),

    removeEntry: (key: Key): Promise<boolean> => entries.remove(key),

    readRow(origin: OriginKey, sequence: number): Key | undefined {
      return checkedBytes(rows, rowKey(origin, sequence), `row ${sequence} of ${origin}`)?.toString(
        'latin1',
      ) as Key | undefined;
    },
    putRow: (origin: OriginKey, sequence: number, key: Key): Promise<boolean> =>
      rows.put(rowKey(origin, sequence), wrapRecord(Buffer.from(key, 'latin1'))),

    /** The rows of an origin up to and with a sequence, as they are when each is asked for. */
    *rowsThrough(
      origin: OriginKey,
      through: number,
    ): Generator<{ readonly sequence: number; readonly remove: () => Promise<boolean> }, undefined> {
      const range = { start: rowKey(origin, 0), end: rowKey(origin, through + 1) };
      for (const key of [...rows.getKeys(range)])
        yield { sequence: sequenceOf(key), remove: () => rows.remove(key) };
      return undefined;
    },

    *states(): Generator<readonly [string, StateValue], undefined> {
      for (const { key, value } of states.getRange(rangeOptions({}))) {
        const name = Buffer.from(key, 'latin1').toString('utf8');
        yield [name, unpackState(unwrapRecord(value, `state ${name}`))];
      }
      return undefined;
    },
    putState: (name: string, value: StateValue): Promise<boolean> =>
      states.put(stateKey(name), wrapRecord(packState(value))),

    removeState: (name: string): Promise<boolean> => states.remove(stateKey(name)),

    /** Whether the state has that value; undefined: that it is not there. */
    hasState(name: string, value: StateValue | undefined): boolean {
      const found = checkedBytes(states, stateKey(name), `state ${name}`);
      return value === undefined ? found === undefined : found?.equals(packState(value)) === true;
    },

    /** `record` must not be written to until it is committed. Resolves when it survives a power cut. */
    appendLog: (log: LogName, turn: number, record: Buffer): Promise<boolean> => logs[log].put(turn, record),
    /** Whether a reader sees the turn's record, which has `sizeBytes`. */
    hasTurn(log: LogName, turn: number, sizeBytes: number): boolean {
      // A get is quicker than a cursor, but copies the record.
      if (sizeBytes < LARGE_RECORD_BYTES) return logs[log].getBinaryFast(turn) !== undefined;
      for (const found of logs[log].getKeys({ start: turn, limit: 1 })) return found === turn;
      return false;
    },
    /** The first log record at or after `from`. */
    nextTurn(log: LogName, from: number): readonly [turn: number, record: Buffer] | undefined {
      for (const { key, value } of logs[log].getRange({ start: from, limit: 1 })) return [key, value];
      return undefined;
    },
    /** Removes the log records from turn `from` on, at once; throws when the disk refuses it. */
    removeTurns(log: LogName, from: number): void {
      root.transactionSync(() => {
        for (const turn of [...logs[log].getKeys({ start: from })]) logs[log].removeSync(turn);
      });
    },
    clearLog: (log: LogName): Promise<void> => logs[log].clearAsync(),

    /** Reads from now on see everything committed by now. */
    refresh: (): void => {
      root.resetReadTxn();
    },
    /** Every entry of the trees as they are now, checksums verified. */
    snapshot(): TreeSnapshot {
      root.resetReadTxn();
      const transaction = root.useReadTransaction();
      const walks = new Set<Generator>();
      function* checkedEntries(bounds: KeyBounds): Generator<readonly [Key, Entry], undefined> {
        for (const { key, value: entry } of intactEntries.getRange({
          ...rangeOptions(bounds),
          transaction,
        })) {
          if (entry === undefined) throw damaged(`the entry of key ${JSON.stringify(key)}`);
          yield [key as Key, entry];
        }
        return undefined;
      }
      return {
        *entries(bounds): Generator<readonly [Key, Entry], undefined> {
          const walk = checkedEntries(bounds);
          walks.add(walk);
          try {
            yield* walk;
          } finally {
            walks.delete(walk);
          }
          return undefined;
        },
        done: () => {
          for (const walk of walks) walk.return(undefined); // its cursor is the transaction's
          transaction.done();
        },
      };
    },
    /** Resolves when everything put so far survives a power cut; may never resolve when its commit fails. */
    flushed: (): Promise<boolean> => Promise.resolve(root.flushed),
    figures(): TreeFigures {
      const stats = entries.getStats() as LmdbStats;
      return { entries: stats.entryCount, fileBytes: (stats.lastPageNumber + 1) * stats.pageSize };
    },
    /** Writes everything committed by now, free pages left out, as a file of its own into an empty folder; off the main thread. */
    copyTo: (folder: string): Promise<void> => root.backup(folder, true),
    close: (): Promise<void> => root.close(),
  };
}

/** lmdb-js's words for our bounds. `end: undefined` is said aloud: left out, a reverse range ends at a key of its own. */
function rangeOptions({ from, after, before, reverse }: KeyBounds) {
  const low = after !== undefined && (from === undefined || after >= from) ? after : from;
  const lowExclusive = low !== undefined && low === after;
  if (reverse === true) {
    return {
      reverse: true,
      ...(before === undefined ? {} : { start: before, exclusiveStart: true }),
      end: low as string,
      inclusiveEnd: low !== undefined && !lowExclusive,
    };
  }
  return { start: low ?? '', exclusiveStart: lowExclusive, end: before as string };
}

/** Names may have any characters, keys have bytes. */
function stateKey(name: string): string {
  return Buffer.from(name, 'utf8').toString('latin1');
}

/** origin · 00 · sequence as 8 bytes, the largest first: rows of an origin lie in order. */
function rowKey(origin: OriginKey, sequence: number): string {
  const high = Math.floor(sequence / 2 ** 32);
  const low = sequence >>> 0;
  return (
    origin +
    String.fromCharCode(
      0,
      high >>> 24,
      (high >>> 16) & 255,
      (high >>> 8) & 255,
      high & 255,
      low >>> 24,
      (low >>> 16) & 255,
      (low >>> 8) & 255,
      low & 255,
    )
  );
}

/** The sequence at the end of a row's key. */
function sequenceOf(key: string): number {
  let sequence = 0;
  for (let at = key.length - 8; at < key.length; at += 1) sequence = sequence * 256 + key.charCodeAt(at);
  return sequence;
}
