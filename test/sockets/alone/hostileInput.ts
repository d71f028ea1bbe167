/**
 * Hostile bytes: random, mutated from real ones, and lying about their own size.
 *
 * Owns the ways of spoiling; who is attacked and what must hold is hostile.test.ts's. Every choice comes
 * from the random function handed in, so that a seed repeats a run. Invariant: the originals stay as they are.
 */
import { encodeRequest } from '../../../src/cli/connection.ts';

type Random = () => number;

/** Longest random packet, bytes: more than a peer ever sends in one datagram. */
const RANDOM_PACKET_BYTES = 2000;

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

export function choose<T>(random: Random, list: readonly T[]): T {
  const found = list[below(random, list.length)];
  if (found === undefined) throw new Error('an empty list');
  return found;
}

export function randomBytes(random: Random, sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 1) bytes[at] = below(random, 256);
  return bytes;
}

export function randomPacket(random: Random): Buffer {
  return randomBytes(random, below(random, RANDOM_PACKET_BYTES));
}

/** One to four spoilings of a real packet: bits, bytes, lengths that claim too much, cuts, repeats, splices. */
export function mutate(random: Random, original: Uint8Array, other: Uint8Array): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let times = 1 + below(random, 4); times > 0; times -= 1) bytes = mutateOnce(random, bytes, other);
  return bytes;
}

function mutateOnce(random: Random, bytes: Buffer, other: Uint8Array): Buffer {
  const at = below(random, Math.max(1, bytes.length));
  switch (below(random, 8)) {
    case 0: // a bit
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
      return bytes;
    case 1: // a byte
      bytes[at] = below(random, 256);
      return bytes;
    case 2: // the largest claims
      return spoilFrom(bytes, at, Buffer.from([0xff, 0xff, 0xff, 0xff]));
    case 3: // msgpack's 32-bit array, map, binary and extension headers
      return spoilFrom(
        bytes,
        at,
        Buffer.from([choose(random, [0xdd, 0xdf, 0xc6, 0xc9, 0xdb]), 0x7f, 0xff, 0xff, 0xff]),
      );
    case 4: // a cut
      return bytes.subarray(0, at);
    case 5: // a tail
      return Buffer.concat([bytes, randomBytes(random, below(random, 64))]);
    case 6: // a part twice
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at >> 1)]);
    default: // a part of another packet
      return Buffer.concat([bytes.subarray(0, at), other.subarray(below(random, other.length))]);
  }
}

function spoilFrom(bytes: Buffer, at: number, by: Buffer): Buffer {
  by.copy(bytes, at);
  return bytes;
}

const HUGE_CLAIMS = [
  '*30000000\r\n'.repeat(6),
  '*1048576\r\n$1\r\na\r\n',
  '*2147483647\r\n',
  '*99999999999999999999\r\n',
  '*-5\r\n$3\r\nGET\r\n',
  '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\n',
  '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$99999999999\r\nx',
  '*1\r\n$-7\r\n',
  '*2\r\n$4\r\nMGET\r\n:5\r\n',
];

const HTTP = [
  'GET / HTTP/1.1\r\nHost: localhost:6401\r\n\r\n',
  'POST /set HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\nset a 1\r\nset b 2\r\n',
  'OPTIONS * HTTP/1.0\r\n\r\n',
];

const COMMANDS: readonly (readonly string[])[] = [
  ['SET', 'hostile:key', 'value'],
  ['GET', 'hostile:key'],
  ['MSET', 'hostile:a', '1', 'hostile:b', '2'],
  ['MGET', 'hostile:a', 'hostile:b', 'none'],
  ['DEL', 'hostile:a', 'hostile:b'],
  ['SCAN', '0', 'MATCH', 'hostile:*[a-z', 'COUNT', '10'],
  ['KEYS', 'hostile:*****?'],
  ['HELLO', '3', 'AUTH', 'user', 'password'],
  ['CLIENT', 'SETINFO', 'LIB-NAME', 'x y'],
  ['TOPOSPHERE', 'RANGE', 'hostile:', '', '100'],
  ['COMMAND', 'DOCS', 'get'],
  ['INFO', 'everything'],
  ['CONFIG', 'GET', '*'],
];

/** What a client that is broken, confused or malicious might send to the client port. */
export function hostileRequest(random: Random): Buffer {
  const valid = encodeRequest(choose(random, COMMANDS));
  switch (below(random, 10)) {
    case 0:
      return Buffer.from(choose(random, HUGE_CLAIMS));
    case 1:
      return Buffer.from(choose(random, HTTP));
    case 2:
      return randomPacket(random);
    case 3:
      return valid;
    case 4: // an inline command with open quotes
      return Buffer.concat([
        Buffer.from('set "'),
        randomBytes(random, below(random, 80)),
        Buffer.from('\r\n'),
      ]);
    default:
      return mutate(random, valid, encodeRequest(choose(random, COMMANDS)));
  }
}

/** What might be sent to the port of peer-to-peer TCP: frames of u32 length and a packet. */
export function hostileFrame(random: Random, packets: readonly Buffer[]): Buffer {
  const packet = mutate(random, choose(random, packets), choose(random, packets));
  const header = Buffer.alloc(4);
  switch (below(random, 5)) {
    case 0:
      header.writeUInt32BE(0xffff_ffff);
      return Buffer.concat([header, packet]);
    case 1: // the longest frame there may be, and then nothing
      header.writeUInt32BE(16 * 1024 * 1024);
      return Buffer.concat([header, packet]);
    case 2:
      return randomPacket(random);
    default:
      header.writeUInt32BE(packet.length);
      return Buffer.concat([header, packet]);
  }
}
