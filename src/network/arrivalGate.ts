/**
 * Which packets of multicast DNS are worth decoding: anybody on the LAN may send any number of any.
 *
 * Owns the bounds that hold before a byte is decoded: where from, how long, how many records, how many packets a second. Invariant: what passes
 * came from the network of the named interface, and costs little whatever it holds.
 */
import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';

export type GateRefusal = 'foreignSource' | 'wrongPort' | 'tooLong' | 'tooManyRecords' | 'tooManyPackets';

/** Ours are shorter; longer ones are other services' or hostile, bytes. */
const MAX_PACKET_BYTES = 1_472;
const HEADER_BYTES = 12;
/** Questions and records of one packet. */
const MAX_RECORDS = 64;
/** Packets taken in a second on average, and at once. */
const PACKETS_PER_SECOND = 100;
const BURST_PACKETS = 200;

interface ArrivalGate {
  /** Why a packet is not decoded; undefined when it may be. */
  refuses(
    packet: Uint8Array,
    source: { readonly address: string; readonly port: number },
  ): GateRefusal | undefined;
}

/** `address`: IPv4 address of the interface. `port`: the only one that packets come from (RFC 6762, section 6). */
export function createArrivalGate(address: string, port: number, nowMs: () => number): ArrivalGate {
  let tokens = BURST_PACKETS;
  let refilledMs = nowMs();
  let network = networkOf(address);

  return {
    refuses(packet, source) {
      network ??= networkOf(address); // an interface may come up later
      if (network?.check(source.address) !== true) return 'foreignSource';
      if (source.port !== port) return 'wrongPort'; // also who asks outside of the group: no answer goes to a single address
      if (packet.length > MAX_PACKET_BYTES) return 'tooLong';
      if (countRecords(packet) > MAX_RECORDS) return 'tooManyRecords';
      return takeToken() ? undefined : 'tooManyPackets';
    },
  };

  function takeToken(): boolean {
    const now = nowMs();
    tokens = Math.min(BURST_PACKETS, tokens + ((now - refilledMs) * PACKETS_PER_SECOND) / 1000);
    refilledMs = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  }
}

/** By the header's word: the decoder allocates by it. A packet without a header has none. */
function countRecords(packet: Uint8Array): number {
  if (packet.length < HEADER_BYTES) return 0;
  const header = Buffer.from(packet.buffer, packet.byteOffset, HEADER_BYTES);
  return header.readUInt16BE(4) + header.readUInt16BE(6) + header.readUInt16BE(8) + header.readUInt16BE(10);
}

/** The addresses on the same link as this machine's `address`; undefined while it has no such address. */
function networkOf(address: string): BlockList | undefined {
  for (const own of Object.values(networkInterfaces()).flatMap((addresses = []) => addresses)) {
    if (own.address !== address || own.cidr === null) continue;
    const list = new BlockList();
    list.addSubnet(address, Number(own.cidr.split('/')[1]), 'ipv4');
    return list;
  }
  return undefined;
}
