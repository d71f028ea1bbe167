/**
 * The two UDP sockets of a peer: one that hears the multicast group, one of its own for all the rest.
 *
 * Owns binding, joining, buffer sizes and their measure. Everything is sent from the peer's own socket, so that a
 * datagram's source is its configured address. Leaves pacing and the meaning of bytes to others. Keeps: what
 * arrives is handed on as it came; what cannot be sent is counted; without multicast the rest works on.
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { familyOf, scopeGroup } from './family.ts';
import type { FaultCounts } from './faultCounts.ts';
import { describeListenFailure, errorCode, formatAddress } from './tcp.ts';

export interface MulticastOptions {
  /** Of the family of the peer's own address, for instance 239.77.1.1 or ff12::1:2. */
  readonly group: string;
  readonly port: number;
  /** An address of the interface to hear and send on, of the same family: never left to the default route. */
  readonly interface: string;
}

/** Where a datagram says it comes from: anybody can write that. */
export interface DatagramSource {
  readonly address: string;
  readonly port: number;
}

interface DatagramOptions {
  /** `host` is an address; its family is that of everything sent and heard. */
  readonly self: { readonly host: string; readonly port: number };
  /** Undefined: no multicast is attempted. */
  readonly multicast: MulticastOptions | undefined;
  readonly receiveBufferBytes: number;
  /** `bytes` belongs to the callee. */
  readonly onDatagram: (bytes: Buffer, channel: 'multicast' | 'unicast', source: DatagramSource) => void;
  readonly faults: FaultCounts;
}

export interface DatagramReport {
  readonly multicastJoined: boolean;
  readonly receiveBuffer: { readonly askedBytes: number; readonly grantedBytes: number };
  readonly sent: { readonly multicast: number; readonly unicast: number; readonly bytes: number };
  readonly received: { readonly multicast: number; readonly unicast: number; readonly bytes: number };
}

interface Datagrams {
  multicast(bytes: Uint8Array): void;
  unicast(address: string, port: number, bytes: Uint8Array): void;
  report(): DatagramReport;
  close(): Promise<void>;
}

/** Datagrams stay on their own network segment. */
const MULTICAST_HOPS = 1;
/** Bytes that may wait in the system for a slow interface; beyond, datagrams are dropped here and counted. */
const MAX_SEND_QUEUE_BYTES = 8 * 1024 * 1024;
/** Asked of the system for sending, bytes: a burst is taken without waiting. */
const SEND_BUFFER_BYTES = 2 * 1024 * 1024;
/** How often a group that could not be joined or reached is tried again (a cable, an interface that comes up), milliseconds. */
const REJOIN_PERIOD_MS = 5_000;
const NO_INTERFACE = 'no interface of this machine has that address';

/** Rejects with ADDRESS_IN_USE or BAD_CONFIGURATION when a socket cannot be bound; a group that cannot be joined is only a fault. */
export async function openDatagrams(options: DatagramOptions): Promise<Datagrams> {
  const { self, multicast, receiveBufferBytes, onDatagram, faults } = options;
  const sent = { multicast: 0, unicast: 0, bytes: 0 };
  const received = { multicast: 0, unicast: 0, bytes: 0 };
  let closed = false;
  let closing: Promise<void> | undefined;
  let isMember = false;
  let joined = false;
  let rejoinTimer: NodeJS.Timeout | undefined;

  const unicastSocket = await bindSocket(self.host, self.port, false);
  let grantedBytes = askBuffers(unicastSocket, receiveBufferBytes);
  let groupSocket: Socket | undefined;
  try {
    await openGroup();
  } catch (failure) {
    unicastSocket.close();
    throw failure;
  }
  if (grantedBytes < receiveBufferBytes) {
    faults.count('smallReceiveBuffer', () => {
      const advice = 'raise net.core.rmem_max, or bursts of datagrams will be lost';
      return `asked the system for ${receiveBufferBytes} bytes, got ${grantedBytes}: ${advice}`;
    });
  }
  listen(unicastSocket, 'unicast');
  joinGroup();

  return {
    multicast(bytes) {
      if (closed || multicast === undefined || !joined) return;
      const { group, port } = multicast;
      const onFailure = (failure: Error): void => {
        // Nothing can leave until there is a way (Linux has none for IPv6 on its loopback): no send is tried in vain meanwhile.
        if (errorCode(failure) === 'ENETUNREACH')
          loseGroup(`cannot reach ${describeGroup(multicast)}`, errorCode(failure));
        else countFailedSend(group, port, failure);
      };
      if (send(bytes, port, group, onFailure)) sent.multicast += 1;
    },
    unicast(address, port, bytes) {
      if (closed) return;
      const onFailure = (failure: Error): void => {
        countFailedSend(address, port, failure);
      };
      if (send(bytes, port, address, onFailure)) sent.unicast += 1;
    },
    report: () => ({
      multicastJoined: joined,
      receiveBuffer: { askedBytes: receiveBufferBytes, grantedBytes },
      sent: { ...sent },
      received: { ...received },
    }),
    close() {
      closing ??= close();
      return closing;
    },
  };

  async function close(): Promise<void> {
    closed = true;
    clearTimeout(rejoinTimer);
    const sockets = groupSocket === undefined ? [unicastSocket] : [unicastSocket, groupSocket];
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise<void>((resolve) =>
            socket.close(() => {
              resolve();
            }),
          ),
      ),
    );
  }

  function send(
    bytes: Uint8Array,
    port: number,
    address: string,
    onFailure: (failure: Error) => void,
  ): boolean {
    if (unicastSocket.getSendQueueSize() > MAX_SEND_QUEUE_BYTES) {
      faults.count(
        'sendQueueFull',
        () => `${MAX_SEND_QUEUE_BYTES} bytes wait for the interface; dropping datagrams`,
      );
      return false;
    }
    sent.bytes += bytes.length;
    unicastSocket.send(bytes, port, address, (failure) => {
      if (failure !== null) onFailure(failure);
    });
    return true;
  }

  function countFailedSend(address: string, port: number, failure: Error): void {
    if (closed) return;
    faults.count('sendFailed', () => `a datagram to ${formatAddress(address, port)}: ${errorCode(failure)}`);
  }

  function listen(socket: Socket, channel: 'multicast' | 'unicast'): void {
    socket.on('message', (bytes, source) => {
      if (closed) return;
      received[channel] += 1;
      received.bytes += bytes.length;
      try {
        onDatagram(bytes, channel, source);
      } catch (failure) {
        faults.count(
          'handlerFailed',
          () => `a ${channel} datagram of ${bytes.length} bytes: ${String(failure)}`,
        );
      }
    });
    socket.on('error', (failure) => {
      faults.count('socketFailed', () => `the ${channel} socket: ${errorCode(failure)}`);
    });
  }

  /** Binds the socket that hears the group; not yet while an IPv6 interface is not there. */
  async function openGroup(): Promise<void> {
    const scoped = multicast && scopeGroup(multicast.group, multicast.interface);
    if (multicast === undefined || scoped === undefined) return;
    const socket = await bindSocket(scoped.bind, multicast.port, true);
    if (closed) {
      socket.close();
      return;
    }
    grantedBytes = Math.min(grantedBytes, askBuffers(socket, receiveBufferBytes));
    listen(socket, 'multicast');
    groupSocket = socket;
  }

  function joinGroup(): void {
    if (closed || multicast === undefined) return;
    try {
      const scoped = scopeGroup(multicast.group, multicast.interface);
      if (groupSocket === undefined || scoped === undefined) {
        loseGroup(`cannot join ${describeGroup(multicast)}`, NO_INTERFACE);
        return;
      }
      if (!isMember) groupSocket.addMembership(multicast.group, scoped.interface);
      isMember = true;
      unicastSocket.setMulticastInterface(scoped.interface);
      unicastSocket.setMulticastTTL(MULTICAST_HOPS);
      // Peers on the same machine must hear us; where it counts differs between systems, so both sockets say so.
      unicastSocket.setMulticastLoopback(true);
      groupSocket.setMulticastLoopback(true);
      joined = true;
    } catch (failure) {
      const code = errorCode(failure);
      loseGroup(`cannot join ${describeGroup(multicast)}`, code === 'ENODEV' ? NO_INTERFACE : code);
    }
  }

  /** The group's socket, if it is not there yet, then the group. */
  async function rejoin(): Promise<void> {
    try {
      if (groupSocket === undefined) await openGroup();
    } catch (failure) {
      loseGroup('cannot hear the group', failure instanceof Error ? failure.message : String(failure));
      return;
    }
    joinGroup();
  }

  /** Goes on without the group and tries again, now and then. */
  function loseGroup(what: string, cause: string): void {
    if (closed) return;
    joined = false;
    faults.count('multicastUnavailable', () => `${what}: ${cause}; going on by unicast, trying again`);
    clearTimeout(rejoinTimer);
    rejoinTimer = setTimeout(() => void rejoin(), REJOIN_PERIOD_MS);
    rejoinTimer.unref();
  }
}

function describeGroup({ group, interface: interfaceAddress }: MulticastOptions): string {
  return `group ${group} on interface ${interfaceAddress}`;
}

function bindSocket(host: string, port: number, isShared: boolean): Promise<Socket> {
  const family = familyOf(host) ?? 4;
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: `udp${family}`,
      ipv6Only: family === 6,
      reuseAddr: isShared,
      // Only addresses come here (names are resolved before): no look-up, no detour, within the same turn.
      lookup: (hostname, _options, callback) => {
        callback(null, hostname, family);
      },
    });
    socket.once('error', (cause) => {
      socket.close();
      reject(describeListenFailure('UDP', host, port, cause));
    });
    socket.bind({ address: host, port, exclusive: !isShared }, () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

/** Asks for the buffers and returns the bytes granted for receiving. */
function askBuffers(socket: Socket, receiveBufferBytes: number): number {
  try {
    socket.setSendBufferSize(SEND_BUFFER_BYTES);
  } catch {
    // The default serves too.
  }
  try {
    socket.setRecvBufferSize(receiveBufferBytes);
  } catch {
    // Some systems refuse what is too much instead of granting less: what is read back tells.
  }
  const grantedBytes = socket.getRecvBufferSize();
  // Linux reports twice what it grants: the other half is its own bookkeeping.
  return process.platform === 'linux' ? Math.floor(grantedBytes / 2) : grantedBytes;
}
