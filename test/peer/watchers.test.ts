/**
 * What whoever watches keys is told of a change: the values, how it came about, and whether what was there had expired unnoticed.
 */
import assert from 'node:assert/strict';
import type { EntryChange } from '../../src/core/effects.ts';
import type { Entry, Incarnation, Key, PeerId, Timestamp } from '../../src/core/types.ts';
import type { KeyChange } from '../../src/peer/backend.ts';
import { Watchers } from '../../src/peer/watchers.ts';

const KEY = 'k' as Key;

function entry(timestamp: number, kind: Entry['kind'], expiresAt = 0): Entry {
  return {
    timestamp: timestamp as Timestamp,
    id: 'beta' as PeerId,
    incarnation: 1 as Incarnation,
    sequence: timestamp,
    kind,
    expiresAt,
    value: Buffer.from(kind === 'value' ? `${timestamp}` : ''),
  };
}

/** What is told of it, on a peer whose clock, and what it knows to be past, stand so. */
function told(
  previous: Entry | undefined,
  now: Entry | undefined,
  [clock, through]: readonly [number, number] = [1000, 0],
  counters?: EntryChange['counters'],
): string[] {
  const watchers = new Watchers();
  const heard: KeyChange[] = [];
  watchers.add('' as Key, (change) => heard.push(change));
  watchers.onChanged(
    { key: KEY, previous, entry: now, counters },
    { clock: clock as Timestamp, expiries: { through } },
  );
  return heard.map(({ how, hadExpired }) => (hadExpired ? `${how} over what had expired` : how));
}

describe('whoever watches keys', () => {
  it('is told of what came by a value, a deletion, an expiry, or the cells of a counter', () => {
    const value = entry(10, 'value');
    assert.deepEqual(told(undefined, value), ['written']);
    assert.deepEqual(told(value, entry(20, 'value')), ['written']);
    assert.deepEqual(told(value, entry(20, 'tombstone')), ['deleted']);
    assert.deepEqual(told(value, entry(20, 'synthetic')), ['deleted']);
    assert.deepEqual(told(value, undefined), ['deleted']);
    // The others', which have noticed it: of a value that this peer has not seen.
    assert.deepEqual(told(value, entry(20, 'tombstone', 30)), ['expired']);
    const cells = { key: KEY, before: undefined, after: undefined };
    assert.deepEqual(told(value, value, [1000, 0], cells), []);
    assert.deepEqual(told(undefined, entry(20, 'tombstone', 30)), [], 'there was nothing');
  });

  it('is told that a value expired by the tombstone under its own tag, once, however late that is', () => {
    const value = entry(10, 'value', 50);
    assert.deepEqual(told(value, { ...value, kind: 'tombstone' }), ['expired']);
    assert.deepEqual(told({ ...value, kind: 'tombstone' }, entry(60, 'value')), ['written']);
  });

  it('is told of a value that had expired when it was replaced, and not of one that has since', () => {
    const value = entry(10, 'value', 50);
    assert.deepEqual(told(value, entry(50, 'value')), ['written over what had expired']);
    assert.deepEqual(told(value, entry(49, 'value')), ['written']);
    assert.deepEqual(told(value, entry(49, 'value'), [1000, 50]), ['written over what had expired']);
    assert.deepEqual(told(value, entry(60, 'tombstone')), ['deleted over what had expired']);
    assert.deepEqual(told(value, undefined, [49, 0]), ['deleted']);
    assert.deepEqual(told(value, undefined, [50, 0]), ['deleted over what had expired']);
    assert.deepEqual(told({ ...value, expiresAt: 0 }, entry(60, 'value')), ['written']);
  });
});
