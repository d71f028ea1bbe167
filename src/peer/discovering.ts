/**
 * Members by discovery: it proposes them, an operator (or the cluster key, where that was allowed) admits them, and members keep where they are.
 *
 * Owns what an announcement leads to: a proposal, an admission, an address, an invitation. Sockets and proofs are src/network's, members the core's,
 * the file of addresses knownPeers.ts's. Invariant: of another cluster, without the proof, or forgotten, nobody is ever admitted or moved; an address
 * of servers.txt, or one at which a peer is heard, is not changed by an announcement, unless that very process proves that it is elsewhere.
 */
import type { Now } from '../core/clock.ts';
import { ToposphereError } from '../core/errors.ts';
import { isHeard } from '../core/liveness.ts';
import type { PeerState } from '../core/state.ts';
import type { PeerId } from '../core/types.ts';
import { openDiscovery } from '../network/discovery.ts';
import type { Announcement, Discovery, DiscoveryReport, Found } from '../network/discovery.ts';
import { formatAddress } from '../network/tcp.ts';
import type { ClusterKey } from '../wire/envelope.ts';
import type { AddressBook } from './addressBook.ts';
import type { PeerOptions } from './configuration.ts';
import { buildServersText, writeServersText } from './knownPeers.ts';
import type { Log } from './logger.ts';
import type { Runtime } from './runtime.ts';
import { PORT_MAXIMUM, PORT_MINIMUM } from './serversFile.ts';
import { packageVersion } from './version.ts';

/** What a found peer is to this one. */
export type Standing = 'member' | 'forgotten' | 'proposed' | 'unproved' | 'otherCluster';

export interface FoundStatus {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  readonly version: string;
  readonly state: string;
  /** Whether it proved the cluster key. */
  readonly proof: string;
  readonly standing: Standing;
}

export interface DiscoveryStatus extends DiscoveryReport {
  /** No servers.txt: without data this peer waits to be admitted, or to be told to begin. */
  readonly isUnlisted: boolean;
  readonly found: readonly FoundStatus[];
}

export interface DiscoveringParts {
  readonly options: PeerOptions;
  readonly log: Log;
  readonly runtime: Pick<Runtime, 'state' | 'admit'>;
  readonly addresses: AddressBook;
  readonly now: () => Now;
}

/** Milliseconds between two looks at what has changed here, and between two invitations of a member that has not come. */
const LOOK_INTERVAL_MS = 1_000;
/** What was said to the log already, count; beyond, newcomers are in `status` alone. Without the key anybody can be many. */
const MAX_SAID = 512;
const MAX_SAID_OF_STRANGERS = 16;

export class Discovering {
  readonly #parts: DiscoveringParts;
  readonly #discovery: Discovery;
  readonly #timer: NodeJS.Timeout;
  readonly #said = new Set<string>();
  readonly #saidOfStrangers = new Set<string>();
  #announced: string;
  #remembered = '';
  #writing: Promise<void> = Promise.resolve();

  private constructor(parts: DiscoveringParts) {
    this.#parts = parts;
    const { options, log, now } = parts;
    this.#announced = this.#fingerprint();
    this.#discovery = openDiscovery({
      interface: options.multicast.interface,
      port: options.discovery?.port ?? 0,
      secrets: (options.clusterKeys?.keys ?? []).map(({ secret }) => secret),
      describe: () => describeSelf(parts),
      onFound: (found) => {
        this.#consider(found);
      },
      onFault: (description, fault, count) => {
        log('networkFault', description, { fault, count });
      },
      wallMs: () => now().wallMs,
    });
    this.#timer = setInterval(() => {
      this.#look();
    }, LOOK_INTERVAL_MS);
    this.#timer.unref();
    this.#sayHowToBegin();
  }

  /** Undefined when the peer was not started to discover others. The runtime must have started. */
  static start(parts: DiscoveringParts): Discovering | undefined {
    return parts.options.discovery === undefined ? undefined : new Discovering(parts);
  }

  /** Admits a peer that was found; what it is and does next, in one sentence. Throws BAD_ARGUMENT with what to do. */
  admit(id: string): string {
    const { runtime, options } = this.#parts;
    const found = findAdmissible(
      id,
      runtime.state,
      options.clusterId,
      this.#discovery.found(),
      this.#wallSeconds(),
    );
    this.#takeIn(found);
    return describeAdmitted(found, runtime.state);
  }

  /** Somebody else admitted them: where they are was perhaps heard before. */
  adoptAddresses(): void {
    const { runtime, options } = this.#parts;
    for (const found of this.#discovery.found())
      if (standingOf(found, runtime.state, options.clusterId) === 'member') this.#adoptAddress(found);
  }

  /** The cluster key file was read again. */
  proveBy(keys: readonly ClusterKey[]): void {
    this.#discovery.setSecrets(keys.map(({ secret }) => secret));
    this.#discovery.announce();
  }

  report(): DiscoveryStatus {
    const { options, runtime } = this.#parts;
    const found = this.#discovery.found().map((one) => ({
      id: one.id,
      host: one.host,
      port: one.port,
      clusterId: one.clusterId,
      version: one.version,
      state: one.state,
      proof: one.trust,
      standing: standingOf(one, runtime.state, options.clusterId),
    }));
    return { ...this.#discovery.report(), isUnlisted: options.discovery?.isUnlisted === true, found };
  }

  /** Says goodbye; resolves when the port is free and what is known is written. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#discovery.close();
    await this.#writing;
  }

  /** What is heard only once may matter later: whoever was found before it was admitted, and whose address failed since. */
  #look(): void {
    for (const found of this.#discovery.found()) this.#consider(found);
    this.#remember();
    const fingerprint = this.#fingerprint();
    if (fingerprint === this.#announced) return;
    this.#announced = fingerprint;
    this.#discovery.announce();
  }

  #fingerprint(): string {
    const { phase, membershipHash } = this.#parts.runtime.state;
    return `${phase} ${membershipHash}`;
  }

  #consider(found: Found): void {
    const { options, runtime } = this.#parts;
    switch (standingOf(found, runtime.state, options.clusterId)) {
      case 'member':
        this.#adoptAddress(found);
        this.#inviteIfNew(found);
        return;
      case 'proposed':
        this.#propose(found);
        return;
      case 'unproved':
        this.#sayOnce(
          'stranger',
          found,
          `${nameOf(found)} says that it is of this cluster, and does not prove it (${found.trust}): it is not admitted; give it the same --cluster-key-file, or another --cluster-id`,
        );
        return;
      case 'forgotten':
      case 'otherCluster':
        return;
    }
  }

  /** Who takes part already has a history of its own: whether the two are to be one is for people to say. */
  #propose(found: Found): void {
    const { options, log, runtime } = this.#parts;
    const { self, phase } = runtime.state;
    const mayAdmit = options.discovery?.admits === true && phase !== 'forgotten';
    if (mayAdmit && found.trust === 'right' && found.state === 'fresh') {
      this.#takeIn(found);
      if (!runtime.state.admitted.has(found.id)) return; // this process is at its end
      log('discoveredAdmitted', `${nameOf(found)} was discovered, proved the cluster key, and is admitted`, {
        peer: found.id,
      });
    } else if (phase === 'fresh' && found.state === 'member') {
      this.#sayOnce(
        'newcomer',
        found,
        `${nameOf(found)} takes part: toposphere admit ${self.id} there lets this peer join`,
      );
    } else {
      this.#sayOnce(
        'newcomer',
        found,
        `${nameOf(found)} was discovered and is no member: toposphere admit ${found.id} (at any member) admits it`,
      );
    }
  }

  #takeIn(found: Found): void {
    this.#admit(found, false);
    this.#adoptAddress(found);
    this.#inviteIfNew(found);
  }

  #adoptAddress(found: Found): void {
    const { runtime, addresses, options, log, now } = this.#parts;
    const { state } = runtime;
    const view = state.peers.get(found.id);
    const known = addresses.peers.get(found.id);
    if (view === undefined || (known?.host === found.host && known.port === found.port)) return;
    // No servers.txt could say so, and what is remembered is one.
    if (found.port < PORT_MINIMUM || found.port > PORT_MAXIMUM || found.port === options.multicast.port)
      return;
    const isThatProcess = found.trust === 'right' && found.incarnation === view.incarnation;
    if (known !== undefined && isHeard(state, view, now()) && !isThatProcess) return;
    if (!addresses.place(found.id, { host: found.host, port: found.port })) return;
    log('memberFound', `${nameOf(found)} (discovered)`, { peer: found.id });
    this.#remember();
  }

  /** It holds nothing yet and may know no members: without a word it would wait for ever. */
  #inviteIfNew(found: Found): void {
    const isLive = this.#parts.runtime.state.peers.get(found.id)?.isLive;
    if (found.state === 'fresh' && isLive === false) this.#admit(found, true);
  }

  /** Nothing comes of it where this process is at its end. */
  #admit({ id }: Found, isInvited: boolean): void {
    try {
      this.#parts.runtime.admit([id], isInvited);
    } catch (error) {
      if (!(error instanceof ToposphereError)) throw error;
    }
  }

  /** Writes where the members are, if that has changed. Only one writing is under way. */
  #remember(): void {
    const { addresses, options, log, runtime } = this.#parts;
    const { peers, self } = runtime.state;
    const lines = addresses.lines().filter(({ id }) => id === self.id || peers.has(id));
    const text = buildServersText(lines);
    if (text === this.#remembered || (lines.length < 2 && this.#remembered === '')) return;
    this.#remembered = text;
    const path = options.discovery?.knownPeersPath ?? '';
    this.#writing = this.#writing
      .then(() => writeServersText(path, text))
      .catch((error: unknown) => {
        log('knownServersUnusable', error instanceof Error ? error.message : String(error), { path });
      });
  }

  #sayHowToBegin(): void {
    const { options, log, runtime } = this.#parts;
    const { id } = options;
    if (options.discovery?.isUnlisted !== true || runtime.state.phase !== 'fresh') return;
    log(
      'waitsToBegin',
      `${id} has no data, and waits: a member admits it (toposphere admit ${id} --peer <host:port of Redis clients there>), or, if it is the first of a new cluster, it is told to begin (toposphere bootstrap --peer <the same here> --yes)`,
    );
  }

  #sayOnce(of: 'newcomer' | 'stranger', found: Found, text: string): void {
    const { log } = this.#parts;
    const said = of === 'newcomer' ? this.#said : this.#saidOfStrangers;
    if (said.has(text) || said.size >= (of === 'newcomer' ? MAX_SAID : MAX_SAID_OF_STRANGERS)) return;
    said.add(text);
    if (of === 'newcomer') log('discovered', text, { peer: found.id });
    else log('unprovedDiscovered', text, { peer: found.id });
  }

  #wallSeconds(): number {
    return Math.floor(this.#parts.now().wallMs / 1000);
  }
}

function describeSelf({ options, runtime, addresses, now }: DiscoveringParts): Announcement {
  const { self, phase, membershipHash, peers } = runtime.state;
  const own = addresses.lines().find(({ id }) => id === self.id);
  return {
    id: self.id,
    clusterId: options.clusterId,
    host: own?.address ?? '',
    port: own?.port ?? 0,
    incarnation: self.incarnation,
    version: packageVersion(),
    state: phase,
    membershipHash,
    memberCount: peers.size + 1,
    writtenAtSeconds: Math.floor(now().wallMs / 1000),
  };
}

/** A peer that is a member shows as one only where it proves to be it. */
function standingOf(found: Found, state: PeerState, clusterId: string): Standing {
  if (found.clusterId !== clusterId) return 'otherCluster';
  if (found.trust !== 'right' && found.trust !== 'unchecked') return 'unproved';
  if (state.forgotten.has(found.id)) return 'forgotten';
  return state.admitted.has(found.id) ? 'member' : 'proposed';
}

/** Throws BAD_ARGUMENT when `id` is nobody who may be admitted here, with what to do. */
function findAdmissible(
  id: string,
  state: PeerState,
  clusterId: string,
  found: readonly Found[],
  nowSeconds: number,
): Found {
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
      `${nameOf(own)}: its clock is ${Math.abs(nowSeconds - own.writtenAtSeconds)} s from this peer's, or what was heard is an old announcement: set its clock right (NTP)`,
    );
  if (standingOf(own, state, clusterId) === 'unproved')
    throw refuse(
      `${nameOf(own)} does not prove the cluster key: give it the same --cluster-key-file and start it again`,
    );
  return own;
}

function describeProposed(found: readonly Found[], state: PeerState, clusterId: string): string {
  const proposed = found
    .filter((one) => standingOf(one, state, clusterId) === 'proposed')
    .map(({ id }) => id);
  return proposed.length === 0 ? 'nobody has who is no member' : `${proposed.join(', ')} did`;
}

function describeAdmitted(found: Found, { self, phase, peers, membershipHash }: PeerState): string {
  const admitted = `${nameOf(found)} is a member now`;
  const hasBegun = phase === 'member' || [...peers.values()].some((view) => view.phase === 'member');
  if (found.state === 'fresh')
    return hasBegun
      ? `${admitted}, and joins by itself`
      : `${admitted}; no member has data yet: tell one to begin (toposphere bootstrap --peer <host:port of its Redis clients> --yes), and the others join it`;
  if (found.membershipHash === membershipHash) return admitted;
  return `${admitted}; it takes part already, with other members: say toposphere admit ${self.id} there too, and note that where both hold data nothing passes between them`;
}

function nameOf({ id, host, port }: Found): string {
  return `${id} at ${formatAddress(host, port)}`;
}
