/**
 * Where the other peers are, by servers.txt, which may be read again while the peer runs (section 8).
 *
 * Owns the map that the network reads at every send. A new line admits a member, a changed one moves its address, a missing one removes
 * nobody: a member stays one until it is forgotten, and the forgotten keep their address to be told so. A name that does not resolve when
 * the file is read again moves nobody: the name service may be down, and the peers are where they were.
 */
import { ToposphereError } from '../core/errors.ts';
import type { PeerState } from '../core/state.ts';
import type { PeerId } from '../core/types.ts';
import { fnv1a } from '../core/vectorHash.ts';
import { formatAddress } from '../network/tcp.ts';
import type { Runtime } from './runtime.ts';
import { canonicalServersText, isResolved } from './serversFile.ts';
import type { ServerLine, ServersFile } from './serversFile.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a reading of the file changed. */
interface Replaced {
  /** Where a peer is now that was elsewhere, or whose address was not known. */
  readonly moved: ReadonlyMap<PeerId, Address>;
  /** Lines whose name did not resolve, the own one included. */
  readonly unresolved: readonly ServerLine[];
}

export class AddressBook {
  /** Whom servers.txt lists: where they are is its to say. */
  readonly #listed = new Set<PeerId>();
  readonly id: PeerId;
  /** Path of servers.txt. */
  readonly path: string;
  /** Of the other peers. */
  readonly peers = new Map<PeerId, Address>();
  /** The lines as they were last read, with the addresses in use. */
  readonly #lines = new Map<PeerId, ServerLine>();
  #text: string;

  /** `found`: where members were when discovery last saw them. */
  constructor(id: PeerId, servers: ServersFile, found: readonly ServerLine[] = []) {
    this.id = id;
    this.path = servers.name;
    this.#text = canonicalServersText(servers);
    this.#list(servers.servers);
    for (const line of servers.servers) this.#take(line);
    for (const line of found) if (!this.#listed.has(line.id)) this.#take(line);
  }

  /** All whose address is known, this peer included. */
  lines(): readonly ServerLine[] {
    return [...this.#lines.values()];
  }

  /** Where discovery found a peer that servers.txt does not list, at an address that it has for nobody else. Answers who was there before, and is no more. */
  place(id: PeerId, { host, port }: Address): PeerId | undefined {
    return this.#take({ id, host, address: host, port, line: 0 });
  }

  /** Whether servers.txt, or the settings of this peer, say where it is. */
  isListed(id: PeerId): boolean {
    return this.#listed.has(id);
  }

  /** Whose address it is. */
  holderOf({ host, port }: Address): PeerId | undefined {
    return this.lines().find((line) => line.address === host && line.port === port)?.id;
  }

  /** Takes over what the file says now. Throws BAD_CONFIGURATION, with nothing changed, when the own line is not as it was. */
  replace(servers: ServersFile): Replaced {
    const lines = servers.servers.map((line) => this.#withKnownAddress(line));
    this.#assertOwnLine(
      servers.name,
      lines.find(({ id }) => id === this.id),
    );
    this.#text = canonicalServersText(servers);
    this.#list(lines);
    const moved = new Map<PeerId, Address>();
    for (const line of lines) {
      const known = this.#lines.get(line.id);
      if (known?.address !== line.address || known.port !== line.port)
        moved.set(line.id, { host: line.address, port: line.port });
      this.#take(line);
    }
    return { moved, unresolved: servers.servers.filter((line) => !isResolved(line)) };
  }

  /** What the file said when it was last read: what the others compare by its hash. */
  get text(): string {
    return this.#text;
  }

  /** Where a peer is, this one included: a name while it has never resolved; undefined where that is not known. */
  hostOf(id: PeerId): string | undefined {
    return this.#lines.get(id)?.address;
  }

  #list(lines: readonly ServerLine[]): void {
    this.#listed.clear();
    for (const { id } of lines) this.#listed.add(id);
  }

  #take(line: ServerLine): PeerId | undefined {
    const gone = this.#leaveTo(line);
    this.#lines.set(line.id, line);
    if (line.id !== this.id) this.peers.set(line.id, { host: line.address, port: line.port });
    return gone;
  }

  /** With two at one address what is remembered would be no servers.txt. Those that the file has at one, by two names, are people's to mend. */
  #leaveTo({ id, address, port }: ServerLine): PeerId | undefined {
    const holder = this.holderOf({ host: address, port });
    if (holder === undefined || holder === id || this.#listed.has(holder)) return undefined;
    this.#lines.delete(holder);
    this.peers.delete(holder);
    return holder;
  }

  /** The line, or with the address in use where the same name did not resolve this time. */
  #withKnownAddress(line: ServerLine): ServerLine {
    const known = this.#lines.get(line.id);
    return isResolved(line) || known?.host !== line.host ? line : { ...line, address: known.address };
  }

  #assertOwnLine(name: string, own: ServerLine | undefined): void {
    const known = this.#lines.get(this.id);
    if (own !== undefined && own.address === known?.address && own.port === known.port) return;
    throw new ToposphereError(
      'BAD_CONFIGURATION',
      own === undefined
        ? `${name}: the line of ${this.id}, which reads it, is gone, and nothing was changed; put it back (a missing line removes nobody)`
        : `${name}: the line of ${this.id} changed; a peer cannot move while it runs: start it again`,
    );
  }
}

/** Takes over what the file says; what changed, in one sentence. Throws as `replace`. */
export function applyServers(
  addresses: AddressBook,
  runtime: Pick<Runtime, 'state' | 'admit'>,
  servers: ServersFile,
): string {
  const { state } = runtime;
  const replaced = addresses.replace(servers);
  const listed = servers.servers.map(({ id }) => id);
  const added = listed.filter((id) => !state.admitted.has(id));
  runtime.admit(listed);
  state.serversHash = fnv1a(canonicalServersText(servers));
  const parts = [
    ...(added.length > 0 ? [`${added.join(', ')} admitted`] : []),
    ...describeMoved(replaced, added, state),
    ...describeForgotten(listed, state),
    ...describeMissing(listed, addresses, state),
    ...replaced.unresolved.map((line) => describeUnresolved(line, addresses)),
  ];
  return `${addresses.path} was read again: ${parts.length === 0 ? 'nothing new' : parts.join('; ')}`;
}

/** Of the admitted it is no news, and of the forgotten of no use. */
function describeMoved({ moved }: Replaced, added: readonly PeerId[], state: PeerState): readonly string[] {
  return [...moved]
    .filter(([id]) => !added.includes(id) && !state.forgotten.has(id))
    .map(([id, { host, port }]) => `${id} is now at ${formatAddress(host, port)}`);
}

function describeForgotten(listed: readonly PeerId[], { forgotten }: PeerState): readonly string[] {
  return listed
    .filter((id) => forgotten.has(id))
    .map((id) => `${id} was forgotten and stays so: take its line out; it can come back only under a new id`);
}

function describeMissing(
  listed: readonly PeerId[],
  addresses: AddressBook,
  { peers }: PeerState,
): readonly string[] {
  return [...peers.keys()]
    .filter((id) => !listed.includes(id))
    .map((id) =>
      addresses.hostOf(id) === undefined
        ? `${id} is a member and not listed, so that its address is not known here: add its line (or toposphere forget ${id}, if it will not return)`
        : `${id} is a member and not listed (toposphere forget ${id}, if it will not return)`,
    );
}

function describeUnresolved({ id, host }: ServerLine, addresses: AddressBook): string {
  const inUse = addresses.hostOf(id) ?? host;
  const now = inUse === host ? 'it is asked for again when needed' : `${inUse} stays in use`;
  return `the name ${host} of ${id} did not resolve: ${now}`;
}
