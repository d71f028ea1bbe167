/**
 * Entries that are read again and again: kept from the second reading on, until the trees change.
 */
import assert from 'node:assert/strict';
import type { Entry, Key } from '../../src/core/types.ts';
import { createHotEntries } from '../../src/storage/hotEntries.ts';
import { asKey, entryNumber } from './entries.ts';

describe('hot entries', () => {
  const valueBytes = new Map<Key, number>([
    [asKey('k1'), 5],
    [asKey('k2'), 1025],
  ]);

  function asked(): { readonly reads: Key[]; readonly readEntry: (key: Key) => Entry | undefined } {
    const reads: Key[] = [];
    return {
      reads,
      readEntry: (key) => {
        reads.push(key);
        const length = valueBytes.get(key);
        return length === undefined ? undefined : { ...entryNumber(1), value: Buffer.alloc(length, 'v') };
      },
    };
  }

  it('are read from the trees once, when they are asked for the second time, and anew when those have changed', () => {
    const { reads, readEntry } = asked();
    const hot = createHotEntries(readEntry);
    const key = asKey('k1');
    assert.equal(hot.find(key), undefined);
    for (let turn = 0; turn < 3; turn += 1) assert.equal(hot.find(key)?.entry?.value.length, 5);
    assert.equal(hot.find(asKey('l1')), undefined);
    assert.deepEqual(reads, [key]);
    hot.clear();
    assert.equal(hot.find(key)?.entry?.value.length, 5);
    assert.deepEqual(reads, [key, key]);
  });

  it('keep that there is nothing, no long value, and nothing of what is read once each', () => {
    const { reads, readEntry } = asked();
    const hot = createHotEntries(readEntry);
    for (let turn = 0; turn < 3; turn += 1) for (const key of ['k2', 'none']) hot.find(asKey(key));
    assert.deepEqual(reads, ['k2', 'none', 'k2']);
    assert.deepEqual(hot.find(asKey('none')), { key: 'none', entry: undefined });
    for (let number = 0; number < 20_000; number += 1) hot.find(asKey(`key ${number}`));
    assert.equal(reads.length, 3);
  });
});
