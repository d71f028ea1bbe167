/**
 * What the envelope promises: whole, genuine, from our cluster, and once.
 *
 * Sealed and clear envelopes are put to the same tests wherever they promise the same.
 */
import assert from 'node:assert/strict';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import { ToposphereError } from '../../src/core/errors.ts';
import { createEnvelope } from '../../src/wire/envelope.ts';
import type { ClusterKey, EnvelopeOptions, OpenResult } from '../../src/wire/envelope.ts';
import { loadHashing } from '../../src/wire/hash.ts';
import { ENVELOPE_OVERHEAD_BYTES } from '../../src/wire/limits.ts';
import { REPLAY_WINDOW_PACKETS } from '../../src/wire/replayWindow.ts';
import { MAX_INCARNATIONS_PER_SENDER } from '../../src/wire/senders.ts';
import { sealing, type SealingEnvelope } from './sealing.ts';

const hashing = await loadHashing();
const OLD_KEY: ClusterKey = { id: 1, secret: Buffer.alloc(32, 1) };
const NEW_KEY: ClusterKey = { id: 2, secret: Buffer.alloc(32, 2) };
const payload = Buffer.from('what one peer says to another');

function envelope(
  id: string,
  keys: readonly ClusterKey[] = [],
  options: Partial<EnvelopeOptions> = {},
): SealingEnvelope {
  const self = { id: id as PeerId, incarnation: (2 ** 50 + 3) as Incarnation };
  return sealing(
    createEnvelope({ hashing, clusterId: 'shop', self, membershipHash: 0xfeed_beef, keys, ...options }),
  );
}

function incarnation(number: number): Pick<EnvelopeOptions, 'self'> {
  return { self: { id: 'alpha' as PeerId, incarnation: number as Incarnation } };
}

function verdict(result: OpenResult): string {
  return result.ok ? 'opened' : result.reason;
}

describe('envelope', () => {
  for (const [manner, keys] of [
    ['sealed', [OLD_KEY]],
    ['clear', []],
  ] as const) {
    describe(manner, () => {
      it('hands over payload, sender, incarnation and membership hash', () => {
        for (const channel of ['datagram', 'stream'] as const) {
          const packet = envelope('alpha', keys).seal(payload, channel);
          const result = envelope('beta', keys).open(packet, channel);
          assert.ok(result.ok);
          assert.deepEqual(Buffer.from(result.payload), payload);
          assert.equal(result.sender, 'alpha');
          assert.equal(result.incarnation, 2 ** 50 + 3);
          assert.equal(result.membershipHash, 0xfeed_beef);
        }
      });

      it('carries a membership hash that changed, and an empty payload', () => {
        const alpha = envelope('alpha', keys);
        alpha.setMembershipHash(7);
        const result = envelope('beta', keys).open(alpha.seal(new Uint8Array(0), 'datagram'), 'datagram');
        assert.ok(result.ok);
        assert.equal(result.membershipHash, 7);
        assert.equal(result.payload.length, 0);
      });

      it('adds no more than its stated overhead', () => {
        const packet = envelope('a'.repeat(32), keys).seal(payload, 'datagram');
        assert.ok(packet.length <= payload.length + ENVELOPE_OVERHEAD_BYTES);
      });

      it('refuses a packet in which any single byte was changed, to any value', () => {
        const packet = envelope('alpha', keys).seal(payload, 'datagram');
        for (let at = 0; at < packet.length; at++) {
          for (let change = 1; change < 256; change++) {
            const damaged = Buffer.from(packet);
            damaged[at] = (damaged[at] ?? 0) ^ change;
            const result = envelope('beta', keys).open(damaged, 'datagram');
            assert.ok(!result.ok, `byte ${at} xor ${change}`);
            // A subkey a packet costs time where the sender was changed: one value there will do.
            if (keys.length > 0 && at >= 22 && at < 36) break;
          }
        }
      });

      it('tells of a packet in a version it does not read who sent it and what that reads, once', () => {
        for (const channel of ['datagram', 'stream'] as const) {
          const alpha = envelope('alpha', keys, { versions: { lowest: 1, highest: 3 } });
          const beta = envelope('beta', keys, { versions: { lowest: 1, highest: 1 } });
          const packet = alpha.seal(payload, channel, 3);
          const result = beta.open(packet, channel);
          assert.ok(!result.ok && result.reason === 'version');
          assert.deepEqual([result.sender, result.incarnation], ['alpha', 2 ** 50 + 3]);
          assert.deepEqual(result.versions, { lowest: 1, highest: 3 });
          assert.equal(verdict(beta.open(packet, channel)), 'replayed');
          const readable = beta.open(alpha.seal(payload, channel, 1), channel);
          assert.deepEqual(readable.ok && readable.versions, { lowest: 1, highest: 3 });
        }
      });

      it('believes nobody who says for another what that reads', () => {
        const alpha = envelope('alpha', keys, { versions: { lowest: 1, highest: 2 } });
        const beta = envelope('beta', keys, { versions: { lowest: 1, highest: 2 } });
        const packet = alpha.seal(payload, 'datagram', 2);
        for (let flags = 0; flags < 256; flags += 1)
          for (const version of [1, 2, 3, 9]) {
            const forged = Buffer.from(packet);
            forged.set([version, flags], 1);
            if (forged.equals(packet)) continue;
            const result = beta.open(forged, 'datagram');
            assert.ok(!('versions' in result), `version ${version}, flags ${flags}`);
          }
        assert.equal(verdict(beta.open(packet, 'datagram')), 'opened', 'none of them left a trace');
      });

      it('refuses every truncation, and every packet with something appended', () => {
        const packet = envelope('alpha', keys).seal(payload, 'datagram');
        const beta = envelope('beta', keys);
        for (let end = 0; end < packet.length; end++) {
          assert.ok(!beta.open(packet.subarray(0, end), 'datagram').ok, `${end} bytes`);
        }
        assert.ok(!beta.open(Buffer.concat([packet, Buffer.from([0])]), 'datagram').ok);
        assert.equal(verdict(beta.open(packet, 'datagram')), 'opened', 'none of them left a trace');
      });

      it('opens a packet once', () => {
        for (const channel of ['datagram', 'stream'] as const) {
          const packet = envelope('alpha', keys).seal(payload, channel);
          const beta = envelope('beta', keys);
          assert.equal(verdict(beta.open(packet, channel)), 'opened');
          assert.equal(verdict(beta.open(packet, channel)), 'replayed');
        }
      });

      it('opens datagrams in any order inside the window, each once, and none older', () => {
        const alpha = envelope('alpha', keys);
        const beta = envelope('beta', keys);
        const packets = Array.from({ length: REPLAY_WINDOW_PACKETS + 40 }, () =>
          alpha.seal(payload, 'datagram'),
        );
        const open = (index: number): string => verdict(beta.open(packets[index] ?? payload, 'datagram'));
        const last = packets.length - 1;
        assert.equal(open(0), 'opened');
        assert.equal(open(5), 'opened');
        assert.equal(open(3), 'opened', 'overtaken');
        assert.equal(open(3), 'replayed');
        assert.equal(open(last), 'opened');
        assert.equal(open(1), 'replayed', 'older than the window, though never seen');
        assert.equal(open(last - REPLAY_WINDOW_PACKETS + 32), 'opened', 'the oldest the window holds');
        for (let index = last - 1; index > last - 200; index--) assert.equal(open(index), 'opened');
        for (let index = last; index > last - 200; index--) assert.equal(open(index), 'replayed');
      });

      it('opens stream frames in order only', () => {
        const alpha = envelope('alpha', keys);
        const beta = envelope('beta', keys);
        const packets = [1, 2, 3].map(() => alpha.seal(payload, 'stream'));
        assert.equal(verdict(beta.open(packets[0] ?? payload, 'stream')), 'opened');
        assert.equal(verdict(beta.open(packets[2] ?? payload, 'stream')), 'opened');
        assert.equal(verdict(beta.open(packets[1] ?? payload, 'stream')), 'replayed');
      });

      it('takes nothing from before the first packet that it heard of a sender', () => {
        const alpha = envelope('alpha', keys);
        const recorded = alpha.seal(payload, 'datagram');
        const restarted = envelope('beta', keys);
        assert.equal(verdict(restarted.open(alpha.seal(payload, 'datagram'), 'datagram')), 'opened');
        assert.equal(verdict(restarted.open(recorded, 'datagram')), 'replayed');
      });

      it('numbers incarnations apart, and refuses those below the newest few', () => {
        const beta = envelope('beta', keys);
        const open = (number: number): string =>
          verdict(
            beta.open(envelope('alpha', keys, incarnation(number)).seal(payload, 'datagram'), 'datagram'),
          );
        for (let number = 1; number <= MAX_INCARNATIONS_PER_SENDER; number++)
          assert.equal(open(number), 'opened');
        assert.equal(open(2), 'replayed', 'packet 1 of that incarnation was seen');
        assert.equal(open(50), 'opened');
        assert.equal(open(1), 'oldIncarnation');
        assert.equal(open(2), 'replayed');
      });

      it('names the sender of a genuine packet below those, of a forged one nobody', () => {
        const beta = envelope('beta', keys);
        const seal = (number: number): Buffer =>
          envelope('alpha', keys, incarnation(number)).seal(payload, 'datagram');
        for (let number = 1; number <= MAX_INCARNATIONS_PER_SENDER + 1; number++)
          beta.open(seal(number), 'datagram');
        const old = seal(1);
        assert.deepEqual(beta.open(old, 'datagram'), {
          ok: false,
          reason: 'oldIncarnation',
          sender: 'alpha',
          incarnation: 1,
        });
        old[old.length - 1] = (old.at(-1) ?? 0) ^ 1;
        assert.equal(verdict(beta.open(old, 'datagram')), keys.length > 0 ? 'badSeal' : 'badChecksum');
      });

      it('refuses a datagram on a stream and a frame among datagrams', () => {
        const alpha = envelope('alpha', keys);
        const beta = envelope('beta', keys);
        assert.equal(verdict(beta.open(alpha.seal(payload, 'datagram'), 'stream')), 'wrongChannel');
        assert.equal(verdict(beta.open(alpha.seal(payload, 'stream'), 'datagram')), 'wrongChannel');
      });

      it('refuses another cluster, and its own echo', () => {
        const packet = envelope('alpha', keys).seal(payload, 'datagram');
        assert.equal(
          verdict(envelope('beta', keys, { clusterId: 'lab' }).open(packet, 'datagram')),
          'otherCluster',
        );
        const alpha = envelope('alpha', keys);
        assert.equal(verdict(alpha.open(alpha.seal(payload, 'datagram'), 'datagram')), 'ownEcho');
      });

      it('hears a second process that has its own id', () => {
        const packet = envelope('alpha', keys, incarnation(9)).seal(payload, 'datagram');
        assert.equal(verdict(envelope('alpha', keys).open(packet, 'datagram')), 'opened');
      });
    });
  }

  it('refuses clear packets with a key, and sealed ones without', () => {
    const sealed = envelope('alpha', [OLD_KEY]).seal(payload, 'datagram');
    const clear = envelope('alpha').seal(payload, 'datagram');
    assert.equal(verdict(envelope('beta').open(sealed, 'datagram')), 'unexpectedSeal');
    assert.equal(verdict(envelope('beta', [OLD_KEY]).open(clear, 'datagram')), 'notSealed');
  });

  it('rotates keys: the first seals, all open, unknown and forged ones are refused', () => {
    const before = envelope('alpha', [OLD_KEY]);
    const during = envelope('beta', [NEW_KEY, OLD_KEY]);
    const after = envelope('gamma', [NEW_KEY]);
    assert.equal(verdict(during.open(before.seal(payload, 'datagram'), 'datagram')), 'opened');
    assert.equal(verdict(after.open(during.seal(payload, 'datagram'), 'datagram')), 'opened');
    assert.equal(verdict(before.open(during.seal(payload, 'datagram'), 'datagram')), 'unknownKey');
    const forger = envelope('delta', [{ id: 2, secret: Buffer.alloc(32, 3) }]);
    assert.equal(verdict(after.open(forger.seal(payload, 'datagram'), 'datagram')), 'badSeal');
  });

  it('changes keys while it runs: what was accepted and what seals, with nothing lost between', () => {
    const alpha = envelope('alpha', [OLD_KEY]);
    const beta = envelope('beta', [OLD_KEY]);
    const send = (): string => verdict(beta.open(alpha.seal(payload, 'datagram'), 'datagram'));
    assert.equal(send(), 'opened');
    assert.deepEqual([beta.keyIds(), beta.keyIdOf('alpha' as PeerId)], [[1], 1]);
    for (const keys of [
      [OLD_KEY, NEW_KEY],
      [NEW_KEY, OLD_KEY],
    ]) {
      alpha.setKeys(keys);
      assert.equal(verdict(beta.open(alpha.seal(payload, 'stream'), 'stream')), 'opened');
      beta.setKeys(keys);
      assert.equal(send(), 'opened');
    }
    assert.deepEqual([beta.keyIds(), beta.keyIdOf('alpha' as PeerId)], [[2, 1], 2]);
    const sealedBefore = envelope('gamma', [OLD_KEY]).seal(payload, 'datagram');
    beta.setKeys([NEW_KEY]);
    assert.equal(verdict(beta.open(sealedBefore, 'datagram')), 'unknownKey', 'a retired key opens nothing');
    assert.equal(beta.keyIdOf('gamma' as PeerId), undefined);
    assert.equal(send(), 'opened');
  });

  it('knows no key under the id of another one that it had before', () => {
    const beta = envelope('beta', [NEW_KEY, OLD_KEY]);
    const alpha = envelope('alpha', [OLD_KEY]);
    assert.equal(verdict(beta.open(alpha.seal(payload, 'datagram'), 'datagram')), 'opened');
    beta.setKeys([NEW_KEY, { id: 1, secret: Buffer.alloc(32, 9) }]);
    assert.equal(verdict(beta.open(alpha.seal(payload, 'datagram'), 'datagram')), 'badSeal');
  });

  it('takes nothing twice because the key changed meanwhile', () => {
    const alpha = envelope('alpha', [OLD_KEY]);
    const beta = envelope('beta', [OLD_KEY, NEW_KEY]);
    const packet = alpha.seal(payload, 'datagram');
    assert.equal(verdict(beta.open(packet, 'datagram')), 'opened');
    beta.setKeys([NEW_KEY, OLD_KEY]);
    assert.equal(verdict(beta.open(packet, 'datagram')), 'replayed');
  });

  it('refuses keys that cannot be, or to begin or cease to seal, and goes on as before', () => {
    const sealed = envelope('alpha', [OLD_KEY]);
    const clear = envelope('alpha');
    for (const [target, keys] of [
      [sealed, []],
      [sealed, [NEW_KEY, NEW_KEY]],
      [sealed, [{ id: 2, secret: Buffer.alloc(3) }]],
      [clear, [NEW_KEY]],
    ] as const) {
      const isBadConfiguration = (failure: unknown): boolean =>
        failure instanceof ToposphereError && failure.code === 'BAD_CONFIGURATION';
      assert.throws(() => {
        target.setKeys(keys);
      }, isBadConfiguration);
    }
    assert.equal(
      verdict(envelope('beta', [OLD_KEY]).open(sealed.seal(payload, 'datagram'), 'datagram')),
      'opened',
    );
    assert.equal(verdict(envelope('beta').open(clear.seal(payload, 'datagram'), 'datagram')), 'opened');
  });

  it('never seals two payloads under one key and number, however often keys come and go', () => {
    const alpha = envelope('alpha', [OLD_KEY]);
    const sealed = new Set<string>();
    for (let turns = 0; turns < 20; turns++) {
      alpha.setKeys(turns % 2 === 0 ? [NEW_KEY, OLD_KEY] : [OLD_KEY, NEW_KEY]);
      for (const channel of ['datagram', 'stream'] as const)
        sealed.add(
          alpha
            .seal(Buffer.alloc(64), channel)
            .subarray(35, 35 + 64)
            .toString('hex'),
        );
    }
    assert.equal(sealed.size, 40);
  });

  it('never seals two payloads of one channel, or one of each, under the same nonce and key', () => {
    const alpha = envelope('alpha', [OLD_KEY]);
    const zeros = Buffer.alloc(64);
    const sealed = new Set<string>();
    // Equal plaintexts give equal ciphertexts only under an equal key and nonce.
    for (let index = 0; index < 100; index++) {
      for (const channel of ['datagram', 'stream'] as const) {
        sealed.add(
          alpha
            .seal(zeros, channel)
            .subarray(35, 35 + 64)
            .toString('hex'),
        );
      }
    }
    sealed.add(
      envelope('alpha', [OLD_KEY], incarnation(9)).seal(zeros, 'datagram').subarray(35, 99).toString('hex'),
    );
    sealed.add(envelope('gamma', [OLD_KEY]).seal(zeros, 'datagram').subarray(35, 99).toString('hex'));
    assert.equal(sealed.size, 202);
  });

  it('refuses a sealed packet whose tag was shortened to four bytes', () => {
    const packet = envelope('alpha', [OLD_KEY]).seal(payload, 'datagram');
    const beta = envelope('beta', [OLD_KEY]);
    assert.equal(verdict(beta.open(packet.subarray(0, packet.length - 12), 'datagram')), 'badSeal');
  });

  it('refuses unusable keys with one clear line', () => {
    const reject = (keys: readonly ClusterKey[], pattern: RegExp): void => {
      assert.throws(
        () => envelope('alpha', keys),
        (failure) =>
          failure instanceof ToposphereError &&
          failure.code === 'BAD_CONFIGURATION' &&
          pattern.test(failure.message),
      );
    };
    reject([{ id: 1, secret: Buffer.alloc(15) }], /15 bytes/);
    reject([{ id: 256, secret: Buffer.alloc(32) }], /0 to 255/);
    reject([OLD_KEY, { id: 1, secret: NEW_KEY.secret }], /given twice/);
  });
});
