/**
 * Bytes nobody sane would send: random ones and mutated ones, through open and decode.
 *
 * States that nothing throws, everything refused has a reason, and memory stays bounded. The mutations are drawn
 * from a fixed seed: a failure repeats.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import { createEnvelope } from '../../src/wire/envelope.ts';
import { loadHashing } from '../../src/wire/hash.ts';
import { decodeMessage, encodeMessage } from '../../src/wire/messageCodec.ts';
import { anyMessage, tenUpdates } from './arbitraries.ts';
import { sealing, type SealingEnvelope } from './sealing.ts';

const SEED = 20_240_607;
const ATTEMPTS = 50_000;
const MAX_GROWTH_BYTES = 64 * 1024 * 1024;

const hashing = await loadHashing();
const key = { id: 1, secret: Buffer.alloc(32, 9) };

/** Mulberry32: 32 random bits a call. */
function randomBits(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

function envelope(id: string, isKeyed: boolean): SealingEnvelope {
  const self = { id: id as PeerId, incarnation: 5 as Incarnation };
  return sealing(
    createEnvelope({ hashing, clusterId: 'shop', self, membershipHash: 1, keys: isKeyed ? [key] : [] }),
  );
}

/** Random bytes, or a sample with a few bytes changed, cut out, doubled or replaced by what MessagePack finds meaningful. */
function mutate(samples: readonly Uint8Array[], random: () => number): Buffer {
  const pick = (below: number): number => random() % below;
  if (pick(4) === 0) return Buffer.from(Array.from({ length: pick(200) }, () => pick(256)));
  let bytes = Buffer.from(samples[pick(samples.length)] ?? []);
  for (let changes = 1 + pick(4); changes > 0; changes--) {
    const at = pick(bytes.length + 1);
    const way = pick(4);
    if (way === 0) bytes[at] = pick(256);
    else if (way === 1)
      bytes[at] = [0xc7, 0xcf, 0xdd, 0xdf, 0x80, 0x9f, 0xd9, 0xcb, 0xff, 0x7f][pick(10)] ?? 0;
    else if (way === 2) bytes = bytes.subarray(0, at);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(pick(bytes.length + 1))]);
  }
  return bytes;
}

function growthBytes(work: () => void): number {
  const before = process.memoryUsage().rss;
  work();
  return process.memoryUsage().rss - before;
}

describe('hostile input', function () {
  this.timeout(60_000);
  const messages = fc.sample(anyMessage, { numRuns: 200, seed: SEED }).concat(tenUpdates());
  const encoded = messages.map((message) => encodeMessage(message)).filter((bytes) => bytes.length < 1_400);

  it('does not move the decoder, and what it lets through can be said again', () => {
    const random = randomBits(SEED);
    const verdicts = new Map<string, number>();
    const growth = growthBytes(() => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const result = decodeMessage(mutate(encoded, random));
        const verdict = result.ok ? 'ok' : result.reason;
        verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
        if (result.ok) assert.deepStrictEqual(decodeMessage(encodeMessage(result.message)), result);
      }
    });
    assert.ok(growth < MAX_GROWTH_BYTES, `grew by ${growth} bytes`);
    // All kinds of refusal were met: the mutations reach every depth of the decoder.
    for (const verdict of [
      'ok',
      'notIntegers',
      'unknownKind',
      'cutShort',
      'leftOver',
      'badNumber',
      'badId',
    ]) {
      assert.ok(verdicts.has(verdict), `${verdict} never met: ${JSON.stringify([...verdicts])}`);
    }
  });

  for (const isKeyed of [true, false]) {
    it(`does not move the ${isKeyed ? 'sealed' : 'clear'} envelope`, () => {
      const random = randomBits(SEED + 1);
      const alpha = envelope('alpha', isKeyed);
      const beta = envelope('beta', isKeyed);
      const packets = encoded.slice(0, 100).map((bytes) => alpha.seal(bytes, 'datagram'));
      const genuine = new Set(packets.map((packet) => packet.toString('latin1')));
      const growth = growthBytes(() => {
        for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
          const packet = mutate(packets, random);
          const result = beta.open(packet, 'datagram');
          if (result.ok) assert.ok(genuine.has(packet.toString('latin1')), 'opened what nobody sealed');
        }
      });
      assert.ok(growth < MAX_GROWTH_BYTES, `grew by ${growth} bytes`);
    });
  }

  it('does not move the decoder behind an envelope that was sealed properly', () => {
    // A peer gone wrong, or anyone on loopback, can put any payload into a valid envelope.
    const random = randomBits(SEED + 2);
    const alpha = envelope('alpha', false);
    const beta = envelope('beta', false);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const opened = beta.open(alpha.seal(mutate(encoded, random), 'datagram'), 'datagram');
      assert.ok(opened.ok);
      decodeMessage(opened.payload);
    }
  });

  it('remembers a bounded number of senders', () => {
    const growth = growthBytes(() => {
      const beta = envelope('beta', false);
      for (let index = 0; index < 20_000; index++) {
        const packet = envelope(`peer-${index}`, false).seal(new Uint8Array(1), 'datagram');
        assert.ok(beta.open(packet, 'datagram').ok);
      }
    });
    assert.ok(growth < MAX_GROWTH_BYTES, `grew by ${growth} bytes`);
  });
});
