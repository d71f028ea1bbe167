/**
 * The two small gates in front of everything: the scan before unpacking, and the memory of senders.
 */
import assert from 'node:assert/strict';
import { pack, Packr } from 'msgpackr';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import { readHeader, buildHeaderTemplate, writeHeader } from '../../src/wire/envelopeHeader.ts';
import { scanIntegers } from '../../src/wire/integerScan.ts';
import { OWN_VERSIONS } from '../../src/wire/versions.ts';
import { createSenders, MAX_INCARNATIONS_PER_SENDER, MAX_SENDER_IDS } from '../../src/wire/senders.ts';

describe('integer scan', () => {
  it('finds the end of an array of integers, whatever follows', () => {
    for (const integers of [
      [0],
      [1, -1, 127, 128, -32, -33],
      [2 ** 16, 2 ** 32, 2 ** 53 - 1, -(2 ** 40)],
      Array(70_000).fill(3),
    ]) {
      const packed = pack(integers);
      assert.equal(scanIntegers(packed, 100_000), packed.length);
      assert.equal(scanIntegers(Buffer.concat([packed, Buffer.from('anything')]), 100_000), packed.length);
    }
  });

  it('refuses what is no array, what is no integer in it, and 64-bit integers', () => {
    const wide = new Packr({ structuredClone: true, moreTypes: true });
    for (const value of [
      1,
      'x',
      {},
      [],
      ['x'],
      [1, null],
      [true],
      [[1]],
      [{}],
      [2n ** 60n],
      [1, Buffer.from('x')],
    ]) {
      assert.equal(scanIntegers(wide.pack(value), 100), -1);
    }
    assert.equal(scanIntegers(new Uint8Array(0), 100), -1);
  });

  it('refuses more integers than the limit, than there are bytes, and every truncation', () => {
    assert.equal(scanIntegers(pack([1, 2, 3]), 3), 4);
    assert.equal(scanIntegers(pack([1, 2, 3]), 2), -1);
    const packed = pack([1, 300, 70_000, 2 ** 40]);
    for (let end = 0; end < packed.length; end++)
      assert.equal(scanIntegers(packed.subarray(0, end), 100), -1);
    assert.equal(scanIntegers(Buffer.from('dd7fffffff0101', 'hex'), 2 ** 31), -1);
  });
});

describe('memory of senders', () => {
  const remember = (senders: ReturnType<typeof createSenders>, id: string, incarnation: number): void => {
    const sender = senders.create(id as PeerId, incarnation as Incarnation);
    senders.remember(`${id}/${incarnation}`, sender);
  };

  it('holds so many ids and lets the oldest go', () => {
    const senders = createSenders();
    for (let index = 0; index < MAX_SENDER_IDS; index++) remember(senders, `p${index}`, 1);
    assert.ok(senders.find('p0/1'));
    remember(senders, 'one-more', 1);
    assert.equal(senders.find('p0/1'), undefined);
    assert.ok(senders.find('p1/1') && senders.find('one-more/1'));
  });

  it('holds so many incarnations of an id, lets the lowest go, and never takes it back', () => {
    const senders = createSenders();
    for (let index = 1; index <= MAX_INCARNATIONS_PER_SENDER + 1; index++) remember(senders, 'a', index);
    assert.equal(senders.find('a/1'), undefined);
    assert.ok(senders.find('a/2'));
    const isLetGo = (id: string): boolean => senders.isLetGo(senders.create(id as PeerId, 1 as Incarnation));
    assert.deepEqual([isLetGo('a'), isLetGo('b')], [true, false]);
  });
});

describe('envelope header', () => {
  const cluster = Buffer.alloc(8, 5);
  const self = { id: 'alpha' as PeerId, incarnation: 77 as Incarnation };
  const packet = (): Buffer => {
    const bytes = Buffer.alloc(60);
    writeHeader(bytes, buildHeaderTemplate(cluster, self, OWN_VERSIONS), 1, 'datagram', undefined, 1, 1);
    return bytes;
  };

  it('is read as it was written', () => {
    const header = readHeader(packet(), cluster, 'datagram', 8);
    assert.ok(typeof header !== 'string');
    assert.equal(header.packetNumber, 1);
    assert.equal(header.sizeBytes, 35);
  });

  it('is refused by name when a field cannot be', () => {
    const changes: [at: number, value: number, reason: string][] = [
      [0, 0x55, 'badHeader'],
      [1, 0, 'badHeader'],
      [2, 4, 'badHeader'], // what reads version 0 is none of ours
      [2, 1, 'wrongChannel'],
      [3, 1, 'badHeader'],
      [4, 6, 'otherCluster'],
      [21, 0, 'badHeader'],
      [29, 0, 'badHeader'],
      [29, 33, 'badHeader'],
      [29, 25, 'tooShort'],
    ];
    for (const [at, value, reason] of changes) {
      const bytes = packet();
      bytes[at] = value;
      assert.equal(readHeader(bytes, cluster, 'datagram', 8), reason, `byte ${at}`);
    }
  });
});
