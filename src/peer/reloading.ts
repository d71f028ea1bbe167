/**
 * Reading again, while the peer runs, what an operator may have changed: servers.txt, the cluster key file, and files of whoever serves this peer.
 *
 * Owns that all are read and checked before anything of one is taken over, that no key is retired with which a member still seals, and the words for what
 * changed with the keys. Members and addresses are addressBook.ts's, sealing is src/wire's. Invariant: a file that is refused leaves the peer as it was, in all it does.
 */
import type { Now } from '../core/clock.ts';
import { ToposphereError } from '../core/errors.ts';
import { isHeard } from '../core/liveness.ts';
import type { PeerState } from '../core/state.ts';
import type { PeerId } from '../core/types.ts';
import { familyOf } from '../network/family.ts';
import type { ClusterKey, Envelope } from '../wire/envelope.ts';
import { applyServers } from './addressBook.ts';
import type { AddressBook } from './addressBook.ts';
import type { ReloadOptions } from './backend.ts';
import { readClusterKeys } from './clusterKeyFile.ts';
import type { ClusterKeys } from './clusterKeyFile.ts';
import type { Discovering } from './discovering.ts';
import type { Log } from './logger.ts';
import type { Runtime } from './runtime.ts';
import { findServersFaults, readServersFile, resolveHosts } from './serversFile.ts';

/** The cluster keys of a peer that runs, by their ids alone. */
export interface ClusterKeysReport {
  readonly sealing: number;
  /** What it opens, the sealing one included. */
  readonly accepted: readonly number[];
  /** Under which key each member was last heard; null: not yet. */
  readonly heard: Readonly<Record<string, number | null>>;
}

/** Undefined for a peer without a key. */
export function describeClusterKeys(
  envelope: Pick<Envelope, 'keyIds' | 'keyIdOf'>,
  members: Iterable<PeerId>,
): ClusterKeysReport | undefined {
  const accepted = envelope.keyIds();
  const [sealing] = accepted;
  if (sealing === undefined) return undefined;
  const heard = Array.from(members, (id) => [id, envelope.keyIdOf(id) ?? null] as const);
  return { sealing, accepted, heard: Object.fromEntries(heard) };
}

/** What the cluster key file holds now, by its ids alone. */
export interface KeyFileExamination {
  readonly path: string;
  /** The sealing one first; null, and why, when the file could not be taken. */
  readonly keyIds: readonly number[] | null;
  readonly fault: string | null;
}

/** A file of whoever serves this peer, to be read again with the peer's own. */
export interface FurtherFile {
  /** Resolves, when the file is right, to what takes it over and says so in a sentence. Rejects with BAD_CONFIGURATION. */
  read(): Promise<() => string>;
}

const UNCHANGED = 'nothing was changed';

interface Reloading extends ReloadOptions {
  readonly addresses: AddressBook;
  readonly runtime: Pick<Runtime, 'state' | 'admit'>;
  readonly multicast: { readonly port: number };
  readonly keys: ClusterKeyRing | undefined;
  readonly discovering: Discovering | undefined;
  readonly further: readonly FurtherFile[];
  readonly now: () => Now;
  readonly log: Log;
}

/** Resolves to what changed, in a sentence a file. Rejects with BAD_CONFIGURATION, and nothing changed then, as the message says. */
export async function reload(reloading: Reloading): Promise<string> {
  try {
    return await reloadAll(reloading);
  } catch (error) {
    throw error instanceof ToposphereError ? sayUnchanged(error) : error;
  }
}

/** Whoever changed two files has to know that the other one was not taken either. */
function sayUnchanged(error: ToposphereError): ToposphereError {
  const { code, message } = error;
  if (message.includes(UNCHANGED)) return error;
  return new ToposphereError(code, `${message}; ${UNCHANGED}`, { cause: error });
}

async function reloadAll(reloading: Reloading): Promise<string> {
  const { addresses, runtime, multicast, keys, discovering, further, now, log, force = false } = reloading;
  const { isUnlisted } = runtime.state.settings;
  const family = familyOf(addresses.hostOf(addresses.id) ?? '');
  const servers = isUnlisted ? undefined : await resolveHosts(await readServersFile(addresses.path), family);
  const faults = servers && findServersFaults(servers, multicast.port, keys !== undefined);
  if (faults !== undefined && faults.length > 0) {
    // The next start would refuse it, and nothing could be sent to some of those lines.
    throw new ToposphereError('BAD_CONFIGURATION', [...faults, UNCHANGED].join('\n'));
  }
  const takes = await Promise.all(further.map((file) => file.read()));
  const read = await keys?.read();
  if (keys !== undefined && read !== undefined && !force)
    keys.assertRetirable(read, listHeard(runtime.state, now()));
  const members =
    servers === undefined
      ? 'there is no servers.txt: toposphere admit <id> admits whom this peer discovered'
      : applyServers(addresses, runtime, servers);
  if (servers !== undefined) log('serversReread', members, { path: addresses.path });
  const said = [members];
  if (keys !== undefined && read !== undefined) {
    const changed = keys.take(read);
    discovering?.proveBy(read);
    log('keysReread', changed, { path: keys.path });
    said.push(changed);
  }
  return [...said, ...takes.map((take) => take())].join('; ');
}

function listHeard(state: PeerState, now: Now): readonly PeerId[] {
  return [...state.peers.values()].filter((view) => isHeard(state, view, now)).map(({ id }) => id);
}

/** The keys in use, and the file that they came from. */
export class ClusterKeyRing {
  readonly path: string;
  readonly #envelope: Envelope;
  #keys: readonly ClusterKey[];

  constructor({ path, keys }: ClusterKeys, envelope: Envelope) {
    this.path = path;
    this.#envelope = envelope;
    this.#keys = keys;
  }

  /** The keys that the file holds now, fit to be taken. Rejects with BAD_CONFIGURATION. */
  async read(): Promise<readonly ClusterKey[]> {
    const { keys } = await readClusterKeys(this.path);
    for (const { id, secret } of keys) {
      const known = this.#keys.find((key) => key.id === id);
      if (known === undefined || Buffer.compare(known.secret, secret) === 0) continue;
      // Peers that have the one would not understand those that have the other, and nobody could tell which is which.
      throw new ToposphereError(
        'BAD_CONFIGURATION',
        `${this.path}: key ${id} is not the one that is in use under this id, and nothing was changed; put the file back, and use: toposphere key add`,
      );
    }
    return keys;
  }

  /**
   * Throws BAD_CONFIGURATION when one of `heard`, members that are heard now, seals with a key that is not among `keys`. What keys a member accepts it does not
   * say, so that a promoted key is one which all have is the operator's to know (`toposphere status`).
   */
  assertRetirable(keys: readonly ClusterKey[], heard: readonly PeerId[]): void {
    const kept = new Set(keys.map(({ id }) => id));
    const sealers = heard.flatMap((id) => {
      const keyId = this.#envelope.keyIdOf(id);
      return keyId === undefined || kept.has(keyId) ? [] : [{ id, keyId }];
    });
    if (sealers.length === 0) return;
    const keyIds = [...new Set(sealers.map(({ keyId }) => keyId))].join(', ');
    const names = sealers.map(({ id }) => id).join(', ');
    throw new ToposphereError(
      'BAD_CONFIGURATION',
      `${this.path}: without key ${keyIds} ${names} would be cut off, for it is what they seal with; nothing was changed: let them read a file first in which a newer key is promoted, or cut them off until they have this one with: toposphere reload --force`,
    );
  }

  async examine(): Promise<KeyFileExamination> {
    try {
      return { path: this.path, keyIds: (await this.read()).map(({ id }) => id), fault: null };
    } catch (error) {
      if (!(error instanceof ToposphereError)) throw error;
      return { path: this.path, keyIds: null, fault: error.message };
    }
  }

  /** Seals and opens by `keys` from now on; what changed, in one sentence. */
  take(keys: readonly ClusterKey[]): string {
    const before = this.#envelope.keyIds();
    this.#envelope.setKeys(keys);
    this.#keys = keys;
    const after = this.#envelope.keyIds();
    if (before.join() === after.join()) return `${this.path} was read again: nothing new`;
    const [sealing = 0, ...others] = after;
    const also = others.length === 0 ? '' : `, and key ${others.join(', ')} is accepted`;
    const refused = before.filter((id) => !after.includes(id));
    const dropped = refused.length === 0 ? '' : `; key ${refused.join(', ')} is refused`;
    return `${this.path} was read again: key ${sealing} seals${before[0] === sealing ? ' still' : ''}${also}${dropped}`;
  }
}
