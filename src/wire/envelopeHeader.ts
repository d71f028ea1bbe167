/**
 * The header of every datagram and stream frame, byte for byte.
 *
 *     0 magic 'T'   1 version   2 flags (1 stream, 2 sealed)   3 key id (0 in clear)
 *     4 cluster, 8 bytes        12 membership hash, u32        16 packet number, 6 bytes
 *     22 incarnation, 7 bytes   29 length of id                30 id
 *
 * Owns offsets and plausibility, all big-endian; knows nothing of keys or replay. Keeps: a header has exactly one
 * form, so that one with any unknown bit set is refused before its cryptography is paid for.
 */
import type { Incarnation, PeerId } from '../core/types.ts';
import { CHECKSUM_BYTES, ENVELOPE_FIXED_HEADER_BYTES, isPeerId, MAX_ID_BYTES } from './limits.ts';

/** A datagram (multicast or unicast) or a frame of peer-to-peer TCP: each numbers its packets apart. */
export type EnvelopeChannel = 'datagram' | 'stream';

const MAGIC = 0x54;
export const ENVELOPE_VERSION = 1;
const STREAM = 1;
const SEALED = 2;

const FLAGS_AT = 2;
const KEY_ID_AT = 3;
const CLUSTER_AT = 4;
const MEMBERSHIP_AT = 12;
const PACKET_AT = 16;
const SENDER_AT = 22;
const ID_LENGTH_AT = 29;
const CLUSTER_BYTES = 8;
const PACKET_BYTES = 6;
const INCARNATION_HIGH_BYTES = 3;

/** Packet numbers are 1 to this. At a million packets a second they last nine years. */
export const MAX_PACKET_NUMBER = 2 ** 48 - 1;

export interface HeaderTemplate {
  readonly bytes: Buffer;
  /** Incarnation and id as they lie in the header: equal texts, equal senders. */
  readonly sender: string;
}

export interface Header {
  readonly isSealed: boolean;
  readonly keyId: number;
  readonly membershipHash: number;
  readonly packetNumber: number;
  /** Incarnation and id as they lie in the header, one character a byte. */
  readonly sender: string;
  readonly sizeBytes: number;
}

export type HeaderFault = 'tooShort' | 'version' | 'badHeader' | 'otherCluster' | 'wrongChannel';

/** All of a header that stays the same from packet to packet. `clusterHash` is 8 bytes. */
export function buildHeaderTemplate(
  clusterHash: Uint8Array,
  self: { readonly id: PeerId; readonly incarnation: Incarnation },
): HeaderTemplate {
  const bytes = Buffer.alloc(ENVELOPE_FIXED_HEADER_BYTES + self.id.length);
  bytes[0] = MAGIC;
  bytes[1] = ENVELOPE_VERSION;
  bytes.set(clusterHash, CLUSTER_AT);
  bytes.writeUIntBE(Math.floor(self.incarnation / 2 ** 32), SENDER_AT, INCARNATION_HIGH_BYTES);
  bytes.writeUInt32BE(self.incarnation % 2 ** 32, SENDER_AT + INCARNATION_HIGH_BYTES);
  bytes[ID_LENGTH_AT] = self.id.length;
  bytes.write(self.id, ENVELOPE_FIXED_HEADER_BYTES, 'latin1');
  return { bytes, sender: bytes.toString('latin1', SENDER_AT) };
}

/** Writes the header at the beginning of `target`. `keyId` is undefined for a packet in clear. */
export function writeHeader(
  target: Buffer,
  template: HeaderTemplate,
  channel: EnvelopeChannel,
  keyId: number | undefined,
  membershipHash: number,
  packetNumber: number,
): void {
  target.set(template.bytes);
  target[FLAGS_AT] = (channel === 'stream' ? STREAM : 0) | (keyId === undefined ? 0 : SEALED);
  target[KEY_ID_AT] = keyId ?? 0;
  target.writeUInt32BE(membershipHash, MEMBERSHIP_AT);
  target.writeUIntBE(packetNumber, PACKET_AT, PACKET_BYTES);
}

/** The header of `packet`, or what is wrong with it. Nothing in it is proved yet. */
export function readHeader(
  packet: Buffer,
  clusterHash: Uint8Array,
  channel: EnvelopeChannel,
  trailerBytes: number,
): Header | HeaderFault {
  if (packet.length < ENVELOPE_FIXED_HEADER_BYTES + 1 + trailerBytes) return 'tooShort';
  if (packet[0] !== MAGIC) return 'badHeader';
  if (packet[1] !== ENVELOPE_VERSION) return 'version';
  for (let index = 0; index < CLUSTER_BYTES; index++) {
    if (packet[CLUSTER_AT + index] !== clusterHash[index]) return 'otherCluster';
  }
  const flags = packet[FLAGS_AT] ?? 0;
  const keyId = packet[KEY_ID_AT] ?? 0;
  const isSealed = (flags & SEALED) !== 0;
  if (flags > (STREAM | SEALED) || (!isSealed && keyId !== 0)) return 'badHeader';
  if (((flags & STREAM) !== 0) !== (channel === 'stream')) return 'wrongChannel';
  const idBytes = packet[ID_LENGTH_AT] ?? 0;
  const packetNumber = packet.readUIntBE(PACKET_AT, PACKET_BYTES);
  if (idBytes === 0 || idBytes > MAX_ID_BYTES || packetNumber === 0) return 'badHeader';
  const sizeBytes = ENVELOPE_FIXED_HEADER_BYTES + idBytes;
  if (packet.length < sizeBytes + trailerBytes) return 'tooShort';
  return {
    isSealed,
    keyId,
    membershipHash: packet.readUInt32BE(MEMBERSHIP_AT),
    packetNumber,
    sender: packet.toString('latin1', SENDER_AT, sizeBytes),
    sizeBytes,
  };
}

/** The sender's words taken apart; undefined when they cannot be a peer's. */
export function parseSender(
  sender: string,
): { readonly id: PeerId; readonly incarnation: Incarnation } | undefined {
  const bytes = Buffer.from(sender, 'latin1');
  const id = sender.slice(ID_LENGTH_AT - SENDER_AT + 1);
  const high = bytes.readUIntBE(0, INCARNATION_HIGH_BYTES);
  const incarnation = high * 2 ** 32 + bytes.readUInt32BE(INCARNATION_HIGH_BYTES);
  if (!Number.isSafeInteger(incarnation) || incarnation === 0 || !isPeerId(id)) return undefined;
  return { id: id as PeerId, incarnation: incarnation as Incarnation };
}

/** For a capture: what a packet in clear carries, nothing checked or proved; undefined when it is sealed or none of ours. */
export function clearPayloadOf(packet: Uint8Array): Uint8Array | undefined {
  if (packet[0] !== MAGIC || ((packet[FLAGS_AT] ?? SEALED) & SEALED) !== 0) return undefined;
  return packet.subarray(
    ENVELOPE_FIXED_HEADER_BYTES + (packet[ID_LENGTH_AT] ?? 0),
    packet.length - CHECKSUM_BYTES,
  );
}
