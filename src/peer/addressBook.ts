/**
 * Where the other peers are, by servers.txt, which may be read again while the peer runs (section 8).
 *
 * Owns the map that the network reads at every send. A new line admits a member, a changed one moves its address, a missing one removes
 * nobody: a member stays one until it is forgotten.
 */
import { ToposphereError } from '../core/errors.ts';
import type { PeerId } from '../core/types.ts';
import { fnv1a } from '../core/vectorHash.ts';
import type { Logger } from './configuration.ts';
import type { Runtime } from './runtime.ts';
import { canonicalServersText, readServersFile, resolveHosts } from './serversFile.ts';
import type { ServersFile } from './serversFile.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

export class AddressBook {
  readonly id: PeerId;
  /** Path of servers.txt. */
  readonly path: string;
  /** Of the other peers. */
  readonly peers = new Map<PeerId, Address>();
  readonly #own: Address | undefined;

  constructor(id: PeerId, servers: ServersFile) {
    this.id = id;
    this.path = servers.name;
    for (const { id: listed, address, port } of servers.servers)
      this.peers.set(listed, { host: address, port });
    this.#own = this.peers.get(id);
    this.peers.delete(id);
  }

  /** Takes over what the file says now. Throws BAD_CONFIGURATION, with nothing changed, when the own line is not as it was. */
  replace(servers: ServersFile): {
    readonly added: readonly PeerId[];
    readonly moved: readonly PeerId[];
    readonly missing: readonly PeerId[];
  } {
    const listed = new Map(servers.servers.map(({ id, address, port }) => [id, { host: address, port }]));
    const own = listed.get(this.id);
    if (own?.host !== this.#own?.host || own?.port !== this.#own?.port)
      throw new ToposphereError(
        'BAD_CONFIGURATION',
        `${servers.name}: the line of ${this.id} changed; a peer cannot move while it runs: start it again`,
      );
    listed.delete(this.id);
    const added: PeerId[] = [];
    const moved: PeerId[] = [];
    for (const [id, address] of listed) {
      const known = this.peers.get(id);
      if (known === undefined) added.push(id);
      else if (known.host !== address.host || known.port !== address.port) moved.push(id);
      this.peers.set(id, address);
    }
    return { added, moved, missing: [...this.peers.keys()].filter((id) => !listed.has(id)) };
  }
}

/** Reads the file again and lets the runtime know; resolves to what changed, in one sentence. */
export async function reloadServers(
  addresses: AddressBook,
  runtime: Runtime,
  logger: Logger,
): Promise<string> {
  const servers = await resolveHosts(await readServersFile(addresses.path));
  const { added, moved, missing } = addresses.replace(servers);
  runtime.admit([addresses.id, ...added]);
  runtime.state.serversHash = fnv1a(canonicalServersText(servers));
  const parts = [
    ...(added.length > 0 ? [`${added.join(', ')} admitted`] : []),
    ...(moved.length > 0 ? [`address of ${moved.join(', ')} changed`] : []),
    ...missing.map(
      (id) => `${id} is no longer listed but stays a member (toposphere forget ${id}, if it will not return)`,
    ),
  ];
  const text = `${addresses.path} was read again: ${parts.length === 0 ? 'nothing new' : parts.join('; ')}`;
  logger.info(text);
  return text;
}
