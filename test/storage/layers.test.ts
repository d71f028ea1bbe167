/** The parts of a working set: keys in order, rows, and the records that both stores write. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KeyRange } from '../../src/core/store.ts';
import type { Entry, Key, OriginKey } from '../../src/core/types.ts';
import {
  entryRecordBytes,
  readEntryRecord,
  readIntactRecord,
  recordView,
  sealEntryRecord,
  wordView,
  writeEntryRecord,
} from '../../src/storage/entryRecord.ts';
import { mergeEntries } from '../../src/storage/mergeEntries.ts';
import { createRowTable } from '../../src/storage/rowTable.ts';
import { createTurnWriter, readTurn } from '../../src/storage/turnRecord.ts';
import { createWorkingSet } from '../../src/storage/workingSet.ts';
import { asKey, entryNumber, ORIGIN, plainEntry } from './entries.ts';

/** Any function of all the bytes will do here. */
const checksum = (bytes: Uint8Array): number =>
  bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) >>> 0, bytes.length);

function changedKeys(set: ReturnType<typeof createWorkingSet>, range: KeyRange): Key[] {
  const keys: Key[] = [];
  const next = set.changes(range);
  for (let change = next(); change !== undefined; change = next()) keys.push(change.key);
  return keys;
}

describe('a working set', () => {
  it('gives its keys in order, however many came in whatever order, with walks in between', () => {
    const set = createWorkingSet();
    const keys: string[] = [];
    // Past the lengths at which runs are cut and merged.
    for (let number = 0; number < 60_000; number++) {
      const key = `k${(number * 7_919) % 60_013}`;
      keys.push(key);
      set.setEntry(asKey(key), entryNumber(1));
      if (number % 24_989 === 0) assert.deepEqual(changedKeys(set, {}), [...keys].sort());
    }
    keys.sort();
    assert.deepEqual(changedKeys(set, {}), keys);
    assert.deepEqual(changedKeys(set, { reverse: true }), [...keys].reverse());
    const range = { after: asKey('k2'), before: asKey('k21') };
    assert.deepEqual(
      changedKeys(set, range),
      keys.filter((key) => key > 'k2' && key < 'k21'),
    );
  });

  it('has the last entry of a key that was written often, once', () => {
    const set = createWorkingSet();
    for (let number = 1; number <= 100; number++) set.setEntry(asKey('k'), entryNumber(number));
    assert.deepEqual(changedKeys(set, {}), ['k']);
    assert.equal(set.getChange(asKey('k'))?.entry?.sequence, 100);
    assert.equal(set.entryCount(), 1);
  });

  it('lets a walk go on while keys are added', () => {
    const set = createWorkingSet();
    for (let number = 0; number < 5_000; number++) set.setEntry(asKey(`k${number}`), entryNumber(number));
    const next = set.changes({});
    const seen: (string | undefined)[] = [];
    for (let change = next(); change !== undefined; change = next()) {
      seen.push(change.key);
      set.setEntry(asKey(`a${seen.length}`), entryNumber(1));
    }
    assert.deepEqual(seen, Array.from({ length: 5_000 }, (_, number) => `k${number}`).sort());
  });
});

describe('a row table', () => {
  it('answers as a map does, for sequences in any order', () => {
    const writes = fc.array(
      fc.tuple(
        fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 5_000 }), fc.constant(2 ** 50)),
        fc.string(),
      ),
    );
    fc.assert(
      fc.property(writes, (pairs) => {
        const table = createRowTable();
        const model = new Map<number, Key>();
        for (const [sequence, key] of pairs) {
          table.set(sequence, asKey(key));
          model.set(sequence, asKey(key));
          assert.equal(table.get(sequence), key);
        }
        assert.deepEqual(new Map(table.rows()), model);
        assert.equal([...table.rows()].length, model.size);
        for (let sequence = 0; sequence < 50; sequence++)
          assert.equal(table.get(sequence), model.get(sequence));
      }),
    );
  });
});

describe('a row table whose rows came early', () => {
  it('has the later key of a row that was written again once the others had caught up', () => {
    const table = createRowTable();
    table.set(1, asKey('first'));
    table.set(3_000, asKey('early'));
    for (let sequence = 2; sequence < 3_000; sequence++) table.set(sequence, asKey('between'));
    table.set(3_000, asKey('late'));
    assert.equal(table.get(3_000), 'late');
    assert.deepEqual(
      [...table.rows()].filter(([sequence]) => sequence === 3_000),
      [[3_000, 'late']],
    );
  });
});

describe('a walk over layers', () => {
  it('reads of the base what is asked for and no more', () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'].map(asKey);
    let read = 0;
    let isClosed = false;
    function* base(): Generator<readonly [Key, Entry], undefined> {
      try {
        for (const [at, key] of keys.entries()) {
          read += 1;
          yield [key, entryNumber(at + 1)];
        }
      } finally {
        isClosed = true;
      }
      return undefined;
    }
    const above = createWorkingSet();
    above.setEntry(asKey('b'), entryNumber(20));
    above.setEntry(asKey('c'), undefined);
    const walk = mergeEntries([above], base(), {});
    const seen: string[] = [];
    for (const expected of [1, 2, 4]) {
      const [key, { sequence }] = walk.next().value ?? [asKey('none'), entryNumber(0)];
      seen.push(`${key} ${sequence}`);
      assert.equal(read, expected);
    }
    const sequenceOf = (number: number): number => entryNumber(number).sequence;
    assert.deepEqual(seen, [`a ${sequenceOf(1)}`, `b ${sequenceOf(20)}`, `d ${sequenceOf(4)}`]);
    walk.return(undefined);
    assert.ok(isClosed);
  });
});

describe('an entry record', () => {
  function sealed(entry: Entry): Buffer {
    const view = recordView(Buffer.alloc(entryRecordBytes(entry)));
    assert.equal(writeEntryRecord(view, 0, entry), view.bytes.length);
    sealEntryRecord(view, 0, view.bytes.length, checksum);
    return view.bytes;
  }

  it('reads back every field, and is refused at any shorter length', () => {
    for (const kind of ['value', 'tombstone', 'synthetic'] as const) {
      for (const number of [1, 4]) {
        const bytes = sealed(entryNumber(number, kind));
        const view = recordView(bytes);
        assert.deepEqual(
          plainEntry(readEntryRecord(view, 0, bytes.length)),
          plainEntry(entryNumber(number, kind)),
        );
        assert.deepEqual(
          plainEntry(readIntactRecord(view, bytes.length, checksum)),
          plainEntry(entryNumber(number, kind)),
        );
        for (let length = 0; length < bytes.length; length++) {
          assert.equal(readIntactRecord(view, length, checksum), undefined);
          if (length < 32) assert.equal(readEntryRecord(view, 0, length), undefined);
        }
      }
    }
  });

  it('copies values of any length from any place, each to a place of its own', () => {
    const memory = Buffer.from(Array.from({ length: 4_096 }, (_, index) => index % 251));
    const copies: (readonly [Uint8Array, string])[] = [];
    for (let round = 0; round < 40; round++) {
      for (const length of [0, 1, 2, 3, 4, 5, 100, 101, 102, 103, 1_024, 1_025]) {
        const entry = { ...entryNumber(1), value: memory.subarray(length, 2 * length) };
        const start = round % 9;
        // Exactly the record's memory, and some with room behind it.
        const view = wordView(Buffer.alloc(start + entryRecordBytes(entry) + (round % 3) * 4));
        const read = readEntryRecord(view, start, writeEntryRecord(view, start, entry));
        assert.ok(read !== undefined);
        copies.push([read.value, entry.value.toString('hex')]);
      }
    }
    for (const [copy, original] of copies) assert.equal(Buffer.from(copy).toString('hex'), original);
  });

  it('met on a walk has a value of its own too, short or long', () => {
    const memory = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251));
    const copies: (readonly [Uint8Array, Buffer])[] = [];
    for (let round = 0; round < 20; round++) {
      for (const length of [0, 1, 3, 1_024, 1_025, 4_098, 32_768, 32_769, 99_999]) {
        const value = memory.subarray(round, round + length);
        const entry = { ...entryNumber(1), value };
        const view = wordView(Buffer.alloc(entryRecordBytes(entry) + 4)); // as LMDB's, with room behind it
        const end = writeEntryRecord(view, 0, entry);
        sealEntryRecord(view, 0, end, checksum);
        const read = readIntactRecord(view, end, checksum);
        assert.ok(read !== undefined);
        view.bytes.fill(0xff);
        copies.push([read.value, value]);
      }
    }
    for (const [copy, original] of copies) assert.equal(Buffer.compare(copy, original), 0);
    const memories = new Set(copies.flatMap(([{ buffer, length }]) => (length <= 32_768 ? [buffer] : [])));
    assert.ok(memories.size < 10, `${memories.size} pieces of memory for ${copies.length} values`);
  });

  it('does not pass as intact with any one bit changed, or as an entry of another version or kind', () => {
    const bytes = sealed(entryNumber(4));
    for (let bit = 32; bit < bytes.length * 8; bit++) {
      const copy = Buffer.from(bytes);
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(readIntactRecord(recordView(copy), copy.length, checksum), undefined, `bit ${bit}`);
    }
    for (const [offset, byte] of [
      [0, 2],
      [1, 3],
      [2, 255],
      [3, 1],
    ] as const) {
      const copy = Buffer.from(bytes);
      copy[offset] = byte;
      assert.equal(readEntryRecord(recordView(copy), 0, copy.length), undefined, `byte ${offset}`);
    }
  });
});

describe('a turn record', () => {
  function readBack(record: Buffer, turn: number): readonly unknown[] | undefined {
    const operations: unknown[] = [];
    const isWhole = readTurn(record, turn, checksum, {
      setEntry: (key, entry) => operations.push(['entry', key, plainEntry(entry)]),
      setRow: (origin, sequence, key) => operations.push(['row', origin, sequence, key]),
      dropRows: (origin, through) => operations.push(['drop', origin, through]),
      setState: (name, value) => operations.push(['state', name, value]),
    });
    if (!isWhole) assert.deepEqual(operations, []);
    return isWhole ? operations : undefined;
  }

  it('reads back its operations in order, across chunks, whatever was written before', () => {
    const writer = createTurnWriter(checksum);
    const records: Buffer[] = [];
    const expected: unknown[][] = [];
    const beta = 'beta/1' as OriginKey;
    for (let turn = 1; turn <= 60; turn++) {
      assert.equal(writer.isEmpty(), true);
      const operations: unknown[] = [];
      for (let index = 0; index < turn % 7; index++) {
        // Some turns outgrow what is left of a chunk, some a whole one.
        const value = Buffer.alloc(turn % 9 === 0 ? 90_000 * index : turn * 10, index);
        const entry = { ...entryNumber(turn), value };
        const key = asKey(`\x00\xff${index}`);
        writer.entry(key, entry);
        writer.row(index % 2 === 0 ? ORIGIN : beta, turn, key);
        writer.row(beta, turn, asKey('another'));
        operations.push(
          ['entry', key, plainEntry(entry)],
          ['row', index % 2 === 0 ? ORIGIN : beta, turn, key],
        );
        operations.push(['row', beta, turn, 'another']);
      }
      writer.state('ä', { turn });
      operations.push(['state', 'ä', { turn }]);
      writer.removeEntry(asKey(`\xff gone ${turn}`));
      writer.dropRows(beta, turn * 1000);
      writer.removeState('ö');
      operations.push(['entry', `\xff gone ${turn}`, undefined], ['drop', beta, turn * 1000]);
      operations.push(['state', 'ö', undefined]);
      assert.equal(writer.isEmpty(), false);
      records.push(writer.finish(turn));
      expected.push(operations);
    }
    records.forEach((record, index) => {
      assert.deepEqual(readBack(record, index + 1), expected[index]);
    });
  });

  it('is refused whole when a bit is wrong, a byte is missing or the number is another', () => {
    const writer = createTurnWriter(checksum);
    writer.entry(asKey('k'), entryNumber(4));
    writer.row(ORIGIN, 4, asKey('k'));
    const record = writer.finish(4);
    assert.notEqual(readBack(record, 4), undefined);
    assert.equal(readBack(record, 5), undefined);
    for (let length = 0; length < record.length; length++)
      assert.equal(readBack(record.subarray(0, length), 4), undefined);
    for (let bit = 0; bit < record.length * 8; bit++) {
      const copy = Buffer.from(record);
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(readBack(copy, 4), undefined, `bit ${bit}`);
    }
  });
});
