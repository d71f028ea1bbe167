/**
 * Hashes travel between peers: they must be what xxHash says, on every machine.
 */
import assert from 'node:assert/strict';
import { loadHashing } from '../../src/wire/hash.ts';

describe('hashing', () => {
  it('gives the published values of xxHash for nothing and for abc', async () => {
    const { h32, h64 } = await loadHashing();
    assert.equal(h32(new Uint8Array(0)), 0x02cc5d05);
    assert.equal(h64(new Uint8Array(0)), 0xef46db3751d8e999n);
    assert.equal(h32('abc'), 0x32d153ff);
    assert.equal(h64('abc'), 0x44bc2cf5ad770999n);
  });

  it('hashes a text as its UTF-8 bytes, and differs where the bytes differ', async () => {
    const { h32, h64 } = await loadHashing();
    assert.equal(h64('größe'), h64(Buffer.from('größe')));
    assert.equal(h32('größe'), h32(Buffer.from('größe')));
    assert.notEqual(h64('a'), h64('b'));
  });

  it('loads once', async () => {
    assert.equal(await loadHashing(), await loadHashing());
  });
});
