/**
 * Clusters for one test: N peers as child processes, or N embedded peers in this process.
 *
 * Owns ports, multicast group, temporary folder, servers.txt, and taking all of it down after the test,
 * also after a failure, when the peers' logs are shown. What a test does to peers is the test's.
 * Invariant: nothing started here outlives its test; every socket is on 127.0.0.1, or on the host that was asked for.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Peer } from '../../src/peer/peer.ts';
import type { Settings } from '../../src/peer/tunables.ts';
import { PEER_CERTIFICATE, PEER_KEY } from '../server/certificates.ts';
import { ChildPeer } from './childPeer.ts';
import { ensureBuilt } from './command.ts';
import type { RespClient } from './respClient.ts';
import { findGroup, findPeerPorts, LOOPBACK } from '../ports.ts';
import type { GroupAddress } from '../ports.ts';
import { waitUntil } from './waiting.ts';

export const FOUR_IDS = ['alpha', 'beta', 'gamma', 'delta'] as const;
const BUILD_TIMEOUT_MS = 150_000;
/** From the port of clients without TLS to the one with it: no other test process comes there (test/ports.ts). */
export const TLS_DISTANCE = 3000;
/** Log lines of each peer shown after a failure. */
const LINES_SHOWN = 25;

export interface ClusterOptions {
  /** alpha to delta when left out. */
  readonly ids?: readonly string[];
  /** Where all peers are; 127.0.0.1 when left out. */
  readonly host?: string;
  /** For every peer. */
  readonly settings?: Settings;
  /** For one peer, over the others' settings. */
  readonly settingsOf?: Readonly<Partial<Record<string, Settings>>>;
  /** What node runs as one peer in place of the built command line. */
  readonly programOf?: Readonly<Partial<Record<string, readonly string[]>>>;
  /** Clients are served at one port, each peer's at an address of its own: 127.0.0.1, 127.0.0.2 and so on, as the machines of a LAN do. */
  readonly sameClientPort?: boolean;
  /** Clients are served over TLS too, at their port plus TLS_DISTANCE, with files of the folder: peer.crt, which AUTHORITY of test/server/certificates.ts has signed, and peer.key. */
  readonly tls?: boolean;
  /** Ids that stand in servers.txt and are not started: the first of the others begins without them (`--bootstrap`), the rest join it (R10). */
  readonly absent?: readonly string[];
}

export interface Site {
  readonly folder: string;
  readonly serversPath: string;
  readonly group: GroupAddress;
  /** Port by id. */
  readonly ports: ReadonlyMap<string, number>;
  readonly settings: Settings;
}

export interface ChildCluster extends Site {
  /** Those that were started, in order of servers.txt. */
  readonly peers: readonly ChildPeer[];
  readonly peer: (id: string) => ChildPeer;
}

export interface EmbeddedCluster extends Site {
  readonly peers: readonly Peer[];
}

export interface Clusters {
  /** Starts the peers and waits until each is in touch with every other one that runs, and takes writes. */
  start(options?: ClusterOptions): Promise<ChildCluster>;
  startEmbedded(options?: ClusterOptions): Promise<EmbeddedCluster>;
  /** The same peer, to be started with other settings once it has stopped. */
  restarted(peer: ChildPeer, settings: Settings): ChildPeer;
  /** A Redis client of a peer, closed after the test. */
  readonly connect: (peer: ChildPeer) => Promise<RespClient>;
  /** Folder, ports and servers.txt alone. */
  prepare(options?: ClusterOptions): Promise<Site>;
  /** Run after the test, before folders are removed. */
  onEnd(release: () => void | Promise<void>): void;
}

/** To be called in a `describe`: all that its tests start ends after each of them. */
export function useClusters(): Clusters {
  const releases: (() => void | Promise<void>)[] = [];
  const folders: string[] = [];
  const children: ChildPeer[] = [];

  before(function () {
    this.timeout(BUILD_TIMEOUT_MS);
    ensureBuilt();
  });

  afterEach(async function () {
    if (this.currentTest?.state === 'failed') {
      for (const child of children) console.log(await child.describe(LINES_SHOWN));
    }
    const ending = [
      ...releases.splice(0).map(async (release) => release()),
      ...children.map((one) => one.kill()),
    ];
    children.length = 0;
    const outcomes = await Promise.allSettled(ending);
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  });

  async function prepare(options: ClusterOptions = {}): Promise<Site> {
    const ids = options.ids ?? FOUR_IDS;
    const folder = await mkdtemp(join(tmpdir(), 'toposphere-'));
    folders.push(folder);
    const host = options.host ?? LOOPBACK;
    const numbers = await findPeerPorts(ids.length, host);
    const ports = new Map(ids.map((id, index) => [id, numbers[index] ?? 0]));
    const serversPath = join(folder, 'servers.txt');
    await writeFile(serversPath, Array.from(ports, ([id, port]) => `${id} ${host} ${port}\n`).join(''));
    const group = await findGroup(host);
    const settings: Settings = {
      servers: serversPath,
      dataDirectory: join(folder, 'data'),
      multicastGroup: group.group,
      multicastPort: group.port,
      ...(options.tls === true ? await writeCertificate(folder) : {}),
      ...options.settings,
    };
    return { folder, serversPath, group, ports, settings };
  }

  async function start(options: ClusterOptions = {}): Promise<ChildCluster> {
    const site = await prepare(options);
    const isWhole = options.absent === undefined;
    const peers = Array.from(site.ports)
      .filter(([id]) => options.absent?.includes(id) !== true)
      .map(([id, port], index) => {
        const begins = isWhole || index > 0 ? {} : { bootstrap: true };
        const clients = options.sameClientPort === true ? clientsAt(site, index) : {};
        const tls = options.tls === true ? { clientTlsPort: port - 1000 + TLS_DISTANCE } : {};
        const settings = { ...site.settings, ...begins, ...clients, ...tls, ...options.settingsOf?.[id] };
        return new ChildPeer(id, port, settings, options.programOf?.[id], options.host);
      });
    children.push(...peers);
    await Promise.all(peers.map((peer) => peer.start()));
    await awaitInTouch(peers);
    await awaitTakingPart(peers);
    return {
      ...site,
      peers,
      peer(id) {
        const found = peers.find((one) => one.id === id);
        if (found === undefined) throw new Error(`no peer ${id} was started`);
        return found;
      },
    };
  }

  function restarted(peer: ChildPeer, changed: Settings): ChildPeer {
    const again = peer.withSettings(changed);
    children.push(again);
    return again;
  }

  async function startEmbedded(options: ClusterOptions = {}): Promise<EmbeddedCluster> {
    const site = await prepare(options);
    const peers: Peer[] = [];
    releases.push(async () => {
      await Promise.all(peers.map((peer) => peer.close()));
    });
    for (const id of site.ports.keys()) {
      if (options.absent?.includes(id) === true) continue;
      peers.push(await Peer.open({ ...site.settings, ...options.settingsOf?.[id], id }));
    }
    await waitUntil('embedded peers in touch', () =>
      peers.every((peer) => {
        const alive = peer.status().members.filter((member) => member.alive);
        return alive.length === peers.length - 1;
      }),
    );
    return { ...site, peers };
  }

  async function connect(peer: ChildPeer): Promise<RespClient> {
    const client = await peer.connect();
    releases.push(() => {
      client.close();
    });
    return client;
  }

  return {
    start,
    startEmbedded,
    restarted,
    connect,
    prepare,
    onEnd: (release) => void releases.push(release),
  };
}

async function writeCertificate(folder: string): Promise<Settings> {
  const [clientTlsCertificateFile, clientTlsKeyFile] = [join(folder, 'peer.crt'), join(folder, 'peer.key')];
  await writeFile(clientTlsCertificateFile, PEER_CERTIFICATE);
  await writeFile(clientTlsKeyFile, PEER_KEY, { mode: 0o600 });
  return { clientTlsCertificateFile, clientTlsKeyFile };
}

/** Where the `index`-th peer serves clients when all do so at one port. */
function clientsAt({ ports }: Site, index: number): Settings {
  const [firstPort = 0] = ports.values();
  return { clientHost: `127.0.0.${index + 1}`, clientPort: firstPort - 1000 };
}

/** Waits until each of `peers` takes part: it began, or has joined (R10). Before that it refuses writes. */
export async function awaitTakingPart(peers: readonly ChildPeer[], timeoutMs?: number): Promise<number> {
  let seen = '';
  const doAll = async (): Promise<boolean> => {
    const statuses = await Promise.all(peers.map((peer) => peer.status()));
    seen = statuses.map(({ id, phase }) => `${id} ${phase}`).join(', ');
    return statuses.every(({ phase }) => phase === 'member');
  };
  return waitUntil('all take part', doAll, timeoutMs, () => seen);
}

/** Waits until each of `peers` holds every other of them for alive; resolves with the milliseconds it took. */
export async function awaitInTouch(peers: readonly ChildPeer[], timeoutMs?: number): Promise<number> {
  const ids = peers.map(({ id }) => id);
  let seen = '';
  const isInTouch = async (): Promise<boolean> => {
    const views = await Promise.all(
      peers.map(async (peer) => {
        const alive = (await peer.status()).members.filter((member) => member.alive).map(({ id }) => id);
        return `${peer.id}: ${ids.filter((id) => id !== peer.id && !alive.includes(id)).join(' ')}`;
      }),
    );
    seen = views.join(', ');
    return views.every((view) => view.endsWith(': '));
  };
  return waitUntil(`${ids.join(', ')} in touch`, isInTouch, timeoutMs, () => `not alive for ${seen}`);
}
