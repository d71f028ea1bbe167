/**
 * The peers a client may go to: where they are, and in which order it tries them.
 *
 * Owns addresses and the order. Measuring is the caller's way (`ping`), and going there is searching.ts's. Invariant: the order has every peer once, the
 * nearest first, and does not depend on chance: peers that are about as near stand in an order that is the client's own.
 */
import { createHash } from 'node:crypto';
import { ToposphereError } from '../core/errors.ts';
import { formatAddress, LAST_PORT } from '../network/tcp.ts';
import { canonicalHost, clientPortOf, readServersFile } from '../peer/serversFile.ts';

export interface PeerAddress {
  /** `host:port`: how it is called in messages. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** Round trips that differ by less are told apart by chance alone: a part of the shorter one, and milliseconds. */
const NOISE_RATIO = 1.5;
const NOISE_MS = 0.1;

/** Peers by their addresses. Throws BAD_ARGUMENT with every address that is none. */
export function parsePeers(texts: readonly string[]): readonly PeerAddress[] {
  const faults: string[] = [];
  const peers = new Map<string, PeerAddress>();
  for (const text of texts) {
    const [, hostText = '', portText = ''] = /^(.+):([0-9]{1,5})$/.exec(text) ?? [];
    const host = canonicalHost(hostText);
    const isAmbiguous = hostText.includes(':') && !hostText.startsWith('[');
    const port = Number(portText);
    if (host === undefined || isAmbiguous || port < 1 || port > LAST_PORT)
      faults.push(`the peer '${text}' is no host:port, for example 127.0.0.1:6401`);
    else peers.set(formatAddress(host, port), { name: formatAddress(host, port), host, port });
  }
  if (faults.length > 0) throw new ToposphereError('BAD_ARGUMENT', faults.join('\n'));
  return [...peers.values()];
}

/** Where the peers of a servers.txt serve Redis clients; over TLS all at `tlsPort`, which the file does not say. Rejects with BAD_CONFIGURATION. */
export async function readPeers(path: string, tlsPort?: number): Promise<readonly PeerAddress[]> {
  const { servers } = await readServersFile(path);
  return servers.map((server) => {
    const port = tlsPort ?? clientPortOf(server);
    return { name: formatAddress(server.host, port), host: server.host, port };
  });
}

/** Nearest first by their round trips, milliseconds; those without one last. */
export function orderPeers(
  peers: readonly PeerAddress[],
  roundTripMs: ReadonlyMap<string, number>,
  affinity: string,
): readonly PeerAddress[] {
  const preference = (peer: PeerAddress): string =>
    createHash('sha256').update(`${affinity}\n${peer.name}`).digest('hex');
  const distance = (peer: PeerAddress): number => roundTripMs.get(peer.name) ?? Infinity;
  const byDistance = [...peers].sort((one, other) => compare(distance(one), distance(other)));
  const ordered: PeerAddress[] = [];
  while (byDistance.length > 0) {
    const [nearest] = byDistance;
    const limitMs = nearest === undefined ? 0 : distance(nearest) * NOISE_RATIO + NOISE_MS;
    const count = byDistance.filter((peer) => distance(peer) <= limitMs).length;
    const alike = byDistance.splice(0, count);
    ordered.push(...alike.sort((one, other) => compare(preference(one), preference(other))));
  }
  return ordered;
}

/** Infinity less Infinity is no number. */
function compare<T extends number | string>(one: T, other: T): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
