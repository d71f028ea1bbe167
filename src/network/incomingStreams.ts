/**
 * Incoming peer-to-peer TCP: accepts connections and hands on their frames.
 *
 * Owns the bounds on strangers: how many connections, how long a silence, how much memory. Who is at the other end is
 * not known here; the envelope of each frame proves it. Keeps: a connection that breaks a rule is closed and
 * counted, and one that delivers nothing makes room for a new one before one that does.
 */
import type { DatagramSource } from './datagrams.ts';
import type { FaultCounts } from './faultCounts.ts';
import { createFrameAssembler, MAX_FRAME_BYTES } from './frames.ts';
import type { FrameMemory } from './frames.ts';
import { listenTcp } from './tcp.ts';
import type { Socket } from './tcp.ts';

export interface IncomingStreams {
  report(): { readonly connections: number; readonly frames: number; readonly unfinishedBytes: number };
  close(): Promise<void>;
}

export interface IncomingOptions {
  readonly host: string;
  readonly port: number;
  /** The bytes of `frame` are written over after it. */
  readonly onFrame: (frame: Buffer, source: DatagramSource) => void;
  readonly faults: FaultCounts;
  readonly maxConnections?: number;
}

/** Connections held at once; one more closes the one that has gone longest without delivering a frame. */
export const MAX_INCOMING_CONNECTIONS = 256;
/** Silence after which a connection is closed, milliseconds: longer than the sender's own patience. */
const SILENCE_MS = 120_000;

/** Rejects with ADDRESS_IN_USE or BAD_CONFIGURATION when the port cannot be listened on. */
export async function openIncomingStreams(options: IncomingOptions): Promise<IncomingStreams> {
  const { host, port, onFrame, faults } = options;
  const maxConnections = options.maxConnections ?? MAX_INCOMING_CONNECTIONS;
  const memory: FrameMemory = { usedBytes: 0 };
  /** Ordered: a connection that delivers a frame goes to the end. */
  const connections = new Set<Socket>();
  let frames = 0;
  let closed = false;
  const listener = await listenTcp({ host, port, onSocket: accept, sharesReads: true });

  return {
    report: () => ({ connections: connections.size, frames, unfinishedBytes: memory.usedBytes }),
    async close() {
      closed = true;
      await listener.close();
    },
  };

  function accept(socket: Socket): void {
    if (connections.size >= maxConnections) {
      for (const idlest of connections) {
        faults.count('tooManyConnections', () => `${maxConnections} peer connections; closing the idlest`);
        connections.delete(idlest);
        idlest.destroy();
        break;
      }
    }
    const assembler = createFrameAssembler(MAX_FRAME_BYTES, memory);
    const from = socket.remoteAddress ?? 'unknown';
    const source = { address: from, port: socket.remotePort ?? 0 };
    connections.add(socket);
    socket.setTimeout(SILENCE_MS, () => {
      faults.count('idleConnection', () => `a connection from ${from} was silent for ${SILENCE_MS} ms`);
      socket.destroy();
    });
    socket.on('data', (piece: Buffer) => {
      if (closed || socket.destroyed) return;
      const fault = assembler.push(piece, (frame) => {
        connections.delete(socket);
        connections.add(socket);
        deliver(frame, source);
      });
      if (fault === undefined) return;
      faults.count(fault, () => `a connection from ${from}`);
      socket.destroy();
    });
    socket.once('close', () => {
      connections.delete(socket);
      assembler.release();
    });
  }

  function deliver(frame: Buffer, source: DatagramSource): void {
    if (closed) return;
    frames += 1;
    try {
      onFrame(frame, source);
    } catch (failure) {
      faults.count('handlerFailed', () => `a frame of ${frame.length} bytes: ${String(failure)}`);
    }
  }
}
