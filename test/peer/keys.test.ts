import assert from 'node:assert/strict';
import fc from 'fast-check';
import { defaultLimits } from '../../src/core/settings.ts';
import type { Key } from '../../src/core/types.ts';
import { keyBytes, parseKey, parseValue, prefixEnd } from '../../src/peer/keys.ts';

describe('keys and values at the edge', () => {
  it('give text and its UTF-8 bytes the same key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), (text) => {
        assert.equal(parseKey(text, defaultLimits), parseKey(Buffer.from(text, 'utf8'), defaultLimits));
        assert.deepEqual(keyBytes(parseKey(text, defaultLimits)), Buffer.from(text, 'utf8'));
      }),
    );
  });

  it('keep every byte of a binary key', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
    assert.deepEqual(keyBytes(parseKey(all, defaultLimits)), all);
  });

  it('refuse the empty key, one too long and one of another type, and say what to do', () => {
    assert.throws(() => parseKey('', defaultLimits), { code: 'BAD_ARGUMENT' });
    assert.throws(() => parseKey('k'.repeat(1901), defaultLimits), {
      code: 'KEY_TOO_LONG',
      message: /1900 bytes.*1901/,
    });
    assert.throws(() => parseKey('é'.repeat(1000), defaultLimits), { code: 'KEY_TOO_LONG' });
    assert.throws(() => parseKey(7 as unknown as string, defaultLimits), { code: 'BAD_ARGUMENT' });
    assert.throws(() => parseValue(Buffer.alloc(5), { ...defaultLimits, maxValueBytes: 4 }), {
      code: 'VALUE_TOO_LONG',
    });
  });

  it('copy the value, so that the application may go on using its buffer', () => {
    const mine = Buffer.from('before');
    const kept = parseValue(mine, defaultLimits);
    mine.write('after!');
    assert.equal(Buffer.from(kept).toString(), 'before');
  });

  it('end a prefix range exactly after the last key that starts with it', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 0, maxLength: 4 }),
        fc.uint8Array({ minLength: 0, maxLength: 6 }),
        (p, k) => {
          const prefix = Buffer.from(p).toString('latin1') as Key;
          const key = Buffer.from(k).toString('latin1') as Key;
          const end = prefixEnd(prefix);
          const isInside = key >= prefix && (end === undefined || key < end);
          assert.equal(isInside, key.startsWith(prefix));
        },
      ),
    );
  });
});
