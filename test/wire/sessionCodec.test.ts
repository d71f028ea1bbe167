/** Session tokens as text: whatever a session can be comes back, and whatever a client may hand in is refused without a throw. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  absence,
  EMPTY_SESSION,
  MAX_SESSION_PROMISES,
  MAX_SESSION_TAGS,
  mergeSessions,
} from '../../src/core/session.ts';
import type { SeenRange, SeenTag, SessionToken } from '../../src/core/session.ts';
import { originKey } from '../../src/core/types.ts';
import type { Incarnation, Key, OriginKey, PeerId, Timestamp } from '../../src/core/types.ts';
import { decodeSession, encodeSession, MAX_SESSION_TEXT } from '../../src/wire/sessionCodec.ts';

const whole = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 50 }));
const timestamp = whole.map((n) => n as Timestamp);
const peerId = fc.constantFrom('alpha', 'beta', 'a'.repeat(32)).map((id) => id as PeerId);
const origin = fc.record(
  {
    id: peerId,
    incarnation: fc.integer({ min: 1, max: 40 }).map((n) => n as Incarnation),
  },
  { noNullPrototype: true },
);
const seenTag: fc.Arbitrary<SeenTag> = fc.oneof(
  timestamp.map((horizon) => absence(horizon)),
  fc
    .tuple(origin, timestamp, whole, fc.boolean(), fc.oneof(fc.constant(0), whole))
    .map(([from, stamped, sequence, isValue, expiresAt]) => ({
      ...from,
      timestamp: stamped,
      sequence,
      isValue,
      expiresAt,
    })),
);
const range: fc.Arbitrary<SeenRange> = fc
  .tuple(origin, whole, timestamp, fc.option(fc.tuple(whole, fc.nat(100)), { nil: undefined }))
  .map(([from, through, stamped, seen]) => ({
    ...from,
    through,
    timestamp: stamped,
    seen: seen === undefined ? undefined : ([seen[0], seen[0] + seen[1]] as const),
  }));
const key = fc
  .uint8Array({ minLength: 1, maxLength: 60 })
  .map((bytes) => Buffer.from(bytes).toString('latin1') as Key);
const token: fc.Arbitrary<SessionToken> = fc
  .tuple(
    fc.oneof(fc.constant(0), timestamp),
    fc.oneof(fc.constant(0), timestamp),
    fc.array(fc.tuple(key, seenTag), { maxLength: MAX_SESSION_TAGS }),
    fc.array(range, { maxLength: 30 }),
    fc.array(fc.tuple(peerId, timestamp), { maxLength: MAX_SESSION_PROMISES }),
  )
  .map(([horizon, newest, tags, ranges, promises]) => ({
    horizon: horizon as Timestamp,
    newest: newest as Timestamp,
    tags: new Map(tags),
    ranges: new Map<OriginKey, SeenRange>(ranges.map((one) => [originKey(one.id, one.incarnation), one])),
    promises: new Map(promises),
  }));

describe('session tokens as text', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(token, (one) => {
        const text = encodeSession(one);
        assert.match(text, /^s1\.[A-Za-z0-9_-]+$/);
        assert.ok(text.length <= MAX_SESSION_TEXT);
        assert.deepEqual(decodeSession(text), { ok: true, token: one });
      }),
      { numRuns: 300 },
    );
  });

  it('are bounded when everything in them is as long as it can be', () => {
    let longest = EMPTY_SESSION;
    for (let at = 0; at < 200; at += 1) {
      const incarnation = (2 ** 52 + at) as Incarnation;
      const id = `${at}`.padStart(32, 'x') as PeerId;
      const stamped = (2 ** 52 + at) as Timestamp;
      const tag: SeenTag = {
        id,
        incarnation,
        sequence: 2 ** 52,
        timestamp: stamped,
        isValue: true,
        expiresAt: 2 ** 52,
      };
      const one: SeenRange = { id, incarnation, through: 2 ** 52, timestamp: stamped, seen: [1, 2 ** 52] };
      longest = mergeSessions(longest, {
        ...EMPTY_SESSION,
        tags: new Map([[`${at}`.padStart(64, 'k') as Key, tag]]),
        ranges: new Map([[originKey(id, incarnation), one]]),
        promises: new Map([[id, stamped]]),
      });
    }
    const text = encodeSession(longest);
    assert.ok(text.length > 5_000 && text.length < MAX_SESSION_TEXT, String(text.length));
    assert.deepEqual(decodeSession(text), { ok: true, token: longest });
  });

  it('are refused when they are anything else, and never throw', () => {
    for (const text of [
      '',
      's1.',
      's2.kQA',
      'nonsense',
      's1.!!',
      's1.kgA',
      `s1.${'A'.repeat(MAX_SESSION_TEXT)}`,
    ])
      assert.equal(decodeSession(text).ok, false, text.slice(0, 20));
    fc.assert(
      fc.property(token, fc.nat(), fc.nat(255), (one, where, byte) => {
        const bytes = Buffer.from(encodeSession(one).slice(3), 'base64url');
        bytes[where % bytes.length] = byte;
        const changed = decodeSession(`s1.${bytes.toString('base64url')}`);
        if (changed.ok) assert.ok(changed.token.tags.size <= MAX_SESSION_TAGS);
        const cut = bytes.subarray(0, where % bytes.length);
        decodeSession(`s1.${cut.toString('base64url')}`);
      }),
      { numRuns: 500 },
    );
  });

  it('with a byte less are no token', () => {
    const text = encodeSession({
      ...EMPTY_SESSION,
      tags: new Map([['key' as Key, { ...absence(5 as Timestamp) }]]),
    });
    const bytes = Buffer.from(text.slice(3), 'base64url');
    for (let length = 0; length < bytes.length; length += 1) {
      const decoded = decodeSession(`s1.${bytes.subarray(0, length).toString('base64url')}`);
      assert.equal(decoded.ok, false, `${length} of ${bytes.length} bytes`);
    }
  });
});
