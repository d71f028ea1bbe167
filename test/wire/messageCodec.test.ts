/**
 * What the codec promises: every message comes back as it went, nothing else gets through.
 *
 * Property tests for the first half; hand-made bytes for the second, each a refusal beside an acceptance.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pack, Packr } from 'msgpackr';
import { haveBytes, sizeOfControl } from '../../src/core/send.ts';
import { SYNTHETIC_ID } from '../../src/core/types.ts';
import type { Incarnation, Key, PeerId, SequenceRange, Timestamp } from '../../src/core/types.ts';
import type { Message, SyncRecord, UpdateRecord } from '../../src/core/messages.ts';
import { decodeMessage, encodeMessage } from '../../src/wire/messageCodec.ts';
import {
  COVER_OVERHEAD_BYTES,
  MAX_ID_BYTES,
  MESSAGE_FRAMING_BYTES,
  PUBLISHED_OVERHEAD_BYTES,
  RANGE_BYTES,
  SYNC_RECORD_OVERHEAD_BYTES,
  UPDATE_RECORD_OVERHEAD_BYTES,
  VECTOR_ENTRY_OVERHEAD_BYTES,
} from '../../src/wire/limits.ts';
import { anyMessage, messages, tenUpdates } from './arbitraries.ts';

const MOST = Number.MAX_SAFE_INTEGER;

function reasonFor(bytes: Uint8Array): string {
  const result = decodeMessage(bytes);
  return result.ok ? 'accepted' : result.reason;
}

/** A message from its parts: integers, then raw bytes. */
function raw(integers: readonly unknown[], bytes: string | Uint8Array = ''): Buffer {
  return Buffer.concat([pack(integers), typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes]);
}

function update(record: Partial<UpdateRecord>): Message {
  const base = {
    sequence: 1,
    key: 'k' as Key,
    timestamp: 1 as Timestamp,
    kind: 'value' as const,
    expiresAt: 0,
  };
  return { kind: 'update', records: [{ ...base, value: new Uint8Array(0), ...record }] };
}

/** Counts of the lists of a report, at most. */
const LISTS_BYTES = 12;
/** A 53-bit hash, at most. */
const HASH_BYTES = 10;

describe('message codec', () => {
  for (const [kind, arbitrary] of Object.entries(messages)) {
    it(`brings back every ${kind} as it went`, () => {
      fc.assert(
        fc.property(arbitrary, (message) => {
          assert.deepStrictEqual(decodeMessage(encodeMessage(message)), { ok: true, message });
        }),
        { numRuns: 300 },
      );
    });
  }

  it('refuses every message that is cut short anywhere, and every one with a byte too many', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const bytes = encodeMessage(message);
        const step = Math.max(1, Math.floor(bytes.length / 200));
        for (let end = 0; end < bytes.length; end += step)
          assert.notEqual(reasonFor(bytes.subarray(0, end)), 'accepted');
        assert.equal(reasonFor(Buffer.concat([bytes, Buffer.from([0])])), 'leftOver');
      }),
      { numRuns: 100 },
    );
  });

  it('shares no memory with the datagram', () => {
    const message = tenUpdates();
    const bytes = encodeMessage(message);
    const result = decodeMessage(bytes);
    bytes.fill(0xee);
    assert.deepStrictEqual(result, { ok: true, message });
  });

  it('keeps a small value from holding more than 2 KiB of a large message alive', () => {
    const value = new Uint8Array(10);
    const records = Array.from({ length: 5_000 }, (_, index) => ({
      sequence: index + 1,
      key: 'k' as Key,
      timestamp: 1 as Timestamp,
      kind: 'value' as const,
      expiresAt: 0,
      value,
    }));
    const result = decodeMessage(encodeMessage({ kind: 'update', records }));
    assert.ok(result.ok && result.message.kind === 'update');
    for (const record of result.message.records) assert.ok(record.value.buffer.byteLength <= 2_048);
  });

  it('copies the values of a part of a checkpoint in one piece, as they are let go together', () => {
    const entries = Array.from({ length: 50 }, (_, index) => ({
      key: `k${index}` as Key,
      timestamp: 1 as Timestamp,
      id: 'alpha' as PeerId,
      incarnation: 7 as Incarnation,
      sequence: index + 1,
      entryKind: 'value' as const,
      expiresAt: 0,
      value: new Uint8Array(5_000).fill(index),
    }));
    const message = {
      kind: 'checkpoint',
      snapshot: 1,
      part: 1,
      joiner: 7 as Incarnation,
      entries,
      rows: [],
    } as const;
    const packet = encodeMessage(message);
    const result = decodeMessage(packet);
    assert.deepStrictEqual(result, { ok: true, message });
    assert.ok(result.ok);
    const memories = new Set(result.message.entries.map(({ value }) => value.buffer));
    assert.equal(memories.size, 1);
    assert.ok(!memories.has(packet.buffer));
  });

  it('takes a value of 16 MiB and refuses to send a longer one', () => {
    const limit = 16 * 1024 * 1024;
    const value = new Uint8Array(limit).fill(7);
    const result = decodeMessage(encodeMessage(update({ value })));
    assert.ok(result.ok && result.message.kind === 'update');
    assert.equal(Buffer.compare(result.message.records[0]?.value ?? new Uint8Array(0), value), 0);
    assert.throws(() => encodeMessage(update({ value: new Uint8Array(limit + 1) })), /value of/);
    assert.equal(reasonFor(raw([1, 1, 0, 1, 1, 1, limit + 1], 'k')), 'badNumber');
  });

  it('takes keys of 1 to 1,900 bytes and no others', () => {
    for (const length of [1, 1_900]) {
      const message = update({ key: '\u00ff'.repeat(length) as Key });
      assert.deepStrictEqual(decodeMessage(encodeMessage(message)), { ok: true, message });
    }
    assert.throws(() => encodeMessage(update({ key: '' as Key })), /key of/);
    assert.throws(() => encodeMessage(update({ key: 'k'.repeat(1_901) as Key })), /key of/);
    assert.equal(reasonFor(raw([1, 1, 0, 1, 1, 0, 0])), 'badNumber');
    assert.equal(reasonFor(raw([1, 1, 0, 1, 1, 1_901, 0], 'k'.repeat(1_901))), 'badNumber');
  });

  it('takes sequences from 1 to 2^53 - 1 and no others', () => {
    const message = update({ sequence: MOST, timestamp: MOST as Timestamp, expiresAt: MOST });
    assert.deepStrictEqual(decodeMessage(encodeMessage(message)), { ok: true, message });
    assert.equal(reasonFor(raw([1, 1, 0, 1, 1, 1, 0], 'k')), 'accepted');
    for (const sequence of [0, -1, 1.5, NaN, Infinity, MOST + 1]) {
      assert.equal(reasonFor(raw([1, 1, 0, sequence, 1, 1, 0], 'k')), 'badNumber', String(sequence));
    }
    // The second record's sequence is a difference: together they go beyond.
    assert.equal(reasonFor(raw([1, 2, 0, MOST, 1, 1, 0, 0, 1, 1, 1, 0], 'kk')), 'badNumber');
  });

  it('refuses timestamps that differences lead below 0 or beyond 2^53 - 1', () => {
    assert.equal(reasonFor(raw([1, 2, 0, 1, 5, 1, 0, 0, 1, -5, 1, 0], 'kk')), 'accepted');
    assert.equal(reasonFor(raw([1, 2, 0, 1, 5, 1, 0, 0, 1, -6, 1, 0], 'kk')), 'badNumber');
    assert.equal(reasonFor(raw([1, 2, 0, 1, 5, 1, 0, 0, 1, MOST, 1, 0], 'kk')), 'badNumber');
  });

  it('refuses a tombstone that is a reference, and unknown flags', () => {
    assert.equal(reasonFor(raw([1, 1, 1, 1, 1, 1], 'k')), 'accepted');
    assert.equal(reasonFor(raw([1, 1, 5, 1, 1, 1, 9], 'k')), 'badNumber');
    assert.equal(reasonFor(raw([1, 1, 8, 1, 1, 1, 0], 'k')), 'badNumber');
  });

  it('refuses ids that are no peer ids', () => {
    const nak = (id: string): Buffer => raw([5, 0, id.length, 77, 1, 3, 4], id);
    assert.equal(reasonFor(nak('alpha_1.b-C')), 'accepted');
    assert.equal(reasonFor(nak('al pha')), 'badId');
    assert.equal(reasonFor(nak('\u00ff')), 'badId');
    assert.equal(reasonFor(nak('a'.repeat(33))), 'badNumber');
    assert.equal(reasonFor(nak('')), 'badNumber');
    assert.equal(reasonFor(raw([5, 0, 1, 0, 1, 3, 4], 'a')), 'badNumber', 'incarnation 0');
  });

  it('refuses a reference to an origin or id not mentioned before', () => {
    assert.equal(reasonFor(raw([5, 1, 0])), 'badNumber');
    assert.equal(reasonFor(raw([5, -1, 7, 0])), 'badNumber');
  });

  it('refuses ranges that touch or overlap backwards, and a gap that touches the contiguous part', () => {
    assert.equal(reasonFor(raw([5, 0, 1, 7, 2, 3, 0, 1, 4], 'a')), 'accepted');
    assert.equal(reasonFor(raw([5, 0, 1, 7, 2, 3, 0, 0, 4], 'a')), 'badNumber');
    assert.equal(reasonFor(raw([5, 0, 1, 7, 1, 3, -1], 'a')), 'badNumber');
    assert.equal(reasonFor(raw([5, 0, 1, 7, 1, MOST, 1], 'a')), 'badNumber');
    const touching: Message = {
      kind: 'heartbeat',
      vectorHash: 1,
      have: {
        vector: [
          { id: 'a' as PeerId, incarnation: 7 as Incarnation, contiguous: 5, gaps: [[6, 9]], trim: 0 },
        ],
        closures: [],
        promises: [],
      },
    };
    assert.throws(() => encodeMessage(touching), /not ascending/);
  });

  it('refuses the same origin twice in a vector, and the same peer twice among the heard', () => {
    assert.equal(reasonFor(raw([3, 9, 1, 2, 0, 1, 7, 5, 5, 0, -1, 8, 5, 0, 0, 0, 0], 'a')), 'accepted');
    assert.equal(reasonFor(raw([3, 9, 1, 2, 0, 1, 7, 5, 5, 0, 1, 5, 0, 0, 0, 0], 'a')), 'duplicate');
    assert.equal(reasonFor(raw([3, 9, 1, 2, 0, 1, 7, 5, 5, 0, -1, 7, 5, 0, 0, 0, 0], 'a')), 'duplicate');
    assert.equal(reasonFor(raw([2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 2, 6, 11, 300], 'ab')), 'accepted');
    assert.equal(reasonFor(raw([2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 2, 6, 8], 'aa')), 'duplicate');
    assert.equal(reasonFor(raw([2, 0, 0, 0, 0, 0, 0, 3, 0, 1, 1, 6], 'a')), 'badNumber');
    assert.equal(reasonFor(raw([2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 1, 11, 0], 'a')), 'badNumber'); // ahead by nothing
  });

  it('lets the synthetic id be carried by synthetic entries alone', () => {
    const record = {
      kind: 'entry' as const,
      key: 'k' as Key,
      timestamp: 9 as Timestamp,
      id: SYNTHETIC_ID,
      incarnation: 0 as Incarnation,
      sequence: 0,
      expiresAt: 0,
      value: new Uint8Array(0),
      covers: [],
    };
    const message: Message = { kind: 'sync', more: false, records: [{ ...record, entryKind: 'synthetic' }] };
    assert.deepStrictEqual(decodeMessage(encodeMessage(message)), { ok: true, message });
    for (const entryKind of ['value', 'tombstone'] as const) {
      assert.throws(() => encodeMessage({ kind: 'sync', more: false, records: [{ ...record, entryKind }] }));
    }
    const named = { ...record, id: 'a' as PeerId, entryKind: 'synthetic' as const };
    assert.throws(() => encodeMessage({ kind: 'sync', more: false, records: [named] }));
    const origin = { id: SYNTHETIC_ID, incarnation: 0 as Incarnation };
    assert.throws(() => encodeMessage({ kind: 'nak', origin, ranges: [[1, 1]] }), /synthetic/);
  });

  it('refuses counts beyond their limits or beyond the bytes there are, before allocating', () => {
    assert.equal(reasonFor(raw([1, 131_073])), 'tooMany');
    assert.equal(reasonFor(raw([1, 131_072])), 'cutShort');
    assert.equal(reasonFor(raw([3, 0, 1, 65_537])), 'tooMany');
    assert.equal(reasonFor(raw([5, 0, 1, 7, 262_145], 'a')), 'tooMany');
    assert.equal(reasonFor(raw([2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4_097])), 'tooMany');
    assert.equal(reasonFor(Buffer.from('ddffffffff01', 'hex')), 'notIntegers');
    assert.equal(reasonFor(Buffer.from('dcffff01', 'hex')), 'notIntegers');
  });

  it('counts the ranges of a whole message together', () => {
    // Three covers of 100,000 ranges each are one too many.
    const ranges = Array.from({ length: 200_000 }, (_, at) => (at % 2 === 0 ? 2 : 0));
    const head = [4, 0, 1, 3, 0, 1, 3];
    const cover = (origin: number[]): number[] => [...origin, 100_000, ...ranges];
    assert.equal(
      reasonFor(raw([...head, ...cover([0, 1, 7]), ...cover([1]), ...cover([1])], 'ka')),
      'tooMany',
    );
    assert.equal(reasonFor(raw([4, 0, 1, 3, 0, 1, 2, ...cover([0, 1, 7]), ...cover([1])], 'ka')), 'accepted');
  });

  it('counts the dots that a message covers together', () => {
    const cover = (origin: number[], dots: number): number[] => [...origin, 1, 1, dots - 1];
    const message = (first: number, second: number): Buffer =>
      raw([4, 0, 1, 3, 0, 1, 2, ...cover([0, 1, 7], first), ...cover([1], second)], 'ka');
    assert.equal(reasonFor(message(262_000, 144)), 'accepted');
    assert.equal(reasonFor(message(262_000, 145)), 'tooMany');
    assert.equal(reasonFor(message(Number.MAX_SAFE_INTEGER - 9, 1)), 'tooMany');
  });

  it('says of a record whose dots are the neighbours of those before no more than by how much', () => {
    const keys = 100;
    const records = (distance: (at: number, origin: number) => number): SyncRecord[] =>
      Array.from({ length: keys }, (_, at) => ({
        kind: 'entry',
        key: 'k' as Key,
        id: 'p1' as PeerId,
        incarnation: 7 as Incarnation,
        entryKind: 'tombstone',
        expiresAt: 0,
        value: new Uint8Array(0),
        timestamp: (1000 + at) as Timestamp,
        sequence: 50_000 + distance(at, 1),
        covers: [1, 2, 3].map((id) => ({
          id: `p${id}` as PeerId,
          incarnation: 7 as Incarnation,
          ranges: [0, 10_000, 20_000].map((from): SequenceRange => {
            const sequence = 1 + from + distance(at, id);
            return [sequence, sequence];
          }),
        })),
      }));
    const bytes = (distance: (at: number, origin: number) => number): number =>
      encodeMessage({ kind: 'sync', more: false, records: records(distance) }).length;
    const [moved, scattered] = [bytes((at) => at), bytes((at, origin) => at * origin)];
    assert.ok(moved <= keys * 5 + 150, `${moved} bytes`);
    assert.ok(scattered > keys * 30, `${scattered} bytes: the other side of the comparison is none`);
  });

  it('counts what moved records stand for as if it were written out, and refuses one with nothing before it', () => {
    // A tombstone that covers so many dots, then others with the same ones, each moved by one.
    const first = (dots: number): number[] => [1, 0, 1, 0, 1, 7, 9, 1, 1, 1, 1, dots - 1];
    const next = [9, 0, 1, 1];
    const message = (dots: number, more: number): Buffer =>
      raw(
        [4, 0, 1 + more, ...first(dots), ...Array.from({ length: more }, () => next).flat()],
        `ka${'k'.repeat(more)}`,
      );
    assert.equal(reasonFor(message(2048, 127)), 'accepted');
    assert.equal(reasonFor(message(2048, 128)), 'tooMany');
    assert.equal(reasonFor(raw([4, 0, 1, ...next], 'k')), 'badNumber');
    assert.equal(reasonFor(raw([4, 0, 2, ...first(5), 10, 0, 1, 1], 'kak')), 'badNumber', 'a synthetic one');
    assert.equal(reasonFor(raw([4, 0, 2, ...first(5), 9, 0, 1, -1], 'kak')), 'badNumber', 'below 1');
    const far = Number.MAX_SAFE_INTEGER - 8;
    assert.equal(reasonFor(raw([4, 0, 2, ...first(5), 9, 0, 1, far], 'kak')), 'badNumber', 'beyond 2^53 - 1');
  });

  it('refuses whatever is not one array of integers', () => {
    const structured = new Packr({ structuredClone: true, moreTypes: true });
    const hostile: unknown[] = [
      null,
      1,
      'text',
      {},
      [],
      new Map([[1, 2]]),
      [new Map()],
      [/x/],
      [new Set([1])],
      [2n ** 60n],
      [true],
      [null],
      ['1'],
      [undefined],
      [[1]],
      [1, Buffer.from('x')],
      [new Date()],
      [{ a: 1 }],
    ];
    for (const value of hostile) assert.equal(reasonFor(structured.pack(value)), 'notIntegers');
    assert.equal(reasonFor(new Uint8Array(0)), 'notIntegers');
    assert.equal(reasonFor(Buffer.alloc(100_000, 0x91)), 'notIntegers', 'arrays 100,000 deep');
    assert.equal(reasonFor(Buffer.alloc(100_000, 0x81)), 'notIntegers', 'maps 100,000 deep');
    // 0x40..0x7f would be record ids to msgpackr had it learned any; they are mere integers here.
    assert.equal(reasonFor(Buffer.from([0x91, 0x40])), 'unknownKind');
  });

  it('refuses kinds it does not know', () => {
    assert.equal(reasonFor(raw([0])), 'unknownKind');
    assert.equal(reasonFor(raw([99])), 'unknownKind');
    assert.equal(reasonFor(raw([-1])), 'unknownKind');
  });

  it('keeps every record within the bytes its upper bound allows', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        assert.ok(encodeMessage(message).length <= upperBound(message), message.kind);
      }),
      { numRuns: 500 },
    );
  });
});

function rangesBound(ranges: readonly unknown[]): number {
  return ranges.length * RANGE_BYTES;
}

function upperBound(message: Message): number {
  switch (message.kind) {
    case 'update':
      return message.records.reduce(
        (sum, { key, value }) => sum + UPDATE_RECORD_OVERHEAD_BYTES + key.length + value.length,
        MESSAGE_FRAMING_BYTES,
      );
    case 'sync': {
      let bound = MESSAGE_FRAMING_BYTES;
      if (message.have !== undefined) bound += haveBytes(message.have) + LISTS_BYTES;
      for (const record of message.records) {
        bound += SYNC_RECORD_OVERHEAD_BYTES + record.key.length;
        if (record.kind === 'entry') bound += record.value.length;
        for (const cover of record.covers) bound += COVER_OVERHEAD_BYTES + rangesBound(cover.ranges);
      }
      if (message.catchUp !== undefined) bound += 2 * HASH_BYTES; // by stream: no datagram has to hold it
      return bound;
    }
    case 'heartbeat': {
      let bound = MESSAGE_FRAMING_BYTES + HASH_BYTES;
      if (message.have !== undefined) bound += haveBytes(message.have) + LISTS_BYTES;
      if (message.members !== undefined) {
        const { admitted, forgotten } = message.members;
        bound += 2 * LISTS_BYTES + (admitted.length + forgotten.length) * (MAX_ID_BYTES + 1);
      }
      return bound;
    }
    case 'prepare':
    case 'prepared':
    case 'refuse':
    case 'commit':
    case 'join':
    case 'fenced':
    case 'alarm':
    case 'leaving':
    case 'fetch':
    case 'fetched':
    case 'ask':
    case 'held':
      return sizeOfControl(message);
    case 'checkpoint':
    case 'pull':
      return Infinity; // goes by stream, in parts that are measured as they are built
    case 'nak':
      return MESSAGE_FRAMING_BYTES + VECTOR_ENTRY_OVERHEAD_BYTES + rangesBound(message.ranges);
    case 'publish':
      return message.records.reduce(
        (sum, { channel, message: bytes }) => sum + PUBLISHED_OVERHEAD_BYTES + channel.length + bytes.length,
        MESSAGE_FRAMING_BYTES + 3 * HASH_BYTES,
      );
    case 'miss':
      return MESSAGE_FRAMING_BYTES + HASH_BYTES + rangesBound(message.ranges);
    case 'keepalive':
      return 1_400;
  }
}
