/**
 * The envelope around every datagram and every stream frame: who sent it, and proof that it is whole.
 *
 * With a cluster key the payload is sealed: AES-256-GCM, 16-byte tag, header as additional data, a subkey for each
 * (key, id, incarnation) by HKDF-SHA256, nonce from channel and packet number; as numbers only grow within an
 * incarnation, whatever keys come and go, no nonce comes twice under a subkey. Without a key, an xxHash over header and payload finds damage, not
 * forgery: for loopback only. Keeps (protocol.md, section 9): any changed byte is refused, nothing is accepted
 * twice, sealed and clear never mix. Never throws on what it is given to open.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { ToposphereError } from '../core/errors.ts';
import type { Incarnation, PeerId } from '../core/types.ts';
import {
  buildHeaderTemplate,
  MAX_PACKET_NUMBER,
  parseSender,
  readHeader,
  writeHeader,
} from './envelopeHeader.ts';
import type { EnvelopeChannel, Header, HeaderFault } from './envelopeHeader.ts';
import type { Room } from './fieldWriter.ts';
import type { Hashing } from './hash.ts';
import { CHECKSUM_BYTES, isPeerId, SEAL_TAG_BYTES } from './limits.ts';
import { acceptPacket, isReplayed } from './replayWindow.ts';
import { createSenders } from './senders.ts';
import type { Sender } from './senders.ts';
import { isInRange, OWN_VERSIONS } from './versions.ts';
import type { VersionRange } from './versions.ts';

export type { EnvelopeChannel } from './envelopeHeader.ts';

/** `id` 0 to 255 names the key in the header; `secret` is the same on all peers, 16 bytes or more. */
export interface ClusterKey {
  readonly id: number;
  readonly secret: Uint8Array;
}

export interface EnvelopeOptions {
  readonly hashing: Hashing;
  readonly clusterId: string;
  readonly self: { readonly id: PeerId; readonly incarnation: Incarnation };
  /** Unsigned 32 bits. */
  readonly membershipHash: number;
  /** The first key seals, every key opens; none: all travels in clear. */
  readonly keys?: readonly ClusterKey[];
  /** Those that this peer reads; OWN_VERSIONS when left out, as everywhere but in tests of peers of several versions. */
  readonly versions?: VersionRange;
}

/**
 * Why a packet was not opened. tooShort, badHeader: no packet of ours. otherCluster: another cluster's.
 * wrongChannel: a datagram on a stream, or the reverse. notSealed, unexpectedSeal: in clear to a peer with a key, sealed to one
 * without. unknownKey: a key id we do not have. badSeal, badChecksum: damaged or forged. ownEcho: our own multicast.
 * replayed: seen before or too old to tell. oldIncarnation: below the newest few of its id. version: genuine, and written in a version that is not read here.
 */
type OpenFault =
  | HeaderFault
  | 'notSealed'
  | 'unexpectedSeal'
  | 'unknownKey'
  | 'badSeal'
  | 'badChecksum'
  | 'ownEcho'
  | 'replayed'
  | 'oldIncarnation'
  | 'version';

export type OpenResult =
  | {
      readonly ok: true;
      readonly sender: PeerId;
      readonly incarnation: Incarnation;
      readonly membershipHash: number;
      /** What the sender reads. */
      readonly versions: VersionRange;
      /** May share memory with the packet. */
      readonly payload: Uint8Array;
    }
  | { readonly ok: false; readonly reason: Exclude<OpenFault, 'oldIncarnation' | 'version'> }
  /** Genuine, but perhaps not for the first time. The sender may be one that cannot know: its disk is empty and its clock slow. */
  | {
      readonly ok: false;
      readonly reason: 'oldIncarnation';
      readonly sender: PeerId;
      readonly incarnation: Incarnation;
    }
  | {
      readonly ok: false;
      readonly reason: 'version';
      readonly sender: PeerId;
      readonly incarnation: Incarnation;
      readonly versions: VersionRange;
    };

export interface Envelope {
  /** What a packet needs around its payload. */
  readonly room: Room;
  /** Those that this peer reads. */
  readonly versions: VersionRange;
  /** Makes a packet of a payload that has `room` around it and is written in `version` (the lowest when left out), in place. */
  seal(packet: Buffer, channel: EnvelopeChannel, version?: number): void;
  open(packet: Uint8Array, channel: EnvelopeChannel): OpenResult;
  setMembershipHash(membershipHash: number): void;
  /** The first key seals from now on, every key opens. Throws BAD_CONFIGURATION as `createEnvelope`, and where there were none or would be none; nothing changed then. */
  setKeys(keys: readonly ClusterKey[]): void;
  /** Ids in order, the sealing one first; none: all travels in clear. */
  keyIds(): readonly number[];
  /** Under which key the last packet of a sender came that was taken; undefined while there was none. */
  keyIdOf(sender: PeerId): number | undefined;
}

/** Shortest secret, bytes. */
const MIN_SECRET_BYTES = 16;
const MAX_KEY_ID = 255;
const CIPHER = 'aes-256-gcm';
const CIPHER_OPTIONS = { authTagLength: SEAL_TAG_BYTES };
const SUBKEY_BYTES = 32;
const NONCE_BYTES = 12;

/** Throws BAD_CONFIGURATION on an unusable key. `self` must be a pair that never sealed before: nonces start from 1. */
export function createEnvelope(options: EnvelopeOptions): Envelope {
  const { hashing, self, versions = OWN_VERSIONS } = options;
  if (!isPeerId(self.id)) throw new ToposphereError('BAD_CONFIGURATION', `not a peer id: ${self.id}`);
  let keys = collectKeys(options.keys ?? []);
  const isSealing = keys.size > 0;
  const trailerBytes = isSealing ? SEAL_TAG_BYTES : CHECKSUM_BYTES;
  const clusterHash = Buffer.alloc(8);
  clusterHash.writeBigUInt64BE(hashing.h64(options.clusterId));
  const template = buildHeaderTemplate(clusterHash, self, versions);
  const room = { before: template.bytes.length, after: trailerBytes };
  let sealer = createSealer();
  const senders = createSenders();
  /** Goes on whatever keys come and go: a key that seals again after a while must not see a number twice. */
  const lastPacket = { datagram: 0, stream: 0 };
  let membershipHash = options.membershipHash >>> 0;

  return {
    room,
    versions,
    seal,
    open,
    setMembershipHash(hash) {
      membershipHash = hash >>> 0;
    },
    setKeys(given) {
      const checked = collectKeys(given);
      if (checked.size > 0 !== isSealing) {
        // Packets under way have room for the one or the other.
        throw new ToposphereError(
          'BAD_CONFIGURATION',
          'a peer cannot begin or cease to seal while it runs: start it again',
        );
      }
      keys = checked;
      sealer = createSealer();
      senders.forgetSubkeys();
    },
    keyIds: () => [...keys.keys()],
    keyIdOf: (sender) => senders.keyIdOf(sender),
  };

  function createSealer(): { readonly keyId: number; readonly subkey: Uint8Array } | undefined {
    const [first] = keys;
    if (first === undefined) return undefined;
    const [keyId, secret] = first;
    return { keyId, subkey: deriveSubkey(secret, clusterHash, template.sender) };
  }

  function seal(packet: Buffer, channel: EnvelopeChannel, version = versions.lowest): void {
    const packetNumber = ++lastPacket[channel];
    // A nonce must never come twice under one subkey.
    if (packetNumber > MAX_PACKET_NUMBER)
      throw new Error('packet numbers used up: restart with a new incarnation');
    const payloadEnd = packet.length - room.after;
    writeHeader(packet, template, version, channel, sealer?.keyId, membershipHash, packetNumber);
    if (sealer === undefined) {
      packet.writeBigUInt64BE(hashing.h64(packet.subarray(0, payloadEnd)), payloadEnd);
      return;
    }
    const cipher = createCipheriv(CIPHER, sealer.subkey, buildNonce(channel, packetNumber), CIPHER_OPTIONS);
    cipher.setAAD(packet.subarray(0, room.before));
    packet.set(cipher.update(packet.subarray(room.before, payloadEnd)), room.before);
    cipher.final();
    packet.set(cipher.getAuthTag(), payloadEnd);
  }

  function open(bytes: Uint8Array, channel: EnvelopeChannel): OpenResult {
    const packet = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const header = readHeader(packet, clusterHash, channel, trailerBytes);
    if (typeof header === 'string') return { ok: false, reason: header };
    if (header.isSealed !== isSealing) {
      return { ok: false, reason: header.isSealed ? 'unexpectedSeal' : 'notSealed' };
    }
    if (header.sender === template.sender) return { ok: false, reason: 'ownEcho' };
    const known = senders.find(header.sender);
    if (known !== undefined && isSeen(known, channel, header.packetNumber))
      return { ok: false, reason: 'replayed' };
    const sender = known ?? createSender(header);
    if (sender === undefined) return { ok: false, reason: 'badHeader' };
    const payload = isSealing ? unseal(packet, header, channel, sender) : checkClear(packet, header);
    if (typeof payload === 'string') return { ok: false, reason: payload };
    // From here on the packet is genuine: only now may it leave traces.
    if (known === undefined && senders.isLetGo(sender)) {
      const { id, incarnation } = sender;
      return { ok: false, reason: 'oldIncarnation', sender: id, incarnation };
    }
    if (known === undefined) senders.remember(header.sender, sender);
    sender.keyId = isSealing ? header.keyId : undefined;
    if (channel === 'stream') sender.lastStreamPacket = header.packetNumber;
    else acceptPacket(sender.datagrams, header.packetNumber);
    const { id, incarnation } = sender;
    if (!isInRange(versions, header.version))
      return { ok: false, reason: 'version', sender: id, incarnation, versions: header.versions };
    return {
      ok: true,
      sender: id,
      incarnation,
      membershipHash: header.membershipHash,
      versions: header.versions,
      payload,
    };
  }

  function createSender(header: Header): Sender | undefined {
    const parsed = parseSender(header.sender);
    return parsed === undefined ? undefined : senders.create(parsed.id, parsed.incarnation);
  }

  function checkClear(packet: Buffer, header: Header): Uint8Array | 'badChecksum' {
    const payloadEnd = packet.length - CHECKSUM_BYTES;
    if (hashing.h64(packet.subarray(0, payloadEnd)) !== packet.readBigUInt64BE(payloadEnd))
      return 'badChecksum';
    return packet.subarray(header.sizeBytes, payloadEnd);
  }

  function unseal(
    packet: Buffer,
    header: Header,
    channel: EnvelopeChannel,
    sender: Sender,
  ): Uint8Array | 'unknownKey' | 'badSeal' {
    const secret = keys.get(header.keyId);
    if (secret === undefined) return 'unknownKey';
    const subkey = sender.subkeys.get(header.keyId) ?? deriveSubkey(secret, clusterHash, header.sender);
    const payloadEnd = packet.length - SEAL_TAG_BYTES;
    try {
      const nonce = buildNonce(channel, header.packetNumber);
      const decipher = createDecipheriv(CIPHER, subkey, nonce, CIPHER_OPTIONS);
      decipher.setAAD(packet.subarray(0, header.sizeBytes));
      decipher.setAuthTag(packet.subarray(payloadEnd));
      const payload = decipher.update(packet.subarray(header.sizeBytes, payloadEnd));
      decipher.final();
      // Bounded by the number of keys: the id was found among them.
      sender.subkeys.set(header.keyId, subkey);
      return payload;
    } catch {
      return 'badSeal';
    }
  }
}

function isSeen(sender: Sender, channel: EnvelopeChannel, packetNumber: number): boolean {
  return channel === 'stream'
    ? packetNumber <= sender.lastStreamPacket
    : isReplayed(sender.datagrams, packetNumber);
}

/** Channel in the first byte, packet number in the last six. */
function buildNonce(channel: EnvelopeChannel, packetNumber: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce[0] = channel === 'stream' ? 1 : 0;
  nonce.writeUIntBE(packetNumber, NONCE_BYTES - 6, 6);
  return nonce;
}

/** `sender` is incarnation and id as they lie in the header: another incarnation, another subkey. */
function deriveSubkey(secret: Uint8Array, clusterHash: Uint8Array, sender: string): Uint8Array {
  const info = Buffer.concat([Buffer.from('toposphere envelope 1 '), Buffer.from(sender, 'latin1')]);
  return new Uint8Array(hkdfSync('sha256', secret, clusterHash, info, SUBKEY_BYTES));
}

function collectKeys(keys: readonly ClusterKey[]): Map<number, Uint8Array> {
  const byId = new Map<number, Uint8Array>();
  for (const { id, secret } of keys) {
    if (!Number.isInteger(id) || id < 0 || id > MAX_KEY_ID) {
      throw new ToposphereError(
        'BAD_CONFIGURATION',
        `cluster key id ${id}: give a whole number from 0 to ${MAX_KEY_ID}`,
      );
    }
    if (byId.has(id))
      throw new ToposphereError(
        'BAD_CONFIGURATION',
        `cluster key id ${id} is given twice: number the keys apart`,
      );
    if (secret.length < MIN_SECRET_BYTES) {
      const advice = `give at least ${MIN_SECRET_BYTES} random bytes`;
      throw new ToposphereError(
        'BAD_CONFIGURATION',
        `cluster key ${id} has ${secret.length} bytes: ${advice}`,
      );
    }
    byId.set(id, secret);
  }
  return byId;
}
