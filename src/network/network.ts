/**
 * The network of a peer: multicast, unicast and streams behind one small port.
 *
 * Owns putting them together and taking them down; each part keeps its own rules. Knows peers by id and sends
 * only to their configured addresses. Leaves envelopes, pacing and the choice of the way to the peer runtime.
 * Keeps: once open, nothing here throws; what goes wrong is counted by name and described to `onFault`.
 */
import type { PeerId } from '../core/types.ts';
import { createAddresses, resolveOwnHost } from './addresses.ts';
import type { PeerAddress } from './addresses.ts';
import { openDatagrams } from './datagrams.ts';
import type { DatagramReport, DatagramSource, MulticastOptions } from './datagrams.ts';
import { createFaultCounts } from './faultCounts.ts';
import type { FaultListener, NetworkFault } from './faultCounts.ts';
import { openIncomingStreams } from './incomingStreams.ts';
import { createOutgoingStreams } from './outgoingStreams.ts';

export interface NetworkOptions {
  /** Address (or a name that has one) and port, for UDP and TCP alike. Its family, IPv4 or IPv6, is that of the whole network. */
  readonly self: PeerAddress;
  /** Read at every send: the caller may change it. A host is an address of the same family, or a name that has one. */
  readonly peers: ReadonlyMap<PeerId, PeerAddress>;
  /** Undefined: unicast only. */
  readonly multicast: MulticastOptions | undefined;
  /** Asked of the system for each UDP socket, bytes. */
  readonly receiveBufferBytes?: number;
  /** `bytes` belongs to the callee. */
  readonly onDatagram: (bytes: Buffer, channel: 'multicast' | 'unicast', source: DatagramSource) => void;
  /** One whole frame of some peer's stream; answers whether it was genuine. `bytes` are written over after it. */
  readonly onFrame: (bytes: Buffer, source: DatagramSource) => boolean;
  /** One line for the log; at the 1st, 10th, 100th… time of each fault. */
  readonly onFault: FaultListener;
}

export interface NetworkReport {
  readonly datagrams: DatagramReport;
  readonly streams: {
    readonly outgoing: { readonly connections: number; readonly frames: number; readonly bytes: number };
    readonly incoming: {
      readonly connections: number;
      readonly frames: number;
      readonly unfinishedBytes: number;
    };
  };
  readonly faults: Readonly<Partial<Record<NetworkFault, number>>>;
}

export interface Network {
  /** To the group. `bytes` must not be changed afterwards; pacing is the caller's. */
  multicast(bytes: Uint8Array): void;
  unicast(to: PeerId, bytes: Uint8Array): void;
  /** One frame by TCP. False when it was dropped at once; true does not promise that it arrives. `onDone`: the bytes are not read any more; not called for a frame that was dropped at once. */
  stream(to: PeerId, bytes: Uint8Array, onDone?: () => void): boolean;
  /** Bytes that wait in the stream to a peer. */
  streamQueuedBytes(to: PeerId): number;
  report(): NetworkReport;
  /** Sends what waits in streams for up to half a second, then frees all ports. */
  close(): Promise<void>;
}

const DEFAULT_RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024;

/** Rejects with ADDRESS_IN_USE when a port is taken and BAD_CONFIGURATION when an address is not this machine's; nothing stays open then. */
export async function openNetwork(options: NetworkOptions): Promise<Network> {
  const { peers, multicast, onDatagram, onFrame, onFault } = options;
  const { host: ownHost, family } = await resolveOwnHost(options.self.host);
  const self = { host: ownHost, port: options.self.port };
  const faults = createFaultCounts(onFault);
  const addresses = createAddresses(family, (host, reason) => {
    faults.count('unresolvedHost', () => `${host}: ${reason}`);
  });
  const incoming = await openIncomingStreams({ host: self.host, port: self.port, onFrame, faults });
  const receiveBufferBytes = options.receiveBufferBytes ?? DEFAULT_RECEIVE_BUFFER_BYTES;
  const datagrams = await openDatagrams({ self, multicast, receiveBufferBytes, onDatagram, faults }).catch(
    async (failure: unknown) => {
      await incoming.close();
      throw failure;
    },
  );
  const outgoing = createOutgoingStreams(faults);

  return {
    multicast: (bytes) => {
      datagrams.multicast(bytes);
    },
    unicast(to, bytes) {
      const address = addressOf(to);
      if (address !== undefined) datagrams.unicast(address.host, address.port, bytes);
    },
    stream(to, bytes, onDone) {
      const address = addressOf(to);
      return address !== undefined && outgoing.send(to, address, bytes, onDone);
    },
    streamQueuedBytes: (to) => outgoing.queuedBytes(to),
    report: () => ({
      datagrams: datagrams.report(),
      streams: { outgoing: outgoing.report(), incoming: incoming.report() },
      faults: faults.snapshot(),
    }),
    async close() {
      await outgoing.close();
      await Promise.all([incoming.close(), datagrams.close()]);
    },
  };

  /** Where to send for a peer, as an address and port. */
  function addressOf(to: PeerId): PeerAddress | undefined {
    const configured = peers.get(to);
    if (configured === undefined) {
      faults.count('unknownPeer', () => `no address is configured for ${to}`);
      return undefined;
    }
    const host = addresses.resolve(configured.host);
    if (host === undefined) return undefined;
    return host === configured.host ? configured : { host, port: configured.port };
  }
}
