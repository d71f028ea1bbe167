/**
 * The two UDP sockets of a peer: one that hears the multicast group, one of its own for all the rest.
 *
 * Owns binding, joining, buffer sizes and their measure. Everything is sent from the peer's own socket, so that a
 * datagram's source is its configured address. Leaves pacing and the meaning of bytes to others. Keeps: what
 * arrives is handed on as it came; what cannot be sent is counted; without multicast the rest works on.
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import type { FaultCounts } from './faultCounts.ts';
import { describeListenFailure, errorCode, formatAddress } from './tcp.ts';

export interface MulticastOptions {
  /** IPv4 group, for instance 239.77.1.1. */
  readonly group: string;
  readonly port: number;
  /** IPv4 address of the interface to hear and send on: never left to the default route. */
  readonly interface: string;
}

/** Where a datagram says it comes from: anybody can write that. */
export interface DatagramSource {
  readonly address: string;
  readonly port: number;
}

export interface DatagramOptions {
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

export interface Datagrams {
  multicast(bytes: Uint8Array): void;
  unicast(address: string, port: number, bytes: Uint8Array): void;
  report(): DatagramReport;
  close(): Promise<void>;
}

/** Datagrams stay on their own network segment. */
const MULTICAST_HOPS = 1;
/** Bytes that may wait in the system for a slow interface; beyond, datagrams are dropped here and counted. */
export const MAX_SEND_QUEUE_BYTES = 8 * 1024 * 1024;
/** Asked of the system for sending, bytes: a burst is taken without waiting. */
const SEND_BUFFER_BYTES = 2 * 1024 * 1024;
/** How often a group that could not be joined is tried again (a cable, an interface that comes up), milliseconds. */
const REJOIN_PERIOD_MS = 5_000;

/** Rejects with ADDRESS_IN_USE or BAD_CONFIGURATION when a socket cannot be bound; a group that cannot be joined is only a fault. */
export async function openDatagrams(options: DatagramOptions): Promise<Datagrams> {
  const { self, multicast, receiveBufferBytes, onDatagram, faults } = options;
  const sent = { multicast: 0, unicast: 0, bytes: 0 };
  const received = { multicast: 0, unicast: 0, bytes: 0 };
  let closed = false;
  let joined = false;
  let rejoinTimer: NodeJS.Timeout | undefined;

  const unicastSocket = await bindSocket(self.host, self.port, false);
  let groupSocket: Socket | undefined;
  if (multicast !== undefined) {
    // Bound to the group's address it hears this group alone; Windows cannot bind to one.
    const host = process.platform === 'win32' ? multicast.interface : multicast.group;
    try {
      groupSocket = await bindSocket(host, multicast.port, true);
    } catch (failure) {
      unicastSocket.close();
      throw failure;
    }
  }
  let grantedBytes = askBuffers(unicastSocket, receiveBufferBytes);
  if (groupSocket !== undefined) {
    grantedBytes = Math.min(grantedBytes, askBuffers(groupSocket, receiveBufferBytes));
  }
  if (grantedBytes < receiveBufferBytes) {
    faults.count('smallReceiveBuffer', () => {
      const advice = 'raise net.core.rmem_max, or bursts of datagrams will be lost';
      return `asked the system for ${receiveBufferBytes} bytes, got ${grantedBytes}: ${advice}`;
    });
  }
  listen(unicastSocket, 'unicast');
  if (groupSocket !== undefined) listen(groupSocket, 'multicast');
  joinGroup();

  return {
    multicast(bytes) {
      if (closed || multicast === undefined || !joined) return;
      if (send(bytes, multicast.port, multicast.group)) sent.multicast += 1;
    },
    unicast(address, port, bytes) {
      if (closed) return;
      if (send(bytes, port, address)) sent.unicast += 1;
    },
    report: () => ({
      multicastJoined: joined,
      receiveBuffer: { askedBytes: receiveBufferBytes, grantedBytes },
      sent: { ...sent },
      received: { ...received },
    }),
    async close() {
      if (closed) return;
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
    },
  };

  function send(bytes: Uint8Array, port: number, address: string): boolean {
    if (unicastSocket.getSendQueueSize() > MAX_SEND_QUEUE_BYTES) {
      faults.count(
        'sendQueueFull',
        () => `${MAX_SEND_QUEUE_BYTES} bytes wait for the interface; dropping datagrams`,
      );
      return false;
    }
    sent.bytes += bytes.length;
    unicastSocket.send(bytes, port, address, (failure) => {
      if (failure === null) return;
      faults.count(
        'sendFailed',
        () => `a datagram to ${formatAddress(address, port)}: ${errorCode(failure)}`,
      );
    });
    return true;
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

  function joinGroup(): void {
    if (closed || multicast === undefined || groupSocket === undefined) return;
    try {
      groupSocket.addMembership(multicast.group, multicast.interface);
      unicastSocket.setMulticastInterface(multicast.interface);
      unicastSocket.setMulticastTTL(MULTICAST_HOPS);
      // Peers on the same machine must hear us; where it counts differs between systems, so both sockets say so.
      unicastSocket.setMulticastLoopback(true);
      groupSocket.setMulticastLoopback(true);
      joined = true;
    } catch (failure) {
      faults.count('multicastUnavailable', () => {
        const where = `group ${multicast.group} on interface ${multicast.interface}`;
        return `cannot join ${where}: ${errorCode(failure)}; going on by unicast, trying again`;
      });
      rejoinTimer = setTimeout(joinGroup, REJOIN_PERIOD_MS);
      rejoinTimer.unref();
    }
  }
}

function bindSocket(host: string, port: number, isShared: boolean): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: 'udp4',
      reuseAddr: isShared,
      // Only addresses come here (names are resolved before): no look-up, no detour, within the same turn.
      lookup: (hostname, _options, callback) => {
        callback(null, hostname, 4);
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
