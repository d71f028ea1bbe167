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
  Tag,
  Timestamp,
  VectorEntry,
} from '../../src/core/types.ts';
import type {
  CheckpointEntry,
  CheckpointFacts,
  CheckpointRows,
  ClosureReport,
  CoveredDots,
  HaveReport,
  MembersReport,
  Message,
  SyncRecord,
  UpdateRecord,
} from '../../src/core/messages.ts';
import type { PublishedRecord } from '../../src/core/publishMessages.ts';

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
  .uniqueArray(
    record({
      origin,
      contiguous: safe(0),
      steps: fc.array(step, { maxLength: 8 }),
      trimShare: fc.constantFrom(0, 0.5, 1),
    }),
    {
      maxLength: 10,
      selector: (entry) => `${entry.origin.id}/${entry.origin.incarnation}`,
    },
  )
  .map((entries) =>
    entries.map((entry) => ({
      ...entry.origin,
      contiguous: entry.contiguous,
      gaps: rangesAbove(entry.contiguous + 1, entry.steps),
      trim: Math.floor(entry.contiguous * entry.trimShare),
    })),
  );

const incarnations = fc.uniqueArray(origin, { maxLength: 6, selector: ({ id }) => id });
const closures: fc.Arbitrary<ClosureReport[]> = fc
  .uniqueArray(
    record({
      id: peerId,
      folded: fc.integer({ min: 0, max: 1000 }),
      foldedHash: safe(0),
      kept: fc.uniqueArray(
        record({ above: fc.integer({ min: 0, max: 50 }), steps: fc.array(step, { maxLength: 4 }) }),
        {
          maxLength: 3,
          selector: ({ above }) => above,
        },
      ),
    }),
    { maxLength: 5, selector: ({ id }) => id },
  )
  .map((list) =>
    list.map(({ id, folded, foldedHash, kept }) => ({
      id,
      foldedBelow: folded as Incarnation,
      closedBelow: (folded + 51) as Incarnation,
      foldedHash,
      kept: kept.map(({ above, steps }) => ({
        incarnation: (folded + above) as Incarnation,
        ranges: rangesAbove(0, steps),
      })),
    })),
  );
const promises = fc.uniqueArray(record({ id: peerId, promised: timestamp }), {
  maxLength: 6,
  selector: ({ id }) => id,
});
const have: fc.Arbitrary<HaveReport> = record({ vector, closures, promises });
const ids = fc.uniqueArray(peerId, { maxLength: 6 });
const members: fc.Arbitrary<MembersReport> = record({ admitted: ids, forgotten: ids });
const atLeastOne = timestamp.map((drawn) => Math.max(1, drawn) as Timestamp);

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

const unsigned = fc.integer({ min: 0, max: 0xffff_ffff });
const lineage = record({ present: unsigned, former: unsigned, isSettled: fc.boolean() });
const keepalive: fc.Arbitrary<Message> = record({
  kind: fc.constant('keepalive' as const),
  lastSequence: safe(0),
  wallMs: safe(0),
  timestamp,
  membershipHash: fc.integer({ min: 0, max: 0xffff_ffff }),
  others: fc.constantFrom('unheard', 'multicast'),
  listed: fc.uniqueArray(
    record({ id: peerId, how: fc.constantFrom('unheard', 'unicast', 'multicast'), aheadMs: safe(0) }),
    { selector: (peer) => peer.id },
  ),
  vectorHash: safe(0),
  serversHash: fc.integer({ min: 0, max: 0xffff_ffff }),
  phase: fc.constantFrom('fresh', 'joining', 'forgotten', 'member'),
  promised: timestamp,
  lineage,
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

/** A record and some more whose dots are its own, moved by so much each time, as keys written in turn leave them; the last one may differ in one cover. */
const movedRun: fc.Arbitrary<SyncRecord[]> = fc
  .tuple(syncRecord, fc.integer({ min: -3, max: 3 }), fc.integer({ min: 1, max: 4 }), fc.boolean())
  .map(([first, distance, length, isLastOdd]) =>
    Array.from({ length }, (_, at) => movedBy(first, at * distance, isLastOdd && at === length - 1)),
  );

/** The record as it is where its dots would leave their bounds. */
function movedBy(first: SyncRecord, distance: number, isOdd: boolean): SyncRecord {
  if (first.kind === 'absent') return first;
  const move = (sequence: number): number => sequence + distance;
  const covers = first.covers.map(({ ranges, ...from }) => ({
    ...from,
    ranges: ranges.map(([start, end]): SequenceRange => [move(start), move(end)]),
  }));
  const sequence = first.entryKind === 'synthetic' ? first.sequence : move(first.sequence);
  const dots = [sequence, ...covers.flatMap(({ ranges }) => ranges.flat())];
  if (first.entryKind === 'synthetic') dots.shift();
  if (dots.some((one) => !Number.isSafeInteger(one) || one < 1)) return first;
  return { ...first, sequence, covers: isOdd ? covers.slice(1) : covers };
}

const sync: fc.Arbitrary<Message> = fc.record(
  {
    kind: fc.constant('sync' as const),
    records: fc.array(movedRun, { maxLength: 4 }).map((runs) => runs.flat()),
    more: fc.boolean(),
    have,
    catchUp: record({ number: safe(0), part: safe(0) }),
  },
  { requiredKeys: ['kind', 'records', 'more'], noNullPrototype: true },
);

const checkpointEntry: fc.Arbitrary<CheckpointEntry> = fc.oneof(
  fc
    .tuple(dot, record({ key, timestamp, expiresAt, value }))
    .map(([tag, rest]) => ({ ...rest, ...tag, entryKind: 'value' as const })),
  fc
    .tuple(dot, record({ key, timestamp, expiresAt }))
    .map(([tag, rest]) => ({ ...rest, ...tag, entryKind: 'tombstone' as const, value: NO_BYTES })),
  record({ key, timestamp, expiresAt }).map((rest) => ({
    ...rest,
    ...synthetic,
    entryKind: 'synthetic' as const,
    value: NO_BYTES,
  })),
);
const checkpointRows: fc.Arbitrary<CheckpointRows[]> = fc.array(
  fc
    .tuple(origin, fc.integer({ min: 1, max: 1_000_000 }), fc.array(key, { maxLength: 4 }))
    .map(([from, first, keys]) => ({ ...from, from: first, keys })),
  { maxLength: 4 },
);
const facts: fc.Arbitrary<CheckpointFacts> = record({
  have,
  horizon: timestamp,
  clock: timestamp,
  promised: timestamp,
  fences: incarnations,
  incarnations,
  pending: fc.array(record({ horizon: atLeastOne, known: vector }), { maxLength: 3 }),
  members,
  lineage,
});
const checkpoint: fc.Arbitrary<Message> = fc
  .tuple(
    record({
      kind: fc.constant('checkpoint' as const),
      snapshot: safe(1),
      part: safe(0),
      joiner: safe(1).map((drawn) => drawn as Incarnation),
      entries: fc.array(checkpointEntry, { maxLength: 6 }),
      rows: checkpointRows,
    }),
    fc.oneof(
      fc.constant({}),
      fc.constant({ isRefused: true as const }),
      facts.map((last) => ({ facts: last })),
    ),
  )
  .map(([part, end]) => ({ ...part, ...end }));

const tag: fc.Arbitrary<Tag> = fc.oneof(
  fc.tuple(dot, timestamp).map(([of, at]) => ({ ...of, timestamp: at })),
  timestamp.map((at) => ({ ...synthetic, timestamp: at })),
);
const fetch: fc.Arbitrary<Message> = fc
  .tuple(
    record({
      kind: fc.constant('fetch' as const),
      number: safe(1),
      membershipHash: fc.integer({ min: 0, max: 0xffff_ffff }),
      key,
      tag,
      wants: fc.constantFrom('tag', 'record'),
    }),
    fc.option(syncRecord, { nil: undefined }),
  )
  .map(([about, offered]) =>
    offered === undefined ? about : { ...about, key: offered.key, record: offered },
  );
const fetched: fc.Arbitrary<Message> = fc
  .tuple(
    record({
      kind: fc.constant('fetched' as const),
      asker: safe(1).map((drawn) => drawn as Incarnation),
      number: safe(1),
      membershipHash: fc.integer({ min: 0, max: 0xffff_ffff }),
    }),
    fc.oneof(fc.constant({}), record({ tag }), record({ tag, record: syncRecord })),
  )
  .map(([about, told]) => ({ ...about, ...told }));

const channel = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const publishedRecord: fc.Arbitrary<Omit<PublishedRecord, 'sequence'>> = fc.oneof(
  record({ channel, message: value }),
  record({
    channel: fc.constant(''),
    message: fc.constant(NO_BYTES),
    referenceBytes: fc.integer({ min: 1, max: 16 * 1024 * 1024 }),
  }),
);
const publish: fc.Arbitrary<Message> = fc
  .record({
    drawn: fc.array(fc.tuple(step, publishedRecord), { maxLength: 12 }),
    further: fc.nat(),
    keptShare: fc.constantFrom(0, 0.5, 1),
    isRepair: fc.boolean(),
    oldestAgeMs: safe(0),
  })
  .map(({ drawn, further, keptShare, isRepair, oldestAgeMs }) => {
    let sequence = 0;
    const records = drawn.map(([more, one]) => ({ sequence: (sequence += more), ...one }));
    const last = sequence + further;
    return {
      kind: 'publish',
      oldest: last + 1 - Math.floor(last * keptShare),
      oldestAgeMs,
      last,
      isRepair,
      records,
    };
  });

const round = fc.tuple(origin, safe(1)).map(([from, number]) => ({ ...from, number }));
const hash = fc.integer({ min: 0, max: 0xffff_ffff });

export const messages: Readonly<Record<Message['kind'], fc.Arbitrary<Message>>> = {
  update,
  keepalive,
  heartbeat: fc.record(
    { kind: fc.constant('heartbeat' as const), vectorHash: safe(0), have, members },
    { requiredKeys: ['kind', 'vectorHash'], noNullPrototype: true },
  ),
  sync,
  nak: fc.tuple(origin, ranges).map(([from, missing]) => ({ kind: 'nak', origin: from, ranges: missing })),
  prepare: fc.oneof(
    record({ kind: fc.constant('prepare'), number: safe(1), membershipHash: hash, incarnations }),
    record({
      kind: fc.constant('prepare'),
      number: safe(1),
      membershipHash: hash,
      incarnations,
      remembered: timestamp,
    }),
  ),
  prepared: record({ kind: fc.constant('prepared'), round, promised: atLeastOne, have }),
  refuse: record({
    kind: fc.constant('refuse'),
    round,
    reason: fc.constantFrom('members', 'incarnations', 'joining', 'clock', 'unvouched'),
    incarnations,
    promises,
  }),
  commit: record({
    kind: fc.constant('commit'),
    number: safe(1),
    horizon: atLeastOne,
    known: vector,
    closures,
    promises,
  }),
  join: record({ kind: fc.constant('join' as const), snapshot: fc.nat(), part: fc.nat() }),
  pull: fc.record(
    { kind: fc.constant('pull' as const), number: safe(0), part: safe(0), have },
    { requiredKeys: ['kind', 'number', 'part'], noNullPrototype: true },
  ),
  checkpoint,
  fenced: record({
    kind: fc.constant('fenced'),
    incarnation: safe(0).map((drawn) => drawn as Incarnation),
    promised: timestamp,
    isForgotten: fc.boolean(),
  }),
  alarm: record({
    kind: fc.constant('alarm'),
    incarnation: safe(1).map((drawn) => drawn as Incarnation),
    sequence: safe(1),
    key,
    horizon: timestamp,
  }),
  leaving: record({ kind: fc.constant('leaving' as const) }),
  fetch,
  fetched,
  ask: record({ kind: fc.constant('ask' as const), sequence: safe(1) }),
  held: record({
    kind: fc.constant('held' as const),
    of: safe(1).map((drawn) => drawn as Incarnation),
    sequence: safe(0),
  }),
  publish,
  miss: fc.tuple(incarnation, ranges).map(([of, missing]) => ({
    kind: 'miss',
    incarnation: of,
    ranges: missing,
  })),
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
