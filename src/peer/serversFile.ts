/**
 * servers.txt: which peers there are, and which of them this process is.
 *
 * Owns the file's grammar (`id host port` a line, `#` comments) and its meaning as canonical text, the
 * same for two files that say the same thing. Reading its settings beyond that is configuration.ts's,
 * and hashing the canonical text is the peer's. Invariant: a ServersFile that exists is whole and
 * without contradictions (no id and no host:port twice, every derived port valid); every fault of a
 * text is reported together, each with its line.
 */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { ToposphereError } from '../core/errors.ts';
import type { PeerId } from '../core/types.ts';
import { errorCode, formatAddress } from '../network/tcp.ts';

/** Redis clients are served at the peer's port less this, the status page at the port plus this (ports). */
export const DERIVED_PORT_DISTANCE = 1000;
/** Lowest port of a peer: the derived client port is then 1024, the first that needs no privilege. */
export const PORT_MINIMUM = 1024 + DERIVED_PORT_DISTANCE;
/** Highest port of a peer: the derived status page's port is then 65535, the last there is. */
export const PORT_MAXIMUM = 65_535 - DERIVED_PORT_DISTANCE;
/** Longest host name (characters, RFC 1123). */
const HOST_NAME_MAXIMUM = 253;

const COLUMNS = 3;
const PEER_ID = /^[A-Za-z0-9_.-]{1,32}$/;
const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
const HOST_NAME = /^(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.?$/;

export interface ServerLine {
  readonly id: PeerId;
  /** As the file says it, in canonical spelling: lower case, IPv6 compressed and without brackets. */
  readonly host: string;
  /** The IP address `host` stands for; the name itself while it has not been (or cannot be) resolved. */
  readonly address: string;
  readonly port: number;
  /** Line in the file, from 1. */
  readonly line: number;
}

export interface ServersFile {
  /** How messages call the file: the path it was read from. */
  readonly name: string;
  /** At least one, in the file's order. */
  readonly servers: readonly ServerLine[];
}

export function isPeerId(text: string): text is PeerId {
  return PEER_ID.test(text);
}

export function isIpv4(host: string): boolean {
  return IPV4.test(host);
}

/** True for 127.0.0.0/8, ::1 and the name `localhost`; an unresolved name is not loopback. */
export function isLoopback(host: string): boolean {
  return host === '::1' || host === 'localhost' || (isIpv4(host) && host.startsWith('127.'));
}

export function clientPortOf(server: ServerLine): number {
  return server.port - DERIVED_PORT_DISTANCE;
}

/** IPv6 literal in its one canonical spelling, undefined when it is none (a zone such as %eth0 is refused: it means nothing elsewhere). */
function canonicalIpv6(text: string): string | undefined {
  try {
    return new URL(`http://[${text}]/`).hostname.slice(1, -1);
  } catch {
    return undefined;
  }
}

/** The canonical host, or undefined when no other peer could reach a host written like that. */
export function canonicalHost(text: string): string | undefined {
  const host = text.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  if (host.includes(':')) {
    const address = canonicalIpv6(host);
    return address === '::' ? undefined : address;
  }
  // Digits and dots only is meant as an address: it must not pass as a name.
  if (/^[0-9.]+$/.test(host)) {
    return isIpv4(host) && Number(host.split('.')[0]) < 224 && host !== '0.0.0.0' ? host : undefined;
  }
  return host.length <= HOST_NAME_MAXIMUM && HOST_NAME.test(host) ? host : undefined;
}

/** What was fit of one line's columns. */
interface ParsedColumns {
  readonly id: PeerId | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
}

/** Pushes what is wrong with each column, and what to do. */
function parseColumns(columns: readonly string[], faults: string[]): ParsedColumns {
  const [id = '', hostText = '', portText = ''] = columns;
  if (columns.length !== COLUMNS) {
    faults.push(`has ${columns.length} column${columns.length === 1 ? '' : 's'}; write: id host port`);
    return { id: undefined, host: undefined, port: undefined };
  }
  const host = canonicalHost(hostText);
  const port = /^[0-9]{1,5}$/.test(portText) ? Number(portText) : NaN;
  const isPortFit = port >= PORT_MINIMUM && port <= PORT_MAXIMUM;
  if (!isPeerId(id)) faults.push(`bad id '${id}'; use 1 to 32 characters of A-Z a-z 0-9 _ . -`);
  if (host === undefined)
    faults.push(`bad host '${hostText}'; use an address other peers can reach, or a name`);
  if (!isPortFit) {
    faults.push(
      `bad port '${portText}'; use ${PORT_MINIMUM} to ${PORT_MAXIMUM}, so that the client port (less ` +
        `${DERIVED_PORT_DISTANCE}) and the page's port (plus ${DERIVED_PORT_DISTANCE}) are valid too`,
    );
  }
  return { id: isPeerId(id) ? id : undefined, host, port: isPortFit ? port : undefined };
}

/** Remembers where `name` was first seen; returns that line when this one is not it. */
function earlierLine(seen: Map<string, number>, name: string, line: number): number | undefined {
  const earlier = seen.get(name);
  if (earlier === undefined) seen.set(name, line);
  return earlier;
}

/**
 * Parses the text of a servers.txt; `name` is what messages call it. Throws one ToposphereError
 * (BAD_CONFIGURATION) whose message has one line a fault, each `name:line: what; what to do`.
 */
export function parseServersFile(text: string, name: string): ServersFile {
  const faults: string[] = [];
  const servers: ServerLine[] = [];
  const lineOfId = new Map<string, number>();
  const lineOfAddress = new Map<string, number>();
  let linesWithContent = 0;
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const columns = raw
      .replace(/#.*$/, '')
      .split(/[ \t]+/)
      .filter((column) => column !== '');
    if (columns.length === 0) continue;
    linesWithContent++;
    const line = index + 1;
    const lineFaults: string[] = [];
    const { id, host, port } = parseColumns(columns, lineFaults);
    const sameId = id && earlierLine(lineOfId, id, line);
    if (sameId)
      lineFaults.push(`duplicate id '${id}', already on line ${sameId}; give each peer an id of its own`);
    if (host !== undefined && port !== undefined) {
      const address = formatAddress(host, port);
      const sameAddress = earlierLine(lineOfAddress, address, line);
      if (sameAddress) {
        lineFaults.push(`duplicate address ${address}, already on line ${sameAddress}; choose another port`);
      }
      if (id !== undefined) servers.push({ id, host, address: host, port, line });
    }
    faults.push(...lineFaults.map((fault) => `${name}:${line}: ${fault}`));
  }
  if (linesWithContent === 0) faults.push(`${name}: lists no peer; write one line a peer: id host port`);
  if (faults.length > 0) throw new ToposphereError('BAD_CONFIGURATION', faults.join('\n'));
  return { name, servers };
}

/** Reads and parses the file at `path`. Throws BAD_CONFIGURATION, also when it cannot be read. */
export async function readServersFile(path: string): Promise<ServersFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ToposphereError(
      'BAD_CONFIGURATION',
      `${path}: cannot be read (${errorCode(cause)}); give the path of servers.txt with --servers`,
      { cause },
    );
  }
  return parseServersFile(text, path);
}

/** Whether `address` is one: a name that could not be resolved stands for itself. */
export function isResolved({ address }: Pick<ServerLine, 'address'>): boolean {
  return isIpv4(address) || address.includes(':');
}

/** Fills in `address` of every line whose host is a name; a name nobody knows stays as it is. */
export async function resolveHosts(servers: ServersFile): Promise<ServersFile> {
  const resolved = servers.servers.map(async (server): Promise<ServerLine> => {
    if (isIpv4(server.host) || server.host.includes(':')) return server;
    try {
      // IPv4 first: the multicast group is an IPv4 group.
      const [found] = await lookup(server.host, { all: true, order: 'ipv4first' });
      return { ...server, address: found?.address ?? server.host };
    } catch {
      return server; // A name unknown now may be known later; it must not keep the other peers from starting.
    }
  });
  return { ...servers, servers: await Promise.all(resolved) };
}

/**
 * What the file says and nothing else: one `id host port` line a peer in order of id. Comments, order
 * and spacing do not show. Peers compare the hash of this text (protocol.md, section 8).
 */
export function canonicalServersText(servers: ServersFile): string {
  return servers.servers
    .map((server) => `${server.id} ${server.host} ${server.port}\n`)
    .sort((a, b) => (a < b ? -1 : 1))
    .join('');
}

function isOwn(server: ServerLine, ownAddresses: readonly string[]): boolean {
  return isLoopback(server.address) || ownAddresses.includes(server.address);
}

/**
 * The line that is this process: the one named by `id`, or the only one with an address of this
 * machine. Throws BAD_CONFIGURATION that lists what was seen and says what to do.
 */
export function findOwnLine(servers: ServersFile, ownAddresses: readonly string[], id?: string): ServerLine {
  const seenHere = ownAddresses.length === 0 ? 'none' : ownAddresses.join(', ');
  const listed = servers.servers.map((server) => `${server.id} ${server.host}`).join(', ');
  const refuse = (message: string): ToposphereError =>
    new ToposphereError('BAD_CONFIGURATION', `${servers.name}: ${message}`);
  if (id !== undefined) {
    const named = servers.servers.find((server) => server.id === id);
    if (named === undefined) throw refuse(`has no line with id '${id}'; it lists ${listed}`);
    if (!isOwn(named, ownAddresses)) {
      throw refuse(
        `the address of '${id}' is ${named.host}, and this machine has ${seenHere}; correct the line or start it there`,
      );
    }
    return named;
  }
  const own = servers.servers.filter((server) => isOwn(server, ownAddresses));
  const [only] = own;
  if (only === undefined) {
    throw refuse(
      `no line has an address of this machine (${seenHere}); it lists ${listed}: add or correct a line`,
    );
  }
  if (own.length > 1) {
    const candidates = own.map((server) => `${server.id} ${server.host}`).join(', ');
    throw refuse(`several lines have an address of this machine (${candidates}); say which one with --id`);
  }
  return only;
}
