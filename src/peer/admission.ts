/**
 * Who of those that were discovered may be a member, and where it may be.
 *
 * Owns what a found peer is to this one, and the words when it is refused. Doing it is discovering.ts's. Invariant: whoever is admitted has an address that a
 * servers.txt could hold beside those of the others, so that the file of them can always be read again.
 */
import type { Now } from '../core/clock.ts';
import { ToposphereError } from '../core/errors.ts';
import { isHeard } from '../core/liveness.ts';
import type { PeerState } from '../core/state.ts';
import type { PeerId } from '../core/types.ts';
import type { Found } from '../network/discovery.ts';
import { formatAddress } from '../network/tcp.ts';
import type { AddressBook } from './addressBook.ts';
import { PORT_MAXIMUM, PORT_MINIMUM } from './serversFile.ts';

/** What a found peer is to this one. */
export type Standing = 'member' | 'forgotten' | 'proposed' | 'unproved' | 'otherCluster';

/** A peer that is a member shows as one only where it proves to be it. */
export function standingOf(found: Found, state: PeerState, clusterId: string): Standing {
  if (found.clusterId !== clusterId) return 'otherCluster';
  if (found.trust !== 'right' && found.trust !== 'unchecked') return 'unproved';
  if (state.forgotten.has(found.id)) return 'forgotten';
  return state.admitted.has(found.id) ? 'member' : 'proposed';
}

/** What a found peer is judged by. */
export interface AdmissionParts {
  readonly state: PeerState;
  readonly addresses: Pick<AddressBook, 'id' | 'path' | 'holderOf' | 'isListed'>;
  readonly clusterId: string;
  readonly multicastPort: number;
  readonly now: Now;
}

/** Throws BAD_ARGUMENT when `id` is nobody who may be admitted here, with what to do. */
export function findAdmissible(id: string, found: readonly Found[], parts: AdmissionParts): Found {
  const { state, clusterId, now } = parts;
  const refuse = (message: string): ToposphereError => new ToposphereError('BAD_ARGUMENT', message);
  if (state.phase === 'forgotten') throw refuse(`${state.self.id} was forgotten itself, and admits nobody`);
  if (state.forgotten.has(id as PeerId))
    throw refuse(`${id} was forgotten and stays so: it can come back only under a new id`);
  if (state.admitted.has(id as PeerId)) throw refuse(`${id} is a member already`);
  const named = found.filter((one) => one.id === id);
  const own = named.find((one) => one.clusterId === clusterId);
  if (own === undefined) {
    const [other] = named;
    if (other !== undefined)
      throw refuse(
        `${id} is of cluster ${other.clusterId}, not ${clusterId}: different clusters never merge`,
      );
    throw refuse(
      `${id} has not announced itself here (${describeProposed(found, state, clusterId)}): start it with --discover and --cluster-id ${clusterId}`,
    );
  }
  if (own.trust === 'stale')
    throw refuse(
      `${nameOf(own)}: its clock is ${Math.abs(Math.floor(now.wallMs / 1000) - own.writtenAtSeconds)} s from this peer's, or what was heard is an old announcement: set its clock right (NTP)`,
    );
  if (standingOf(own, state, clusterId) === 'unproved')
    throw refuse(
      `${nameOf(own)} does not prove the cluster key: give it the same --cluster-key-file and start it again`,
    );
  const fault = findAddressFault(own, parts);
  if (fault !== undefined) throw refuse(fault);
  return own;
}

/** Why no servers.txt could have it where it is beside the others, in one line with what to do; undefined where one could. */
export function findAddressFault(found: Found, parts: AdmissionParts): string | undefined {
  const { state, addresses, multicastPort, now } = parts;
  const { port } = found;
  if (port < PORT_MINIMUM || port > PORT_MAXIMUM)
    return `${nameOf(found)}: its port is not one of ${PORT_MINIMUM} to ${PORT_MAXIMUM}; start it with another --port`;
  if (port === multicastPort)
    return `${nameOf(found)}: its port is that of the multicast group; start it with another --port`;
  const holder = addresses.holderOf(found);
  if (holder === undefined || holder === found.id) return undefined;
  const elsewhere = 'start it at another address (--host, --port)';
  if (holder === addresses.id) return `${nameOf(found)}: that is the address of this peer; ${elsewhere}`;
  if (addresses.isListed(holder))
    return `${nameOf(found)}: ${holder} is there by ${addresses.path}; correct the line of ${holder}, or ${elsewhere}`;
  // Whoever is silent has left its address to who is there now.
  const view = state.peers.get(holder);
  if (view === undefined || !isHeard(state, view, now) || isThatProcess(found, state)) return undefined;
  return `${nameOf(found)}: ${holder}, a member that is heard, was found there; ${elsewhere}, or wait until ${holder} is found elsewhere`;
}

/** Whether the very process that is heard as this member proves where it is. */
export function isThatProcess(found: Found, { peers }: PeerState): boolean {
  return found.trust === 'right' && found.incarnation === peers.get(found.id)?.incarnation;
}

function describeProposed(found: readonly Found[], state: PeerState, clusterId: string): string {
  const proposed = found
    .filter((one) => standingOf(one, state, clusterId) === 'proposed')
    .map(({ id }) => id);
  return proposed.length === 0 ? 'nobody has who is no member' : `${proposed.join(', ')} did`;
}

export function describeAdmitted(found: Found, { self, phase, peers, membershipHash }: PeerState): string {
  const admitted = `${nameOf(found)} is a member now`;
  const hasBegun = phase === 'member' || [...peers.values()].some((view) => view.phase === 'member');
  if (found.state === 'fresh')
    return hasBegun
      ? `${admitted}, and joins by itself`
      : `${admitted}; no member has data yet: tell one to begin (toposphere bootstrap --peer <host:port of its Redis clients> --yes), and the others join it`;
  if (found.membershipHash === membershipHash) return admitted;
  return `${admitted}; it takes part already, with other members: say toposphere admit ${self.id} there too, and note that where both hold data nothing passes between them`;
}

export function nameOf({ id, host, port }: Found): string {
  return `${id} at ${formatAddress(host, port)}`;
}
