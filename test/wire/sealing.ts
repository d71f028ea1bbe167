/** An envelope for tests, which have payloads without room around them. */
import type { Envelope, EnvelopeChannel } from '../../src/wire/envelope.ts';

export interface SealingEnvelope extends Omit<Envelope, 'seal'> {
  /** The packet for `payload`, in a buffer of its own. */
  seal(payload: Uint8Array, channel: EnvelopeChannel, version?: number): Buffer;
}

export function sealing(envelope: Envelope): SealingEnvelope {
  return {
    ...envelope,
    seal(payload, channel, version) {
      const { before, after } = envelope.room;
      const packet = Buffer.alloc(before + payload.length + after);
      packet.set(payload, before);
      envelope.seal(packet, channel, version);
      return packet;
    },
  };
}
