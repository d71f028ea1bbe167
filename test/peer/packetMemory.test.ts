/** Memory of long packets. */
import assert from 'node:assert/strict';
import { createPacketMemory } from '../../src/peer/packetMemory.ts';

const LONG = 250_000;

describe('packet memory', () => {
  it('is used again once it was given back, and by one packet at a time', () => {
    const memory = createPacketMemory();
    const first = memory.take(LONG);
    const second = memory.take(LONG);
    assert.notEqual(first.buffer, second.buffer);
    memory.give(first);
    const third = memory.take(LONG - 1_000);
    assert.equal(third.buffer, first.buffer);
    assert.equal(third.length, LONG - 1_000);
    assert.notEqual(memory.take(LONG).buffer, first.buffer);
  });

  it('is new for a longer packet, and for short ones', () => {
    const memory = createPacketMemory();
    const long = memory.take(LONG);
    memory.give(long);
    assert.notEqual(memory.take(2 * LONG).buffer, long.buffer);
    for (let at = 0; at < 1_000; at++) {
      const short = memory.take(1_000);
      assert.equal(short.length, 1_000);
      memory.give(short); // kept, they would leave no room for long ones
    }
    const other = memory.take(2 * LONG);
    memory.give(other);
    assert.equal(memory.take(2 * LONG).buffer, other.buffer);
    assert.equal(memory.take(LONG).buffer, long.buffer);
  });

  it('keeps no more than four MiB unused', () => {
    const memory = createPacketMemory();
    const taken = Array.from({ length: 40 }, () => memory.take(LONG));
    for (const packet of taken) memory.give(packet);
    const again = new Set(Array.from({ length: 40 }, () => memory.take(LONG).buffer));
    const kept = taken.filter(({ buffer }) => again.has(buffer));
    const bytes = kept.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    assert.ok(bytes > 3_500_000 && bytes <= 4 * 1024 * 1024, `${bytes} bytes`);
  });
});
