/**
 * Messages for property tests: every kind, every optional field, numbers up to their bounds.
 *
 * Owns how messages are drawn; states no expectations. Keeps to what the core may really say: ascending
 * sequences and ranges, no origin twice in a vector.
 */
import fc from 'fast-check';
import { SYNTHETIC_ID } from '../../src/core/types.ts';
import type {
  Incarnation,
  Key,
  Origin,
  PeerId,
  SequenceRange,
  Timestamp,
  VectorEntry,
} from '../../src/core/types.ts';
import type { CoveredDots, Message, SyncRecord, UpdateRecord } from '../../src/core/messages.ts';

/** Plain objects, as the codec makes them. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });

const safe = (min: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.integer({ min, max: 300 }),
    fc.integer({ min, max: 2 ** 33 }),
    fc.maxSafeInteger().filter((n) => n >= min),
  );
/** Small enough that a handful of them still add up to a safe integer. */
const step = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 ** 48 }));
const idCharacter = fc.constantFrom(...Array.from('ABCXYZabcxyz0189_.-'));
const peerId = fc
  .oneof(fc.constantFrom('alpha', 'beta'), fc.string({ unit: idCharacter, minLength: 1, maxLength: 32 }))
  .map((id) => id as PeerId);
const incarnation = safe(1).map((n) => n as Incarnation);
const timestamp = safe(0).map((n) => n as Timestamp);
const origin: fc.Arbitrary<Origin> = record({ id: peerId, incarnation });
const key = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 20 }),
    fc.uint8Array({ minLength: 1_900, maxLength: 1_900 }),
  )
  .map((bytes) => Buffer.from(bytes).toString('latin1') as Key);
const sizes = [0, 1, 100, 127, 128, 255, 256, 1_023, 1_024, 2_048, 5_000];
const value = fc
  .tuple(fc.constantFrom(...sizes), fc.integer({ min: 0, max: 255 }))
  .map(([size, byte]) => new Uint8Array(size).map((_, index) => (byte + index) & 0xff));
const expiresAt = fc.oneof(fc.constant(0), safe(1));
const NO_BYTES = new Uint8Array(0);

function rangesAbove(floor: number, steps: readonly number[]): SequenceRange[] {
  const ranges: SequenceRange[] = [];
  let previous = floor;
  for (let index = 0; index + 1 < steps.length; index += 2) {
    const from = previous + (steps[index] ?? 1);
    const to = from + (steps[index + 1] ?? 1) - 1;
    if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) break;
    ranges.push([from, to]);
    previous = to;
  }
  return ranges;
}
const ranges = fc.array(step, { maxLength: 12 }).map((steps) => rangesAbove(0, steps));

const vector: fc.Arbitrary<VectorEntry[]> = fc
  .uniqueArray(record({ origin, contiguous: safe(0), steps: fc.array(step, { maxLength: 8 }) }), {
    maxLength: 10,
    selector: (entry) => `${entry.origin.id}/${entry.origin.incarnation}`,
  })
  .map((entries) =>
    entries.map((entry) => ({
      ...entry.origin,
      contiguous: entry.contiguous,
      gaps: rangesAbove(entry.contiguous + 1, entry.steps),
    })),
  );

const updateRecord: fc.Arbitrary<Omit<UpdateRecord, 'sequence'>> = fc.oneof(
  record({ key, timestamp, kind: fc.constant('value' as const), expiresAt, value }),
  record({
    key,
    timestamp,
    kind: fc.constant('tombstone' as const),
    expiresAt,
    value: fc.constant(NO_BYTES),
  }),
  record({
    key,
    timestamp,
    kind: fc.constant('value' as const),
    expiresAt,
    value: fc.constant(NO_BYTES),
    referenceBytes: fc.integer({ min: 0, max: 16 * 1024 * 1024 }),
  }),
);

const update: fc.Arbitrary<Message> = fc
  .array(fc.tuple(step, updateRecord), { maxLength: 12 })
  .map((drawn) => {
    let sequence = 0;
    const records = drawn.map(([more, record]) => ({ ...record, sequence: (sequence += more) }));
    return { kind: 'update', records };
  });

const keepalive: fc.Arbitrary<Message> = record({
  kind: fc.constant('keepalive' as const),
  lastSequence: safe(0),
  wallMs: safe(0),
  timestamp,
  membershipHash: fc.integer({ min: 0, max: 0xffff_ffff }),
  others: fc.constantFrom('unheard', 'multicast'),
  listed: fc.uniqueArray(record({ id: peerId, how: fc.constantFrom('unheard', 'unicast', 'multicast') }), {
    selector: (peer) => peer.id,
  }),
  vectorHash: safe(0),
  serversHash: fc.integer({ min: 0, max: 0xffff_ffff }),
});

/** Far apart, and short: a message covers a bounded number of dots. */
const coveredRanges = fc
  .array(fc.tuple(step, fc.integer({ min: 1, max: 500 })), { maxLength: 6 })
  .map((pairs) => rangesAbove(0, pairs.flat()));
const covers: fc.Arbitrary<CoveredDots[]> = fc.array(
  fc.tuple(origin, coveredRanges).map(([from, dots]) => ({ ...from, ranges: dots })),
  { maxLength: 4 },
);
const dot = fc.tuple(origin, safe(1)).map(([from, sequence]) => ({ ...from, sequence }));
const synthetic = { id: SYNTHETIC_ID, incarnation: 0 as Incarnation, sequence: 0 };
const entryKind = fc.constant('entry' as const);

const syncRecord: fc.Arbitrary<SyncRecord> = fc.oneof(
  fc
    .tuple(dot, record({ kind: entryKind, key, timestamp, expiresAt, value, covers }))
    .map(([tag, rest]) => ({ ...rest, ...tag, entryKind: 'value' as const })),
  fc
    .tuple(dot, record({ kind: entryKind, key, timestamp, expiresAt, covers }))
    .map(([tag, rest]) => ({ ...rest, ...tag, entryKind: 'tombstone' as const, value: NO_BYTES })),
  record({ kind: entryKind, key, timestamp, expiresAt, covers }).map((rest) => ({
    ...rest,
    ...synthetic,
    entryKind: 'synthetic' as const,
    value: NO_BYTES,
  })),
  record({ kind: fc.constant('absent' as const), key, horizon: timestamp, covers }),
);

const sync: fc.Arbitrary<Message> = fc.record(
  {
    kind: fc.constant('sync' as const),
    records: fc.array(syncRecord, { maxLength: 8 }),
    more: fc.boolean(),
    vector,
  },
  { requiredKeys: ['kind', 'records', 'more'], noNullPrototype: true },
);

export const messages: Readonly<Record<Message['kind'], fc.Arbitrary<Message>>> = {
  update,
  keepalive,
  heartbeat: fc.oneof(
    fc
      .tuple(safe(0), vector)
      .map(([vectorHash, entries]) => ({ kind: 'heartbeat' as const, vectorHash, vector: entries })),
    safe(0).map((vectorHash) => ({ kind: 'heartbeat' as const, vectorHash })),
  ),
  sync,
  nak: fc.tuple(origin, ranges).map(([from, missing]) => ({ kind: 'nak', origin: from, ranges: missing })),
};

/** Any message. */
export const anyMessage: fc.Arbitrary<Message> = fc.oneof(...Object.values(messages));

/** Ten updates of 100 bytes: the datagram that throughput is measured with. */
export function tenUpdates(): Message {
  const records = Array.from({ length: 10 }, (_, index) => ({
    sequence: 1_000_000 + index,
    key: `key:${String(1_234_567 + index)}` as Key,
    timestamp: (840_000_000_000_000 + index * 4_096) as Timestamp,
    kind: 'value' as const,
    expiresAt: 0,
    value: new Uint8Array(100).fill(index),
  }));
  return { kind: 'update', records };
}
