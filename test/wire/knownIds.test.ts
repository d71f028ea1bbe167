/** Ids that were read before, among more of them than there are places for. */
import assert from 'node:assert/strict';
import { idOf } from '../../src/wire/knownIds.ts';

const IDS = 20_000;

describe('known ids', () => {
  it('are each what their bytes say, though many share a place, and stay so when they are read again', () => {
    for (let round = 0; round < 2; round += 1)
      for (let at = 0; at < IDS; at += 1) {
        const id = `peer-${at.toString(36)}`;
        const bytes = Buffer.from(`.${id}.`, 'latin1');
        assert.equal(idOf(bytes, 1, 1 + id.length), id);
        assert.equal(idOf(bytes, 1, 1 + id.length), id);
      }
  });

  it('are none where the bytes are no id: too long, empty, or of other characters', () => {
    for (const text of ['', 'a b', 'ä', 'x'.repeat(33)])
      assert.equal(idOf(Buffer.from(text, 'latin1'), 0, text.length), undefined, text);
  });
});
