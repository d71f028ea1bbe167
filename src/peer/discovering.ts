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
import { openDiscovery } from '../network/discovery.ts';
import type { Announcement, Discovery, DiscoveryReport, Found } from '../network/discovery.ts';
import type { ClusterKey } from '../wire/envelope.ts';
import type { AddressBook } from './addressBook.ts';
import {
  describeAdmitted,
  findAddressFault,
  findAdmissible,
  isThatProcess,
  nameOf,
  standingOf,
} from './admission.ts';
import type { AdmissionParts, Standing } from './admission.ts';
import type { PeerOptions } from './configuration.ts';
import { buildServersText, writeServersText } from './knownPeers.ts';
import type { Log } from './logger.ts';
import type { Runtime } from './runtime.ts';
import { packageVersion } from './version.ts';

interface FoundStatus {
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

interface DiscoveringParts {
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
    const found = findAdmissible(id, this.#discovery.found(), this.#admissionParts());
    this.#takeIn(found);
    return describeAdmitted(found, this.#parts.runtime.state);
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
    const fault = findAddressFault(found, this.#admissionParts());
    if (fault !== undefined) this.#sayOnce('unplaceable', found, fault);
    else if (mayAdmit && found.trust === 'right' && found.state === 'fresh') {
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
    const { runtime, addresses, log, now } = this.#parts;
    const { state } = runtime;
    const view = state.peers.get(found.id);
    const known = addresses.peers.get(found.id);
    if (view === undefined || (known?.host === found.host && known.port === found.port)) return;
    if (addresses.isListed(found.id)) return;
    if (known !== undefined && isHeard(state, view, now()) && !isThatProcess(found, state)) return;
    const fault = findAddressFault(found, this.#admissionParts());
    if (fault !== undefined) {
      this.#sayOnce('unplaceable', found, fault);
      return;
    }
    const gone = addresses.place(found.id, { host: found.host, port: found.port });
    const instead = gone === undefined ? '' : ` in the place of ${gone}`;
    log('memberFound', `${nameOf(found)}${instead} (discovered)`, { peer: found.id });
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

  #sayOnce(of: 'newcomer' | 'stranger' | 'unplaceable', found: Found, text: string): void {
    const { log } = this.#parts;
    const isStranger = of === 'stranger';
    const said = isStranger ? this.#saidOfStrangers : this.#said;
    if (said.has(text) || said.size >= (isStranger ? MAX_SAID_OF_STRANGERS : MAX_SAID)) return;
    said.add(text);
    const fields = { peer: found.id };
    if (of === 'newcomer') log('discovered', text, fields);
    else if (isStranger) log('unprovedDiscovered', text, fields);
    else log('discoveredUnplaceable', text, fields);
  }

  #admissionParts(): AdmissionParts {
    const { runtime, addresses, options, now } = this.#parts;
    const { clusterId, multicast } = options;
    return { state: runtime.state, addresses, clusterId, multicastPort: multicast.port, now: now() };
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
