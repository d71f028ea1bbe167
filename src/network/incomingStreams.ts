/**
 * Incoming peer-to-peer TCP: accepts connections and hands on their frames.
 *
 * Owns the bounds on strangers: how many connections, how long a silence, how much memory. Who is at the other end is
 * not known here; the envelope of each frame proves it, and `onFrame` tells. Keeps: a connection that breaks a rule is closed and
 * counted. One that has not yet proved itself has memory that those who have do not need, and makes room before any of them; what it says first must be
 * genuine, and soon.
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
  /** Answers whether the frame was genuine. Its bytes are written over after it. */
  readonly onFrame: (frame: Buffer, source: DatagramSource) => boolean;
  readonly faults: FaultCounts;
  readonly maxConnections?: number;
  /** Milliseconds a connection is given to deliver its first genuine frame. */
  readonly proofMs?: number;
}

/** Connections held at once; one more closes the oldest that has not proved itself, or else the one that has gone longest without a genuine frame. */
export const MAX_INCOMING_CONNECTIONS = 256;
/** Silence after which a connection is closed, milliseconds: longer than the sender's own patience. */
const SILENCE_MS = 120_000;
/** The longest frame comes so soon over 5 Mbit/s, milliseconds. */
const PROOF_MS = 30_000;
/** Bytes that unfinished first frames take together: two of the longest. */
const UNPROVEN_BYTES = 2 * MAX_FRAME_BYTES;

/** Rejects with ADDRESS_IN_USE or BAD_CONFIGURATION when the port cannot be listened on. */
export async function openIncomingStreams(options: IncomingOptions): Promise<IncomingStreams> {
  const { host, port, onFrame, faults } = options;
  const maxConnections = options.maxConnections ?? MAX_INCOMING_CONNECTIONS;
  const proofMs = options.proofMs ?? PROOF_MS;
  const memory: FrameMemory = { usedBytes: 0 };
  const unprovenMemory: FrameMemory = { usedBytes: 0, limitBytes: UNPROVEN_BYTES };
  /** In the order in which they came. */
  const unproven = new Set<Socket>();
  /** Ordered: a connection that delivers a frame goes to the end. */
  const proven = new Set<Socket>();
  let frames = 0;
  let closed = false;
  const listener = await listenTcp({ host, port, onSocket: accept, sharesReads: true });

  return {
    report: () => ({
      connections: unproven.size + proven.size,
      frames,
      unfinishedBytes: memory.usedBytes + unprovenMemory.usedBytes,
    }),
    async close() {
      closed = true;
      await listener.close();
    },
  };

  function makeRoom(): void {
    if (unproven.size + proven.size < maxConnections) return;
    for (const connections of [unproven, proven]) {
      for (const idlest of connections) {
        faults.count('tooManyConnections', () => `${maxConnections} peer connections; closing the idlest`);
        connections.delete(idlest);
        idlest.destroy();
        return;
      }
    }
  }

  function accept(socket: Socket): void {
    makeRoom();
    const assembler = createFrameAssembler(MAX_FRAME_BYTES, unprovenMemory);
    const from = socket.remoteAddress ?? 'unknown';
    const source = { address: from, port: socket.remotePort ?? 0 };
    unproven.add(socket);
    const refuse = (why: string): void => {
      faults.count('unprovenConnection', () => `a connection from ${from} ${why}`);
      socket.destroy();
    };
    const proofTimer = setTimeout(refuse, proofMs, `delivered no frame for ${proofMs} ms`);
    proofTimer.unref();
    socket.setTimeout(SILENCE_MS, () => {
      faults.count('idleConnection', () => `a connection from ${from} was silent for ${SILENCE_MS} ms`);
      socket.destroy();
    });
    socket.on('data', (piece: Buffer) => {
      if (closed || socket.destroyed) return;
      const fault = assembler.push(piece, (frame) => {
        if (socket.destroyed) return;
        const isGenuine = deliver(frame, source);
        if (isGenuine) {
          clearTimeout(proofTimer);
          unproven.delete(socket);
          proven.delete(socket);
          proven.add(socket);
          assembler.takeFrom(memory);
        } else if (!proven.has(socket)) refuse('began with a frame that was not genuine');
      });
      if (fault === undefined) return;
      faults.count(fault, () => `a connection from ${from}`);
      socket.destroy();
    });
    socket.once('close', () => {
      clearTimeout(proofTimer);
      unproven.delete(socket);
      proven.delete(socket);
      assembler.release();
    });
  }

  function deliver(frame: Buffer, source: DatagramSource): boolean {
    if (closed) return false;
    frames += 1;
    try {
      return onFrame(frame, source);
    } catch (failure) {
      faults.count('handlerFailed', () => `a frame of ${frame.length} bytes: ${String(failure)}`);
      return true; // a fault of ours: the other side is not to pay for it
    }
  }
}
