/**
 * servers.txt: which peers there are, and which of them this process is.
 *
 * Owns the file's grammar (`id host port` a line, `#` comments) and its meaning as canonical text, the
 * same for two files that say the same thing. Reading its settings beyond that is configuration.ts's,
 * and hashing the canonical text is the peer's. Invariant: a ServersFile that exists is whole and
 * without contradictions (no id and no host:port twice, every derived port valid, all addresses of one family); every fault of a
 * text is reported together, each with its line.
 */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { ToposphereError } from '../core/errors.ts';
import type { PeerId } from '../core/types.ts';
import { familyOf } from '../network/family.ts';
import type { Family } from '../network/family.ts';
import { errorCode, formatAddress, LAST_PORT } from '../network/tcp.ts';

/** Redis clients are served at the peer's port less this, the status page at the port plus this (ports). */
export const DERIVED_PORT_DISTANCE = 1000;
/** Lowest port of a peer: the derived client port is then 1024, the first that needs no privilege. */
export const PORT_MINIMUM = 1024 + DERIVED_PORT_DISTANCE;
/** Highest port of a peer: the derived status page's port is then 65535, the last there is. */
export const PORT_MAXIMUM = LAST_PORT - DERIVED_PORT_DISTANCE;
/** Longest host name (characters, RFC 1123). */
const HOST_NAME_MAXIMUM = 253;

const COLUMNS = 3;
const ONE_FAMILY = 'give all peers IPv4 addresses, or all IPv6 ones: one multicast group reaches one kind';
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

export function httpPortOf(server: ServerLine): number {
  return server.port + DERIVED_PORT_DISTANCE;
}

/** IPv6 literal in its one canonical spelling, undefined when it is none (a zone such as %eth0 is refused: it means nothing elsewhere). */
export function canonicalIpv6(text: string): string | undefined {
  try {
    return new URL(`http://[${text}]/`).hostname.slice(1, -1);
  } catch {
    return undefined;
  }
}

/** The IPv4 address that ::ffff:a00:1 is another spelling of. */
function unmapIpv4(address: string): string | undefined {
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address) ?? [];
  if (high === undefined || low === undefined) return undefined;
  const [first, second] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [first >> 8, first & 255, second >> 8, second & 255].join('.');
}

/** fe80::/10: reached only with a zone, which means something on one machine alone. */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/.test(address);
}

/** The canonical host, or undefined when no other peer could reach a host written like that. */
export function canonicalHost(text: string): string | undefined {
  const host = text.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  if (host.includes(':')) {
    const address = canonicalIpv6(host);
    if (address === undefined || address === '::' || address.startsWith('ff') || isLinkLocal(address))
      return undefined;
    const unmapped = unmapIpv4(address);
    return unmapped === undefined ? address : canonicalHost(unmapped);
  }
  // Digits and dots only is meant as an address: it must not pass as a name.
  if (/^[0-9.]+$/.test(host)) {
    return isIpv4(host) && Number(host.split('.')[0]) < 224 && host !== '0.0.0.0' ? host : undefined;
  }
  return host.length <= HOST_NAME_MAXIMUM && HOST_NAME.test(host) ? host : undefined;
}

function adviseHost(text: string): string {
  return isLinkLocal(text.toLowerCase().replace(/^\[/, ''))
    ? 'a link-local address means nothing on another machine; use a global or unique local one (fd00::/8), or a name'
    : 'use an address other peers can reach, or a name';
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
  if (host === undefined) faults.push(`bad host '${hostText}'; ${adviseHost(hostText)}`);
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
  let firstAddress: Pick<ServerLine, 'host' | 'line'> | undefined;
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
    if (host !== undefined && familyOf(host) !== undefined) {
      firstAddress ??= { host, line };
      if (familyOf(host) !== familyOf(firstAddress.host)) {
        lineFaults.push(
          `${host} and ${firstAddress.host} on line ${firstAddress.line} are not of one kind; ${ONE_FAMILY}`,
        );
      }
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
  return familyOf(address) !== undefined;
}

/**
 * Fills in `address` of every line whose host is a name; a name nobody knows stays as it is. All addresses are of one family: of `wanted`, else of
 * the addresses that the file has, else IPv4 if every known name has one. Throws BAD_CONFIGURATION where there is none for all.
 */
export async function resolveHosts(
  servers: ServersFile,
  wanted?: Family,
  lookUp: (name: string) => Promise<readonly string[]> = lookUpName,
): Promise<ServersFile> {
  const hosts = servers.servers.map(async ({ host }) =>
    sortByFamily(familyOf(host) === undefined ? await lookUp(host) : [host]),
  );
  const found = await Promise.all(hosts);
  const known = found.filter((addresses) => addresses.size > 0);
  const choices = wanted === undefined ? ([4, 6] as const) : ([wanted] as const);
  const family = choices.find((choice) => known.every((addresses) => addresses.has(choice)));
  if (family === undefined)
    throw new ToposphereError('BAD_CONFIGURATION', describeMixture(servers, found, wanted));
  return {
    ...servers,
    servers: servers.servers.map((server, index) => ({
      ...server,
      address: found[index]?.get(family) ?? server.host,
    })),
  };
}

/** All addresses of a name, by the system; none when nobody knows it. */
async function lookUpName(name: string): Promise<readonly string[]> {
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address);
  } catch {
    return []; // A name unknown now may be known later; it must not keep the other peers from starting.
  }
}

/** The first address of each family. */
function sortByFamily(addresses: readonly string[]): ReadonlyMap<Family, string> {
  const first = new Map<Family, string>();
  for (const address of addresses) {
    const family = familyOf(address);
    if (family !== undefined && !first.has(family)) first.set(family, address);
  }
  return first;
}

function describeMixture(
  { name, servers }: ServersFile,
  found: readonly ReadonlyMap<Family, string>[],
  wanted: Family | undefined,
): string {
  const only = (family: Family): string =>
    servers
      .filter((_, index) => found[index]?.size === 1 && found[index].has(family))
      .map(({ id, host }) => `${id} ${host}`)
      .join(', ');
  if (wanted !== undefined) {
    const other = wanted === 4 ? 6 : 4;
    return `${name}: the peers of this cluster have IPv${wanted} addresses, and these IPv${other} ones only (${only(other)}); correct the lines, or change all and start all peers again`;
  }
  return `${name}: some peers have IPv4 addresses only (${only(4)}), others IPv6 ones only (${only(6)}); ${ONE_FAMILY}`;
}

/** What else it has to do with the settings of whoever reads it: one line a fault, with what to do. */
export function findServersFaults(
  { name, servers }: ServersFile,
  multicastPort: number,
  hasKey: boolean,
): readonly string[] {
  const exposed = servers.filter((server) => !isLoopback(server.address));
  const names = exposed.map((server) => `${server.id} ${server.host}`).join(', ');
  const keyless = `${name}: beyond loopback (${names}) peers talk only with a cluster key; give one with --cluster-key-file`;
  return [
    ...(hasKey || exposed.length === 0 ? [] : [keyless]),
    ...servers
      .filter(({ port }) => port === multicastPort)
      .map(
        ({ id, port, line }) =>
          `${name}:${line}: port ${port} of '${id}' is the multicast port; change one of them`,
      ),
  ];
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
