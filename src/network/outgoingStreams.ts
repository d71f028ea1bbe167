/**
 * Outgoing peer-to-peer TCP: one connection a destination, dialled when there is something to say.
 *
 * Owns dialling, the bounded queue of each destination, and when to give up. A frame is sent whole and in order or
 * dropped and counted: the protocol's repair brings again what was lost, so nothing is kept for a peer that cannot be
 * reached. Keeps: only configured addresses are dialled; after a refusal none is dialled again too soon.
 */
import type { PeerId } from '../core/types.ts';
import type { FaultCounts } from './faultCounts.ts';
import { FRAME_HEADER_BYTES, MAX_FRAME_BYTES } from './frames.ts';
import { dialTcp, formatAddress } from './tcp.ts';
import type { Socket } from './tcp.ts';

/** Bytes that may wait for one destination; beyond, frames are dropped. Two of the longest fit. */
const MAX_STREAM_QUEUE_BYTES = 2 * (MAX_FRAME_BYTES + FRAME_HEADER_BYTES);
/** Pause after a connection failed before it is dialled again, milliseconds. */
export const REDIAL_PAUSE_MS = 250;
/** A dial that nobody answers is given up after this, milliseconds. */
const DIAL_TIMEOUT_MS = 3_000;
/** A connection with nothing sent, or with nothing taken by the other side, is closed after this, milliseconds. */
const IDLE_MS = 30_000;
/** How long closing waits for what is still queued, milliseconds. */
const DRAIN_MS = 500;

interface OutgoingStreams {
  /** False when the frame was dropped. True promises nothing: the connection may yet break. `onDone`: nobody reads the bytes any more, for they have left or never will. */
  send(
    to: PeerId,
    address: { readonly host: string; readonly port: number },
    bytes: Uint8Array,
    onDone?: () => void,
  ): boolean;
  /** Bytes that wait for a destination, 0 when there is no connection. */
  queuedBytes(to: PeerId): number;
  report(): { readonly connections: number; readonly frames: number; readonly bytes: number };
  close(): Promise<void>;
}

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  /** Of frames that it broke in, each counted before 'close'. */
  droppedBytes: number;
}

export function createOutgoingStreams(faults: FaultCounts): OutgoingStreams {
  const connections = new Map<PeerId, Connection>();
  /** When each address may be dialled again. */
  const dialAgainAtMs = new Map<string, number>();
  const sent = { frames: 0, bytes: 0 };
  let closed = false;

  return {
    send,
    queuedBytes: (to) => connections.get(to)?.socket.writableLength ?? 0,
    report: () => ({ connections: connections.size, ...sent }),
    async close() {
      closed = true;
      await Promise.all(Array.from(connections.values(), ({ socket }) => drain(socket)));
    },
  };

  function send(
    to: PeerId,
    destination: { readonly host: string; readonly port: number },
    bytes: Uint8Array,
    onDone?: () => void,
  ): boolean {
    if (closed) return false;
    const address = formatAddress(destination.host, destination.port);
    if (bytes.length === 0 || bytes.length > MAX_FRAME_BYTES) {
      faults.count(
        'frameTooLongToSend',
        () => `${bytes.length} bytes for ${to}; at most ${MAX_FRAME_BYTES} can travel`,
      );
      return false;
    }
    const connection = connectionTo(to, destination, address);
    if (connection === undefined) {
      faults.count(
        'streamBackOff',
        () => `${to} at ${address} could not be reached a moment ago; a frame was dropped`,
      );
      return false;
    }
    const { socket } = connection;
    if (socket.writableLength + bytes.length + FRAME_HEADER_BYTES > MAX_STREAM_QUEUE_BYTES) {
      faults.count(
        'streamQueueFull',
        () => `${socket.writableLength} bytes wait for ${to}; a frame was dropped`,
      );
      return false;
    }
    const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
    header.writeUInt32BE(bytes.length);
    socket.cork();
    socket.write(header);
    socket.write(bytes, (failure) => {
      // Of a destroyed socket Node.js says of what was under way that it went well.
      if (failure || socket.destroyed) connection.droppedBytes += bytes.length;
      onDone?.();
    });
    socket.uncork();
    sent.frames += 1;
    sent.bytes += bytes.length;
    return true;
  }

  function connectionTo(
    to: PeerId,
    destination: { readonly host: string; readonly port: number },
    address: string,
  ): Connection | undefined {
    const open = connections.get(to);
    if (open !== undefined) {
      if (open.address === address && open.socket.writable) return open;
      // It moved, or the other side has hung up and 'close' is yet to come.
      connections.delete(to);
      open.socket.destroy();
    }
    if (performance.now() < (dialAgainAtMs.get(address) ?? 0)) return undefined;
    const connection = { socket: dialTcp(destination), address, droppedBytes: 0 };
    connections.set(to, connection);
    watch(to, connection);
    return connection;
  }

  function watch(to: PeerId, connection: Connection): void {
    const { socket, address } = connection;
    let reason: 'streamRefused' | 'streamBroken' | 'streamStalled' = 'streamRefused';
    let cause = 'closed';
    socket.setTimeout(DIAL_TIMEOUT_MS);
    socket.once('connect', () => {
      reason = 'streamBroken';
      dialAgainAtMs.delete(address);
      socket.setTimeout(IDLE_MS);
    });
    socket.on('timeout', () => {
      if (reason === 'streamRefused') cause = `no answer within ${DIAL_TIMEOUT_MS} ms`;
      else if (socket.writableLength > 0) {
        reason = 'streamStalled';
        cause = `took nothing for ${IDLE_MS} ms`;
      }
      socket.destroy();
    });
    socket.on('error', (failure: Error & { readonly code?: string }) => {
      cause = failure.code ?? failure.message;
    });
    // Nothing is ever said on this way back; reading it is how a hang-up is noticed.
    socket.resume();
    socket.once('close', () => {
      if (connections.get(to) === connection) connections.delete(to);
      if (closed) return;
      if (reason === 'streamRefused') pauseDialling(address);
      if (reason !== 'streamBroken' || connection.droppedBytes > 0) {
        faults.count(
          reason,
          () => `${to} at ${address}: ${cause}; frames of ${connection.droppedBytes} bytes were dropped`,
        );
      }
    });
  }

  function pauseDialling(address: string): void {
    const nowMs = performance.now();
    for (const [paused, untilMs] of dialAgainAtMs) if (untilMs <= nowMs) dialAgainAtMs.delete(paused);
    dialAgainAtMs.set(address, nowMs + REDIAL_PAUSE_MS);
  }
}

/** Sends what waits, within bounds, then closes. */
function drain(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) {
      resolve();
      return;
    }
    const timer = setTimeout(() => socket.destroy(), DRAIN_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    if (socket.connecting) socket.destroy();
    else socket.end();
  });
}
