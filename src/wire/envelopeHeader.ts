/**
 * The header of every datagram and stream frame, byte for byte.
 *
 *     0 magic 'T'   1 version   2 flags (1 stream, 2 sealed, the rest: versions.ts)   3 key id (0 in clear)
 *     4 cluster, 8 bytes        12 membership hash, u32        16 packet number, 6 bytes
 *     22 incarnation, 7 bytes   29 length of id                30 id
 *
 * Owns offsets and plausibility, all big-endian; knows nothing of keys or replay. Keeps: a header has exactly one form, so
 * that one which cannot be is refused before its cryptography is paid for; and the same one in every version (versions.ts).
 */
import type { Incarnation, PeerId } from '../core/types.ts';
import { CHECKSUM_BYTES, ENVELOPE_FIXED_HEADER_BYTES, isPeerId, MAX_ID_BYTES } from './limits.ts';
import { packRange, unpackRange } from './versions.ts';
import type { VersionRange } from './versions.ts';

/** A datagram (multicast or unicast) or a frame of peer-to-peer TCP: each numbers its packets apart. */
export type EnvelopeChannel = 'datagram' | 'stream';

const MAGIC = 0x54;
const STREAM = 1;
const SEALED = 2;

const VERSION_AT = 1;
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

interface HeaderTemplate {
  readonly bytes: Buffer;
  /** Those that the sender reads. */
  readonly versions: VersionRange;
  /** Incarnation and id as they lie in the header: equal texts, equal senders. */
  readonly sender: string;
}

export interface Header {
  /** In which the payload is written, and which ones its sender reads. */
  readonly version: number;
  readonly versions: VersionRange;
  readonly isSealed: boolean;
  readonly keyId: number;
  readonly membershipHash: number;
  readonly packetNumber: number;
  /** Incarnation and id as they lie in the header, one character a byte. */
  readonly sender: string;
  readonly sizeBytes: number;
}

export type HeaderFault = 'tooShort' | 'badHeader' | 'otherCluster' | 'wrongChannel';

/** All of a header that stays the same from packet to packet. `clusterHash` is 8 bytes. */
export function buildHeaderTemplate(
  clusterHash: Uint8Array,
  self: { readonly id: PeerId; readonly incarnation: Incarnation },
  versions: VersionRange,
): HeaderTemplate {
  packRange(versions, versions.lowest); // throws here, and not at the first packet, when it is too wide to be told
  const bytes = Buffer.alloc(ENVELOPE_FIXED_HEADER_BYTES + self.id.length);
  bytes[0] = MAGIC;
  bytes.set(clusterHash, CLUSTER_AT);
  bytes.writeUIntBE(Math.floor(self.incarnation / 2 ** 32), SENDER_AT, INCARNATION_HIGH_BYTES);
  bytes.writeUInt32BE(self.incarnation % 2 ** 32, SENDER_AT + INCARNATION_HIGH_BYTES);
  bytes[ID_LENGTH_AT] = self.id.length;
  bytes.write(self.id, ENVELOPE_FIXED_HEADER_BYTES, 'latin1');
  return { bytes, versions, sender: bytes.toString('latin1', SENDER_AT) };
}

/** Writes the header at the beginning of `target`, of a packet in `version`. `keyId` is undefined for a packet in clear. */
export function writeHeader(
  target: Buffer,
  template: HeaderTemplate,
  version: number,
  channel: EnvelopeChannel,
  keyId: number | undefined,
  membershipHash: number,
  packetNumber: number,
): void {
  target.set(template.bytes);
  target[VERSION_AT] = version;
  target[FLAGS_AT] =
    (channel === 'stream' ? STREAM : 0) |
    (keyId === undefined ? 0 : SEALED) |
    packRange(template.versions, version);
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
  for (let index = 0; index < CLUSTER_BYTES; index++) {
    if (packet[CLUSTER_AT + index] !== clusterHash[index]) return 'otherCluster';
  }
  const flags = packet[FLAGS_AT] ?? 0;
  const keyId = packet[KEY_ID_AT] ?? 0;
  const isSealed = (flags & SEALED) !== 0;
  const version = packet[VERSION_AT] ?? 0;
  const versions = unpackRange(flags, version);
  if (versions === undefined || (!isSealed && keyId !== 0)) return 'badHeader';
  if (((flags & STREAM) !== 0) !== (channel === 'stream')) return 'wrongChannel';
  const idBytes = packet[ID_LENGTH_AT] ?? 0;
  const packetNumber = packet.readUIntBE(PACKET_AT, PACKET_BYTES);
  if (idBytes === 0 || idBytes > MAX_ID_BYTES || packetNumber === 0) return 'badHeader';
  const sizeBytes = ENVELOPE_FIXED_HEADER_BYTES + idBytes;
  if (packet.length < sizeBytes + trailerBytes) return 'tooShort';
  return {
    version,
    versions,
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
